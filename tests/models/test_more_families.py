"""Families beside FLUX.2 and ERNIE-Image: drawn, timed, accounted for, and adapters laid over them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from evalsuite.errors import EvalsuiteError
from evalsuite.models import ModelOptions, resolve
from training.random_checkpoints import build_random_checkpoint

FAMILIES = {
    "qwen-image": ("QwenImagePipeline", {"steps": 50, "true_cfg": 4.0, "negative_prompt": " "}),
    "z-image": ("ZImagePipeline", {"steps": 50, "guidance": 4.0}),
    "flux2-dev": ("Flux2Pipeline", {"steps": 50, "guidance": 4.0}),
    "ovis-image": ("OvisImagePipeline", {"steps": 50, "guidance": 5.0}),
    "glm-image": ("GlmImagePipeline", {"steps": 30, "guidance": 1.5}),
}
PARTS = [(family, part) for family in FAMILIES for part in ("transformer", "text_encoder", "vae")]
EACH = pytest.mark.parametrize("family", list(FAMILIES))
OPTIONS = {"size": "64x64", "steps": 2, "precision": "fp32"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("families")
    return {family: build_random_checkpoint(root / family, family) for family in FAMILIES}


def image(folder, prompt, *loras, **settings):
    options = ModelOptions({**OPTIONS, **settings}, tuple(str(path) for path in loras))
    with resolve(str(folder), options=options) as model:
        drawings = list(model.draw([(prompt(), 1), (prompt(), 1), (prompt(), 2)]))
    assert [drawing.error for drawing in drawings] == [None] * 3
    assert drawings[0].image.tobytes() == drawings[1].image.tobytes() != drawings[2].image.tobytes()
    return drawings[0]


@EACH
def test_it_is_drawn_and_timed_with_its_makers_settings(folders, prompt, family):
    pipeline, settings = FAMILIES[family]
    spec = resolve(str(folders[family])).spec
    assert spec.pipeline == pipeline
    assert {key: spec.settings[key] for key in settings} == settings
    drawing = image(folders[family], prompt)
    prior = ["prior_tokens"] if family == "glm-image" else []
    assert [phase.name for phase in drawing.timing.phases] == [
        *prior, "text_encoding", "denoising", "decoding", "other",
    ]  # fmt: skip
    assert len(drawing.timing.steps) == 2
    assert np.asarray(drawing.image).std() > 0


def test_true_guidance_works_by_the_negative_prompt(folders, prompt):
    """Without a negative prompt the pipeline would draw as if true_cfg were 1."""
    assert image(folders["qwen-image"], prompt).image.tobytes() != (
        image(folders["qwen-image"], prompt, true_cfg=1.0).image.tobytes()
    )


def test_an_image_of_glm_image_does_not_depend_on_those_beside_it(folders, prompt):
    """Its language model writes the tokens of each image under that image's own seed, and leaves torch's as it was."""
    requests = [(prompt(), 1), (prompt(), 2), (prompt("A wall that reads 'SOUP'", ("SOUP",), "p2"), 3)]
    together, alone = (
        list(draw(folders["glm-image"], requests, batch=batch)) for batch in (3, 1)
    )  # fmt: skip
    for one, other in zip(together, alone, strict=True):
        difference = np.asarray(one.image, dtype=int) - np.asarray(other.image, dtype=int)
        assert abs(difference).max() <= 1
    assert together[0].image.tobytes() != together[1].image.tobytes()


def draw(folder, requests, **settings):
    torch.manual_seed(5)
    with resolve(str(folder), options=ModelOptions({**OPTIONS, **settings})) as model:
        yield from model.draw(requests)
    assert torch.initial_seed() == 5


@pytest.mark.parametrize(("family", "part"), [*PARTS, ("glm-image", "vision_language_encoder")])
def test_every_tensor_is_accounted_for(folders, tmp_path, family, part):
    import shutil

    folder = shutil.copytree(folders[family], tmp_path / family)
    (file,) = (folder / part).glob("*.safetensors")
    state = load_file(file)
    key = next(key for key in state if key.endswith("weight") and state[key].ndim > 1)
    save_file({each: value for each, value in state.items() if each != key}, file, metadata={"format": "pt"})
    with pytest.raises(EvalsuiteError, match=rf"{part}: .*(missing|in no file)"):
        resolve(str(folder), options=ModelOptions(OPTIONS)).__enter__()
    save_file(state | {"extra.weight": torch.ones(2)}, file, metadata={"format": "pt"})
    with pytest.raises(EvalsuiteError, match=rf"{part}: .*no place in .*extra"):
        resolve(str(folder), options=ModelOptions(OPTIONS)).__enter__()


def pair(rows, columns, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(4, columns, generator=generator) * 0.3, torch.randn(rows, 4, generator=generator) * 0.3


def test_a_lora_of_qwen_image_in_three_namings(folders, prompt, tmp_path):
    a, b = pair(32, 32)
    layer = "transformer_blocks.0.attn.to_q"
    flat = f"lora_unet_{layer.replace('.', '_')}"
    states = [
        {f"transformer.{layer}.lora_A.weight": a, f"transformer.{layer}.lora_B.weight": b},
        {f"diffusion_model.{layer}.lora_A.default.weight": a, f"diffusion_model.{layer}.lora_B.default.weight": b},
        {f"{flat}.lora_down.weight": a, f"{flat}.lora_up.weight": b, f"{flat}.alpha": torch.tensor(4.0)},
    ]
    images = {image(folders["qwen-image"], prompt).image.tobytes()}
    for number, state in enumerate(states):
        save_file({key: value.clone() for key, value in state.items()}, tmp_path / f"{number}.safetensors")
        images.add(image(folders["qwen-image"], prompt, tmp_path / f"{number}.safetensors").image.tobytes())
    assert len(images) == 2


def test_a_lora_of_z_image_in_its_makers_naming(folders, prompt, tmp_path):
    a, b = pair(96, 32)
    own, theirs = {}, {}
    for number, name in enumerate(("to_q", "to_k", "to_v")):
        layer = f"transformer.layers.0.attention.{name}"
        own |= {
            f"{layer}.lora_A.weight": a.clone(),
            f"{layer}.lora_B.weight": b[32 * number : 32 * number + 32].clone(),
        }
    theirs = {
        "diffusion_model.layers.0.attention.qkv.lora_A.weight": a,
        "diffusion_model.layers.0.attention.qkv.lora_B.weight": b,
    }
    save_file(own, tmp_path / "own.safetensors")
    save_file(theirs, tmp_path / "theirs.safetensors")
    with_own, with_theirs = (
        image(folders["z-image"], prompt, tmp_path / f"{name}.safetensors").image.tobytes()
        for name in ("own", "theirs")
    )
    assert with_own == with_theirs != image(folders["z-image"], prompt).image.tobytes()
