"""From a name to a planned model: presets, folders, hub ids, TOML files, and what is wrong with them."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from safetensors.torch import load_file, save_file

from evalsuite.errors import EvalsuiteError
from evalsuite.models import ModelOptions, WeightsMissingError, known_models, parse_settings, resolve
from evalsuite.models.checkpoints import open_checkpoint
from evalsuite.models.presets import load_custom, load_presets

PUBLISHED = {
    "flux2-klein-4b": ("black-forest-labs/FLUX.2-klein-4B", 4, 1.0, None),
    "flux2-klein-base-4b": ("black-forest-labs/FLUX.2-klein-base-4B", 50, 4.0, None),
    "flux2-klein-9b": ("black-forest-labs/FLUX.2-klein-9B", 4, 1.0, None),
    "flux2-klein-base-9b": ("black-forest-labs/FLUX.2-klein-base-9B", 50, 4.0, None),
    "ernie-image": ("baidu/ERNIE-Image", 50, 4.0, "image"),
    "ernie-image-no-pe": ("baidu/ERNIE-Image", 50, 4.0, "off"),
    "ernie-image-turbo": ("baidu/ERNIE-Image-Turbo", 8, 1.0, "image"),
    "ernie-image-turbo-no-pe": ("baidu/ERNIE-Image-Turbo", 8, 1.0, "off"),
    "qwen-image": ("Qwen/Qwen-Image", 50, 4.0, None),
    "qwen-image-2512": ("Qwen/Qwen-Image-2512", 50, 4.0, None),
    "z-image": ("Tongyi-MAI/Z-Image", 50, 4.0, None),
    "z-image-turbo": ("Tongyi-MAI/Z-Image-Turbo", 9, 0.0, None),
    "flux2-dev": ("black-forest-labs/FLUX.2-dev", 50, 4.0, None),
    "ovis-image": ("AIDC-AI/Ovis-Image-7B", 50, 5.0, None),
    "glm-image": ("zai-org/GLM-Image", 30, 1.5, None),
}


@pytest.fixture(autouse=True)
def _empty_hub(tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.file_download.HF_HUB_CACHE", str(tmp_path / "hub"), raising=False)


def put_into_hub(checkpoint, tmp_path, repository: str, commit: str = "c0ffee" * 6 + "c0ff"):
    """A checkpoint in the layout of the hub's cache."""
    base = tmp_path / "hub" / ("models--" + repository.replace("/", "--"))
    shutil.copytree(checkpoint, base / "snapshots" / commit)
    (base / "refs").mkdir()
    (base / "refs" / "main").write_text(commit)
    return commit


def test_presets_are_those_that_the_makers_publish():
    presets = load_presets().presets
    found = {
        name: (
            preset.repository,
            preset.settings["steps"],
            preset.settings.get("true_cfg", preset.settings.get("guidance")),
            preset.settings.get("enhance"),
        )
        for name, preset in presets.items()
    }
    # true_cfg does nothing without a negative prompt.
    assert all("negative_prompt" in preset.settings for preset in presets.values() if "true_cfg" in preset.settings)
    assert found == PUBLISHED
    gated = {name: preset.licence for name, preset in presets.items() if preset.gated}
    assert gated == dict.fromkeys(("flux2-klein-9b", "flux2-klein-base-9b", "flux2-dev"), "FLUX Non-Commercial License")
    assert {preset.licence for name, preset in presets.items() if name not in gated} == {"Apache-2.0"}
    assert all(preset.architecture in load_presets().architectures for preset in presets.values())
    assert all(preset.pipeline in load_presets().pipelines for preset in presets.values())


@pytest.mark.parametrize("name", PUBLISHED)
def test_missing_weights_say_how_to_fetch_them_and_what_they_take(name):
    with pytest.raises(WeightsMissingError) as caught:
        resolve(name)
    message = str(caught.value)
    assert caught.value.exit_code == 2
    assert message.startswith(f"{name}: no weights of {PUBLISHED[name][0]} on this machine")
    assert f"hf download {PUBLISHED[name][0]}" in message
    for needed in ("of disk", "of GPU memory", "of main memory", "precision=fp8", "offload=model"):
        assert needed in message
    assert ("accept its licence" in message) == load_presets().presets[name].gated
    assert "\n" not in message


def test_a_preset_in_the_hub_cache_is_planned_from_there(checkpoints, tmp_path, cpu_with):
    cpu_with("avx512_bf16")
    commit = put_into_hub(checkpoints / "klein", tmp_path, "black-forest-labs/FLUX.2-klein-4B")
    spec = resolve("flux2-klein-4b").spec
    assert spec.name == "flux2-klein-4b"
    assert spec.revision == commit
    assert spec.source == "black-forest-labs/FLUX.2-klein-4B"
    assert spec.licence == "Apache-2.0"
    assert spec.pipeline == "Flux2KleinPipeline"
    assert spec.role == "stand-in"  # the folder says so, whatever it is called
    assert spec.settings == {"steps": 4, "guidance": 1.0, "size": "1024x1024", "precision": "bf16"}
    assert spec.runtime == {"device": "auto", "offload": "none", "batch": 1}
    by_id = resolve("black-forest-labs/FLUX.2-klein-4B").spec
    pinned = resolve(f"black-forest-labs/FLUX.2-klein-4B@{commit}").spec
    assert by_id.weights_digest == pinned.weights_digest == spec.weights_digest
    assert by_id.digest == spec.digest
    with pytest.raises(WeightsMissingError, match="--revision v2"):
        resolve("black-forest-labs/FLUX.2-klein-4B@v2")
    assert {row.name: row.available for row in known_models()}["flux2-klein-4b"] is True


def test_half_a_download_is_told_from_none(checkpoints, tmp_path):
    commit = put_into_hub(checkpoints / "klein", tmp_path, "black-forest-labs/FLUX.2-klein-4B")
    base = tmp_path / "hub" / "models--black-forest-labs--FLUX.2-klein-4B" / "snapshots" / commit
    (base / "text_encoder" / "model.safetensors").unlink()
    with pytest.raises(WeightsMissingError, match=r"text_encoder: holds no safetensors file.* Fetch them with"):
        resolve("flux2-klein-4b")
    assert {row.name: row.available for row in known_models()}["flux2-klein-4b"] is False


def test_a_folder_takes_the_settings_of_its_kind(checkpoints, cpu_with):
    cpu_with("avx512_bf16")
    settings = {name: resolve(str(checkpoints / name)).spec.settings for name in ("klein", "klein-base", "ernie")}
    assert (settings["klein"]["steps"], settings["klein"]["guidance"]) == (4, 1.0)
    assert (settings["klein-base"]["steps"], settings["klein-base"]["guidance"]) == (50, 4.0)
    assert settings["ernie"] == {
        "steps": 50,
        "guidance": 4.0,
        "size": "1024x1024",
        "precision": "bf16",
        "enhance": "image",
    }
    assert "enhance" not in resolve(str(checkpoints / "ernie-no-pe")).spec.settings


def test_the_digest_is_the_weights_not_the_place(checkpoints, tmp_path):
    copy = shutil.copytree(checkpoints / "klein", tmp_path / "elsewhere")
    plan = resolve(str(checkpoints / "klein")).spec
    assert resolve(str(copy)).spec.weights_digest == plan.weights_digest
    assert resolve(str(copy)).spec.digest == plan.digest
    file = copy / "text_encoder" / "model.safetensors"
    state = load_file(file)
    key = min(state)
    state[key].view(-1)[0] += 1e-3
    save_file(state, file, metadata={"format": "pt"})
    assert resolve(str(copy)).spec.weights_digest != plan.weights_digest


def test_the_enhancers_weights_count_only_where_it_is_used(checkpoints, tmp_path):
    copy = shutil.copytree(checkpoints / "ernie", tmp_path / "ernie")
    off = ModelOptions(parse_settings(["enhance=off"]))
    before = resolve(str(copy)).spec, resolve(str(copy), options=off).spec
    state = load_file(copy / "pe" / "model.safetensors")
    save_file({key: value * 2 for key, value in state.items()}, copy / "pe" / "model.safetensors")
    assert resolve(str(copy)).spec.weights_digest != before[0].weights_digest
    assert resolve(str(copy), options=off).spec.weights_digest == before[1].weights_digest


def test_settings_override_and_sort_into_image_and_runtime(checkpoints, cpu_with):
    cpu_with("avx512_bf16")
    options = ModelOptions(
        parse_settings(["steps=8 guidance=1.5 size=768x1344 precision=fp8 offload=model compile=true"])
    )
    spec = resolve(str(checkpoints / "klein"), options=options).spec
    assert spec.settings == {"steps": 8, "guidance": 1.5, "size": "768x1344", "precision": "fp8"}
    assert spec.runtime == {"device": "auto", "offload": "model", "batch": 1, "compile": True}
    faster = resolve(str(checkpoints / "klein"), options=ModelOptions(options.settings | {"batch": 4})).spec
    assert faster.digest == spec.digest  # speed does not make another image


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("klein", ["size=1000x1000"], r"multiples of 16, e\.g\. 992x992"),
        ("klein", ["size=99999x99999"], r"at most \S+ megapixels"),
        ("klein", ["size=48x64"], "at least 64 pixels"),
        ("klein", ["size=4096x4096"], r"at most 4 megapixels"),
        ("ernie", ["size=1024x4160"], r"Recommended: 1024x1024, 848x1264"),
        ("ernie-no-pe", ["enhance=image"], "has no enhancer"),
        ("klein", ["enhance=prompt"], "has no enhancer"),
        ("klein", ["quantize=int8", "precision=fp8"], "quantize=int8 needs precision=bf16 or fp32, not fp8"),
        ("klein", ["compute=fp32"], "compute=fp32 is for precision=fp8, not bf16"),
    ],
)
def test_settings_that_do_not_fit_are_refused(checkpoints, name, settings, message):
    with pytest.raises(EvalsuiteError, match=message):
        resolve(str(checkpoints / name), options=ModelOptions(parse_settings(settings)))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("flux2-klien-4b", r"no model is called that: did you mean 'flux2-klein-4b'.*known: editor, ernie-image"),
        ("nothing", r"no model is called that: known: .*typeset"),
        ("./nowhere", "there is no such folder"),
        ("a/b/c", "there is no such folder"),
        ("some/thing", r"no weights of some/thing on this machine\. Fetch them with `hf download some/thing`"),
        ("none.toml", r"none\.toml: no such model file"),
    ],
)
def test_unknown_names_are_explained(name, message):
    with pytest.raises(EvalsuiteError, match=message):
        resolve(name)


def test_options_are_refused_for_the_references():
    with pytest.raises(EvalsuiteError, match="for diffusion models"):
        resolve("typeset", options=ModelOptions({"steps": 4}))


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("gone.safetensors", "there is no such file"),
        ("style.bin", "only safetensors"),
        ("style.safetensors:1000", "a scale from -100 to 100"),
        (".", "holds 0 safetensors files"),
    ],
)
def test_lora_items_that_cannot_be_read(checkpoints, tmp_path, monkeypatch, item, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "style.bin").write_bytes(b"pickled")
    with pytest.raises(EvalsuiteError, match=message):
        resolve(str(checkpoints / "klein"), options=ModelOptions(lora=(item,)))


def test_a_lora_may_be_a_folder_and_have_a_colon_in_its_name(checkpoints, tmp_path):
    import torch

    folder = tmp_path / "my:style"
    folder.mkdir()
    save_file({"x": torch.zeros(1)}, folder / "w.safetensors")
    for item, scale in ((str(folder), 1.0), (f"{folder}:0.25", 0.25), (f"{folder / 'w.safetensors'}:-1", -1.0)):
        adapter = resolve(str(checkpoints / "klein"), options=ModelOptions(lora=(item,))).spec.adapters[0]
        assert (adapter.path, adapter.scale) == (str(folder / "w.safetensors"), scale)


def test_a_users_model_file(checkpoints, tmp_path, prompt):
    shutil.copytree(checkpoints / "klein-base", tmp_path / "weights")
    shutil.copy(
        tmp_path / "weights" / "transformer" / "diffusion_pytorch_model.safetensors", tmp_path / "tuned.safetensors"
    )
    (tmp_path / "mine.toml").write_text(
        'name = "my-klein"\nbase = "flux2-klein-4b"\nsource = "weights"\nlicence = "mine"\n'
        'transformer = "tuned.safetensors"\n[settings]\nsteps = 2\nsize = "64x64"\n'
    )
    model = resolve(str(tmp_path / "mine.toml"), options=ModelOptions(parse_settings(["guidance=2"])))
    assert model.spec.name == "my-klein+tuned"
    assert model.spec.licence == "mine"
    assert model.spec.settings["steps"] == 2
    assert model.spec.settings["guidance"] == 2.0
    with model:
        assert next(model.draw([(prompt(), 1)])).image.size == (64, 64)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = 'x'", "names neither `base`"),
        ("base = 'flux2-klein-4b'", "missing required field `name`"),
        ("name = 'x'\nbase = 'flux2'", "base = 'flux2' is no preset"),
        ("name = 'x'\nsource = 'nowhere'", "there is no folder"),
        ("name = 'x'\nbase = 'flux2-klein-4b'\nsteps = 3", r"unknown field `steps`. A model file has: name, base"),
        ("name = 'x'\nbase = 'flux2-klein-4b'\n[settings]\nstep = 3", "did you mean 'steps'"),
        ("name = 'x'\nbase = 'flux2-klein-4b'\nrole = 'reference'", "role is"),
        ("name = ", "is not valid TOML"),
        ("name = ''\nbase = 'flux2-klein-4b'", "a name of printable characters"),
        ("name = '../../x'\nbase = 'flux2-klein-4b'", "a name of printable characters"),
        ('name = "\\u001b[31m"\nbase = "flux2-klein-4b"', "a name of printable characters"),
        ("name = " + "[" * 100_000, "cannot be read as TOML"),
        ("name = " + "9" * 10_000, "cannot be read as TOML"),
    ],
)
def test_mistakes_in_a_model_file_are_named(tmp_path, text, message):
    (tmp_path / "m.toml").write_text(text)
    with pytest.raises(EvalsuiteError, match=message):
        resolve(str(tmp_path / "m.toml"))


def test_a_model_file_may_have_a_byte_order_mark(tmp_path):
    (tmp_path / "m.toml").write_bytes(b"\xef\xbb\xbfname = 'x'\nbase = 'flux2-klein-4b'\n")
    assert load_custom(tmp_path / "m.toml").name == "x"


def test_a_model_file_may_say_that_it_is_a_stand_in(tmp_path):
    (tmp_path / "m.toml").write_text("name = 'x'\nbase = 'flux2-klein-4b'\nrole = 'stand-in'\n")
    assert load_custom(tmp_path / "m.toml").role == "stand-in"


def test_a_pipeline_that_the_suite_does_not_know_takes_the_settings_of_its_call(tmp_path):
    """Z-Image as if it were unknown: its settings come from the signature of its call."""
    from evalsuite.models.registry import _defaults
    from training.random_checkpoints import build_random_checkpoint

    checkpoint = open_checkpoint(build_random_checkpoint(tmp_path / "z-image", "z-image"))
    assert _defaults(checkpoint, None) == {"steps": 50, "guidance": 5.0}


def test_known_models_list_everything_with_a_name():
    rows = {row.name: row for row in known_models()}
    named = {"typeset", "editor", "folder:DIR", "server:URL", "comfyui:WORKFLOW@URL"}
    named |= {"flux2-klein-micro", "ernie-image-micro"}
    assert set(rows) == {*named, *PUBLISHED}
    klein = rows["flux2-klein-4b"]
    assert "published: about 13 GB; estimated: " in klein.needs
    assert klein.settings == {"steps": 4, "guidance": 1.0, "size": "1024x1024", "precision": "bf16"}
    assert klein.available is False


def test_importing_and_planning_loads_neither_torch_nor_diffusers(checkpoints):
    # Only for bf16 does planning ask torch what it is drawn on.
    code = (
        "import sys; from evalsuite.models import ModelOptions, resolve, known_models; known_models(); "
        f"resolve({str(checkpoints / 'klein')!r}, options=ModelOptions({{'precision': 'fp32'}})).spec; "
        "print(sorted({'torch', 'diffusers', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
