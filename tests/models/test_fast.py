"""`fast=true` and its parts: what it stands for, and that each part draws the same."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from evalsuite.errors import EvalsuiteError  # noqa: E402
from evalsuite.models import fast, fp8_matmul, pipeline_setup, postprocess  # noqa: E402
from evalsuite.models.attention_masks import drop_idle_masks  # noqa: E402
from evalsuite.models.fp8_matmul import Fp8Linear, in_float8, use_fp8_products, why_no_fp8  # noqa: E402

# --- What it stands for ---


class ErnieImagePipeline:
    encode_prompt = None


class Another:
    pass


@pytest.fixture
def gpu(monkeypatch):
    """Makes torch say that there is a GPU of this compute capability."""

    def have(*capability: int):
        monkeypatch.setattr(fast, "resolve_device", lambda *_: "cuda:0")
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: capability)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "Some GPU")

    return have


BASE = {"precision": "bf16", "fast": True}


def test_with_everything_to_be_had_it_stands_for_all_its_parts(gpu):
    gpu(9, 0)
    merged, without, told = fast.with_fast_parts(BASE, BASE, ErnieImagePipeline)
    assert merged == {**BASE, **fast.FAST}
    assert without is None
    assert told == (
        "fast=true stands for batch=4 encode_once=true compile=true compile_decoder=true drop_mask=true "
        "quantize=fp8-rows"
    )


def test_what_the_user_sets_stays_as_it_was_set(gpu):
    gpu(9, 0)
    asked = {**BASE, "batch": 1, "quantize": "none"}
    merged, without, _ = fast.with_fast_parts(asked, asked, ErnieImagePipeline)
    assert (merged["batch"], merged["quantize"], merged["compile"], without) == (1, "none", True, None)


def test_an_older_gpu_goes_without_float8_and_another_pipeline_without_what_it_has_not(gpu):
    gpu(8, 6)
    merged, without, told = fast.with_fast_parts(BASE, BASE, Another)
    assert merged == {**BASE, "batch": 4, "compile": True, "compile_decoder": True}
    assert without == (
        "encode_once: Another has no encode_prompt; drop_mask: Another masks no texts; "
        "quantize: Some GPU has compute capability 8.6; float8 matrix products need 8.9"
    )
    assert told.endswith(without)


def test_a_cpu_has_the_two_parts_that_a_cpu_gains_from_and_the_spec_says_so(open_model):
    spec = open_model("klein", "fast=true").spec
    assert spec.runtime["fast"] is True
    assert (spec.runtime["batch"], spec.runtime["encode_once"]) == (4, True)
    assert not spec.runtime.keys() & {"compile", "compile_decoder", "drop_mask"}
    assert "quantize" not in spec.settings
    assert spec.runtime["fast_without"].startswith("compile: of use on a GPU of NVIDIA's, not on cpu; ")
    assert spec.runtime["fast_without"].endswith("quantize: not with precision=fp32")


def test_offloaded_weights_are_not_compiled(gpu):
    gpu(9, 0)
    asked = {**BASE, "offload": "model"}
    merged, without, _ = fast.with_fast_parts(asked, asked, ErnieImagePipeline)
    assert "compile" not in merged
    assert without == "compile: not with offload=model; compile_decoder: not with offload=model"


# --- Matrix products in float8 ---


def test_a_matrix_is_its_float8_rows_times_their_scales():
    rows = torch.tensor([[448.0, -224.0, 0.0], [2.0, 1.0, -4.0], [0.0, 0.0, 0.0]])
    eighths, scale = in_float8(rows)
    assert eighths.dtype == torch.float8_e4m3fn
    assert scale[:, 0].tolist() == pytest.approx([1.0, 4 / 448, 1e-12 / 448])
    assert (eighths.float() * scale).tolist() == rows.tolist()  # all of these are exact in float8


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_float8_layer_is_near_the_layer_that_it_replaces(dtype):
    torch.manual_seed(0)
    layer = torch.nn.Linear(64, 48).to(dtype)
    inputs = torch.randn(3, 5, 64, dtype=dtype) * torch.tensor([1e-3, 1.0, 1e3]).to(dtype)[:, None, None]
    with torch.inference_mode():
        wanted, found = layer(inputs).float(), Fp8Linear(layer)(inputs)
    assert (found.shape, found.dtype) == ((3, 5, 48), dtype)
    # Three bits of mantissa err by 2^-4 at most, on both sides; over 64 products the errors average out.
    rows = (found.float() - wanted).norm(dim=-1) / wanted.norm(dim=-1)
    assert 0 < rows.max() < 0.06


def test_only_linear_layers_are_replaced_and_odd_sides_are_refused():
    module = torch.nn.Sequential(torch.nn.Linear(32, 16), torch.nn.Conv2d(16, 16, 1))
    use_fp8_products(module, iter([("0", module[0]), ("1", module[1])]))
    assert isinstance(module[0], Fp8Linear)
    assert isinstance(module[1], torch.nn.Conv2d)
    odd = torch.nn.Sequential(torch.nn.Linear(30, 16))
    with pytest.raises(EvalsuiteError, match="0 is 16x30; multiples of 16"):
        use_fp8_products(odd, iter([("0", odd[0])]))
    with pytest.raises(EvalsuiteError, match="no layers for it"):
        use_fp8_products(odd, iter([]))


def test_a_device_that_cannot_do_it_is_an_error(monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("not compiled for this device")

    monkeypatch.setattr(fp8_matmul.torch, "_scaled_mm", refuse)
    module = torch.nn.Sequential(torch.nn.Linear(32, 16))
    with pytest.raises(EvalsuiteError, match="cannot do it: not compiled"):
        use_fp8_products(module, iter([("0", module[0])]))
    assert why_no_fp8("cpu") == "cpu has no float8 matrix products"


# --- Masks ---


@pytest.fixture(scope="module")
def ernie(checkpoints):
    from evalsuite.models.checkpoints import open_checkpoint
    from evalsuite.models.loading import load_pipeline

    pipeline = load_pipeline(open_checkpoint(checkpoints / "ernie-no-pe"), "fp32", enhancer=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def pictures(pipeline, prompts, guidance=1.0):
    generators = [torch.Generator().manual_seed(seed) for seed, _ in enumerate(prompts)]
    size = {"width": 64, "height": 64, "num_inference_steps": 2}
    call = {"generator": generators, "guidance_scale": guidance, "output_type": "np", "use_pe": False}
    return pipeline(prompt=prompts, **size, **call).images


def test_a_mask_is_left_out_where_it_hides_nothing_and_kept_where_it_does(ernie, monkeypatch):
    from diffusers.models.transformers import transformer_ernie_image as module

    masks = []
    attend = module.dispatch_attention_fn

    def watched(*args, attn_mask, **given):
        masks.append(attn_mask is not None)
        return attend(*args, attn_mask=attn_mask, **given)

    monkeypatch.setattr(module, "dispatch_attention_fn", watched)
    equal, padded = ["a red sign"] * 2, ["a red sign", "a much longer text about a red sign"]
    # With guidance, an empty prompt is drawn beside each.
    cases = [(equal, 1.0, False), (padded, 1.0, True), (equal, 4.0, True), (equal[:1], 1.0, False)]
    expected = [pictures(ernie, prompts, guidance) for prompts, guidance, _ in cases]
    assert set(masks) == {True}
    drop_idle_masks(ernie)
    for (prompts, guidance, masked), wanted in zip(cases, expected, strict=True):
        masks.clear()
        assert np.allclose(pictures(ernie, prompts, guidance), wanted, atol=1e-5)
        assert set(masks) == {masked}


def test_another_transformer_masks_nothing():
    with pytest.raises(EvalsuiteError, match="masks no texts"):
        drop_idle_masks(Another())


# --- The decoder, and bytes ---


def test_a_decoder_is_compiled_with_its_values_channels_last(ernie, monkeypatch):
    compiled = []
    monkeypatch.setattr(type(ernie.vae.decoder), "compile", lambda module, **_: compiled.append(module))
    pipeline_setup.compile_decoder(ernie)
    assert compiled == [ernie.vae.decoder]
    assert ernie.vae.decoder.conv_out.weight.is_contiguous(memory_format=torch.channels_last)
    with pytest.raises(EvalsuiteError, match="no autoencoder with a decoder"):
        pipeline_setup.compile_decoder(Another())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_bytes_made_on_the_device_are_diffusers_own(ernie, dtype):
    torch.manual_seed(1)
    values = (torch.randn(2, 3, 16, 24) * 0.8).to(dtype)
    # Halves of a step round to even.
    values[0, 0, 0, :9] = torch.arange(9) / 127.5 - 1 + 0.5 / 127.5
    wanted = ernie.image_processor.postprocess(values, output_type="pil")
    with postprocess.bytes_on_device(ernie):
        found = ernie.image_processor.postprocess(values, output_type="pil")
        assert ernie.image_processor.postprocess(values, output_type="np").dtype == np.float32
    assert [image.tobytes() for image in found] == [image.tobytes() for image in wanted]
    assert (found[0].mode, found[0].size) == ("RGB", (24, 16))
    assert "postprocess" not in vars(ernie.image_processor)
