"""Finding checkpoints as training scripts leave them."""

from __future__ import annotations

import json
import os
import struct

import pytest

from evalsuite.sweep.checkpoints import CheckpointError, Found, find, read_header, settled, step_of


def write_weights(path, *names, cut=0, more=b""):
    """A safetensors file of four bytes a tensor, written by the format's specification."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {name: {"dtype": "F32", "shape": [1], "data_offsets": [4 * i, 4 * i + 4]} for i, name in enumerate(names)}
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    content = struct.pack("<Q", len(text)) + text + b"\0" * 4 * len(names) + more
    path.write_bytes(content[: len(content) - cut])
    return path


LORA = "transformer.blocks.0.attn.to_q.lora_A.weight"
KOHYA = "lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight"
FULL = "transformer_blocks.0.attn.to_q.weight"


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("checkpoint-500", 500), ("step_000500", 500), ("epoch-3-step-1500", 1500), ("epoch_7", 7),
        ("my-lora-000010", 10), ("flux2-klein-4b", None), ("pytorch_lora_weights", None), ("iter.20", 20),
        ("Checkpoint 40", 40), ("v2", None), ("global_step800", 800),
    ],
)  # fmt: skip
def test_steps_are_read_from_names(name, step):
    assert step_of(name) == step


def test_checkpoints_come_in_step_order_with_the_final_one_last(tmp_path):
    write_weights(tmp_path / "step-1000.safetensors", LORA)
    write_weights(tmp_path / "step-200.safetensors", KOHYA)
    write_weights(tmp_path / "final.safetensors", FULL)
    write_weights(tmp_path / "checkpoint-300" / "pytorch_lora_weights.safetensors", LORA)
    write_weights(tmp_path / "checkpoint-400" / "transformer" / "diffusion_pytorch_model.safetensors", FULL)
    (tmp_path / "checkpoint-500").mkdir()
    (tmp_path / "checkpoint-500" / "model_index.json").write_text("{}")
    (tmp_path / "images-600").mkdir()
    (tmp_path / "images-600" / "a_0.png").write_bytes(b"")
    (tmp_path / "logs").mkdir()
    (tmp_path / "optimizer.bin").write_bytes(b"x")
    (tmp_path / ".cache-700").mkdir()
    (tmp_path / "latest").symlink_to(tmp_path / "checkpoint-400", target_is_directory=True)
    assert [(found.name, found.step, found.kind) for found in find(tmp_path)] == [
        ("step-200", 200, "lora"),
        ("checkpoint-300", 300, "lora"),
        ("checkpoint-400", 400, "transformer"),
        ("checkpoint-500", 500, "pipeline"),
        ("images-600", 600, "images"),
        ("step-1000", 1000, "lora"),
        ("final", None, "transformer"),
    ]
    assert find(tmp_path)[1].path == tmp_path / "checkpoint-300" / "pytorch_lora_weights.safetensors"


def test_a_file_and_a_folder_of_one_name_are_two_checkpoints(tmp_path):
    (tmp_path / "step-1").mkdir()
    (tmp_path / "step-1" / "model_index.json").write_text("{}")
    write_weights(tmp_path / "step-1.safetensors", FULL)
    assert [found.name for found in find(tmp_path)] == ["step-1", "step-1.safetensors"]


def test_what_cannot_be_used_is_found_with_its_problem(tmp_path):
    write_weights(tmp_path / "step-1.safetensors", FULL, cut=2)
    write_weights(tmp_path / "step-2" / "a.safetensors", FULL)
    write_weights(tmp_path / "step-2" / "b.safetensors", FULL)
    one, two = find(tmp_path)
    assert "cut short" in one.problem
    assert "holds 2 safetensors files" in two.problem


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(CheckpointError, match="no such folder"):
        find(tmp_path / "none")
    assert find(tmp_path) == []


def test_the_header_names_the_tensors(tmp_path):
    assert list(read_header(write_weights(tmp_path / "a.safetensors", FULL, LORA))) == [FULL, LORA]
    assert read_header(write_weights(tmp_path / "empty.safetensors")) == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x01",
        struct.pack("<Q", 2**40) + b"{}",
        struct.pack("<Q", 4) + b"nope",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 13) + b'{"a":{"b":1}}',
        struct.pack("<Q", 9) + b'{"a":123}',
    ],
)
def test_what_is_no_safetensors_is_refused(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x\.safetensors"):
        read_header(path)


def test_a_file_longer_than_it_declares_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="its header declares"):
        read_header(write_weights(tmp_path / "a.safetensors", FULL, more=b"x"))


def test_a_checkpoint_is_settled_when_whole_and_quiet(tmp_path):
    path = write_weights(tmp_path / "step-1.safetensors", FULL)
    (found,) = find(tmp_path)
    assert not settled(found, 10)
    os.utime(path, (1e9, 1e9))
    assert settled(found, 10)
    write_weights(path, FULL, cut=1)
    os.utime(path, (1e9, 1e9))
    assert not settled(found, 10)
    path.unlink()
    assert not settled(found, 10)
    assert not settled(Found("x", 1, "images", tmp_path / "gone"), 10)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such file names")
def test_a_name_that_is_no_text_is_a_row_that_can_be_stored(tmp_path):
    try:
        (tmp_path / os.fsdecode(b"step-1\xff.safetensors")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")
    (found,) = find(tmp_path)
    assert found.name == "step-1\\xff"
    assert found.problem.endswith("its name is no UTF-8, in which the results are stored; rename it")
    found.problem.encode()
    folder = tmp_path / os.fsdecode(b"\xfe")
    folder.mkdir()
    with pytest.raises(CheckpointError, match=r"\\xfe: its name is no UTF-8"):
        find(folder)
