"""Adapters, another transformer, precision, offload and the options of speed, on the real pipelines."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from evalsuite.errors import EvalsuiteError
from evalsuite.models import loading
from evalsuite.models import pipeline_setup as options
from evalsuite.models.checkpoints import open_checkpoint

BOTH = pytest.mark.parametrize("name", ["klein", "ernie-no-pe"])


def image_of(model, prompt) -> np.ndarray:
    with model:
        drawing = next(model.draw([(prompt(), 1)]))
    assert drawing.error is None, drawing.error
    assert [finding.code for finding in drawing.findings] == []
    return np.asarray(drawing.image).astype(int)


def write_lora(path, layer: str, rank: int, size: tuple[int, int], *, alpha: float | None = None, scale: float = 0.5):
    """A LoRA on one layer in the naming of peft; returns its update of that layer, B·A·alpha/rank."""
    generator = torch.Generator().manual_seed(7)
    rows, columns = size
    down = torch.randn(rank, columns, generator=generator) * scale
    up = torch.randn(rows, rank, generator=generator) * scale
    state = {f"transformer.{layer}.lora_A.weight": down, f"transformer.{layer}.lora_B.weight": up}
    if alpha is not None:
        state[f"transformer.{layer}.alpha"] = torch.tensor(alpha)
    save_file(state, path)
    return up @ down


LORA_LAYERS = {
    "klein": ("transformer_blocks.0.attn.to_q", (32, 32)),
    "ernie-no-pe": ("layers.0.self_attention.to_q", (32, 32)),
}


@BOTH
def test_a_lora_changes_the_picture_by_its_scale(open_model, prompt, tmp_path, name):
    layer, size = LORA_LAYERS[name]
    file = tmp_path / "style.safetensors"
    write_lora(file, layer, 4, size)
    plain = image_of(open_model(name), prompt)
    full = open_model(name, lora=(str(file),))
    assert full.spec.name.endswith("+style")
    assert full.spec.adapters[0].scale == 1.0
    assert not np.array_equal(image_of(full, prompt), plain)
    half = open_model(name, lora=(f"{file}:0.5",))
    assert not np.array_equal(image_of(half, prompt), image_of(full, prompt))
    assert len({model.spec.digest for model in (full, half, open_model(name))}) == 3


@BOTH
def test_a_lora_is_fused_exactly_and_loras_add_up(checkpoints, tmp_path, name):
    layer, size = LORA_LAYERS[name]
    file = tmp_path / "style.safetensors"
    update = write_lora(file, layer, 4, size)
    checkpoint = open_checkpoint(checkpoints / name)
    before = loading.load_pipeline(checkpoint, "fp32").transformer.state_dict()
    pipeline = loading.load_pipeline(checkpoint, "fp32", lora=((file, 0.5), (file, -2.0)))
    after = pipeline.transformer.state_dict()
    assert after.keys() == before.keys()
    for key, value in before.items():
        wanted = value - 1.5 * update if key == f"{layer}.weight" else value
        assert torch.allclose(after[key], wanted, atol=1e-5), key


def test_a_lora_of_another_model_is_refused(open_model, tmp_path):
    file = tmp_path / "other.safetensors"
    write_lora(file, "layers.0.self_attention.to_q", 4, (32, 32))
    with pytest.raises(EvalsuiteError, match=r"none of its 1 layers is one of Flux2Transformer2DModel's"):
        open_model("klein", lora=(str(file),)).__enter__()
    write_lora(file, "transformer_blocks.0.attn.to_q", 4, (32, 48))
    with pytest.raises(EvalsuiteError, match=r"a matrix of \[32, 48\].* takes \[32, 32\]"):
        open_model("klein", lora=(str(file),)).__enter__()


@pytest.mark.parametrize("name", ["klein-base", "ernie"])
@pytest.mark.parametrize("offload", ["model", "group", "sequential"])
def test_offload_draws_the_same_picture(open_model, prompt, name, offload):
    def images(*settings):
        model = open_model(name, *settings)
        with model:
            # A second image: the first call must leave the weights where the next one finds them.
            return [np.asarray(drawing.image).astype(int) for drawing in model.draw([(prompt(), 1), (prompt(), 2)])]

    for plain, offloaded in zip(images(), images(f"offload={offload}"), strict=True):
        assert np.abs(plain - offloaded).max() <= 1


@pytest.mark.parametrize(("compute", "dtype"), [("bf16", torch.bfloat16), ("fp32", torch.float32)])
@pytest.mark.parametrize("name", ["klein-base", "ernie"])
def test_fp8_storage_keeps_a_byte_a_weight_and_draws_a_near_picture(open_model, prompt, name, compute, dtype):
    model = open_model(name, "precision=fp8", f"compute={compute}")
    with model:
        drawing = next(model.draw([(prompt(), 1)]))
        pipeline = model._session.pipeline
        for part in ("transformer", "text_encoder", "pe"):
            module = getattr(pipeline, part, None)
            if module is not None:
                cast = dict(options.fp8_layers(module))
                assert cast
                kinds = {layer.weight.dtype for layer in cast.values()}
                assert kinds == {torch.float8_e4m3fn}
                rest = {p.dtype for n, p in module.named_parameters() if n.removesuffix(".weight") not in cast}
                assert dtype in rest
                embeddings = [p for n, p in module.named_parameters() if "embed_tokens" in n]
                assert all(p.dtype == dtype for p in embeddings)
    assert drawing.error is None, drawing.error
    assert "nan-image" not in [finding.code for finding in drawing.findings]
    with (unstored := open_model(name, f"precision={compute}")):
        plain = next(unstored.draw([(prompt(), 1)]))
    far = np.abs(np.asarray(plain.image).astype(int) - np.asarray(drawing.image)).mean()
    assert 0 < far < 40  # noise of another seed is further away than this


def test_fp8_of_the_transformer_alone_leaves_the_encoder(open_model, prompt):
    with open_model("klein", "precision=fp8-transformer", "compute=bf16") as model:
        pipeline = model._session.pipeline
        assert {p.dtype for p in pipeline.text_encoder.parameters()} == {torch.bfloat16}
        assert torch.float8_e4m3fn in {p.dtype for p in pipeline.transformer.parameters()}
        assert next(model.draw([(prompt(), 1)])).error is None


def test_fp8_with_model_offload_draws(open_model, prompt):
    image = image_of(open_model("klein", "precision=fp8", "offload=model"), prompt)
    assert np.array_equal(image, image_of(open_model("klein", "precision=fp8"), prompt))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precisions_draw(open_model, prompt, precision):
    assert image_of(open_model("klein", f"precision={precision}"), prompt).std() > 1


def test_tiles_and_slices_of_the_autoencoder(open_model, prompt):
    # A 64-pixel image is one tile, so tiling changes nothing here but must still decode.
    plain = image_of(open_model("klein"), prompt)
    assert np.array_equal(image_of(open_model("klein", "vae_tiling=true"), prompt), plain)
    with open_model("klein", "vae_slicing=true", "batch=2") as model:
        sliced = [np.asarray(drawing.image).astype(int) for drawing in model.draw([(prompt(), 1), (prompt(), 2)])]
    assert np.abs(sliced[0] - plain).max() <= 1


def test_a_back_end_chosen_for_one_model_is_not_the_next_models_default(open_model):
    from diffusers.models.attention_dispatch import _AttentionBackendRegistry

    before = _AttentionBackendRegistry.get_active_backend()[0]
    with open_model("klein", "attention=_native_math"):
        assert _AttentionBackendRegistry.get_active_backend()[0] == before


def test_attention_back_ends_are_chosen_by_name(open_model, prompt):
    plain = image_of(open_model("klein"), prompt)
    assert np.abs(image_of(open_model("klein", "attention=_native_math"), prompt) - plain).max() <= 1
    for name, message in [
        ("nonsense", "must be one of"),
        ("flash_hub", "download and run code"),
        ("flash", "attention=flash:"),
    ]:
        with pytest.raises(EvalsuiteError, match=message):
            open_model("klein", f"attention={name}").__enter__()


@pytest.mark.parametrize(("name", "batch"), [("klein-base", 1), ("klein-base", 3), ("ernie-no-pe", 3)])
def test_prompts_encoded_once_give_the_same_pictures(open_model, prompt, name, batch):
    requests = [(prompt(text, (), text), seed) for text in ("A sign", "A longer poster text") for seed in (1, 2)]

    def images(*settings):
        with open_model(name, f"batch={batch}", *settings) as model:
            calls = []
            encoder = model._session.pipeline.text_encoder
            handle = encoder.register_forward_pre_hook(lambda *_: calls.append(1))
            drawn = [np.asarray(drawing.image).astype(int) for drawing in model.draw(requests)]
            handle.remove()
        return drawn, len(calls)

    plain, plain_calls = images()
    once, once_calls = images("encode_once=true")
    # Two prompts and, with guidance, the empty one: each is encoded once.
    assert once_calls == 3
    assert plain_calls > once_calls
    assert max(np.abs(a - b).max() for a, b in zip(plain, once, strict=True)) <= 1


@pytest.mark.slow
def test_compiled_blocks_draw_the_same_and_images_that_waited_for_compilation_are_warm_up(open_model, prompt):
    torch.compiler.reset()  # what other tests compiled would serve here too
    # ERNIE-Image does not pad its prompts: the second length makes the compiler start again, for any length.
    requests = [(prompt(text, (), text), 1) for text in ("A sign", "A sign", "A much longer sign", "No sign at all")]
    with open_model("ernie-no-pe") as model:
        plain = [np.asarray(drawing.image).astype(int) for drawing in model.draw(requests)]
    with open_model("ernie-no-pe", "compile=true") as model:
        drawings = list(model.draw(requests))
    assert [drawing.error for drawing in drawings] == [None] * 4
    assert [drawing.timing.warmup for drawing in drawings] == [True, False, True, False]
    assert max(np.abs(a - np.asarray(b.image)).max() for a, b in zip(plain, drawings, strict=True)) <= 1


@pytest.mark.skipif(importlib.util.find_spec("torchao") is None, reason="torchao is not installed")
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_torchao_quantises_the_blocks(open_model, prompt, precision):
    plain = image_of(open_model("klein", f"precision={precision}"), prompt)
    far = np.abs(image_of(open_model("klein", f"precision={precision}", "quantize=int8"), prompt) - plain).mean()
    assert 0 < far < 40


@pytest.mark.skipif(importlib.util.find_spec("torchao") is not None, reason="torchao is installed")
def test_quantising_without_torchao_says_what_to_install(open_model):
    with pytest.raises(EvalsuiteError, match="pip install torchao"):
        open_model("klein", "precision=bf16", "quantize=int8").__enter__()


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(EvalsuiteError, match=r"device=cuda:9: there is no such device"):
        options.resolve_device("cuda:9")
    assert options.resolve_device("cpu") == "cpu"
