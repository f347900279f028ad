"""A run against a published time, throughput or memory figure."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from evalsuite import stats
from evalsuite.claims.comparable import served_differences, speed_differences
from evalsuite.claims.verdict import ClaimVerdict, Difference, MoreImages, Outcome
from evalsuite.stats import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalsuite.claims.published import SpeedClaim
    from evalsuite.load.records import LoadResult
    from evalsuite.records import Generation, ModelSpec
    from evalsuite.runs.opened import OpenRun


def check_speed(claim: SpeedClaim, spec: ModelSpec, run: OpenRun, *, vouched: bool) -> ClaimVerdict:
    """Hold a model's speed or memory against a published range.

    Times are means over the warm images, with the prompt as cluster; a throughput is the inverse of that mean; memory
    is the highest peak of any image (as the driver saw it, else as the allocator reserved it), which has no interval.
    """
    generations = [row for row in run.evidence.drawn.values() if row.model == spec.name]
    differences = list(speed_differences(run.environments(spec.name), spec, claim, vouched=vouched))
    found = _quantity(claim, generations)
    if found is None:
        differences.append(
            Difference(
                kind="completeness", text=f"the run has no figure of that kind ({claim.quantity}) for warm images"
            )
        )
    outcome: Outcome = "not comparable"
    more = None
    if not differences and found is not None:
        outcome = _outcome(claim, found)
        more = _more(claim, found) if outcome == "inconclusive" else None
    return ClaimVerdict(
        claim=claim,
        model=spec.name,
        outcome=outcome,
        text=_text(claim, outcome, found, differences, more),
        images_per_prompt=len(run.manifest.seeds),
        quantity=found,
        differences=tuple(differences),
        more=more,
        settings_vouched=vouched and spec.kind != "diffusion",
    )


def check_load(claim: SpeedClaim, result: LoadResult, *, vouched: bool) -> ClaimVerdict:
    """Hold a load test's fastest level against a published throughput: images per second over all requests at a time.

    Levels with errors do not count: what a server draws while it loses requests is no throughput.
    """
    spec = result.model
    differences = list(served_differences(spec, claim, vouched=vouched))
    if claim.quantity != "images/s":
        text = f"a load test has images per second, published are {claim.quantity}"
        differences.append(Difference(kind="completeness", text=text))
    best = max((each for each in result.figures if not each.errors), key=lambda each: each.throughput, default=None)
    found = None
    if best is None:
        differences.append(Difference(kind="completeness", text="every level lost requests"))
    else:
        found = Interval(
            estimate=best.throughput,
            low=best.low,
            high=best.high,
            level=stats.LEVEL,
            n=best.images,
            method="batch means",
        )
    outcome = _outcome(claim, found) if found is not None and not differences else "not comparable"
    return ClaimVerdict(
        claim=claim,
        model=spec.name,
        outcome=outcome,
        text=_text(claim, outcome, found, differences, None),
        images_per_prompt=1,
        quantity=found,
        differences=tuple(differences),
        settings_vouched=vouched,
    )


def _quantity(claim: SpeedClaim, generations: Sequence[Generation]) -> Interval | None:
    if claim.quantity == "GB of GPU memory":
        peaks = [row.memory.driver or row.memory.reserved for row in generations if row.memory is not None]
        highest = max((peak for peak in peaks if peak), default=None)
        if highest is None:
            return None
        return Interval(
            estimate=highest / 1e9, low=None, high=None, level=stats.LEVEL, n=len(peaks), method="none: no spread"
        )
    by_prompt: dict[str, list[float]] = defaultdict(list)
    for row in generations:
        if row.timing is not None and not row.timing.warmup:
            by_prompt[row.prompt].append(row.timing.total)
    if not by_prompt:
        return None
    seconds = [sum(times) for times in by_prompt.values()]
    mean = stats.ratio_interval(seconds, [len(times) for times in by_prompt.values()], bounds=(0.0, None))
    return mean if claim.quantity == "s per image" else _inverse(mean)


def _inverse(mean: Interval) -> Interval:
    """Images per second from seconds per image; without an interval where that of the mean reaches 0."""
    if mean.estimate is None:
        return mean
    whole = mean.low is not None and mean.high is not None and mean.low > 0
    return Interval(
        estimate=1 / mean.estimate,
        low=1 / mean.high if whole and mean.high else None,
        high=1 / mean.low if whole and mean.low else None,
        level=mean.level,
        n=mean.n,
        method=mean.method,
    )


def _range(claim: SpeedClaim) -> tuple[float, float]:
    return claim.least or 0.0, math.inf if claim.most is None else claim.most


def _ends(found: Interval) -> tuple[float, float]:
    if found.low is not None and found.high is not None:
        return found.low, found.high
    if found.method == "none: no spread" and found.estimate is not None:
        return found.estimate, found.estimate
    return -math.inf, math.inf


def _outcome(claim: SpeedClaim, found: Interval) -> Outcome:
    least, most = _range(claim)
    low, high = _ends(found)
    if least <= low and high <= most:
        return "reproduced"
    return "not reproduced" if high < least or low > most else "inconclusive"


def _more(claim: SpeedClaim, found: Interval) -> MoreImages | None:
    """The prompts that it takes for the interval to fall to one side of the end of the range that it straddles."""
    low, high = _ends(found)
    if found.estimate is None or not math.isfinite(high - low):
        return MoreImages(images=None, at_least=False, text="more prompts are needed for an interval")
    gap = min(abs(found.estimate - end) for end in _range(claim) if math.isfinite(end) and low <= end <= high)
    if gap == 0:
        return MoreImages(images=None, at_least=False, text="the mean lies on the end of the published range")
    prompts = math.ceil(found.n * (max(high - found.estimate, found.estimate - low) / gap) ** 2) + 1
    return MoreImages(images=None, at_least=False, text=f"about {prompts} prompts in all would settle it")


def _text(
    claim: SpeedClaim,
    outcome: Outcome,
    found: Interval | None,
    differences: Sequence[Difference],
    more: MoreImages | None,
) -> str:
    if outcome == "not comparable" or found is None or found.estimate is None:
        return "; ".join(f"{each.kind}: {each.text}" for each in differences) or "nothing was measured"
    around = "" if found.low is None or found.high is None else f" [{found.low:.3g}, {found.high:.3g}]"
    text = f"Measured {found.estimate:.3g}{around}, published {claim.text} {claim.quantity}"
    if outcome == "not reproduced":
        least, most = _range(claim)
        end = most if found.estimate > most else least
        text += f": {abs(found.estimate - end):.3g} ({abs(found.estimate / end - 1):.0%}) beyond it"
    if not claim.source.traced:
        text += ". No primary source of the figure was found"
    return text + (f". {more.text[0].upper()}{more.text[1:]}." if more else ".")
