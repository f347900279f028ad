"""The gate on sound glyphs: asked for by the policy, paired over prompts, and corrected by marks in both runs."""

from __future__ import annotations

import sys

import pytest
from runs_by_hand import prompt

from evalsuite.errors import EvalsuiteError
from evalsuite.gate import judge, side_of
from evalsuite.gate.draw import refuse_unscored
from evalsuite.gate.glyphs import JudgedGlyphs, compare_glyphs
from evalsuite.gate.policy import PolicyError, load_policy
from evalsuite.glyphs.by_prompt import Seen
from evalsuite.glyphs.counts import Place
from evalsuite.runs import open_run

POLICY = """\
format = 1
name = "glyphs"
samples = 2
[[gates]]
slice = "all"
margin = 0.05
metric = "sound_glyph_rate"
"""


def policy_of(tmp_path, text=POLICY):
    (tmp_path / "glyphs.toml").write_text(text)
    return load_policy(tmp_path / "glyphs.toml")


def glyphs_of(side, *, suspicious: int = 1, judged: int = 20, wrong=lambda _: 0):
    """Every prompt with so many judged glyphs, one sampled in each, `wrong` by the prompt's number."""
    run = side.run
    keys = [score.key for score in run.scores_of(side.model.name) if score.seed == min(run.manifest.seeds)]
    return JudgedGlyphs(
        units={each.id: Seen(judged, suspicious) for each in run.manifest.prompts},
        wrong={Place(key, 0, 0): wrong(number) for number, key in enumerate(keys)},
        told={"en": judged * len(keys) // 2, "zh": judged * len(keys) // 2},
    )


@pytest.fixture
def sides(make_run):
    prompts = [
        prompt(f"p{place:03d}", "signs-zh" if place % 2 else "signs-en", "sign", f"{place}: OPEN", ("OPEN",))
        for place in range(60)
    ]
    return [side_of(open_run(make_run(name, prompts=prompts, seeds=(0, 1)))) for name in ("before", "after")]


def give(side, glyphs):
    side.__dict__["glyphs"] = glyphs


def test_both_rates_are_corrected_before_they_are_compared(sides):
    before, after = sides
    give(before, glyphs_of(before, suspicious=1, wrong=lambda _: 0))
    give(after, glyphs_of(after, suspicious=2, wrong=lambda number: 1 if number % 20 == 0 else 0))
    found = compare_glyphs(before, after, before.manifest.prompts)
    # read: 0.95 and 0.90; one in twenty of the candidate's is a false alarm, so it is 0.95 too
    assert found.found.read.estimate == pytest.approx(-0.05)
    assert found.found.estimate == pytest.approx(0.0)
    assert found.baseline.mean() == pytest.approx(0.95)
    assert found.candidate.mean() == pytest.approx(0.95)


def test_a_plain_loss_fails_and_what_the_marks_leave_open_does_not_pass(sides, tmp_path, monkeypatch):
    before, after = sides
    judged = {}
    monkeypatch.setattr(
        sys.modules["evalsuite.gate.glyphs"], "judged_glyphs", lambda side: judged[side.run.folder.name]
    )
    judged["before"] = glyphs_of(before, suspicious=0)
    judged["after"] = glyphs_of(after, suspicious=12)
    verdict = judge(before, after, policy_of(tmp_path))
    (gate,) = verdict.gates
    assert (verdict.outcome, gate.name, gate.method) == ("FAIL", "all/sound_glyph_rate", "prediction-powered")
    assert (gate.baseline, gate.candidate, gate.delta) == pytest.approx((1.0, 0.4, -0.6))
    judged["after"] = glyphs_of(after, suspicious=0)
    del after.__dict__["glyphs"]
    (gate,) = judge(before, after, policy_of(tmp_path)).gates
    assert gate.decision == "INCONCLUSIVE"  # sixty marked glyphs on either side may hide more than five points
    assert gate.lower < -0.05 < gate.delta == 0


def test_prompts_without_judged_glyphs_are_left_out_with_a_note_and_too_many_of_them_are_incomplete(
    sides, tmp_path, monkeypatch
):
    before, after = sides
    judged = {"before": glyphs_of(before), "after": glyphs_of(after)}
    monkeypatch.setattr(
        sys.modules["evalsuite.gate.glyphs"], "judged_glyphs", lambda side: judged[side.run.folder.name]
    )
    for place, each in enumerate(after.manifest.prompts):
        judged["after"].units[each.id] = Seen() if place < 6 else Seen(20, 1)
    verdict = judge(before, after, policy_of(tmp_path))
    assert any("left out 6 prompts" in note for note in verdict.notes)
    for each in after.manifest.prompts[:31]:
        judged["after"].units[each.id] = Seen()
    verdict = judge(before, after, policy_of(tmp_path))
    assert verdict.outcome == "INCOMPLETE"
    assert "in 29 of 60 prompts" in verdict.missing[0]


def test_without_a_look_or_marks_the_gate_is_incomplete_and_says_what_to_do(sides, tmp_path):
    verdict = judge(*sides, policy_of(tmp_path))
    assert (verdict.outcome, verdict.exit_code) == ("INCOMPLETE", 12)
    assert [line.split(":")[0] for line in verdict.missing] == ["baseline", "candidate"]
    assert all("nobody has looked at its glyphs; run 'evalsuite glyphs" in line for line in verdict.missing)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('metric = "sound_glyph_rate"\naverage = "micro"', "write macro"),
        ('metric = "sound_glyph_rate"\nmin_accuracy = 0.5', "has no floor"),
    ],
)
def test_what_the_policy_cannot_ask_of_it(tmp_path, change, said):
    with pytest.raises(PolicyError, match=said):
        policy_of(tmp_path, POLICY.replace('metric = "sound_glyph_rate"', change))


def test_it_is_no_primary_metric_and_is_not_gated_while_drawing(tmp_path):
    head = 'format = 1\nname = "x"\nmetric = "sound_glyph_rate"\n[[gates]]\nmargin = 0.05\n'
    with pytest.raises(PolicyError, match="for single gates only"):
        policy_of(tmp_path, head)
    with pytest.raises(EvalsuiteError, match="which takes a complete run"):
        refuse_unscored(policy_of(tmp_path), "which takes a complete run")
