"""How many images a gate while drawing will take, foretold from a stored baseline before anything is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evalsuite.errors import IncompleteError
from evalsuite.gate.decide import without_prompts
from evalsuite.gate.metrics import METRICS
from evalsuite.gate.policy import refuse_unscored
from evalsuite.gate.slices import expand
from evalsuite.records import Record
from evalsuite.stats.wealth import Expected, expected_images

if TYPE_CHECKING:
    from evalsuite.gate.policy import Policy
    from evalsuite.gate.side import Side

SAMPLES = (1, 2, 4)
LOSSES = (0.0, 0.5, 2.0, 5.0)
"""True losses that are foretold, in margins."""

COLUMNS = ("gate", "images per prompt", "planned", "no loss", "half the margin", "2 margins", "5 margins")


class Forecast(Record, frozen=True, kw_only=True):
    """One gate with so many `samples` a prompt: what is expected at each of `LOSSES`, in that order.

    The images are those of the gate's own slice. `seeds_known` is False where the stored run has one image per prompt:
    seeds are then taken not to matter, which is too hopeful.
    """

    gate: str
    margin: float
    samples: int
    planned: int
    seeds_known: bool
    expected: tuple[Expected, ...]


def foresee(side: Side, policy: Policy) -> tuple[Forecast, ...]:
    """For each gate and 1, 2 and 4 images per prompt, the images to its verdict; by simulation, seeded.

    Averages over prompts are foretold for gates that divide sums as well: prompts of unequal length take more.

    Raises:
        IncompleteError: The run misses images, or has no prompt in a slice that the policy gates.
    """
    refuse_unscored(policy, "which is not gated while drawing")
    if side.missing:
        raise IncompleteError(
            f"{side.run.folder}: {len(side.missing)} images are missing or unread, e.g. {side.missing[0].text}; a "
            "forecast needs a complete run"
        )
    for problem in without_prompts(policy, side.manifest):
        raise IncompleteError(problem)
    seeds = sorted(side.manifest.seeds)
    gates = [
        (rule, label, prompts, rule.metric or policy.metric)
        for rule in policy.gates
        for label, prompts in expand(rule, side.manifest)
    ]
    wagers = len(gates) + sum(rule.min_accuracy is not None for rule, *_ in gates)
    found = []
    for rule, label, prompts, metric in gates:
        parts = METRICS[metric]
        rates = np.array(
            [[np.divide(*parts(side.counts[prompt.id, seed])) for seed in seeds] for prompt in prompts],
            dtype=np.float64,
        )
        expected = expected_images(
            rates, rule.margin, claim=policy.sequential.claim, alpha=policy.alpha, gates=wagers, samples=SAMPLES,
            factors=LOSSES, simulations=100,
        )  # fmt: skip
        for place, samples in enumerate(SAMPLES):
            own = expected[place * len(LOSSES) : (place + 1) * len(LOSSES)]
            found.append(
                Forecast(
                    gate=f"{label}/{metric}",
                    margin=rule.margin,
                    samples=samples,
                    planned=own[0].planned,
                    seeds_known=own[0].seeds_known,
                    expected=own,
                )
            )
    return tuple(found)


def cells(found: Forecast) -> tuple[str, ...]:
    """A row of `COLUMNS`: images, and how often the verdict is the right one: PASS up to the margin, FAIL beyond."""
    told = [
        f"{each.images:.0f} ({'PASS' if factor < 1 else 'FAIL'} {each.passed if factor < 1 else each.failed:.0%})"
        for factor, each in zip(LOSSES, found.expected, strict=True)
    ]
    return (f"{found.gate}, δ {found.margin:g}", str(found.samples), str(found.planned), *told)
