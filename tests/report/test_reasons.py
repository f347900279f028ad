from __future__ import annotations

import msgspec
import pytest

from evalsuite.gate.verdict import Acknowledgement, Difference, GateResult, RunRef, SpeedResult, Verdict
from evalsuite.report.i18n import translate
from evalsuite.report.reasons import reason

SIDE = RunRef(folder="a", digest="0", model="a", role="model", model_digest="0", created_at="2026-05-04T00:00:00")
GATE = GateResult(
    name="all/character_accuracy", against="baseline", slice="all", metric="character_accuracy", average="macro",
    decision="PASS", prompts=40, differing=9, samples=4, baseline=0.95, candidate=0.954, delta=0.004, lower=-0.006,
    upper=0.014, margin=0.02, standard_error=0.01, method="Gaffke", p_pass=0.0, p_fail=1.0, p_fail_holm=1.0,
    minimum_detectable_effect=0.01, resolution_floor=0.005, note="",
)  # fmt: skip
CHINESE = msgspec.structs.replace(
    GATE, name="language=zh/ned", decision="FAIL", delta=-0.051, lower=-0.08, upper=-0.034, margin=0.03
)
OPEN = msgspec.structs.replace(GATE, name="language=en/ned", decision="INCONCLUSIVE", delta=-0.012, lower=-0.03)
MEMORY = SpeedResult(
    name="speed/memory", against="baseline", quantity="memory", unit="bytes", decision="FAIL", prompts=40, baseline=1e9,
    candidate=1.2e9, ratio=1.2, lower=1.15, upper=1.25, limit=1.05, p_fail=0.0, p_fail_holm=0.0, note="",
)  # fmt: skip
ALL = "Character accuracy, mean over prompts: all prompts"
NED = "Mean similarity of strings (NED), mean over prompts:"
ADVICE = msgspec.structs.replace(MEMORY, name="speed/p50", decision=None, advisory="two sessions")
UNDECIDED = "{}; not enough to decide on a {}. 1 of 2 gates undecided."
ACCEPTED = Acknowledgement(gate="language=zh/ned", model_digest="0", by="Ada", reason="known", at="2026")


def verdict(outcome, *gates, speed=(), **more):
    return Verdict(
        outcome=outcome, exit_code=0, decided_at="2026", evalsuite="0", policy="default", policy_digest="0",
        alpha=0.05, level=0.05, look=1, samples=4, candidate=SIDE, baseline=SIDE, gates=gates, speed=speed, **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (
            verdict("PASS", GATE, speed=(ADVICE,)),
            f"{ALL}: +0.004, at worst −0.006, within the margin of 0.020. 1 of 1 gate passed.",
        ),
        (
            verdict("FAIL", GATE, CHINESE, speed=(MEMORY,)),
            f"{NED} zh: −0.051, at best −0.034, beyond the margin of 0.030. 2 of 3 gates failed.",
        ),
        (
            verdict("FAIL", GATE, speed=(MEMORY, ADVICE)),
            "Peak memory: × 1.200, at best × 1.150, beyond the limit of × 1.050. 1 of 2 gates failed.",
        ),
        (
            verdict("INCONCLUSIVE", GATE, OPEN),
            UNDECIDED.format(
                f"{NED} en: −0.012, between −0.030 and +0.014",
                "margin of 0.020",
            ),
        ),
        (
            verdict("INCONCLUSIVE", GATE, speed=(msgspec.structs.replace(MEMORY, decision="INCONCLUSIVE"),)),
            UNDECIDED.format("Peak memory: × 1.200, between × 1.150 and × 1.250", "limit of × 1.050"),
        ),
        (
            verdict("PASS", msgspec.structs.replace(CHINESE, acknowledged=ACCEPTED), GATE),
            f"{ALL}: +0.004, at worst −0.006, within the margin of 0.020. 1 of 1 gate passed.",
        ),
        (
            verdict("INCOMPLETE", missing=("candidate: neon-001 seed 0: not drawn", "candidate: b seed 0: not drawn")),
            "2 things are missing, first: candidate: neon-001 seed 0: not drawn.",
        ),
        (
            verdict(
                "NOT COMPARABLE",
                differences=(Difference(against="baseline", what="seeds", baseline="0", candidate="0, 1"),),
            ),
            "Differs from the baseline in 1 point, first seeds: 0 there, 0, 1 here.",
        ),
    ],
)
def test_the_sentence_names_what_decided(found, sentence):
    cell = reason(found)
    assert cell.text == sentence
    for language in ("en", "zh"):
        assert translate(cell.key, language, **cell.values)


def test_nothing_that_agrees_leaves_the_notes():
    found = verdict("PASS", msgspec.structs.replace(CHINESE, acknowledged=ACCEPTED), notes=("accepted by Ada",))
    assert reason(found).text == "accepted by Ada"


def test_texts_from_outside_are_made_visible_and_short():
    cell = reason(verdict("INCOMPLETE", missing=("a\u202eb\nc" + "x" * 500,)))
    assert "a‹U+202E›b c" in cell.text
    assert "\u202e" not in cell.text
    assert "(+" in cell.text
