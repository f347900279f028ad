"""LPIPS and DINO distance by small random weights in a folder: the formulas, what is kept, and what is refused."""

from __future__ import annotations

import json
import shutil

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

import evalsuite
from evalsuite.cli.main import app
from evalsuite.content.distances import open_ruler, read_distances
from evalsuite.content.rows import distances_of
from evalsuite.errors import EvalsuiteError
from evalsuite.runs import open_run

torch = pytest.importorskip("torch", reason="torch is not installed (evalsuite[models])")
pytest.importorskip("skimage", reason="scikit-image is not installed (evalsuite[content])")

ALEX = {"net.slice1.0": (64, 3, 11, 11), "net.slice2.3": (192, 64, 5, 5), "net.slice3.6": (384, 192, 3, 3),
        "net.slice4.8": (256, 384, 3, 3), "net.slice5.10": (256, 256, 3, 3)}  # fmt: skip
NO_TEXT = np.zeros((64, 72), dtype=bool)


def scene(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (64, 72, 3), dtype=np.uint8)


def state() -> dict:
    made = torch.Generator().manual_seed(0)
    found = {"scaling_layer.shift": torch.zeros(1, 3, 1, 1), "scaling_layer.scale": torch.ones(1, 3, 1, 1)}
    for number, (name, shape) in enumerate(ALEX.items()):
        found[f"{name}.weight"] = torch.randn(shape, generator=made) / (shape[1] * shape[2] ** 2) ** 0.5
        found[f"{name}.bias"] = torch.randn(shape[0], generator=made) / 10
        # the name that safetensors leaves of the two that the module has
        found[f"lins.{number}.model.1.weight"] = torch.rand((1, shape[0], 1, 1), generator=made) / shape[0]
    return found


def save(weights: dict, folder):
    from safetensors.torch import save_file

    folder.mkdir(exist_ok=True)
    save_file(weights, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def lpips(tmp_path_factory):
    return save(state(), tmp_path_factory.mktemp("lpips") / "alex")


@pytest.fixture(scope="module")
def dino(tmp_path_factory):
    from transformers import BitImageProcessor, Dinov2Config, Dinov2Model

    folder = tmp_path_factory.mktemp("dino") / "tiny"
    torch.manual_seed(0)
    config = Dinov2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14, mlp_ratio=2
    )
    Dinov2Model(config).save_pretrained(folder)
    BitImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}).save_pretrained(folder)
    return folder


def test_lpips_is_the_published_formula(lpips):
    # AlexNet as torchvision builds it, from torch's own layers; Zhang et al., equation 1, with the maps at full size
    weights = state()
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(3, 64, 11, 4, 2), torch.nn.ReLU(), torch.nn.MaxPool2d(3, 2), torch.nn.Conv2d(64, 192, 5, 1, 2),
        torch.nn.ReLU(), torch.nn.MaxPool2d(3, 2), torch.nn.Conv2d(192, 384, 3, 1, 1), torch.nn.ReLU(),
        torch.nn.Conv2d(384, 256, 3, 1, 1), torch.nn.ReLU(), torch.nn.Conv2d(256, 256, 3, 1, 1), torch.nn.ReLU(),
    )  # fmt: skip
    for name in ALEX:
        layer = layers[int(name.rpartition(".")[2])]
        layer.weight.data, layer.bias.data = weights[f"{name}.weight"], weights[f"{name}.bias"]
    both = torch.from_numpy(np.stack([scene(1), scene(2)])).permute(0, 3, 1, 2) / 255 * 2 - 1
    both = (both - torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)) / torch.tensor([0.458, 0.448, 0.450]).view(
        1, 3, 1, 1
    )
    total = torch.zeros(64, 72)
    with torch.no_grad():
        for place, layer in enumerate(layers):
            both = layer(both)
            if place in (1, 4, 7, 9, 11):
                unit = torch.nn.functional.normalize(both, dim=1)
                number = (1, 4, 7, 9, 11).index(place)
                weight = weights[f"lins.{number}.model.1.weight"].view(-1, 1, 1)
                apart = ((unit[0] - unit[1]) ** 2 * weight).sum(dim=0)
                total += torch.nn.functional.interpolate(apart[None, None], (64, 72), mode="bilinear")[0, 0]
    found = open_ruler(f"lpips:{lpips}").distance(scene(1), scene(2), NO_TEXT, ~NO_TEXT)
    assert found == pytest.approx(total.mean().item(), rel=1e-4)
    assert found > 0.01


@pytest.mark.parametrize("kind", ["lpips", "dino"])
def test_equal_pictures_and_changes_of_the_text_are_no_distance_and_others_are(kind, request):
    ruler = open_ruler(f"{kind}:{request.getfixturevalue(kind)}")
    text = NO_TEXT.copy()
    text[20:40, 10:60] = True
    other = scene(1)
    other[text] = 255 - other[text]
    assert ruler.distance(scene(1), scene(1), NO_TEXT, ~NO_TEXT) == 0
    assert ruler.distance(scene(1), other, text, ~text) == 0
    assert ruler.distance(scene(1), other, NO_TEXT, ~NO_TEXT) > 0
    assert ruler.distance(scene(1), scene(2), text, ~text) > 0


def test_dino_is_one_less_the_cosine_of_the_class_tokens(dino):
    from transformers import BitImageProcessor, Dinov2Model

    pixels = BitImageProcessor.from_pretrained(dino)(images=[scene(1), scene(2)], return_tensors="pt")
    with torch.no_grad():
        tokens = Dinov2Model.from_pretrained(dino)(**pixels).last_hidden_state[:, 0]
    cosine = torch.nn.functional.cosine_similarity(tokens[0], tokens[1], dim=0).item()
    found = open_ruler(f"dino:{dino}").distance(scene(1), scene(2), NO_TEXT, ~NO_TEXT)
    assert found == pytest.approx(1 - cosine, abs=1e-5)


def test_a_picture_smaller_than_the_network_sees_cannot_be_told(lpips):
    small = np.zeros((31, 40, 3), dtype=np.uint8)
    nowhere = np.zeros((31, 40), dtype=bool)
    assert open_ruler(f"lpips:{lpips}").distance(small, small, nowhere, ~nowhere) is None


def test_rows_are_kept_by_checkpoint_shown_and_told_to_scripts(lpips, dino, tmp_path, handmade):
    before, after = (
        handmade.make_run(tmp_path / name, models=handmade.MODELS[:1]).folder for name in ("before", "after")
    )
    command = ["content", str(after), "--baseline", str(before), "--distance", f"lpips:{lpips}"]
    result = CliRunner().invoke(app, [*command, "--distance", f"dino:{dino}", "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["exit_code"] == 0
    assert {each["measure"] for each in told["content"]["distances"]} == {"LPIPS (AlexNet)", "DINO (tiny)"}
    assert {each["against"] for each in told["content"]["distances"]} == {"before · klein"}
    assert json.loads((after / "summary.json").read_text())["content"] == told["content"]
    page = (after / "index.html").read_text(encoding="utf-8")
    assert "LPIPS (AlexNet)" in page
    # a row of other readings is not believed, one measure alone leaves the other's rows
    rows = distances_of(after).read()
    distances_of(after).replace([of_another_reading(rows[0]), *rows[1:]])
    assert len(read_distances(open_run(after))) == len(rows) - 1
    found = evalsuite.content(after, before, distance=f"lpips:{lpips}", report=False).found
    assert len(found.distances) == len(told["content"]["distances"])
    assert sorted(distances_of(after).read(), key=repr) == sorted(rows, key=repr)


def of_another_reading(row):
    return msgspec.structs.replace(row, reading="0" * 16)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("lpips", "name weights on this machine as lpips:FOLDER or dino:FOLDER"),
        ("clip:x", "name weights on this machine"),
        ("lpips:/nowhere/at/all", "lpips:/nowhere/at/all: no such folder"),
    ],
)
def test_what_names_no_weights_is_refused(named, said):
    with pytest.raises(EvalsuiteError, match=said):
        open_ruler(named)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: found.pop("net.slice4.8.bias"), r"not LPIPS: it has no net\.slice4\.8\.bias"),
        (lambda found: found.update({"lins.1.model.1.weight": torch.ones(1, 8, 1, 1)}), r"has shape \(1, 8, 1, 1\)"),
        (lambda found: found["lins.0.model.1.weight"].fill_(-1), "holds negative weights"),
        (lambda found: found["net.slice1.0.bias"].fill_(float("nan")), "holds numbers that are none"),
        (lambda found: found.update({"head.weight": torch.ones(1)}), "it has head.weight too"),
    ],
)
def test_weights_that_are_no_lpips_are_refused(tmp_path, change, said):
    weights = state()
    change(weights)
    with pytest.raises(EvalsuiteError, match=said):
        open_ruler(f"lpips:{save(weights, tmp_path / 'alex')}")


def test_files_that_are_none_are_refused(tmp_path, dino):
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(EvalsuiteError, match="cannot be read as safetensors"):
        open_ruler(f"lpips:{tmp_path}")
    with pytest.raises(EvalsuiteError, match=r"no config\.json, preprocessor_config\.json"):
        open_ruler(f"dino:{tmp_path}")
    other = shutil.copytree(dino, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(EvalsuiteError, match="the weights do not fit: encoder"):
        open_ruler(f"dino:{other}")
    (other / "config.json").write_text(json.dumps(config | {"model_type": "resnet"}))
    with pytest.raises(EvalsuiteError, match="model_type 'resnet'; one of vit, dinov2"):
        open_ruler(f"dino:{other}")


def test_a_distance_needs_a_baseline(tmp_path, handmade, lpips):
    store = handmade.make_run(tmp_path / "run", models=handmade.MODELS[:1])
    with pytest.raises(EvalsuiteError, match="goes with --baseline"):
        evalsuite.content(store.folder, distance=f"lpips:{lpips}")
