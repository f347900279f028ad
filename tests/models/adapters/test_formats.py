"""The same LoRA under every trainer's names gives the same image, byte for byte."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import trainers
from safetensors.torch import load_file, save_file

from evalsuite.models import ModelOptions, resolve
from evalsuite.models.checkpoints import open_checkpoint
from evalsuite.models.loading import load_pipeline
from evalsuite.models.sources import stand_ins

MODELS = pytest.mark.parametrize("model", list(trainers.LAYERS))


@pytest.fixture(scope="module")
def pipelines():
    """Pipelines of the shipped stand-ins, for the libraries that write adapters for them."""
    folders = {name: stand_ins()[name].parent / name for name in trainers.LAYERS}
    return {name: load_pipeline(open_checkpoint(folder), "fp32", enhancer=False) for name, folder in folders.items()}


@pytest.fixture(scope="module")
def drawn(pipelines, tmp_path_factory):
    """The image of each stand-in alone, and with the LoRA as diffusers writes it."""
    found = {}
    for model, pipeline in pipelines.items():
        folder = tmp_path_factory.mktemp(model)
        file = trainers.diffusers_by_itself(trainers.make_lora(model), pipeline, folder)
        found[model] = image(model), image(model, file)
    return found


def image(model: str, *loras) -> bytes:
    from evalsuite.records import Prompt

    settings = {"precision": "fp32", "size": "256x256", "steps": 2}
    if model.startswith("ernie"):
        settings["enhance"] = "off"
    text = "A sign that reads 'OPEN'"
    prompt = Prompt(id="p", suite="t", language="en", category="signage", length="short", text=text, targets=("OPEN",))
    with resolve(model, options=ModelOptions(settings, tuple(str(each) for each in loras))) as opened:
        drawing = next(opened.draw([(prompt, 1)]))
    assert drawing.error is None, drawing.error
    return np.asarray(drawing.image).tobytes()


@MODELS
@pytest.mark.parametrize("name", list(trainers.FORMATS))
def test_every_naming_draws_the_same_image(pipelines, drawn, tmp_path, model, name):
    file = trainers.FORMATS[name](trainers.make_lora(model), pipelines[model], tmp_path)
    plain, wanted = drawn[model]
    assert wanted != plain
    assert image(model, file) == wanted


@MODELS
def test_diffusers_itself_agrees_with_the_fused_weights(pipelines, tmp_path, model):
    """The oracle of all the others: what diffusers and PEFT make of the file that diffusers wrote."""
    lora = trainers.make_lora(model)
    pipeline = pipelines[model]
    file = trainers.diffusers_by_itself(lora, pipeline, tmp_path)
    folder = stand_ins()[model].parent / model
    other = load_pipeline(open_checkpoint(folder), "fp32", enhancer=False, lora=((file, 0.75),))
    fresh = load_pipeline(open_checkpoint(folder), "fp32", enhancer=False)
    before = {key: value.clone() for key, value in fresh.transformer.state_dict().items()}
    fresh.load_lora_weights(str(tmp_path), weight_name=file.name)
    fresh.fuse_lora(components=["transformer"], lora_scale=0.75)
    fresh.unload_lora_weights()
    after = fresh.transformer.state_dict()
    fused = other.transformer.state_dict()
    assert {key for key in before if not torch.equal(before[key], fused[key])} == {f"{name}.weight" for name in lora}
    for key, value in fused.items():
        assert torch.allclose(value, after[key], atol=1e-6), key


def test_the_makers_halves_of_the_last_modulation_are_swapped(pipelines, tmp_path):
    """Black Forest Labs keep (shift, scale), diffusers (scale, shift): a LoRA of that layer is turned round."""
    a, b = torch.randn(4, 192) * 0.1, torch.randn(384, 4) * 0.1
    own = {"final_layer.adaLN_modulation.1": (a, b)}
    turned = {"norm_out.linear": (a, torch.cat([b[192:], b[:192]]))}
    files = []
    for name, lora, prefix in (("own", own, "diffusion_model."), ("turned", turned, "transformer.")):
        files.append(tmp_path / f"{name}.safetensors")
        save_file(trainers.keyed(lora, prefix, *trainers.AB), files[-1])
    assert image("flux2-klein-micro", files[0]) == image("flux2-klein-micro", files[1])
    assert load_file(files[0]).keys() != load_file(files[1]).keys()
    assert pipelines
