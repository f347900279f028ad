"""Gates on speed and memory: ratios of latency quantiles and of peak memory, with bounds over prompts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from evalsuite.gate.compare import interleaved, timing_mismatch
from evalsuite.gate.verdict import SpeedResult
from evalsuite.stats.resampling import REPLICATES, SEED, resample_counts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalsuite.gate.policy import Policy
    from evalsuite.gate.side import Side, Slot
    from evalsuite.gate.verdict import Against, Decision
    from evalsuite.records import Generation
    from evalsuite.stats.resampling import Floats, Times

MIN_PROMPTS = 10
"""With fewer prompts than this, a quantile of latency is not gated."""

_MEMORY = ("allocated", "reserved")
"""Peaks that belong to drawing one image; those of the driver and the process include what was there before."""

Quantity = Literal["p50", "p90", "memory"]


@dataclass(frozen=True, slots=True)
class LogRatio:
    """A log-ratio candidate / baseline and its bootstrap replicates, sorted; bounds are their percentiles."""

    estimate: float
    n: int
    replicates: Floats

    def lower(self, alpha: float) -> float:
        """The α-quantile of the replicates."""
        return float(self.replicates[max(0, math.floor(alpha * (len(self.replicates) + 1) + 1e-9) - 1)])

    def upper(self, alpha: float) -> float:
        """The (1 - α)-quantile of the replicates."""
        return float(self.replicates[-max(1, math.floor(alpha * (len(self.replicates) + 1) + 1e-9))])

    def p_above(self, theta: float) -> float:
        """Share of replicates at or below `theta`: small where the log-ratio lies above it."""
        return float(1 + np.searchsorted(self.replicates, theta, side="right")) / (len(self.replicates) + 1)


@dataclass(frozen=True, slots=True)
class MeasuredSpeed:
    """One quantity of both runs before the decision. `advisory` says why it does not count, None where it does."""

    name: str
    against: Against
    quantity: Quantity
    baseline: float
    candidate: float
    limit: float
    found: LogRatio
    advisory: str | None

    @property
    def p_fail(self) -> float:
        """p-value against a ratio of at most `limit`."""
        return self.found.p_above(math.log(self.limit))


def measure_speed(
    policy: Policy, baseline: Side, candidate: Side, against: Against
) -> tuple[list[MeasuredSpeed], list[str]]:
    """The quantities that the policy limits, as far as both runs have them, and notes on what they lack."""
    measured: list[MeasuredSpeed] = []
    notes: list[str] = []
    mismatch = timing_mismatch(baseline, candidate)
    in_turns = interleaved(baseline, candidate)
    rule = policy.speed
    prefix = "anchor/" if against == "anchor" else ""
    latencies: tuple[tuple[Quantity, float | None, float], ...] = (("p50", rule.p50, 0.5), ("p90", rule.p90, 0.9))
    limited = [(quantity, limit, q) for quantity, limit, q in latencies if limit is not None]
    warm = _warm(baseline, candidate)
    if limited and len({slot[0] for slot in warm}) < MIN_PROMPTS:
        notes.append(f"latency is not compared with the {against}: too few prompts have warm images timed in both")
    elif limited:
        advisory = mismatch or _latency_advisory(rule.enforce, in_turns=in_turns)
        ratios = quantile_ratios(warm, [q for _, _, q in limited])
        for (quantity, limit, _), (one, other, found) in zip(limited, ratios, strict=True):
            name = f"{prefix}speed/{quantity}"
            measured.append(MeasuredSpeed(name, against, quantity, one, other, limit, found, advisory))
    if rule.memory is not None:
        peaks = _peaks(baseline, candidate)
        if in_turns:
            notes.append(f"peak memory is not compared with the {against}: both models were loaded at once")
        elif len({slot[0] for slot in peaks}) < MIN_PROMPTS:
            notes.append(f"peak memory is not compared with the {against}: it was not measured in both runs")
        else:
            one, other, found = memory_ratio(peaks)
            advisory = mismatch or ("the policy does not enforce it" if rule.enforce == "never" else None)
            name = f"{prefix}speed/memory"
            measured.append(MeasuredSpeed(name, against, "memory", one, other, rule.memory, found, advisory))
    return measured, notes


def _latency_advisory(enforce: str, *, in_turns: bool) -> str | None:
    if enforce == "never":
        return "the policy does not enforce it"
    if not in_turns:
        # Whatever the policy says: the latencies of a session hang together, and no resampling of them, by blocks
        # either, shows how much two sessions differ (docs/gate-calibration.md).
        return (
            "measured in two sessions, whose drift cannot be told from a change of the model; "
            "'evalsuite run --interleave' draws both in turns"
        )
    return None


def _shared(baseline: Side, candidate: Side) -> Iterator[tuple[Slot, Generation, Generation]]:
    mine, theirs = baseline.generations, candidate.generations
    for prompt in baseline.manifest.prompts:
        for seed in sorted(baseline.manifest.seeds):
            if (prompt.id, seed) in mine and (prompt.id, seed) in theirs:
                yield (prompt.id, seed), mine[prompt.id, seed], theirs[prompt.id, seed]


def _warm(baseline: Side, candidate: Side) -> dict[Slot, tuple[float, float]]:
    """Seconds of the images that were drawn warm in both runs."""
    return {
        slot: (one.timing.total, other.timing.total)
        for slot, one, other in _shared(baseline, candidate)
        if one.timing is not None
        and other.timing is not None
        and not (one.timing.warmup or other.timing.warmup)
        and one.timing.total > 0 < other.timing.total
    }


def _peaks(baseline: Side, candidate: Side) -> dict[Slot, tuple[float, float]]:
    """Peak bytes of each image in both runs, by the first measure that all of them have."""
    pairs = [
        (slot, one.memory, other.memory)
        for slot, one, other in _shared(baseline, candidate)
        if one.memory is not None and other.memory is not None
    ]
    for field in _MEMORY:
        found = {slot: (getattr(one, field), getattr(other, field)) for slot, one, other in pairs}
        if found and all(one and other for one, other in found.values()):
            return found
    return {}


def quantile_ratios(
    pairs: dict[Slot, tuple[float, float]],
    qs: Sequence[float],
    *,
    replicates: int = REPLICATES,
    seed: int = SEED,
) -> list[tuple[float, float, LogRatio]]:
    """Each q-quantile of either side and the log of their ratio, resampling whole prompts with both sides.

    Quantiles interpolate linearly, in the replicates as in the estimate (Hyndman and Fan's type 7). Bounds are
    percentiles: a quantile has no standard error to studentise by.
    """
    prompts = list(dict.fromkeys(slot[0] for slot in pairs))
    place = {name: index for index, name in enumerate(prompts)}
    owner = np.array([place[slot[0]] for slot in pairs])
    seconds = np.array(list(pairs.values()), dtype=np.float64)
    counts = resample_counts(len(prompts), replicates, seed)
    found = []
    for q, drawn in zip(qs, _weighted_quantiles(seconds, owner, counts, qs), strict=True):
        one, other = np.quantile(seconds, q, axis=0)
        logs = np.log(drawn)
        ratio = LogRatio(float(np.log(other / one)), len(prompts), np.sort(logs[1] - logs[0]))
        found.append((float(one), float(other), ratio))
    return found


def _weighted_quantiles(seconds: Floats, owner: npt.NDArray[np.intp], counts: Times, qs: Sequence[float]) -> Floats:
    """Quantiles of each column of `seconds` (images, 2) in each replicate: shape (len(qs), 2, replicates).

    Ranks are found in two steps, the run of `_RUN` images by a matrix product and the image inside it, since cumulated
    counts of all images in all replicates would be a hundred times the work.
    """
    images, prompts = len(owner), counts.shape[1]
    result = np.empty((len(qs), 2, len(counts)))
    for column in range(2):
        order = np.argsort(seconds[:, column], kind="stable")
        ordered, owners = seconds[order, column], owner[order]
        members = np.zeros((-(-images // _RUN), prompts), dtype=np.float32)  # whole numbers, exact below 2^24
        np.add.at(members, (np.arange(images) // _RUN, owners), 1)
        for start in range(0, len(counts), _BLOCK):
            block = counts[start : start + _BLOCK].T
            upto = np.cumsum((members @ block.astype(np.float32)).astype(np.int64), axis=0)
            for place, q in enumerate(qs):
                position = q * (upto[-1] - 1)
                below = np.floor(position).astype(np.int64)
                first, second = (
                    ordered[_places(rank, upto, block, owners)] for rank in (below, np.minimum(below + 1, upto[-1] - 1))
                )
                result[place, column, start : start + _BLOCK] = first + (position - below) * (second - first)
    return result


def _places(
    rank: npt.NDArray[np.int64], upto: npt.NDArray[np.int64], block: Times, owners: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp]:
    """Which image has the rank (from 0) of each replicate: the first whose cumulated count exceeds it."""
    replicates = np.arange(len(rank))
    run = (upto <= rank).sum(axis=0)
    before = np.where(run > 0, upto[run - 1, replicates], 0)
    inside = np.minimum(run * _RUN + np.arange(_RUN)[:, None], len(owners) - 1)
    within = before + np.cumsum(block[owners[inside], replicates], axis=0, dtype=np.int64)
    place: npt.NDArray[np.intp] = run * _RUN + (within <= rank).sum(axis=0)
    return place


_BLOCK = 500
"""Replicates at a time."""
_RUN = 100
"""Images whose counts are summed at once."""


def memory_ratio(
    peaks: dict[Slot, tuple[float, float]], *, replicates: int = REPLICATES, seed: int = SEED
) -> tuple[float, float, LogRatio]:
    """The greatest peak of either side, and the mean over prompts of the log-ratio of an image's peaks.

    The greatest of a run depends on a single image and has no useful interval; the mean log-ratio has one.
    """
    by_prompt: dict[str, list[float]] = {}
    for (name, _), (one, other) in peaks.items():
        by_prompt.setdefault(name, []).append(math.log(other / one))
    logs = np.array([np.mean(values) for values in by_prompt.values()])
    means = np.sort(resample_counts(len(logs), replicates, seed) @ logs / len(logs))
    found = LogRatio(float(logs.mean()), len(logs), means)
    return max(one for one, _ in peaks.values()), max(other for _, other in peaks.values()), found


def conclude_speed(gate: MeasuredSpeed, level: float, p_fail_holm: float | None) -> SpeedResult:
    """PASS if the ratio's upper bound is at most the limit, FAIL if its lower bound is above after Holm's correction.

    Without a corrected p-value (`None`) the figures are advisory and nothing is decided.
    """
    lower, upper = math.exp(gate.found.lower(level)), math.exp(gate.found.upper(level))
    decision: Decision | None
    if p_fail_holm is None:
        decision, note = None, f"advisory: {gate.advisory}"
    elif p_fail_holm <= level:
        decision, note = "FAIL", f"at least {lower:.3f} times the baseline's, more than the limit of {gate.limit:g}"
    elif upper <= gate.limit:
        decision, note = "PASS", f"within the limit of {gate.limit:g}"
    else:
        decision, note = "INCONCLUSIVE", f"the ratio may lie on either side of the limit of {gate.limit:g}"
    return SpeedResult(
        name=gate.name,
        against=gate.against,
        quantity=gate.quantity,
        unit="bytes" if gate.quantity == "memory" else "s",
        decision=decision,
        prompts=gate.found.n,
        baseline=gate.baseline,
        candidate=gate.candidate,
        ratio=math.exp(gate.found.estimate),
        lower=lower,
        upper=upper,
        limit=gate.limit,
        p_fail=gate.p_fail,
        p_fail_holm=p_fail_holm,
        advisory=gate.advisory,
        note=note,
    )
