"""What the gate decides on runs whose every row is known."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from runs_by_hand import check, open_side
from scipy import stats

from evalsuite.gate import judge, load_policy
from evalsuite.gate.decide import holm
from evalsuite.gate.verdict import Acknowledgement
from evalsuite.stats import bounds


def gates(verdict):
    return {gate.name: gate for gate in verdict.gates}


def noise(seed):
    """Losses of 0 to 8 characters, other ones for every prompt and sample."""
    table = np.random.default_rng(seed).integers(0, 9, size=(400, 8))
    return lambda i, seed: int(table[i, seed])


def test_two_equal_runs_pass_with_enough_prompts(make_run, policy_file):
    verdict = check(make_run("a"), make_run("b"), policy=policy_file)
    assert (verdict.outcome, verdict.exit_code) == ("PASS", 0)
    assert [gate.name for gate in verdict.gates] == [
        "all/character_accuracy", "language=en/character_accuracy", "language=zh/character_accuracy",
    ]  # fmt: skip
    first = verdict.gates[0]
    assert (first.prompts, first.samples, first.differing, first.method) == (200, 2, 0, "Gaffke")
    assert first.lower == pytest.approx(-(1 - 0.05 ** (1 / 200)), rel=0.02)
    assert first.resolution_floor == pytest.approx(1 - 0.05 ** (1 / 200))
    assert first.minimum_detectable_effect == first.resolution_floor
    assert first.note == "no loss beyond the margin of 5.00 points"
    assert verdict.worst == ()


def test_two_equal_runs_of_few_prompts_are_inconclusive_and_say_how_many_would_do(make_run, policy_file):
    verdict = check(make_run("a", prompts=40), make_run("b", prompts=40), policy=policy_file)
    assert (verdict.outcome, verdict.exit_code) == ("INCONCLUSIVE", 11)
    assert all(gate.decision == "INCONCLUSIVE" for gate in verdict.gates)
    assert "40 prompts are too few" in verdict.gates[0].note
    assert "about 5" in verdict.gates[0].advice or "about 6" in verdict.gates[0].advice  # 59 at α = 0.05


def test_the_figures_of_a_gate_by_hand(make_run, policy_file):
    """Prompt i loses i mod 5 of 100 characters in each sample: D = 0, -0.01, …, -0.04, forty times each."""
    verdict = check(make_run("a"), make_run("b", lambda i, _: i % 5), policy=policy_file)
    first = verdict.gates[0]
    diff = -np.array([i % 5 for i in range(200)]) / 100
    assert first.baseline == 1.0
    assert first.candidate == pytest.approx(0.98)
    assert first.delta == pytest.approx(-0.02)
    assert first.standard_error == pytest.approx(stats.sem(diff))
    assert first.method == "studentised bootstrap"
    student = -0.02 + stats.t.ppf([0.05, 0.95], 199) * stats.sem(diff)
    assert [first.lower, first.upper] == pytest.approx(student, abs=2e-4)
    t = stats.t.ppf(0.95, 199) + stats.t.ppf(0.8, 199)
    assert first.minimum_detectable_effect == pytest.approx(max(t * stats.sem(diff), first.resolution_floor))
    assert (first.decision, first.note) == ("PASS", "worse by 2.00 points, within the margin of 5.00 points")
    assert [(w.prompt, w.delta) for w in verdict.worst[:2]] == [
        ("p004", pytest.approx(-0.04)),
        ("p009", pytest.approx(-0.04)),
    ]
    assert len(verdict.worst) == 20


def test_samples_are_averaged_within_the_prompt_first(make_run, policy_file):
    one = check(make_run("a"), make_run("b", lambda i, seed: 2 * (i % 5) if seed else 0), policy=policy_file).gates[0]
    assert one.delta == pytest.approx(-0.02)
    assert one.standard_error == pytest.approx(np.std([i % 5 / 100 for i in range(200)], ddof=1) / math.sqrt(200))


def test_a_loss_beyond_the_margin_fails(make_run, policy_file):
    verdict = check(make_run("a", noise(1)), make_run("b", lambda i, seed: noise(2)(i, seed) + 10), policy=policy_file)
    assert (verdict.outcome, verdict.exit_code) == ("FAIL", 10)
    assert verdict.gates[0].note.startswith("worse by at least 9.")
    assert verdict.gates[0].p_fail < 0.001


def test_a_few_broken_prompts_are_not_passed(make_run, policy_file):
    # 4 % of the prompts draw nothing: 0.04 lost, the margin is 0.05, and so few say little about the true share.
    verdict = check(make_run("a"), make_run("b", lambda i, _: 100 if i % 25 == 0 else 0), policy=policy_file)
    first = verdict.gates[0]
    assert (first.method, first.differing) == ("Gaffke", 8)
    assert first.lower == pytest.approx(-stats.beta.ppf(0.95, 9, 192), abs=0.001)
    assert first.decision == "INCONCLUSIVE"
    assert "samples" not in first.advice.split(";")[0]


def test_one_slice_can_fail_alone(make_run, policy_file):
    verdict = check(make_run("a"), make_run("b", lambda i, _: 9 + i % 3 if i % 2 else 0), policy=policy_file)
    found = {gate.slice: gate.decision for gate in verdict.gates}
    assert found["language=zh"] == "FAIL"
    assert found["language=en"] == "PASS"
    assert verdict.outcome == "FAIL"


def test_a_failure_that_does_not_survive_holm_is_inconclusive(make_run, tmp_path):
    """Six categories, of which one loses just enough to fail alone at 0.05 but not at 0.05 / 7."""
    path = tmp_path / "many.toml"
    path.write_text(
        'format = 1\nname = "many"\nsamples = 2\n'
        + "".join(f'[[gates]]\nslice = "category=c{c}"\nmargin = 0.05\n' for c in range(3))
        + '[[gates]]\nslice = "language=*"\nmargin = 0.05\n[[gates]]\nslice = "all"\nmargin = 0.05\n'
    )
    table = np.random.default_rng(0).normal(6.05, 4.6, size=400).round().clip(0, 100)
    candidate = make_run("b", lambda i, _: int(table[i]) if i % 3 == 0 else 0, prompts=300)
    verdict = check(make_run("a", prompts=300), candidate, policy=path)
    gate = gates(verdict)["category=c0/character_accuracy"]
    assert 0.05 / 6 < gate.p_fail <= 0.05
    assert gate.upper < -gate.margin
    assert gate.p_fail_holm == pytest.approx(min(1, 6 * gate.p_fail))
    assert gate.decision == "INCONCLUSIVE"
    assert "Holm" in gate.note


def test_holm_by_hand():
    # Sorted 0.01, 0.02, 0.03, 0.04: times 4, 3, 2, 1, and never falling.
    assert holm([0.02, 0.01, 0.04, 0.03]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_micro_gates_divide_sums_and_use_the_ratio_bootstrap(make_run, tmp_path):
    path = tmp_path / "micro.toml"
    path.write_text(
        'format = 1\nname = "micro"\nsamples = 2\naverage = "micro"\n[[gates]]\nmargin = 0.2\n'
        '[[gates]]\nmargin = 0.2\naverage = "macro"\n'
    )
    sizes = [20 + 10 * (i % 9) for i in range(200)]
    prompts = tuple(
        msgspec.structs.replace(prompt, text="x" * size, targets=("x" * size,))
        for prompt, size in zip(make_run.prompts(200), sizes, strict=True)
    )
    lost = [i % 7 for i in range(200)]
    verdict = check(make_run("a", prompts=prompts), make_run("b", lambda i, _: lost[i], prompts=prompts), policy=path)
    micro, macro = verdict.gates
    assert (micro.name, macro.name) == ("all/character_accuracy", "all/character_accuracy/macro")
    ratio = -sum(lost) / sum(sizes)
    assert micro.delta == pytest.approx(ratio)
    assert macro.delta == pytest.approx(-np.mean([x / y for x, y in zip(lost, sizes, strict=True)]))
    error = np.array([-x - ratio * y for x, y in zip(lost, sizes, strict=True)])
    se = np.sqrt((error**2).sum() * 200 / 199) / sum(sizes)
    assert micro.standard_error == pytest.approx(se)
    assert [micro.lower, micro.upper] == pytest.approx(ratio + stats.t.ppf([0.05, 0.95], 199) * se, abs=3e-4)
    # The longest prompt holds 100 of 59.75 characters on average: so much more can hide in an unseen one.
    assert micro.resolution_floor == pytest.approx(macro.resolution_floor * 100 / np.mean(sizes))


def test_the_first_look_of_two_is_held_to_a_stricter_level(make_run, tmp_path):
    path = tmp_path / "two.toml"
    path.write_text(
        'format = 1\nname = "two"\nsamples = 2\n[extension]\nsamples = 4\n[[gates]]\nslice = "all"\nmargin = 0.05\n'
    )
    plain = make_run("a", prompts=60), make_run("b", prompts=60)
    verdict = check(*plain, policy=path)
    assert (verdict.alpha, verdict.look) == (0.05, 1)
    assert verdict.level == pytest.approx(0.03037, abs=1e-5)
    # 60 prompts clear 0.05 at α = 0.05 (59 needed) but not at the level of one look in two (69).
    assert verdict.outcome == "INCONCLUSIVE"
    assert "one extension: draw both runs with --samples 4" in verdict.gates[0].advice
    longer = [make_run(name, prompts=60, seeds=(0, 1, 2, 3)) for name in ("c", "d")]
    second = check(*longer, policy=path)
    assert (second.look, second.outcome) == (2, "INCONCLUSIVE")
    assert "extension is spent" in second.gates[0].advice


def test_an_undecided_checkpoint_ships_only_where_the_policy_says_so(make_run, tmp_path):
    path = tmp_path / "warn.toml"
    path.write_text('format = 1\nname = "w"\nsamples = 2\non_inconclusive = "warn"\n[[gates]]\nmargin = 0.02\n')
    verdict = check(make_run("a", prompts=40), make_run("b", prompts=40), policy=path)
    assert (verdict.outcome, verdict.exit_code) == ("INCONCLUSIVE", 0)
    assert any("lets an undecided checkpoint ship" in note for note in verdict.notes)


def test_the_anchor_catches_drift_that_each_step_hides(make_run, policy_file):
    anchor = make_run("first", prompts=400)
    baseline = make_run("second", lambda i, _: 2 + i % 5, prompts=400)
    candidate = make_run("third", lambda i, _: 6 + (i // 5) % 5, prompts=400)
    assert check(baseline, candidate, policy=policy_file).outcome == "PASS"
    verdict = check(baseline, candidate, policy=policy_file, anchor=anchor)
    assert verdict.outcome == "FAIL"
    assert gates(verdict)["anchor/all/character_accuracy"].decision == "FAIL"
    assert gates(verdict)["all/character_accuracy"].decision == "PASS"


def test_an_anchor_margin_of_its_own(make_run, tmp_path):
    path = tmp_path / "drift.toml"
    path.write_text('format = 1\nname = "d"\nsamples = 2\n[[gates]]\nmargin = 0.03\nanchor_margin = 0.1\n')
    anchor = make_run("first", prompts=400)
    baseline = make_run("second", lambda i, _: 4 + i % 2, prompts=400)
    candidate = make_run("third", lambda i, _: 5 + i % 2, prompts=400)
    verdict = check(baseline, candidate, policy=path, anchor=anchor)
    assert {name: gate.margin for name, gate in gates(verdict).items()} == {
        "all/character_accuracy": 0.03,
        "anchor/all/character_accuracy": 0.1,
    }
    assert verdict.outcome == "PASS"


def test_an_acknowledged_failure_is_shown_and_does_not_block(make_run, policy_file):
    baseline = make_run("a", prompts=400)
    candidate = make_run("b", lambda i, _: 12 if i % 2 else 0, prompts=400)
    policy = load_policy(policy_file)
    views = open_side(baseline), open_side(candidate)
    failing = [gate.name for gate in judge(*views, policy).gates if gate.decision == "FAIL"]
    assert failing == ["all/character_accuracy", "language=zh/character_accuracy"]
    accepted = [
        Acknowledgement(gate=name, model_digest=views[1].model.digest, by="Ada", reason="known", at="2026-01-01")
        for name in failing
    ]
    half = judge(*views, policy, acknowledged=accepted[:1])
    assert half.outcome == "FAIL"
    verdict = judge(*views, policy, acknowledged=accepted)
    assert (verdict.outcome, len(verdict.acknowledged)) == ("PASS", 2)
    assert verdict.gates[0].decision == "FAIL"
    assert any("acknowledged by Ada: known" in note for note in verdict.notes)
    other = [Acknowledgement(gate=a.gate, model_digest="0" * 64, by="Ada", reason="known", at="2026") for a in accepted]
    assert judge(*views, policy, acknowledged=other).outcome == "FAIL"


def test_a_run_is_not_compared_with_itself(make_run, policy_file):
    run = make_run("a")
    verdict = check(run, run, policy=policy_file)
    assert verdict.outcome == "NOT COMPARABLE"
    assert [(each.what, each.candidate) for each in verdict.differences] == [
        ("run", "the same run: comparing a run with itself always passes")
    ]


def test_exact_strings_can_be_gated_beside_the_primary_metric(make_run, tmp_path):
    path = tmp_path / "exact.toml"
    path.write_text(
        'format = 1\nname = "e"\nsamples = 2\n[[gates]]\nmargin = 0.05\n'
        '[[gates]]\nmargin = 0.1\nmetric = "exact_string_rate"\n'
    )
    verdict = check(make_run("a"), make_run("b", lambda i, _: 1 if i % 2 else 0), policy=path)
    found = gates(verdict)
    assert found["all/character_accuracy"].decision == "PASS"
    assert found["all/exact_string_rate"].candidate == 0.5
    assert found["all/exact_string_rate"].decision == "FAIL"


def test_the_shipped_policies_load_and_can_be_cleared_by_the_suites_they_are_for():
    sizes = {
        "default": {"all": 320, "language=*": 160},
        "quick": {"all": 36},
        "longtext-bench": {"language=*": 160},
    }
    for name, prompts in sizes.items():
        policy = load_policy(name)
        assert policy.name == name
        for rule in policy.gates:
            equal = bounds.compare(np.zeros(prompts[rule.slice]))
            assert equal.lower(policy.level) > -rule.margin, (name, rule.slice)
