"""Pipelines whose files, configurations and models are not the same tensors are refused before anything is drawn."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from evalsuite.errors import EvalsuiteError, ExitCode
from evalsuite.models.accounting import AccountingError, compare, refuse_quantised
from evalsuite.models.checkpoints import open_checkpoint
from evalsuite.models.configurations import check_config
from evalsuite.models.loading import load_pipeline
from evalsuite.models.weights_file import TensorInfo, WeightsFileError

BOTH = pytest.mark.parametrize("name", ["klein", "ernie"])
PARTS = pytest.mark.parametrize("part", ["transformer", "text_encoder", "vae"])


@pytest.fixture
def folder(checkpoints, tmp_path, name):
    return shutil.copytree(checkpoints / name, tmp_path / name)


def weights_of(folder, part):
    (file,) = (folder / part).glob("*.safetensors")
    return file


def edit(folder, part, change):
    """Save a part's weights after `change` worked on them; returns what it returns."""
    file = weights_of(folder, part)
    state = load_file(file)
    result = change(state)
    save_file(state, file, metadata={"format": "pt"})
    return result


def configure(folder, part, **values):
    path = folder / part / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def refused(folder, said):
    with pytest.raises(EvalsuiteError, match=said) as caught:
        load_pipeline(open_checkpoint(folder), "fp32")
    assert caught.value.exit_code == ExitCode.USAGE
    assert "\n" not in str(caught.value)
    return str(caught.value)


def a_matrix(state):
    return next(key for key in state if state[key].ndim == 2 and "embed" not in key)


@BOTH
def test_a_whole_pipeline_is_loaded_to_the_last_tensor(folder, name):
    pipeline = load_pipeline(open_checkpoint(folder), "fp32")
    for part in ("transformer", "text_encoder", "vae", *(("pe",) if name == "ernie" else ())):
        held = load_file(weights_of(folder, part))
        values = {tuple(value.flatten()[:8].tolist()) for value in held.values()}
        for key, parameter in getattr(pipeline, part).named_parameters():
            assert tuple(parameter.detach().flatten()[:8].tolist()) in values, f"{part}: {key} came from no file"


@BOTH
@PARTS
def test_a_missing_tensor_is_named(folder, part, name):  # noqa: ARG001 - the folder's
    edit(folder, part, lambda state: state.pop(a_matrix(state)))
    assert part in refused(folder, r"1 .*(missing|in no file)")


@BOTH
@PARTS
def test_half_of_the_tensors(folder, part, name):  # noqa: ARG001
    edit(folder, part, lambda state: [state.pop(key) for key in list(state)[::2]])
    assert part in refused(folder, r"missing|in no file")


def test_the_enhancers_tensors_count_too(checkpoints, tmp_path):
    folder = shutil.copytree(checkpoints / "ernie", tmp_path / "ernie")
    edit(folder, "pe", lambda state: state.pop(a_matrix(state)))
    assert "/pe" in refused(folder, r"1 of .* are missing")
    load_pipeline(open_checkpoint(folder), "fp32", enhancer=False)


@BOTH
@PARTS
def test_a_tensor_too_many_is_named(folder, part, name):  # noqa: ARG001
    edit(folder, part, lambda state: state.update({"layers.99.extra.weight": torch.ones(2, 2)}))
    assert part in refused(folder, r"no place in .*layers\.99\.extra\.weight")


@BOTH
@PARTS
def test_another_shape_is_named(folder, part, name):  # noqa: ARG001
    def cut(state):
        key = a_matrix(state) if part != "vae" else "decoder.conv_in.weight"
        state[key] = state[key][:-1].contiguous()

    edit(folder, part, cut)
    assert part in refused(folder, r"another shape|size mismatch|mismatch")


@BOTH
@PARTS
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 6e4])
def test_values_that_no_network_has(folder, part, value, name):  # noqa: ARG001
    def spoil(state):
        key = a_matrix(state) if part != "vae" else "decoder.conv_in.weight"
        if value == 6e4:
            state[key].fill_(value)
        else:
            state[key].view(-1)[-1] = value
        return key

    edit(folder, part, spoil)
    assert part in refused(folder, "weights of 6e\\+04" if value == 6e4 else "NaN or infinite")


LAYERS = {"klein": "num_single_layers", "ernie": "num_layers"}


@BOTH
@PARTS
def test_weights_that_are_no_floating_point_numbers(folder, part, name):  # noqa: ARG001
    edit(folder, part, lambda state: state.update({key: value.to(torch.int8) for key, value in state.items()}))
    assert part in refused(folder, "no floating-point numbers")


@pytest.mark.parametrize("kind", ["I8", "U8", "I32", "I64", "BOOL", "C64"])
def test_only_floating_point_numbers_are_weights(kind):
    with pytest.raises(AccountingError, match=rf"here: a\.weight is {kind}, which are no floating-point numbers"):
        refuse_quantised("here", {"a.weight": TensorInfo(kind, (2, 2))})
    refuse_quantised("here", {"bn.num_batches_tracked": TensorInfo(kind, ())})


@BOTH
@PARTS
def test_a_part_without_any_weight_but_zero(folder, part, name):  # noqa: ARG001
    edit(folder, part, lambda state: state.update({key: value * 0 for key, value in state.items()}))
    assert part in refused(folder, r"the weights of all its \d+ layers are zero")


@BOTH
@PARTS
def test_a_file_that_would_not_be_loaded(folder, part, name):  # noqa: ARG001
    shutil.copy(weights_of(folder, part), folder / part / "finetuned.safetensors")
    assert part in refused(folder, "finetuned.safetensors lies beside .* and would not be loaded")


@BOTH
@pytest.mark.parametrize("count", [1, 3, -1, 10**9])
def test_a_configuration_with_other_layers_than_the_files(folder, name, count):
    configure(folder, "transformer", **{LAYERS[name]: count})
    assert "transformer" in refused(folder, "tensors")


@BOTH
def test_a_text_encoder_with_other_layers_than_its_file(folder, name):
    if name == "ernie":
        config = json.loads((folder / "text_encoder" / "config.json").read_text())["text_config"]
        configure(folder, "text_encoder", text_config=config | {"num_hidden_layers": 1})
    else:
        configure(folder, "text_encoder", num_hidden_layers=27, layer_types=["full_attention"] * 27)
    refused(folder, "text_encoder: .* no place in it")


@BOTH
@PARTS
@pytest.mark.parametrize("content", ["pointer", "cut", "empty", "symlink"])
def test_files_that_are_not_whole(folder, part, content, tmp_path, name):  # noqa: ARG001
    file = weights_of(folder, part)
    if content == "pointer":
        file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    elif content == "symlink":
        (tmp_path / "other").write_text("root:x:0:0\n" * 9)
        file.unlink()
        file.symlink_to(tmp_path / "other")
    else:
        file.write_bytes(file.read_bytes()[: 5000 if content == "cut" else 0])
    with pytest.raises(WeightsFileError, match=part):
        open_checkpoint(folder)


@BOTH
@PARTS
def test_variants_are_loaded_where_there_is_nothing_else(folder, part, name):  # noqa: ARG001
    wanted = load_pipeline(open_checkpoint(folder), "fp32")
    file = weights_of(folder, part)
    file.rename(file.with_name(file.name.replace(".safetensors", ".fp16.safetensors")))
    got = load_pipeline(open_checkpoint(folder), "fp32")
    for key, value in getattr(wanted, part).state_dict().items():
        assert torch.equal(getattr(got, part).state_dict()[key], value)
    shutil.copy(weights_of(folder, part), file.with_name(file.name.replace(".safetensors", ".bf16.safetensors")))
    refused(folder, r"only variants of its weights \(bf16, fp16\)")


def shard(folder, *, index=True, variant=""):
    """Cut a part's weights into two shards with their index, as the libraries do with large ones."""
    (file,) = folder.glob("*.safetensors")
    state = load_file(file)
    stem = file.name.removesuffix(".safetensors")
    places = {}
    for number in (1, 2):
        name = f"{stem}{variant}-0000{number}-of-00002.safetensors"
        keys = list(state)[number - 1 :: 2]
        save_file({key: state[key] for key in keys}, folder / name, metadata={"format": "pt"})
        places |= dict.fromkeys(keys, name)
    file.unlink()
    if index:
        path = folder / f"{stem}.safetensors.index{variant}.json"
        path.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return places


@BOTH
@PARTS
@pytest.mark.parametrize("variant", ["", ".fp16"])
def test_shards_are_one_models_weights(folder, part, variant, name):  # noqa: ARG001
    wanted = load_pipeline(open_checkpoint(folder), "fp32")
    shard(folder / part, variant=variant)
    got = load_pipeline(open_checkpoint(folder), "fp32")
    for key, value in getattr(wanted, part).state_dict().items():
        assert torch.equal(getattr(got, part).state_dict()[key], value)


@pytest.mark.parametrize("name", ["klein"])
def test_shards_that_do_not_add_up(folder, name):  # noqa: ARG001
    part = folder / "transformer"
    places = shard(part)
    index = part / "diffusion_pytorch_model.safetensors.index.json"
    moved = dict(places)
    moved[next(iter(places))] = "diffusion_pytorch_model-00002-of-00002.safetensors"
    index.write_text(json.dumps({"weight_map": moved}))
    refused(folder, "the shards disagree on 1 tensors")
    index.write_text(json.dumps({"weight_map": {**places, "more": places[next(iter(places))]}}))
    refused(folder, "disagree on 1 tensors, e.g. more")
    index.unlink()
    refused(folder, "without their index")
    index.write_text(json.dumps({"weight_map": places}))
    shutil.copy(next(part.glob("*-00001-*")), part / "diffusion_pytorch_model.safetensors")
    refused(folder, "holds its weights twice")


def test_quantised_weights_are_refused_by_what_they_hold():
    for name, dtype in (
        ("a.weight_scale", "F32"), ("a.scale_weight", "F32"), ("a.input_scale", "F32"), ("scaled_fp8", "F8_E4M3"),
        ("a.weight.absmax", "F32"), ("a.weight_scale_2", "F32"), ("a.weight", "F4"), ("a.qweight", "I32"),
    ):  # fmt: skip
        with pytest.raises(AccountingError, match="belongs to quantised weights"):
            refuse_quantised("x", {name: TensorInfo(dtype, (1,))})
    refuse_quantised("x", {"norm.scale": TensorInfo("F32", (1,)), "a.weight": TensorInfo("F8_E4M3", (2, 2))})
    with pytest.raises(AccountingError, match=r"is quantised \(bitsandbytes\)"):
        check_config("x", {"quantization_config": {"quant_method": "bitsandbytes"}}, 3)


def test_all_that_differs_is_told_at_once():
    with pytest.raises(AccountingError) as caught:
        compare("x", "Model", {"a": (1,), "b": (2,), "c": (3,)}, {"b": (3,), "c": (3,), "d": (1,)})
    text = str(caught.value)
    assert "1 of 3 tensors of Model are missing, e.g. a" in text
    assert "1 of 3 tensors have no place in Model, e.g. d" in text
    assert "1 tensors have another shape than in Model, e.g. b: [3] for [2]" in text
