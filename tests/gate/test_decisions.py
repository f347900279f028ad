"""What the gate decides on runs whose every row is known."""

from __future__ import annotations

import math
import re

import msgspec
import numpy as np
import pytest
from runs_by_hand import check, open_side
from scipy import stats

from evalsuite.gate import judge, load_policy
from evalsuite.gate.decide import holm
from evalsuite.gate.paired import measure, sizes
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
    # 0.05 ** (1 / n) is above 1 - 0.05 from n = 59 on.
    assert re.search(r"about (\d+)", verdict.gates[0].advice)[1] == "59"


def test_the_figures_of_a_gate_by_hand(make_run, policy_file):
    """Prompt i loses i mod 5 of 100 characters in each sample: D = 0, -0.01, …, -0.04, forty times each."""
    verdict = check(make_run("a"), make_run("b", lambda i, _: i % 5), policy=policy_file)
    first = verdict.gates[0]
    diff = -np.array([i % 5 for i in range(200)]) / 100
    assert first.baseline == 1.0
    assert first.candidate == pytest.approx(0.98)
    assert first.delta == pytest.approx(-0.02)
    assert first.standard_error == pytest.approx(stats.sem(diff))
    assert first.method == "Gaffke and studentised bootstrap"
    # The range asks for more than the spread: one prompt that was not seen may have lost all, or gained all.
    weights = np.random.default_rng(0).exponential(size=(100_000, 201))
    for worst, bound, level in ((-1.0, first.lower, 0.05), (1.0, first.upper, 0.95)):
        means = weights @ np.append(diff, worst) / weights.sum(axis=1)
        assert (means < bound).mean() == pytest.approx(level, abs=0.004)
    assert first.minimum_detectable_effect == pytest.approx(
        -0.02 - first.lower + stats.t.ppf(0.8, 199) * stats.sem(diff)
    )
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
    assert verdict.gates[0].note.startswith("worse by at least 8.")
    assert verdict.gates[0].p_fail < 0.001


def test_a_few_broken_prompts_are_not_passed(make_run, policy_file):
    # 4 % of the prompts draw nothing: 0.04 lost, the margin is 0.05, and so few say little about the true share.
    verdict = check(make_run("a"), make_run("b", lambda i, _: 100 if i % 25 == 0 else 0), policy=policy_file)
    first = verdict.gates[0]
    assert first.differing == 8
    # The studentised bound is the more cautious one here; Clopper and Pearson's is Gaffke's.
    assert first.lower <= -stats.beta.ppf(0.95, 9, 192) + 1e-6
    assert first.lower == pytest.approx(-stats.beta.ppf(0.95, 9, 192), rel=0.1)
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
    table = np.random.default_rng(0).normal(8.75, 4.6, size=400).round().clip(0, 100)
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
        msgspec.structs.replace(prompt, text=f"{prompt.id}: {'x' * size}", targets=("x" * size,))
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
    # An unseen prompt counts as the prompt that a character is in, and may have lost all of it.
    unseen = sum(size * size for size in sizes) / sum(sizes)
    weights = np.random.default_rng(0).exponential(size=(100_000, 201))
    rates = weights @ [*(-x for x in lost), -unseen] / (weights @ [*sizes, unseen])
    assert (rates < micro.lower).mean() == pytest.approx(0.05, abs=0.004)
    assert micro.resolution_floor == pytest.approx(macro.resolution_floor * unseen / np.mean(sizes), rel=0.02)


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
    candidate = make_run("third", lambda i, _: 5 + (i // 5) % 5, prompts=400)
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
    candidate = make_run("b", lambda i, _: 16 if i % 2 else 0, prompts=400)
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


def policy_of(tmp_path, *lines):
    path = tmp_path / "policy.toml"
    path.write_text('format = 1\nname = "p"\nsamples = 2\n[[gates]]\n' + "\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(("kept", "margin"), [(0, 0.05), (45, 0.47)])
def test_where_nothing_can_be_lost_nothing_passes(make_run, tmp_path, kept, margin):
    """0 against 0, and a margin that even the loss of everything would keep."""
    policy = policy_of(tmp_path, f"margin = {margin}")
    verdict = check(*[make_run(name, lambda *_: 100 - kept) for name in "ab"], policy=policy)
    assert (verdict.outcome, verdict.exit_code) == ("INCONCLUSIVE", 11)
    assert f"nothing to lose: the baseline has {kept}.00 points" in verdict.gates[0].note
    assert "a margin below the baseline's rate" in verdict.gates[0].advice


def test_a_floor_is_kept_surely_or_not_at_all(make_run, tmp_path):
    runs = make_run("a", lambda i, _: 40 + i % 3), make_run("b", lambda i, _: 40 + (i + 1) % 3)
    decided = {}
    for floor in (0.4, 0.585, 0.8):
        gate = check(*runs, policy=policy_of(tmp_path, "margin = 0.1", f"min_accuracy = {floor}")).gates[0]
        decided[floor] = gate.decision
        assert gate.min_accuracy == floor
    # The candidate has 0.59; of 200 prompts the bound is about 0.581: one that was not seen may have lost all.
    assert decided == {0.4: "PASS", 0.585: "INCONCLUSIVE", 0.8: "FAIL"}
    low = check(*runs, policy=policy_of(tmp_path, "margin = 0.1", "min_accuracy = 0.8")).gates[0]
    assert low.note.startswith("at most 59.")
    assert "below the floor of 80.00 points" in low.note
    near = check(*runs, policy=policy_of(tmp_path, "margin = 0.1", "min_accuracy = 0.585")).gates[0]
    assert "may be below the floor of 58.50 points" in near.note


def test_prompts_of_the_same_text_are_one_unit(make_run, policy_file):
    """100 texts under two ids each: as many units, the same rates, and the bounds of 100 prompts."""
    policy = load_policy(policy_file)
    twice, once = (
        [open_side(make_run(f"{name}{n}", lost, prompts=n)) for name, lost in (("a", lambda *_: 0), ("b", first_half))]
        for n in (200, 100)
    )
    unit = {f"p{i:03d}": f"text {i % 100}" for i in range(200)}
    pairs, single = measure(policy, *twice, "baseline", unit)[0], measure(policy, *once, "baseline")[0]
    assert (pairs.found.n, pairs.candidate, pairs.found.estimate) == (100, single.candidate, single.found.estimate)
    assert pairs.found.lower(0.05) == pytest.approx(single.found.lower(0.05), abs=1e-6)
    assert pairs.found.lower(0.05) < measure(policy, *twice, "baseline")[0].found.lower(0.05)
    assert sizes(policy, twice[0].manifest, unit)["all"] == 100


def first_half(i, _seed):
    return i % 100 % 4


def test_a_policy_says_where_its_prompts_cannot_carry_its_margin(make_run, tmp_path):
    path = policy_of(tmp_path, 'slice = "language=*"', "margin = 0.02", "prompts = 160")
    (note,) = load_policy(path).notes
    assert note == (
        "language=*: 160 prompts can hardly carry a margin of 0.02; an equal checkpoint would often end undecided. "
        "186 prompts are wanted, or a margin of 0.024"
    )
    verdict = check(make_run("a"), make_run("b"), policy=path)
    assert any(note.startswith("language=*: 100 prompts can hardly carry") for note in verdict.notes)


def test_the_shipped_policies_load_and_can_be_cleared_by_the_suites_they_are_for():
    for name in ("default", "quick", "longtext-bench"):
        policy = load_policy(name)
        assert (policy.name, policy.notes) == (name, ())
        for rule in policy.gates:
            equal = bounds.compare(np.zeros(rule.prompts))
            assert equal.lower(policy.level) > -rule.margin, (name, rule.slice)
