"""The gate while the candidate is drawn: after every image, whether each gate of a policy has passed or one has failed.

Pure computation: it is told what was counted in each finished image and says what follows. The order in which images
count is drawn by lot before the first of them (`drawing_order`), and what finishes early waits for its turn; so the
verdict depends on the images alone, not on batches, interruptions or the number of looks.

Every gate has a wager (`stats.betting`), and one for its floor where it has one. All must pass, each at level α: a
wrong PASS of the whole takes a wrong PASS of the gate that is at its margin. One failure is enough, so that each must
be as sure of it as α divided by the number of wagers (Bonferroni, the first step of Holm; no other step is left when
one failure ends the drawing).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from evalsuite.gate.verdict import Against
from evalsuite.gate.wagers import Slot, Subject, bets, drawing_order
from evalsuite.records import Record
from evalsuite.runs.stop import WealthPath
from evalsuite.stats.betting import Claim, Side

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from evalsuite.gate.policy import Policy
    from evalsuite.gate.wagers import Bet
    from evalsuite.records import Manifest
    from evalsuite.runs.stop import WealthPoint
    from evalsuite.scoring import Counts


class Standing(Record, frozen=True, kw_only=True):
    """One wager of a gate so far.

    `subject` says what is bet on: that the loss against the baseline is within the margin, or that the candidate's own
    rate is above the floor; `threshold` is the margin, or the floor. `images` of `prompts` count in it. `baseline` is
    the stored run's rate on them, `estimate` the difference, or the candidate's own rate, so far; `lower` and
    `upper` are its confidence sequence at 1 - 2α, and the p-values hold at any time. `decision` is None while
    undecided; `images_to_decision` are those of the whole run at the look that decided. `never` is why it cannot pass.
    """

    name: str
    against: Against
    subject: Subject
    threshold: float
    images: int
    prompts: int
    baseline: float | None
    estimate: float | None
    p_pass: float
    p_fail: float
    lower: float
    upper: float
    decision: Side | None
    images_to_decision: int | None
    never: str | None = None


class SequentialVerdict(Record, frozen=True, kw_only=True):
    """What is known after `images` of the plan's `planned`.

    `decision` is PASS or FAIL, fixed at the look that first allowed it; None while drawing must go on, or, with
    `exhausted`, where nothing is left to draw (INCONCLUSIVE).
    """

    claim: Claim
    alpha: float
    decision: Side | None
    exhausted: bool
    images: int
    planned: int
    gates: tuple[Standing, ...]


class SequentialGates:
    """A policy's gates against one or two stored runs, while the candidate is drawn.

    Args:
        policy: Its gates, its α and what its verdict is about.
        manifest: The candidate's plan, with the baseline's prompts and seeds.
        baselines: What was counted in each cell of the baseline, and of the anchor if there is one: complete runs.
        lot: See `drawing_order`.
        unit: From a prompt's id to its sampling unit.
        acknowledged: Names of gates whose failure was accepted for this very model: it does not end the drawing, and
            no PASS waits for them once they have failed.
    """

    def __init__(
        self,
        policy: Policy,
        manifest: Manifest,
        baselines: Mapping[Against, Mapping[Slot, Counts]],
        *,
        lot: str,
        unit: Mapping[str, str] | None = None,
        acknowledged: Collection[str] = (),
    ) -> None:
        self._acknowledged = frozenset(acknowledged)
        self.claim: Claim = policy.sequential.claim
        self.alpha = policy.alpha
        self.order = drawing_order(manifest, self.claim, lot, unit)
        self._place = {slot: place for place, slot in enumerate(self.order)}
        self._early: dict[Slot, Counts] = {}
        self._taken = 0
        self._decision: Side | None = None
        self._bets = [
            bet
            for against, counts in baselines.items()
            for rule in policy.gates
            for bet in bets(policy, rule, manifest, against, counts, unit)
        ]

    def observe(self, slot: Slot, counts: Counts) -> None:
        """Take what was counted in one finished image, in any order; after the verdict nothing more counts.

        Raises:
            KeyError: The plan has no such cell.
        """
        if self._place[slot] >= self._taken:
            self._early[slot] = counts
        while self._decision is None and self._taken < len(self.order) and self.order[self._taken] in self._early:
            self._look(self.order[self._taken], self._early.pop(self.order[self._taken]))

    def _look(self, slot: Slot, counts: Counts) -> None:
        self._taken += 1
        for bet in self._bets:
            if not bet.take(slot, counts):
                continue
            bet.note_wealth(self._taken)
            if bet.decision is None:
                found = bet.wager.verdict(self.alpha, alpha_fail=self.alpha_fail)
                if found == "FAIL" or (found == "PASS" and bet.never is None):
                    bet.decision, bet.images_to_decision = found, self._taken
        decisions = {
            bet.decision for bet in self._bets if not (bet.decision == "FAIL" and bet.name in self._acknowledged)
        }
        if "FAIL" in decisions:
            self._decision = "FAIL"
        elif decisions <= {"PASS"}:
            self._decision = "PASS"

    @property
    def alpha_fail(self) -> float:
        """The level at which one gate's failure ends the drawing: α divided by the number of wagers."""
        return self.alpha / max(1, len(self._bets))

    @property
    def next_slots(self) -> tuple[Slot, ...]:
        """The cells still to be drawn, first those that the verdict waits for; none after the verdict."""
        if self._decision is not None:
            return ()
        return tuple(slot for slot in self.order[self._taken :] if slot not in self._early)

    @property
    def decision(self) -> Side | None:
        """PASS once every gate has passed, FAIL once one has failed, None before."""
        return self._decision

    @property
    def images(self) -> int:
        """The images that count so far."""
        return self._taken

    @property
    def paths(self) -> dict[str, tuple[WealthPoint, ...]]:
        """The wealths over the images by gate, for a chart; a floor's stand under `<gate>/floor`."""
        return {_label(bet): tuple(bet.path) for bet in self._bets}

    @property
    def wagers(self) -> tuple[WealthPath, ...]:
        """The same with what decides, to be stored with the run."""
        return tuple(
            WealthPath(
                name=_label(bet),
                decision=bet.decision,
                images_to_decision=bet.images_to_decision,
                need_pass=-math.log(self.alpha),
                need_fail=-math.log(self.alpha_fail),
                points=tuple(bet.path),
            )
            for bet in self._bets
        )

    def verdict(self) -> SequentialVerdict:
        """All that is known now."""
        return SequentialVerdict(
            claim=self.claim,
            alpha=self.alpha,
            decision=self._decision,
            exhausted=self._decision is None and self._taken == len(self.order),
            images=self._taken,
            planned=len(self.order),
            gates=tuple(self._standing(bet) for bet in self._bets),
        )

    def _standing(self, bet: Bet) -> Standing:
        lower, upper = bet.bounds(self.alpha)
        return Standing(
            name=bet.name,
            against=bet.against,
            subject=bet.subject,
            threshold=bet.threshold,
            images=bet.images,
            prompts=len(bet.prompts),
            baseline=bet.before,
            estimate=bet.estimate,
            p_pass=bet.wager.p_pass,
            p_fail=bet.wager.p_fail,
            lower=lower,
            upper=upper,
            decision=bet.decision,
            images_to_decision=bet.images_to_decision,
            never=bet.never,
        )


def _label(bet: Bet) -> str:
    return bet.name if bet.subject == "loss" else f"{bet.name}/floor"
