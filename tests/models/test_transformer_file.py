"""Another transformer in the place of a checkpoint's own: every naming, shards, and what is refused."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from evalsuite.errors import EvalsuiteError
from evalsuite.models.accounting import AccountingError
from evalsuite.models.checkpoints import open_checkpoint
from evalsuite.models.transformer_file import load_transformer

BOTH = pytest.mark.parametrize("name", ["klein", "ernie-no-pe"])


def image_of(model, prompt) -> np.ndarray:
    with model:
        drawing = next(model.draw([(prompt(), 1)]))
    assert drawing.error is None, drawing.error
    return np.asarray(drawing.image).astype(int)


def own(checkpoints, name):
    return checkpoints / name / "transformer" / "diffusion_pytorch_model.safetensors"


def changed_transformer(checkpoints, name, path, key_part="proj_out"):
    """The transformer's weights with one tensor changed, as a file."""
    state = load_file(checkpoints / name / "transformer" / "diffusion_pytorch_model.safetensors")
    key = next(key for key in state if key_part in key and key.endswith("weight"))
    state[key] = state[key] + 0.1
    save_file(state, path)
    return key


@pytest.mark.parametrize(("name", "part"), [("klein", "proj_out"), ("ernie-no-pe", "final_linear")])
def test_a_swapped_transformer_is_the_one_that_draws(open_model, prompt, checkpoints, tmp_path, name, part):
    file = tmp_path / "tuned.safetensors"
    key = changed_transformer(checkpoints, name, file, part)
    model = open_model(name, transformer=str(file))
    assert model.spec.name.endswith("+tuned")
    assert model.spec.weights_digest != open_model(name).spec.weights_digest
    with model:
        drawing = next(model.draw([(prompt(), 1)]))
        used = model._session.pipeline.transformer.state_dict()
        assert torch.equal(used[key], load_file(file)[key])
    assert not np.array_equal(np.asarray(drawing.image), image_of(open_model(name), prompt))


def test_the_same_transformer_from_a_file_draws_the_same(open_model, prompt, checkpoints, tmp_path):
    file = tmp_path / "same.safetensors"
    shutil.copy(checkpoints / "klein" / "transformer" / "diffusion_pytorch_model.safetensors", file)
    assert np.array_equal(
        image_of(open_model("klein", transformer=str(file)), prompt), image_of(open_model("klein"), prompt)
    )


def test_a_transformer_in_the_makers_naming_is_converted(open_model, prompt, checkpoints, tmp_path):
    from diffusers.loaders.single_file_utils import convert_flux2_transformer_checkpoint_to_diffusers as to_diffusers

    state = load_file(own(checkpoints, "klein"))
    theirs = makers_state(state)
    # The converter of diffusers is the oracle for the renaming.
    back = to_diffusers(dict(theirs))
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], state[key]) for key in state)
    file = tmp_path / "makers.safetensors"
    plain = image_of(open_model("klein"), prompt)
    for prefix in ("", "model.diffusion_model.", "diffusion_model."):
        save_file({prefix + key: value.contiguous() for key, value in theirs.items()}, file)
        assert np.array_equal(image_of(open_model("klein", transformer=str(file)), prompt), plain), prefix


def makers_state(state: dict) -> dict:
    theirs = {}
    for key, value in state.items():
        theirs.update(makers_names(key, value, state))
    return theirs


def makers_names(key: str, value: torch.Tensor, state: dict) -> dict:
    """One tensor of diffusers' Flux2 transformer under the names of the FLUX.2 repository."""
    simple = {
        "x_embedder": "img_in",
        "context_embedder": "txt_in",
        "time_guidance_embed.timestep_embedder.linear_1": "time_in.in_layer",
        "time_guidance_embed.timestep_embedder.linear_2": "time_in.out_layer",
        "double_stream_modulation_img.linear": "double_stream_modulation_img.lin",
        "double_stream_modulation_txt.linear": "double_stream_modulation_txt.lin",
        "single_stream_modulation.linear": "single_stream_modulation.lin",
        "proj_out": "final_layer.linear",
    }
    stem, _, kind = key.rpartition(".")
    if stem in simple:
        return {f"{simple[stem]}.{kind}": value}
    if stem == "norm_out.linear":
        scale, shift = value.chunk(2)
        return {f"final_layer.adaLN_modulation.1.{kind}": torch.cat([shift, scale])}
    if stem.startswith("single_transformer_blocks"):
        block, _, rest = stem.removeprefix("single_transformer_blocks.").partition(".")
        names = {
            "attn.to_qkv_mlp_proj": "linear1.weight",
            "attn.to_out": "linear2.weight",
            "attn.norm_q": "norm.query_norm.scale",
            "attn.norm_k": "norm.key_norm.scale",
        }
        return {f"single_blocks.{block}.{names[rest]}": value}
    block, _, rest = stem.removeprefix("transformer_blocks.").partition(".")
    base = f"double_blocks.{block}."
    if rest in ("attn.to_q", "attn.add_q_proj"):
        names = ("to_q", "to_k", "to_v") if rest == "attn.to_q" else ("add_q_proj", "add_k_proj", "add_v_proj")
        stream = "img" if rest == "attn.to_q" else "txt"
        fused = torch.cat([state[f"transformer_blocks.{block}.attn.{name}.weight"] for name in names])
        return {f"{base}{stream}_attn.qkv.weight": fused}
    names = {
        "attn.to_out.0": "img_attn.proj.weight",
        "attn.to_add_out": "txt_attn.proj.weight",
        "attn.norm_q": "img_attn.norm.query_norm.scale",
        "attn.norm_k": "img_attn.norm.key_norm.scale",
        "attn.norm_added_q": "txt_attn.norm.query_norm.scale",
        "attn.norm_added_k": "txt_attn.norm.key_norm.scale",
        "ff.linear_in": "img_mlp.0.weight",
        "ff.linear_out": "img_mlp.2.weight",
        "ff_context.linear_in": "txt_mlp.0.weight",
        "ff_context.linear_out": "txt_mlp.2.weight",
    }
    return {base + names[rest]: value} if rest in names else {}


PREFIXES = ("model.diffusion_model.", "diffusion_model.", "transformer.", "module.", "_orig_mod.")


@BOTH
@pytest.mark.parametrize("prefix", PREFIXES)
def test_prefixes_of_comfyui_and_of_trainers(checkpoints, tmp_path, name, prefix):
    state = load_file(own(checkpoints, name))
    file = tmp_path / "prefixed.safetensors"
    save_file({prefix + key: value for key, value in state.items()}, file)
    module = load_transformer(open_checkpoint(checkpoints / name), file, torch.float32)
    got = module.state_dict()
    assert got.keys() == state.keys()
    assert all(torch.equal(got[key], value) for key, value in state.items())


@BOTH
@pytest.mark.parametrize("variant", ["", ".bf16"])
def test_a_folder_of_shards(open_model, prompt, checkpoints, tmp_path, name, variant):
    state = load_file(own(checkpoints, name))
    folder = tmp_path / "checkpoint-500" / "transformer"
    folder.mkdir(parents=True)
    places = {}
    for number in (1, 2, 3):
        shard = f"diffusion_pytorch_model{variant}-0000{number}-of-00003.safetensors"
        keys = list(state)[number - 1 :: 3]
        save_file({key: state[key] + 0.01 for key in keys}, folder / shard)
        places |= dict.fromkeys(keys, shard)
    index = folder / f"diffusion_pytorch_model.safetensors.index{variant}.json"
    index.write_text(json.dumps({"weight_map": places}))
    shutil.copy(own(checkpoints, name).with_name("config.json"), folder)
    model = open_model(name, transformer=str(folder))
    assert model.spec.name.endswith("+checkpoint-500")
    one = tmp_path / "one.safetensors"
    save_file({key: value + 0.01 for key, value in state.items()}, one)
    assert np.array_equal(image_of(model, prompt), image_of(open_model(name, transformer=str(one)), prompt))
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"rope_theta": 99}))
    with pytest.raises(AccountingError, match=r"its config\.json says rope_theta = 99"):
        open_model(name, transformer=str(folder)).__enter__()
    index.unlink()
    with pytest.raises(EvalsuiteError, match="without their index"):
        open_model(name, transformer=str(folder))


@BOTH
def test_raw_float8_is_cast_and_scaled_float8_without_its_scale_refused(checkpoints, tmp_path, name):
    checkpoint = open_checkpoint(checkpoints / name)
    state = load_file(own(checkpoints, name))
    file = tmp_path / "fp8.safetensors"
    raw = {key: value.to(torch.float8_e4m3fn) if value.ndim > 1 else value for key, value in state.items()}
    save_file(raw, file)
    got = load_transformer(checkpoint, file, torch.float32).state_dict()
    assert all(torch.equal(got[key], value.float()) for key, value in raw.items())
    key = next(key for key, value in state.items() if value.ndim == 2)
    scale = state[key].abs().max() / 448
    scaled = raw | {key: (state[key] / scale).to(torch.float8_e4m3fn)}
    save_file(scaled, file)
    with pytest.raises(AccountingError, match=r"float8 with values up to 448: scaled FP8 whose scale is missing"):
        load_transformer(checkpoint, file, torch.float32)
    # Cast to bfloat16 without its scale, as some converters do.
    save_file(state | {key: (state[key] / scale).bfloat16()}, file)
    with pytest.raises(AccountingError, match="which no trained layer has"):
        load_transformer(checkpoint, file, torch.float32)


SCALES = {
    "one number": lambda weight: weight.abs().max() / 448,
    "one for each row": lambda weight: weight.abs().amax(1) / 448,
    "one for each row, as a column": lambda weight: weight.abs().amax(1, keepdim=True) / 448,
}


def scaled(state, name, prefix="", make=SCALES["one number"]):
    """A transformer's state with every matrix in float8 times a scale, and the very weights that stand for."""
    stored, meant = {}, {}
    for key, value in state.items():
        stored[prefix + key] = meant[key] = value
        if value.ndim == 2:
            scale = make(value)
            stored[prefix + key] = (value / (scale if scale.ndim != 1 else scale[:, None])).to(torch.float8_e4m3fn)
            meant[key] = stored[prefix + key].float() * (scale if scale.ndim != 1 else scale[:, None])
            stored[f"{prefix}{key.removesuffix('weight')}{name}"] = scale
    return stored, meant


@BOTH
@pytest.mark.parametrize("form", SCALES)
def test_scaled_float8_is_multiplied_with_its_scales(checkpoints, tmp_path, name, form):
    checkpoint = open_checkpoint(checkpoints / name)
    state = load_file(own(checkpoints, name))
    stored, meant = scaled(state, "weight_scale", make=SCALES[form])
    save_file(stored, tmp_path / "fp8.safetensors")
    got = load_transformer(checkpoint, tmp_path / "fp8.safetensors", torch.float32).state_dict()
    assert got.keys() == meant.keys()
    assert all(torch.equal(got[key], value) for key, value in meant.items())
    # As ComfyUI's older files have it, with what is for computing in float8.
    stored, meant = scaled(state, "scale_weight", "model.diffusion_model.", SCALES[form])
    more = {key.replace("scale_weight", "scale_input"): torch.ones(1) for key in stored if key.endswith("scale_weight")}
    mark = {"model.diffusion_model.scaled_fp8": torch.zeros(2, dtype=torch.uint8)}
    save_file(stored | more | mark, tmp_path / "old.safetensors")
    got = load_transformer(checkpoint, tmp_path / "old.safetensors", torch.float32).state_dict()
    assert all(torch.equal(got[key], value) for key, value in meant.items())


def test_scales_of_another_kind_are_refused(checkpoints, tmp_path):
    checkpoint = open_checkpoint(checkpoints / "klein")
    stored, _ = scaled(load_file(own(checkpoints, "klein")), "weight_scale")
    scale = next(key for key in stored if key.endswith("weight_scale"))
    layer = scale.removesuffix(".weight_scale")
    weight = stored[f"{layer}.weight"]
    blocks = torch.ones(weight.shape[0], weight.shape[1] // 16)
    cases = {
        "scales of one number, or of one for each row": stored | {scale: blocks},
        "is the scale of no weight": {key: value for key, value in stored.items() if key != f"{layer}.weight"},
        "has two scales": stored | {f"{layer}.scale_weight": torch.ones(())},
        "weight_scale_2 belongs to quantised weights": stored | {f"{layer}.weight_scale_2": torch.ones(())},
        "belongs to quantised weights": stored | {f"{layer}.weight": weight.float().to(torch.uint8)},
        "comfy_quant belongs to quantised weights": stored | {f"{layer}.comfy_quant": torch.zeros(4)},
        "holds NaN or infinite values": stored | {scale: torch.tensor(float("nan"))},
        "the weights of all its": {key: torch.zeros_like(value) for key, value in stored.items()},
    }  # fmt: skip
    for number, (said, state) in enumerate(cases.items()):
        save_file(state, tmp_path / f"{number}.safetensors")
        with pytest.raises(AccountingError, match=said):
            load_transformer(checkpoint, tmp_path / f"{number}.safetensors", torch.float32)


@BOTH
@pytest.mark.parametrize("naming", ["diffusers", "makers"])
def test_one_tensor_more_or_less_is_named(checkpoints, tmp_path, name, naming):
    checkpoint = open_checkpoint(checkpoints / name)
    state = load_file(own(checkpoints, name))
    if naming == "makers" and name == "klein":
        state = makers_state(state)
    file = tmp_path / "t.safetensors"
    key = next(key for key in state if key.endswith("weight") and "norm" not in key)
    save_file({each: value.contiguous() for each, value in state.items() if each != key}, file)
    with pytest.raises(AccountingError, match=r"1 of .* tensors of .* are missing"):
        load_transformer(checkpoint, file, torch.float32)
    save_file({each: value.contiguous() for each, value in state.items()} | {"more.weight": torch.ones(1)}, file)
    with pytest.raises(AccountingError, match=r"1 of .* have no place .*more\.weight"):
        load_transformer(checkpoint, file, torch.float32)
    spoilt = {each: value.contiguous().clone() for each, value in state.items()}
    spoilt[key].view(-1)[0] = float("nan")
    save_file(spoilt, file)
    with pytest.raises(AccountingError, match="NaN or infinite"):
        load_transformer(checkpoint, file, torch.float32)


def test_a_checkpoint_of_everything_is_refused(checkpoints, tmp_path):
    state = load_file(own(checkpoints, "klein"))
    file = tmp_path / "all.safetensors"
    save_file({f"model.diffusion_model.{key}": value for key, value in state.items()} | {"vae.x": torch.ones(1)}, file)
    with pytest.raises(AccountingError, match=r"holds other parts beside the transformer, e\.g\. vae\.x"):
        load_transformer(open_checkpoint(checkpoints / "klein"), file, torch.float32)


def test_a_transformer_of_another_model_is_refused(open_model, checkpoints, tmp_path):
    file = tmp_path / "other.safetensors"
    state = load_file(checkpoints / "klein" / "transformer" / "diffusion_pytorch_model.safetensors")
    state["x_embedder.weight"] = state["x_embedder.weight"][:, :8].contiguous()
    save_file(state, file)
    with pytest.raises(
        EvalsuiteError, match=r"1 tensors have another shape .* x_embedder.weight: \[32, 8\] for \[32, 16\]"
    ):
        open_model("klein", transformer=str(file)).__enter__()
    shutil.copy(checkpoints / "ernie" / "transformer" / "diffusion_pytorch_model.safetensors", file)
    with pytest.raises(EvalsuiteError, match="neither diffusers' names nor those of Flux2Transformer2DModel"):
        open_model("klein", transformer=str(file)).__enter__()
    file.write_bytes(b"no safetensors at all")
    with pytest.raises(EvalsuiteError, match="no safetensors file"):
        open_model("klein", transformer=str(file)).__enter__()
