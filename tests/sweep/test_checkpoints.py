"""Finding checkpoints as training scripts leave them."""

from __future__ import annotations

import json
import os
import struct

import pytest

from evalsuite.sweep.checkpoints import CheckpointError, Found, find, settled, survey


def write_weights(path, *names, cut=0, more=b"", value=0, **metadata):
    """A safetensors file of four bytes a tensor, written by the format's specification."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {name: {"dtype": "F32", "shape": [1], "data_offsets": [4 * i, 4 * i + 4]} for i, name in enumerate(names)}
    text = json.dumps({"__metadata__": {"format": "pt", **metadata}, **header}).encode()
    content = struct.pack("<Q", len(text)) + text + bytes([value, 0, 0, 0]) * len(names) + more
    path.write_bytes(content[: len(content) - cut])
    return path


LORA = "transformer.blocks.0.attn.to_q.lora_A.weight"
KOHYA = "lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight"
FULL = "transformer_blocks.0.attn.to_q.weight"


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


def test_what_cannot_be_used_is_found_with_its_problem(tmp_path):
    write_weights(tmp_path / "step-1.safetensors", FULL, cut=2)
    write_weights(tmp_path / "step-2" / "a.safetensors", FULL)
    write_weights(tmp_path / "step-2" / "b.safetensors", FULL)
    one, two = find(tmp_path)
    assert "cut short" in one.problem
    assert "not called as diffusers and transformers call weights" in two.problem


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(CheckpointError, match="no such folder"):
        find(tmp_path / "none")
    assert find(tmp_path) == []


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


def names(folder):
    return [found.name for found in find(folder)]


def test_kohya_and_musubi_are_ordered_by_their_metadata_and_their_states_passed_over(tmp_path):
    for epoch, steps in ((2, 200), (10, 1000)):
        write_weights(
            tmp_path / f"style-{epoch:06d}.safetensors", KOHYA, ss_steps=str(steps), ss_epoch=str(epoch), value=epoch
        )
        write_weights(tmp_path / f"style-{epoch:06d}-state" / "model.safetensors", FULL)
    write_weights(tmp_path / "style-step00000500.safetensors", KOHYA, ss_steps="500", value=3)
    write_weights(tmp_path / "style.safetensors", KOHYA, ss_steps="1200", value=4)
    write_weights(tmp_path / "style_comfy.safetensors", LORA)
    (tmp_path / "sample").mkdir()
    (tmp_path / "sample" / "style_000200_00.png").write_bytes(b"")
    found = survey(tmp_path)
    assert [(each.name, each.step) for each in found.found] == [
        ("style-000002", 200), ("style-step00000500", 500), ("style-000010", 1000), ("style", 1200),
    ]  # fmt: skip
    assert [each.name for each in found.passed_over] == [
        "sample", "style-000002-state", "style-000010-state", "style_comfy.safetensors",
    ]  # fmt: skip


def test_epochs_and_steps_without_metadata_have_no_order(tmp_path):
    write_weights(tmp_path / "style-000010.safetensors", KOHYA)
    write_weights(tmp_path / "style-step00001500.safetensors", KOHYA)
    with pytest.raises(
        CheckpointError, match=r"style-step00001500 tells its step \(1500\), style-000010 its epoch \(10\)"
    ):
        find(tmp_path)
    (tmp_path / "style-step00001500.safetensors").unlink()
    write_weights(tmp_path / "style-000002.safetensors", KOHYA)
    assert [(each.name, each.step, each.unit) for each in find(tmp_path)] == [
        ("style-000002", 2, "epoch"), ("style-000010", 10, "epoch"),
    ]  # fmt: skip


def test_ai_toolkit(tmp_path):
    for step in (500, 1000):
        write_weights(tmp_path / f"my_lora_v1_{step:09d}.safetensors", LORA, value=step % 200)
    write_weights(tmp_path / "my_lora_v1.safetensors", LORA, training_info=json.dumps({"step": 1500, "epoch": 3}))
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "1700000000__000000500_0.jpg").write_bytes(b"")
    (tmp_path / "optimizer.pt").write_bytes(b"")
    (tmp_path / "config.yaml").write_text("job: extension")
    found = survey(tmp_path)
    assert [each.step for each in found.found] == [500, 1000, 1500]
    assert {each.name: each.text for each in found.passed_over} == {
        "samples": "a trainer’s folder of samples, logs or states",
        "optimizer.pt": "pickled; only safetensors are read",
    }


def test_onetrainer(tmp_path):
    for step, epoch in ((1200, 12), (400, 4), (800, 8)):
        # The clock of the name runs against the steps: it must not count.
        name = f"2026-05-03_{20 - epoch}-00-00-save-{step}-{epoch}-0.safetensors"
        write_weights(tmp_path / name, KOHYA, value=epoch)
    write_weights(tmp_path / "2026-05-03_23-00-00-backup-1200-12-0" / "lora" / "lora.safetensors", KOHYA)
    found = survey(tmp_path)
    assert [each.step for each in found.found] == [400, 800, 1200]
    assert [each.name for each in found.passed_over] == ["2026-05-03_23-00-00-backup-1200-12-0"]


def test_simpletuner_and_diffusers_scripts(tmp_path):
    for step in (500, 1000):
        folder = tmp_path / f"checkpoint-{step}"
        write_weights(folder / "pytorch_lora_weights.safetensors", LORA)
        write_weights(folder / "ema_model.safetensors", LORA)
        write_weights(folder / "optimizer.safetensors", FULL)
        (folder / "random_states_0.pkl").write_bytes(b"")
    write_weights(tmp_path / "pytorch_lora_weights.safetensors", LORA)
    write_weights(tmp_path / "pytorch_lora_weights_ema.safetensors", LORA)
    for name in ("validation_images", "logs", "ema"):
        (tmp_path / name).mkdir()
    found = survey(tmp_path)
    assert [(each.name, each.step, each.path.name) for each in found.found] == [
        ("checkpoint-500", 500, "pytorch_lora_weights.safetensors"),
        ("checkpoint-1000", 1000, "pytorch_lora_weights.safetensors"),
        ("pytorch_lora_weights", None, "pytorch_lora_weights.safetensors"),
    ]
    assert [(each.name, each.why, each.of) for each in found.passed_over] == [
        ("checkpoint-1000/ema_model.safetensors", "copy", "pytorch_lora_weights.safetensors"),
        ("checkpoint-1000/optimizer.safetensors", "state", ""),
        ("checkpoint-500/ema_model.safetensors", "copy", "pytorch_lora_weights.safetensors"),
        ("checkpoint-500/optimizer.safetensors", "state", ""),
        ("ema", "folder", ""),
        ("logs", "folder", ""),
        ("pytorch_lora_weights_ema.safetensors", "copy", "pytorch_lora_weights.safetensors"),
        ("validation_images", "folder", ""),
    ]


def test_peft_and_diffsynth(tmp_path):
    write_weights(tmp_path / "step-300" / "adapter_model.safetensors", f"base_model.model.{LORA}")
    write_weights(tmp_path / "step-1200.safetensors", LORA)
    assert [(each.step, each.kind) for each in find(tmp_path)] == [(300, "lora"), (1200, "lora")]
    other = tmp_path / "epochs"
    for epoch in (0, 1, 10, 2):
        write_weights(other / f"epoch-{epoch}.safetensors", LORA, value=epoch)
    assert [each.step for each in find(other)] == [0, 1, 2, 10]


def test_a_sharded_transformer_is_a_checkpoint(tmp_path):
    folder = tmp_path / "checkpoint-500" / "transformer"
    shards = {f"{FULL}.{i}": f"diffusion_pytorch_model-0000{i}-of-00002.safetensors" for i in (1, 2)}
    for key, name in shards.items():
        write_weights(folder / name, key)
    index = folder / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": shards}))
    (found,) = find(tmp_path)
    assert (found.step, found.kind, found.path, found.problem) == (500, "transformer", folder, None)
    index.unlink()
    (found,) = find(tmp_path)
    assert "without their index" in found.problem


def test_one_step_of_two_files_is_an_error_unless_they_are_the_same(tmp_path):
    write_weights(tmp_path / "style-step00001500.safetensors", KOHYA, value=1)
    write_weights(tmp_path / "style.safetensors", KOHYA, value=1, ss_steps="1500")
    found = survey(tmp_path)
    assert [each.name for each in found.found] == ["style-step00001500"]
    assert [(each.name, each.why, each.of) for each in found.passed_over] == [("style", "copy", "style-step00001500")]
    write_weights(tmp_path / "style.safetensors", KOHYA, value=2, ss_steps="1500")
    with pytest.raises(CheckpointError, match="style and style-step00001500 are different files of one step, 1500"):
        find(tmp_path)


def test_weights_that_are_not_read_are_named(tmp_path):
    for name in ("a-500.bin", "b.ckpt", "c.gguf"):
        (tmp_path / name).write_bytes(b"")
    write_weights(tmp_path / "STEP-700.SAFETENSORS", LORA)
    found = survey(tmp_path)
    assert [(each.name, each.step) for each in found.found] == [("STEP-700", 700)]
    assert [each.name for each in found.passed_over] == ["a-500.bin", "b.ckpt", "c.gguf"]
    write_weights(tmp_path / "only_ema.safetensors", LORA)
    assert "only_ema" in names(tmp_path)
