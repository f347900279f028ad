"""How far a checkpoint was trained, by metadata and by every trainer's names."""

from __future__ import annotations

import json

import pytest

from evalsuite.models import Trained, step_of


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("checkpoint-500", 500), ("step_000500", 500), ("epoch-3-step-1500", 1500), ("iter.20", 20),
        ("Checkpoint 40", 40), ("global_step800", 800), ("500steps", 500), ("1000_steps", 1000),
        ("mylora-500-fp16", 500), ("my_lora_v1_000000500", 500), ("style-step00001500", 1500),
        ("2026-05-03_12-00-00-save-400-4-0", 400), ("pre2026-05-03_12-00-00-save-1200-12-7", 1200),
        ("seed42_step100", 100), ("ckpt_2000_bf16", 2000),
    ],
)  # fmt: skip
def test_steps_are_read_from_names(name, step):
    assert step_of(name) == Trained("step", step)


@pytest.mark.parametrize(
    ("name", "epoch"),
    [
        ("epoch_7", 7),
        ("my-lora-000010", 10),
        ("my-000010-lr1e-4", 10),
        ("ep12", 12),
        ("lora_rank32_alpha16-000012", 12),
    ],
)
def test_epochs_are_not_steps(name, epoch):
    assert step_of(name) == Trained("epoch", epoch)


@pytest.mark.parametrize(
    "name",
    [
        "flux2-klein-4b", "pytorch_lora_weights", "v2", "lora_rank_32", "sks.v1.2", "run-2026-05-03", "run-20260503",
        "step-1e3", "klein-lora-r16-lr5e-5", "lora-2", "my_lora_v1", "last", "style_alpha_16",
    ],
)  # fmt: skip
def test_rank_learning_rate_version_and_date_are_no_steps(name):
    assert step_of(name) is None


def test_metadata_count_before_the_name():
    assert step_of("style-000010", {"ss_steps": "1000", "ss_epoch": "10"}) == Trained("step", 1000)
    assert step_of("style", {"ss_epoch": "3"}) == Trained("epoch", 3)
    assert step_of("a", {"training_info": json.dumps({"step": 500, "epoch": 2})}) == Trained("step", 500)
    assert step_of("step-7", {"ss_steps": "None", "training_info": "[" * 100_000}) == Trained("step", 7)
