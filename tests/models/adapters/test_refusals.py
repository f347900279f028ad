"""Adapters that cannot be laid are refused with the true reason, and no tensor is dropped in silence."""

from __future__ import annotations

import shutil

import pytest
import torch
from safetensors.torch import save_file

from evalsuite.errors import EvalsuiteError, ExitCode
from evalsuite.models.adapters import AdapterError, fuse_adapter, holds_adapter
from evalsuite.models.checkpoints import open_checkpoint
from evalsuite.models.loading import load_pipeline

A, B = torch.full((4, 32), 0.1), torch.full((32, 4), 0.1)
LAYERS = {"klein": "transformer_blocks.0.attn.to_q", "ernie-no-pe": "layers.0.self_attention.to_q"}
BOTH = pytest.mark.parametrize("model", list(LAYERS))


@pytest.fixture(scope="module")
def loaded(checkpoints):
    return {name: load_pipeline(open_checkpoint(checkpoints / name), "fp32") for name in LAYERS}


def good(model: str) -> dict[str, torch.Tensor]:
    layer = f"transformer.{LAYERS[model]}"
    return {f"{layer}.lora_A.weight": A.clone(), f"{layer}.lora_B.weight": B.clone()}


def kohya(layer: str, rows: int = 32, columns: int = 32) -> dict[str, torch.Tensor]:
    return {
        f"{layer}.lora_down.weight": torch.full((4, columns), 0.1),
        f"{layer}.lora_up.weight": torch.full((rows, 4), 0.1),
        f"{layer}.alpha": torch.tensor(4.0),
    }


MORE = {
    "a layer of another trainer's": (
        kohya("lora_unet_single_stream_modulation_nothing"),
        "1 of its 2 layers are none of",
    ),
    "a text encoder that is not there": (kohya("lora_te2_layers_0_q_proj"), "1 of its 2 layers are none of"),
    "one half": ({"x_embedder.lora_A.weight": A}, "make no whole layer: a tensor of it is missing"),
    "LoHa half": ({"x_embedder.hada_w1_a": A}, "make no whole layer"),
    "OFT": ({"x_embedder.oft_blocks": A}, "is an orthogonal adapter"),
    "BOFT": ({"base_model.model.x_embedder.boft_R": A}, "is an orthogonal adapter"),
    "(IA)^3": ({"x_embedder.weight": A, "x_embedder.on_input": A}, "x_embedder.* (is an|holds the weights)"),
    "GLoRA": ({"x_embedder.a1.weight": A}, "is GLoRA"),
    "VeRA": ({"base_model.model.x_embedder.vera_lambda_b": A}, "is VeRA"),
    "Tucker": (
        kohya("lora_unet_x_embedder") | {"lora_unet_x_embedder.lora_mid.weight": A},
        "is a Tucker decomposition",
    ),
    "modules_to_save": ({"base_model.model.proj_out.weight": A}, "the whole weights of a layer"),
    "a norm": ({"lora_unet_norm_out.w_norm": A}, "is a trained norm"),
    "an embedding": ({"bundle_emb.token.qwen": A}, "is a trained embedding"),
    "an embedding's LoRA": ({"text_encoder.embed.lora_embedding_A": A}, "a LoRA of an embedding table"),
    "a layer's weights": ({"proj_out.weight": A}, "given with --transformer"),
    "who knows": ({"magic": A}, "is no tensor of LoRA"),
    "another shape": ({"x_embedder.diff": A}, "gives a matrix of|none of"),
}


@BOTH
@pytest.mark.parametrize(
    ("down", "up"), [(torch.ones(4, 32), torch.ones(32, 5)), (torch.ones(0, 32), torch.ones(32, 0)),
                     (torch.ones(4, 32), torch.ones(128))]
)  # fmt: skip
def test_matrices_that_do_not_belong_together(loaded, model, tmp_path, down, up):
    file = tmp_path / "a.safetensors"
    layer = f"transformer.{LAYERS[model]}"
    save_file({f"{layer}.lora_A.weight": down, f"{layer}.lora_B.weight": up}, file)
    with pytest.raises(AdapterError, match="its matrices cannot be multiplied"):
        fuse_adapter(loaded[model], file, 1.0)


def test_an_adapter_in_scaled_float8(loaded, tmp_path):
    state = {key: value.to(torch.float8_e4m3fn) for key, value in good("klein").items()}
    state[f"transformer.{LAYERS['klein']}.lora_A.weight_scale"] = torch.ones(())
    save_file(state, tmp_path / "a.safetensors")
    with pytest.raises(EvalsuiteError, match="weight_scale belongs to quantised weights"):
        fuse_adapter(loaded["klein"], tmp_path / "a.safetensors", 1.0)


@BOTH
@pytest.mark.parametrize("name", list(MORE))
def test_one_tensor_that_is_not_laid_refuses_all(loaded, model, tmp_path, name):
    more, said = MORE[name]
    file = tmp_path / "a.safetensors"
    save_file({key: value.clone() for key, value in (good(model) | more).items()}, file)
    before = {key: value.clone() for key, value in loaded[model].transformer.state_dict().items()}
    with pytest.raises(AdapterError, match=said) as caught:
        fuse_adapter(loaded[model], file, 1.0)
    assert str(file) in str(caught.value)
    assert caught.value.exit_code == ExitCode.USAGE
    after = loaded[model].transformer.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


@BOTH
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(loaded, model, tmp_path, value):
    state = good(model)
    state[next(iter(state))][0, 0] = value
    save_file(state, tmp_path / "a.safetensors")
    with pytest.raises(AdapterError, match="holds NaN or infinite values"):
        fuse_adapter(loaded[model], tmp_path / "a.safetensors", 1.0)


@BOTH
def test_what_changes_nothing_is_no_adapter(loaded, model, tmp_path):
    state = good(model)
    file = tmp_path / "a.safetensors"
    save_file(state, file)
    with pytest.raises(AdapterError, match="at scale 0 changes nothing"):
        fuse_adapter(loaded[model], file, 0.0)
    save_file({key: value * ("lora_A" in key) for key, value in state.items()}, file)
    with pytest.raises(AdapterError, match="changes nothing: all of its 1 products are zero"):
        fuse_adapter(loaded[model], file, 1.0)


@BOTH
def test_what_bfloat16_rounds_away_is_told(checkpoints, model, tmp_path):
    pipeline = load_pipeline(open_checkpoint(checkpoints / model), "bf16")
    file = tmp_path / "a.safetensors"
    save_file({key: value * 1e-4 for key, value in good(model).items()}, file)
    with pytest.raises(AdapterError, match=r"rounding to the weights' precision loses it.*precision=fp32"):
        fuse_adapter(pipeline, file, 1.0)
    save_file({key: value * 0.5 for key, value in good(model).items()}, file)
    fuse_adapter(pipeline, file, 1.0)


@BOTH
def test_two_layers_for_the_same_weights_are_refused(loaded, model, tmp_path):
    twice = good(model) | {key.removeprefix("transformer."): value.clone() for key, value in good(model).items()}
    save_file(twice, tmp_path / "a.safetensors")
    with pytest.raises(AdapterError, match="are for the same weights"):
        fuse_adapter(loaded[model], tmp_path / "a.safetensors", 1.0)


def test_two_adapters_in_one_file_are_refused(loaded, tmp_path):
    key = LAYERS["klein"]
    state = {f"{key}.lora_A.one.weight": A, f"{key}.lora_B.one.weight": B}
    state |= {"x_embedder.lora_A.two.weight": A[:, :16].clone(), "x_embedder.lora_B.two.weight": B.clone()}
    save_file(state, tmp_path / "a.safetensors")
    with pytest.raises(AdapterError, match=r"holds several adapters \(one, two\)"):
        fuse_adapter(loaded["klein"], tmp_path / "a.safetensors", 1.0)


def test_a_bias_that_the_layer_does_not_have(loaded, tmp_path):
    state = good("klein") | {f"transformer.{LAYERS['klein']}.lora_B.bias": torch.ones(32)}
    save_file(state, tmp_path / "a.safetensors")
    with pytest.raises(AdapterError, match="changes the bias of a layer that has none"):
        fuse_adapter(loaded["klein"], tmp_path / "a.safetensors", 1.0)


@pytest.mark.parametrize("content", [b"", b"\x00" * 30, b"version https://git-lfs.github.com/spec/v1\n"])
def test_a_file_that_is_none(loaded, open_model, tmp_path, content):
    file = tmp_path / "a.safetensors"
    file.write_bytes(content)
    with pytest.raises(EvalsuiteError, match=r"a\.safetensors"):
        open_model("klein", lora=(str(file),))
    with pytest.raises(AdapterError, match=r"--lora .*a\.safetensors"):
        fuse_adapter(loaded["klein"], file, 1.0)


def test_an_adapter_is_told_from_a_transformer(checkpoints, open_model, tmp_path):
    assert not holds_adapter(["transformer_blocks.0.attn.to_q.weight", "norm_out.linear.weight"])
    for key in ("a.lokr_w1_a", "a.hada_w1_a", "lora_unet_x.alpha", "a.lora_A.weight", "a.diff", "a.dora_scale"):
        assert holds_adapter([key]), key
    save_file(good("klein"), tmp_path / "lora.safetensors")
    with pytest.raises(EvalsuiteError, match=r"is an adapter.*--lora"):
        open_model("klein", transformer=str(tmp_path / "lora.safetensors")).__enter__()
    full = checkpoints / "klein" / "transformer" / "diffusion_pytorch_model.safetensors"
    shutil.copy(full, tmp_path / "full.safetensors")
    with pytest.raises(AdapterError, match="given with --transformer"):
        open_model("klein", lora=(str(tmp_path / "full.safetensors"),)).__enter__()
