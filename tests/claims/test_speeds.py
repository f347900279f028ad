"""Verdicts on published seconds per image and memory."""

from __future__ import annotations

import pytest
from claims_by_hand import PADDLE, Plan, check, one, rows

from evalsuite.claims import exit_code
from evalsuite.errors import ExitCode
from evalsuite.records import Memory

KLEIN = {"steps": 4, "guidance": 1.0, "size": "1024x1024", "precision": "bf16"}


def klein(**changes) -> Plan:
    few = {"en": rows(0.65, 12), "zh": rows(0.07, 12)}
    base = {"source": "black-forest-labs/FLUX.2-klein-4B", "settings": KLEIN, "gpus": ("NVIDIA GB200",)}
    return Plan(few, **{**base, **changes})


@pytest.mark.parametrize(
    ("seconds", "outcome"), [(0.6, "reproduced"), (1.5, "not reproduced"), (0.981, "inconclusive")]
)
def test_seconds_an_image_against_under_one_second(write, seconds, outcome):
    verdict = one(write(klein(seconds=seconds)), "flux2-klein-4b-gb200")
    assert verdict.outcome == outcome, verdict.text
    # Images 1 to 4 % above `seconds` in turn; the first, at `seconds`, is a warm-up.
    assert verdict.quantity.estimate == pytest.approx(seconds * 1.02, rel=1e-3)
    assert "published under 1 s per image" in verdict.text
    if outcome == "not reproduced":
        assert "beyond it" in verdict.text
    if outcome == "inconclusive":
        assert "prompts in all would settle it" in verdict.text


def test_a_range_of_seconds_is_missed_on_either_side(write):
    folder = write(klein(seconds=0.5, gpus=("NVIDIA GeForce RTX 4090",)))
    verdict = one(folder, "flux2-klein-4b-rtx-4090")
    assert verdict.outcome == "not reproduced"
    assert "0.49 (49%) beyond it" in verdict.text
    assert "No primary source of the figure was found" in verdict.text


@pytest.mark.parametrize(
    ("memory", "outcome"),
    [
        (Memory(driver=13_900_000_000, reserved=1), "reproduced"),
        (Memory(reserved=16_000_000_000), "not reproduced"),
        (None, "not comparable"),
    ],
)
def test_memory_is_the_highest_peak_against_about_a_tenth(write, memory, outcome):
    verdict = one(write(klein(memory=memory)), "flux2-klein-4b-memory")
    assert verdict.outcome == outcome
    if outcome == "not comparable":
        assert [each.kind for each in verdict.differences] == ["completeness"]


def test_other_hardware_and_other_serving_are_not_comparable(write):
    folder = write(klein())
    verdict = one(folder, "flux2-klein-4b-rtx-3090")
    assert [(each.kind, each.text) for each in verdict.differences] == [
        ("hardware", "published on RTX 3090, drawn on NVIDIA GB200")
    ]
    served = one(folder, "ernie-image-turbo-sglang")
    assert "measured through SGLang, drawn here by" in served.text
    offloaded = one(write(klein(gpus=(), runtime={"offload": "model"})), "flux2-klein-4b-memory")
    assert "drawn with offload=model" in offloaded.text
    assert "hardware: drawn without a GPU" in offloaded.text


def test_claims_about_other_hardware_do_not_decide_unless_asked_for(write):
    folder = write(klein(seconds=0.6, memory=Memory(driver=13_000_000_000), reader=PADDLE))
    verdicts = {verdict.claim.id: verdict for verdict in check(folder)}
    assert verdicts["flux2-klein-4b-rtx-3090"].outcome == "not comparable"
    speeds = [verdict for name, verdict in verdicts.items() if "longtext" not in name]
    assert exit_code(speeds, named=False) == ExitCode.OK
    assert exit_code(speeds, named=True) == ExitCode.INCOMPLETE
    assert exit_code(list(verdicts.values()), named=False) == ExitCode.INCOMPLETE  # read by paddle
    assert exit_code([], named=False) == ExitCode.INCOMPLETE
