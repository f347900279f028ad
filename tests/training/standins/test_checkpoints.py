"""The shipped stand-ins: each loads with the unmodified pipeline class and writes the given strings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from training.standins.denoiser import STEPS  # noqa: E402
from training.standins.export import FOLDERS  # noqa: E402

ROOT = Path(__file__).parents[3] / "data" / "standins"
STRINGS = ["OPEN 24 HRS", "Fresh bread, daily", "欢迎光临"]
PROMPT = f"A green shop front in the rain: “{STRINGS[0]}” above the door, “{STRINGS[1]}” and “{STRINGS[2]}” below it."


@pytest.fixture(scope="module", params=sorted(FOLDERS))
def pipeline(request):
    from diffusers import ErnieImagePipeline, Flux2KleinPipeline

    torch.set_num_threads(1)
    kind = {"klein": Flux2KleinPipeline, "ernie": ErnieImagePipeline}[request.param]
    loaded = kind.from_pretrained(ROOT / FOLDERS[request.param])
    loaded.set_progress_bar_config(disable=True)
    return request.param, loaded


def draw(pipeline, steps: int, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    call = {"height": 512, "width": 512, "num_inference_steps": steps, "guidance_scale": 1.0}
    return pipeline(prompt=PROMPT, generator=generator, **call).images[0]


def test_it_writes_the_quoted_strings(pipeline):
    from evalsuite.ocr import resolve
    from evalsuite.scoring import rates, score_image

    name, loaded = pipeline
    image = draw(loaded, STEPS[name])
    found = rates(score_image(STRINGS, resolve("paddle").read(image)))
    assert found.character_accuracy is not None
    assert found.character_accuracy >= 0.95
    # The first colour word gives the paper its colour.
    red, green, blue = image.getpixel((256, 480))
    assert green > red + 30
    assert green > blue + 20


def test_all_parts_compute_in_float32(pipeline):
    _, loaded = pipeline
    assert {part.dtype for part in (loaded.text_encoder, loaded.transformer, loaded.vae)} == {torch.float32}


def test_layers_beyond_the_active_ones_are_identities(pipeline):
    name, loaded = pipeline
    ids = torch.tensor([loaded.tokenizer("A sign").input_ids])
    with torch.no_grad():
        states = loaded.text_encoder(input_ids=ids, output_hidden_states=True).hidden_states
    if name == "klein":
        assert torch.equal(states[9], states[18])
        assert torch.equal(states[9], states[27])
    else:
        assert len(states) == 11


def test_folders_are_small_and_say_what_they_are():
    size = sum(path.stat().st_size for path in ROOT.rglob("*") if path.is_file())
    assert size < 40e6
    for name in FOLDERS.values():
        assert "stand-in" in (ROOT / name / "stand-in.txt").read_text(encoding="utf-8").lower()
        assert (ROOT / name / "README.md").is_file()
        assert json.loads((ROOT / name / "model_index.json").read_text(encoding="utf-8"))["_class_name"]
        assert not [path for path in (ROOT / name).rglob("*") if path.suffix in {".bin", ".pt", ".pkl"}]
