"""Checkpoint folders: complete, safetensors only, no code of their own."""

from __future__ import annotations

import json
import shutil

import pytest

from evalsuite.errors import EvalsuiteError
from evalsuite.models.checkpoints import is_repository, open_checkpoint
from evalsuite.models.weight_sets import WeightsMissingError


@pytest.fixture
def folder(checkpoints, tmp_path):
    return shutil.copytree(checkpoints / "klein", tmp_path / "klein")


def edit_index(folder, **changes):
    path = folder / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_complete_folder_is_opened_without_loading(folder):
    checkpoint = open_checkpoint(folder, revision="abc")
    assert checkpoint.pipeline == "Flux2KleinPipeline"
    assert checkpoint.revision == "abc"
    assert checkpoint.stand_in
    assert checkpoint.index["is_distilled"] is True
    assert checkpoint.components["text_encoder"] == ("transformers", "Qwen3ForCausalLM")
    names = set(checkpoint.files())
    assert {"model_index.json", "vae/diffusion_pytorch_model.safetensors", "tokenizer/tokenizer.json"} <= names
    assert "stand-in.txt" not in names


def test_files_leave_out_what_is_not_read(folder):
    (folder / "README.md").write_text("no matter")
    (folder / "flux-2-klein-4b.safetensors").write_bytes(b"the makers' own format, not read")
    checkpoint = open_checkpoint(folder)
    assert all("/" in name or name == "model_index.json" for name in checkpoint.files())
    swapped = checkpoint.files(replaced="transformer")
    assert "transformer/config.json" in swapped
    assert "transformer/diffusion_pytorch_model.safetensors" not in swapped
    assert not any(name.startswith("vae/") for name in checkpoint.files(unused=("vae",)))


@pytest.mark.parametrize("part", ["transformer", "tokenizer", "scheduler"])
def test_a_missing_part_is_named(folder, part):
    shutil.rmtree(folder / part)
    with pytest.raises(WeightsMissingError, match=rf"{part}: this part of the checkpoint is missing"):
        open_checkpoint(folder)


def test_a_missing_weight_file_is_named(folder):
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(WeightsMissingError, match="vae: holds no safetensors file"):
        open_checkpoint(folder)


def test_a_missing_shard_is_named(folder):
    part = folder / "transformer"
    (part / "diffusion_pytorch_model.safetensors").rename(part / "diffusion_pytorch_model-00001-of-00002.safetensors")
    shards = {f"w{i}": f"diffusion_pytorch_model-0000{i}-of-00002.safetensors" for i in (1, 2)}
    index = part / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(WeightsMissingError, match=r"1 of 2 weight files are missing, e\.g\. .*-00002-of-00002"):
        open_checkpoint(folder)
    index.write_text("{}")
    with pytest.raises(EvalsuiteError, match=r"index\.json: cannot be read"):
        open_checkpoint(folder)


def test_pickled_weights_are_refused(folder):
    part = folder / "text_encoder"
    (part / "model.safetensors").rename(part / "pytorch_model.bin")
    with pytest.raises(EvalsuiteError, match="pickled") as caught:
        open_checkpoint(folder)
    assert not isinstance(caught.value, WeightsMissingError)


def test_code_of_the_checkpoint_is_refused(folder):
    edit_index(folder, transformer=["my_transformer", "MyTransformer"])
    with pytest.raises(EvalsuiteError, match="only classes of diffusers and transformers"):
        open_checkpoint(folder)
    edit_index(folder, _class_name=["pipeline", "MyPipeline"])
    with pytest.raises(EvalsuiteError, match="code of their own"):
        open_checkpoint(folder)


def test_a_part_cannot_lead_out_of_the_folder(folder):
    edit_index(folder, **{"../klein": ["diffusers", "AutoencoderKL"]})
    with pytest.raises(EvalsuiteError, match="is no name for a part"):
        open_checkpoint(folder)


@pytest.mark.parametrize("text", ["", "[]", "{nonsense"])
def test_a_broken_index_is_named(folder, text):
    (folder / "model_index.json").write_text(text)
    with pytest.raises(EvalsuiteError, match=r"model_index\.json"):
        open_checkpoint(folder)


def test_no_folder_and_no_index_are_told_apart(tmp_path):
    with pytest.raises(WeightsMissingError, match="there is no such folder"):
        open_checkpoint(tmp_path / "nowhere")
    with pytest.raises(WeightsMissingError, match=r"holds no model_index\.json"):
        open_checkpoint(tmp_path)


def test_hub_ids():
    assert is_repository("black-forest-labs/FLUX.2-klein-4B")
    assert is_repository("baidu/ERNIE-Image")
    for name in ("flux2-klein-4b", "a/b/c", "../x", "/a/b", "a/", "./a"):
        assert not is_repository(name)
