"""The gate while the candidate is drawn: what it says after each image of runs whose every row is known."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from runs_by_hand import open_side

from evalsuite import scoring
from evalsuite.gate import load_policy
from evalsuite.gate.policy import GateRule, Sequential
from evalsuite.gate.sequential import SequentialGates
from evalsuite.gate.wagers import drawing_order
from evalsuite.stats.betting import Wager


def counts_of(view):
    return {slot: scoring.count(score.result) for slot, score in view.scores.items()}


@pytest.fixture
def play(make_run, policy_file):
    """Plays a candidate against a baseline in the order of the gates; gives the gates back."""

    def playing(lost, *, claim="this suite", before=lambda *_: 0, rules=None, lot="lot", stop=None, **options):
        prompts = options.pop("prompts", 200)
        policy = msgspec.structs.replace(load_policy(policy_file), sequential=Sequential(claim=claim))
        if rules is not None:
            policy = msgspec.structs.replace(policy, gates=tuple(rules))
        views = [open_side(make_run(name, each, prompts=prompts)) for name, each in (("a", before), ("b", lost))]
        gates = SequentialGates(
            policy, views[0].manifest, {"baseline": counts_of(views[0])}, lot=lot, unit=options.pop("unit", None)
        )
        theirs = counts_of(views[1])
        for slot in gates.order[:stop]:
            gates.observe(slot, theirs[slot])
        gates.counts = theirs
        return gates

    return playing


def test_the_order_is_a_lot_that_the_digests_decide(make_run):
    manifest = open_side(make_run("a", prompts=30)).manifest
    cells = {(prompt.id, seed) for prompt in manifest.prompts for seed in manifest.seeds}
    one, other = (drawing_order(manifest, "this suite", lot) for lot in ("plan candidate", "plan another"))
    assert set(one) == set(other) == cells
    assert len(one) == len(cells) == 60
    assert one != other
    assert one == drawing_order(manifest, "this suite", "plan candidate")


def test_prompts_like_these_come_with_all_their_seeds_and_all_that_has_their_text(make_run):
    manifest = open_side(make_run("a", prompts=30)).manifest
    unit = {f"p{i:03d}": f"text {i // 2}" for i in range(30)}
    order = drawing_order(manifest, "prompts like these", "lot", unit)
    texts = [unit[prompt] for prompt, _ in order]
    assert [texts[at : at + 4].count(texts[at]) for at in range(0, 60, 4)] == [4] * 15
    assert len(set(texts[::4])) == 15


def test_an_equal_candidate_passes_every_gate_and_stops(play):
    gates = play(lambda *_: 0)
    verdict = gates.verdict()
    assert (verdict.claim, verdict.decision, verdict.exhausted, verdict.planned) == ("this suite", "PASS", False, 400)
    # Each language has half of the cells, in the order that it inherits; the last to pass ends it.
    assert [(gate.name, gate.decision) for gate in verdict.gates] == [
        ("all/character_accuracy", "PASS"),
        ("language=en/character_accuracy", "PASS"),
        ("language=zh/character_accuracy", "PASS"),
    ]
    alone = Wager(0.05, claim="this suite", population=200)
    while alone.verdict(0.05) is None:
        alone.observe(0.0)
    assert verdict.images == max(gate.images_to_decision for gate in verdict.gates) < 160
    assert min(gate.images for gate in verdict.gates[1:]) == alone.count
    assert all(gate.lower > -0.05 for gate in verdict.gates)
    assert gates.next_slots == ()


def test_a_broken_candidate_fails_after_a_handful_and_needs_more_for_three_gates(play):
    gates = play(lambda *_: 60)
    verdict = gates.verdict()
    assert (verdict.decision, verdict.images) == ("FAIL", verdict.images)
    assert verdict.images <= 12
    failed = [gate for gate in verdict.gates if gate.decision == "FAIL"]
    assert failed
    assert all(gate.p_fail <= 0.05 / 3 for gate in failed)
    assert all(gate.upper < -0.05 for gate in failed)
    assert gates.paths["all/character_accuracy"][-1].log_fail >= math.log(3 / 0.05)


def test_what_comes_early_waits_for_its_turn(play):
    """Any order of arrival, with any interruption, gives the same verdict after the same images."""
    through = play(lambda i, seed: (7 * i + seed) % 9, lot="x")
    again = play(lambda i, seed: (7 * i + seed) % 9, lot="x", stop=0)
    order = list(again.order)
    np.random.default_rng(0).shuffle(order)
    for slot in order:
        again.observe(slot, again.counts[slot])
    assert again.verdict() == through.verdict()
    assert again.paths == through.paths


def test_the_next_slots_are_those_that_the_verdict_waits_for(play):
    gates = play(lambda *_: 0, stop=5)
    assert gates.next_slots == gates.order[5:]
    gates.observe(gates.order[8], gates.counts[gates.order[8]])
    assert gates.images == 5
    assert gates.next_slots == gates.order[5:8] + gates.order[9:]
    with pytest.raises(KeyError):
        gates.observe(("no such prompt", 0), gates.counts[gates.order[0]])


def test_prompts_like_these_are_looked_at_whole(play):
    gates = play(lambda *_: 0, claim="prompts like these", stop=3)
    assert gates.images == 3
    assert len(gates.paths["all/character_accuracy"]) == 1
    assert gates.verdict().gates[0].images == 3
    done = play(lambda *_: 0, claim="prompts like these")
    alone = Wager(0.05, claim="prompts like these")
    while alone.verdict(0.05) is None:
        alone.observe(0.0)
    languages = done.verdict().gates[1:]
    assert done.decision == "PASS"
    assert min(gate.images for gate in languages) == 2 * alone.count


def test_a_run_that_decides_nothing_is_exhausted(play):
    gates = play(lambda i, _: 4 + i % 2, claim="prompts like these", prompts=30)
    verdict = gates.verdict()
    assert (verdict.decision, verdict.exhausted, verdict.images) == (None, True, 60)


def test_this_suite_is_decided_at_its_end_at_the_latest(play):
    for lost, expected in ((4, "PASS"), (6, "FAIL")):
        gates = play(lambda *_, lost=lost: lost, prompts=10, rules=[GateRule(margin=0.05)])
        assert gates.decision == expected
        assert not gates.verdict().exhausted


def test_nothing_to_lose_never_passes(play):
    gates = play(lambda *_: 100, before=lambda *_: 97, rules=[GateRule(margin=0.05)])
    verdict = gates.verdict()
    assert (verdict.decision, verdict.exhausted) == (None, True)
    assert "nothing to lose" in verdict.gates[0].never


def test_a_floor_is_a_wager_of_its_own(play):
    rules = [GateRule(margin=0.1, min_accuracy=0.5)]
    verdict = play(lambda *_: 20, before=lambda *_: 20, rules=rules).verdict()
    assert [(gate.subject, gate.decision) for gate in verdict.gates] == [("loss", "PASS"), ("floor", "PASS")]
    assert verdict.gates[1].estimate == pytest.approx(0.8)
    assert 0.5 < verdict.gates[1].lower < 0.8 < verdict.gates[1].upper
    low = play(lambda *_: 70, before=lambda *_: 70, rules=rules).verdict()
    assert low.decision == "FAIL"
    assert low.gates[1].upper < 0.5


@pytest.mark.parametrize("claim", ["this suite", "prompts like these"])
def test_micro_gates_bet_on_sums(play, make_run, claim):
    """Lengths of 20 to 100: the looks are (lost + δ d) / 100 - δ, and the estimate is that of the sums."""
    sizes = [20 + 10 * (i % 9) for i in range(60)]
    prompts = tuple(
        msgspec.structs.replace(prompt, text="x" * size, targets=("x" * size,))
        for prompt, size in zip(make_run.prompts(60), sizes, strict=True)
    )
    rule = GateRule(margin=0.1, average="micro")
    gates = play(lambda i, _: i % 7, claim=claim, prompts=prompts, rules=[rule], stop=20)
    seen = gates.order[:20]
    per_look = 1 if claim == "this suite" else 2
    alone = Wager(0.1, claim=claim, population=120 if claim == "this suite" else None)
    for at in range(0, 20, per_look):
        places = [int(prompt[1:]) for prompt, _ in seen[at : at + per_look]]
        lost, size = sum(i % 7 for i in places), sum(sizes[i] for i in places)
        alone.observe((-lost + 0.1 * size) / (100 * per_look) - 0.1)
    standing = gates.verdict().gates[0]
    assert (standing.p_pass, standing.p_fail) == (alone.p_pass, alone.p_fail)
    places = [int(prompt[1:]) for prompt, _ in seen]
    assert standing.estimate == pytest.approx(-sum(i % 7 for i in places) / sum(sizes[i] for i in places))
    assert standing.lower < standing.estimate < standing.upper


def test_an_anchor_has_gates_and_margins_of_its_own(make_run, policy_file):
    policy = msgspec.structs.replace(
        load_policy(policy_file),
        gates=(GateRule(margin=0.05, anchor_margin=0.3, min_accuracy=0.1),),
        sequential=Sequential(claim="this suite"),
    )
    views = [open_side(make_run(name, each)) for name, each in (("a", lambda *_: 10), ("b", lambda *_: 0))]
    gates = SequentialGates(
        policy, views[0].manifest, {"baseline": counts_of(views[0]), "anchor": counts_of(views[1])}, lot="lot"
    )
    for slot in gates.order:
        gates.observe(slot, counts_of(views[0])[slot])
        if gates.decision is not None:
            break
    assert gates.decision == "PASS"
    assert [(gate.name, gate.subject, gate.threshold) for gate in gates.verdict().gates] == [
        ("all/character_accuracy", "loss", 0.05),
        ("all/character_accuracy", "floor", 0.1),
        ("anchor/all/character_accuracy", "loss", 0.3),
    ]
