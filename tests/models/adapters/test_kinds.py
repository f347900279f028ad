"""Strength and kinds of adapters: what is laid equals what the library that made the file makes of it."""

from __future__ import annotations

import json
import logging

import pytest
import torch
import trainers
from safetensors.torch import load_file, save_file

from evalsuite.models.adapters import AdapterError, fuse_adapter
from evalsuite.models.checkpoints import open_checkpoint
from evalsuite.models.loading import load_pipeline

TARGETS = [
    "transformer_blocks.0.attn.to_q",
    "transformer_blocks.0.ff.linear_in",
    "single_transformer_blocks.1.attn.to_out",
]
TARGETS_ERNIE = ["layers.0.self_attention.to_q", "layers.1.mlp.linear_fc2"]
BOTH = pytest.mark.parametrize("model", ["klein", "ernie-no-pe"])


@pytest.fixture(scope="module")
def loaded(checkpoints):
    return {name: load_pipeline(open_checkpoint(checkpoints / name), "fp32") for name in ("klein", "ernie-no-pe")}


@pytest.fixture
def pipeline(loaded, model):
    """A pipeline whose weights are put back afterwards."""
    transformer = loaded[model].transformer
    before = {key: value.clone() for key, value in transformer.state_dict().items()}
    yield loaded[model]
    transformer.load_state_dict(before)


def targets(model: str) -> list[str]:
    return TARGETS_ERNIE if model.startswith("ernie") else TARGETS


def weights(pipeline):
    return {key: value.clone() for key, value in pipeline.transformer.state_dict().items()}


def fused(pipeline, path, scale=1.0):
    before = weights(pipeline)
    fuse_adapter(pipeline, path, scale)
    after = weights(pipeline)
    pipeline.transformer.load_state_dict(before)
    return after


PEFT_CONFIGS = {
    "alpha": {"lora_alpha": 10},
    "rsLoRA": {"lora_alpha": 10, "use_rslora": True},
    "DoRA": {"lora_alpha": 6, "use_dora": True},
    "alpha_pattern": {"lora_alpha": 10, "alpha_pattern": {"to_q": 3}, "rank_pattern": {"to_q": 2}},
}


@BOTH
@pytest.mark.parametrize("kind", [*PEFT_CONFIGS, "LoHa", "LoKr", "LoKr, both factors"])
def test_peft_by_its_own_merging(pipeline, model, tmp_path, kind):
    from peft import LoHaConfig, LoKrConfig, LoraConfig, get_peft_model

    layers = targets(model)
    if kind == "LoHa":
        config = LoHaConfig(r=4, alpha=6, target_modules=layers)
    elif kind.startswith("LoKr"):
        config = LoKrConfig(r=2, alpha=6, target_modules=layers, decompose_both=kind != "LoKr")
    else:
        config = LoraConfig(r=4, target_modules=layers, **PEFT_CONFIGS[kind])
    before = weights(pipeline)
    adapted = get_peft_model(pipeline.transformer, config)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if parameter.requires_grad and "magnitude" not in name:
                parameter.normal_(std=0.2)
            elif "magnitude" in name:
                parameter.mul_(1.2)
    adapted.save_pretrained(tmp_path)
    merged = adapted.merge_and_unload().state_dict()
    wanted = {key: value.clone() for key, value in merged.items()}
    pipeline.transformer.load_state_dict(before)
    got = fused(pipeline, tmp_path / "adapter_model.safetensors")
    changed = {key for key in before if not torch.equal(before[key], got[key])}
    assert changed == {key for key in before if not torch.equal(before[key], wanted[key])} != set()
    for key, value in wanted.items():
        assert torch.allclose(got[key], value, atol=2e-6), key


@pytest.mark.parametrize("model", ["ernie-no-pe"])
def test_peft_with_a_bias_of_the_adapter(pipeline, model, tmp_path):  # noqa: ARG001 - the pipeline's model
    from peft import LoraConfig, get_peft_model

    before = weights(pipeline)
    config = LoraConfig(r=4, lora_alpha=8, lora_bias=True, target_modules=["final_linear"])
    adapted = get_peft_model(pipeline.transformer, config)
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.normal_(std=0.2)
    adapted.save_pretrained(tmp_path)
    wanted = {key: value.clone() for key, value in adapted.merge_and_unload().state_dict().items()}
    pipeline.transformer.load_state_dict(before)
    got = fused(pipeline, tmp_path / "adapter_model.safetensors")
    assert not torch.equal(before["final_linear.bias"], wanted["final_linear.bias"])
    assert all(torch.allclose(got[key], value, atol=2e-6) for key, value in wanted.items())


LYCORIS = {
    "LoCon": ("lora", {}),
    "LoCon, rsLoRA": ("lora", {"rs_lora": True}),
    "LoHa": ("loha", {}),
    "LoKr": ("lokr", {}),
    "LoKr, both factors": ("lokr", {"decompose_both": True, "factor": 4}),
    "LoKr, whole factors": ("lokr", {"full_matrix": True}),
    "DoRA by rows": ("lora", {"dora_wd": True}),
    "DoRA by columns": ("lora", {"dora_wd": True, "wd_on_output": False}),
    "LoHa with DoRA": ("loha", {"dora_wd": True}),
    "LoKr with DoRA": ("lokr", {"dora_wd": True}),
    "full difference": ("full", {}),
}


@BOTH
@pytest.mark.parametrize("kind", list(LYCORIS))
def test_lycoris_by_its_own_forward_pass(pipeline, model, tmp_path, kind):
    """What a layer does while LyCORIS trains it. (Its `merge_to` of 4.1.3 takes LoHa's and LoKr's scale twice.)"""
    lycoris = pytest.importorskip("lycoris")
    lycoris.logger.setLevel(logging.ERROR)
    algorithm, options = LYCORIS[kind]
    lycoris.LycorisNetwork.apply_preset({"target_name": targets(model), "target_module": []})
    network = lycoris.create_lycoris(pipeline.transformer, 1.0, linear_dim=4, linear_alpha=2, algo=algorithm, **options)
    assert len(network.loras) == len(targets(model))
    before = weights(pipeline)
    network.apply_to()
    wanted = {}
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "dora" in name:
                parameter.mul_(1.2)
            else:
                parameter.normal_(std=0.2)
        save_file({key: value.contiguous() for key, value in network.state_dict().items()}, tmp_path / "a.safetensors")
        for name in targets(model):
            layer = pipeline.transformer.get_submodule(name)
            output = layer(torch.eye(layer.in_features)) - (0 if layer.bias is None else layer.bias)
            wanted[f"{name}.weight"] = output.T
    network.restore()
    got = fused(pipeline, tmp_path / "a.safetensors")
    assert {key for key in before if not torch.equal(before[key], got[key])} == wanted.keys()
    for key, value in wanted.items():
        assert torch.allclose(got[key], value, atol=1e-5), key


def lora_of(model):
    rows, columns = (32, 32)
    generator = torch.Generator().manual_seed(3)
    a, b = torch.randn(4, columns, generator=generator), torch.randn(rows, 4, generator=generator)
    return targets(model)[0], a * 0.2, b * 0.2


@BOTH
def test_diffusers_metadata_say_alpha(pipeline, model, tmp_path):
    """`save_lora_weights` with the adapter's configuration, as diffusers' scripts call it."""
    name, a, b = lora_of(model)
    metadata = {"r": 4, "lora_alpha": 8, "target_modules": [name], "use_rslora": False, "use_dora": False}
    type(pipeline).save_lora_weights(
        tmp_path,
        transformer_lora_layers={f"{name}.lora_A.weight": a, f"{name}.lora_B.weight": b},
        transformer_lora_adapter_metadata=metadata,
    )
    before = weights(pipeline)
    got = fused(pipeline, tmp_path / "pytorch_lora_weights.safetensors")
    assert torch.allclose(got[f"{name}.weight"], before[f"{name}.weight"] + 2 * b @ a, atol=1e-5)


@BOTH
def test_kohya_alpha_and_dora_on_a_scale(pipeline, model, tmp_path):
    name, a, b = lora_of(model)
    key = f"lora_unet_{name.replace('.', '_')}"
    before = weights(pipeline)[f"{name}.weight"]
    magnitude = before.norm(dim=1, keepdim=True) * 1.5
    state = {f"{key}.lora_down.weight": a, f"{key}.lora_up.weight": b, f"{key}.alpha": torch.tensor(2.0)}
    save_file(state, tmp_path / "plain.safetensors")
    save_file(state | {f"{key}.dora_scale": magnitude}, tmp_path / "dora.safetensors")
    got = fused(pipeline, tmp_path / "plain.safetensors", -2.0)[f"{name}.weight"]
    assert torch.allclose(got, before - 2 * 0.5 * b @ a, atol=1e-5)
    merged = before + 0.5 * b @ a
    whole = merged * magnitude / merged.norm(dim=1, keepdim=True)
    got = fused(pipeline, tmp_path / "dora.safetensors", 0.3)[f"{name}.weight"]
    assert torch.allclose(got, before + 0.3 * (whole - before), atol=1e-5)


@pytest.mark.parametrize("model", ["klein"])
def test_lokr_and_dora_of_the_makers_fused_layer(pipeline, model, tmp_path):  # noqa: ARG001 - the pipeline's model
    """ai-toolkit trains LoKr and DoRA on the fused qkv, whose rows diffusers has in three layers."""
    names = [f"transformer_blocks.0.attn.to_{x}.weight" for x in "qkv"]
    before = weights(pipeline)
    whole = torch.cat([before[name] for name in names])
    w1, w2 = torch.randn(4, 4) * 0.3, torch.randn(24, 8) * 0.3
    key = "diffusion_model.double_blocks.0.img_attn.qkv"
    save_file(
        {f"{key}.lokr_w1": w1, f"{key}.lokr_w2": w2, f"{key}.alpha": torch.tensor(1e10)}, tmp_path / "k.safetensors"
    )
    got = fused(pipeline, tmp_path / "k.safetensors")
    assert torch.allclose(torch.cat([got[name] for name in names]), whole + torch.kron(w1, w2), atol=1e-5)
    a, b = torch.randn(4, 32) * 0.2, torch.randn(96, 4) * 0.2
    for dim in (0, 1):
        merged = whole + b @ a
        magnitude = whole.norm(dim=dim, keepdim=True) * 1.3
        state = {f"{key}.lora_A.weight": a, f"{key}.lora_B.weight": b, f"{key}.dora_scale": magnitude}
        save_file(state, tmp_path / "d.safetensors")
        got = fused(pipeline, tmp_path / "d.safetensors")
        wanted = merged * magnitude / merged.norm(dim=dim, keepdim=True)
        assert torch.allclose(torch.cat([got[name] for name in names]), wanted, atol=1e-5)


TEXT_LAYERS = {
    "klein": ("model.layers.0.self_attn.q_proj", ("text_encoder.", "lora_te1_", "lora_te_")),
    "ernie-no-pe": ("language_model.layers.0.self_attn.q_proj", ("text_encoder.", "lora_te1_")),
}


@BOTH
def test_a_text_encoders_lora_is_laid_over_the_text_encoder(loaded, model, tmp_path):
    pipeline = loaded[model]
    name, prefixes = TEXT_LAYERS[model]
    layer = pipeline.text_encoder.get_submodule(name)
    before = layer.weight.detach().clone()
    a, b = torch.randn(4, before.shape[1]) * 0.1, torch.randn(before.shape[0], 4) * 0.1
    for prefix in prefixes:
        flat = prefix.endswith("_")
        state = trainers.keyed({name: (a, b)}, prefix, *(trainers.DOWN_UP if flat else trainers.AB), flat=flat)
        save_file(state, tmp_path / "te.safetensors")
        fuse_adapter(pipeline, tmp_path / "te.safetensors", 1.0)
        assert torch.allclose(layer.weight, before + b @ a, atol=1e-6)
        layer.weight.data.copy_(before)


@BOTH
def test_differences_are_added(pipeline, model, tmp_path):
    name, _, _ = lora_of(model)
    diff = torch.randn(32, 32) * 0.1
    save_file({f"diffusion_model.{name}.diff": diff}, tmp_path / "diff.safetensors")
    before = weights(pipeline)
    got = fused(pipeline, tmp_path / "diff.safetensors", 0.5)
    assert torch.allclose(got[f"{name}.weight"], before[f"{name}.weight"] + 0.5 * diff, atol=1e-6)


@BOTH
def test_a_configuration_that_disagrees_is_refused(pipeline, model, tmp_path):
    name, a, b = lora_of(model)
    file, config = tmp_path / "adapter_model.safetensors", tmp_path / "adapter_config.json"
    key = f"base_model.model.{name}"
    save_file({f"{key}.lora_A.weight": a, f"{key}.lora_B.weight": b}, file)
    with pytest.raises(AdapterError, match=r"adapter_config\.json, which is missing"):
        fuse_adapter(pipeline, file, 1.0)
    good = {"peft_type": "LORA", "r": 4, "lora_alpha": 4}
    for change, said in (
        ({"r": 8}, "has rank 4 in the file, 8 by"),
        ({"use_dora": True}, "use_dora=true, the file holds no magnitudes"),
        ({"peft_type": "LOHA"}, "says LOHA, the file holds LoRA"),
        ({"init_lora_weights": "pissa"}, "changed base weights"),
        ({"modules_to_save": ["proj_out"]}, "modules_to_save"),
        ({"lora_alpha": "strong"}, "is 'strong', not a number"),
        ({"alpha_pattern": {"(a+)+$": 2}}, "has the pattern"),
    ):
        config.write_text(json.dumps(good | change))
        with pytest.raises(AdapterError, match=said):
            fuse_adapter(pipeline, file, 1.0)
    config.write_text("[]")
    with pytest.raises(AdapterError, match="no JSON object"):
        fuse_adapter(pipeline, file, 1.0)
    config.write_text(json.dumps(good))
    fuse_adapter(pipeline, file, 1.0)
    assert load_file(file)
