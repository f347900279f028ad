"""A paired difference of two rates that an imperfect reader measured, corrected by what a person found on samples.

The reader's difference over all prompts is moved by the mean error that a person found on a random sample of either
side; the bounds hold the uncertainty of all three parts. This is prediction-powered inference as in
`prediction_powered`, with λ = 1, for a difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from evalsuite.stats.bounds import Comparison, Method
from evalsuite.stats.intervals import ends_in_range
from evalsuite.stats.resampling import Floats, standard_errors

_HALVINGS = 24
_LEAST_LEVEL = 1e-6


@dataclass(frozen=True)
class Errors:
    """What a person found wrong with a reader's rate, by judged prompt; shape (n,) both, n ≥ 2.

    `moved` is the weighted sum of (true - read) over the judged items of a prompt, each difference in [-1, 1];
    `weights` that of their weights, one per item: the inverse of its chance to be judged times what it weighs in the
    rate. `share` is the part of all items that was judged, in [0, 1].
    """

    moved: Floats
    weights: Floats
    share: float

    @property
    def estimate(self) -> float:
        """The mean error: the true rate is so much higher than the one that was read."""
        return float(self.moved.sum() / self.weights.sum())

    @property
    def standard_error(self) -> float:
        """Of `estimate`, as of a random sample of prompts, less what a sample of all leaves open."""
        errors = self.moved - self.estimate * self.weights
        return float(standard_errors(errors[None], self.weights)[0] * np.sqrt(1 - self.share))

    def reach(self, alpha: float) -> tuple[float, float]:
        """The distances from the estimate down and up to its one-sided bounds at `alpha` (`ends_in_range`)."""
        low, high = ends_in_range(self.moved, self.weights, -1.0, 1.0, 1 - 2 * alpha)
        part = float(np.sqrt(1 - self.share))
        return part * (self.estimate - low), part * (high - self.estimate)


@dataclass(frozen=True)
class CorrectedDifference(Comparison):
    """`Comparison` with both rates corrected. `read` is the difference as the reader gave it.

    The three parts are independent given the images: each side has its own sample. Their bounds are joined by the
    squares of their distances from estimate to bound (MOVER; Zou and Donner, Statistics in Medicine 27, 2008).
    """

    read: Comparison = field(kw_only=True, repr=False)
    baseline: Errors = field(kw_only=True, repr=False)
    candidate: Errors = field(kw_only=True, repr=False)

    @property
    def method(self) -> Method:
        """How the bounds are made."""
        return "prediction-powered"

    def lower(self, alpha: float) -> float:
        """L, with Δ > L at confidence 1 - `alpha`; never below -1."""
        down = self.read.estimate - self.read.lower(alpha)
        reach = float(np.linalg.norm([down, self.candidate.reach(alpha)[0], self.baseline.reach(alpha)[1]]))
        return max(-1.0, self.estimate - reach)

    def upper(self, alpha: float) -> float:
        """U, with Δ < U at confidence 1 - `alpha`; never above 1."""
        up = self.read.upper(alpha) - self.read.estimate
        reach = float(np.linalg.norm([up, self.candidate.reach(alpha)[1], self.baseline.reach(alpha)[0]]))
        return min(1.0, self.estimate + reach)

    def p_above(self, theta: float) -> float:
        """p-value against Δ ≤ `theta`: the least α with `lower(α)` > `theta`, and 1 where it is not below a half."""
        return _least_level(lambda alpha: self.lower(alpha) > theta)

    def p_below(self, theta: float) -> float:
        """p-value against Δ ≥ `theta`: the least α with `upper(α)` < `theta`, and 1 where it is not below a half."""
        return _least_level(lambda alpha: self.upper(alpha) < theta)


def corrected_difference(read: Comparison, baseline: Errors, candidate: Errors) -> CorrectedDifference:
    """The difference of the true rates, candidate less baseline: `read` moved by both sides' mean errors."""
    spread = float(np.linalg.norm([read.standard_error, baseline.standard_error, candidate.standard_error]))
    return CorrectedDifference(
        estimate=float(np.clip(read.estimate + candidate.estimate - baseline.estimate, -1, 1)),
        standard_error=spread,
        n=read.n,
        differing=read.differing,
        gaffke=read.gaffke,
        _below=np.empty(0),
        _above=np.empty(0),
        read=read,
        baseline=baseline,
        candidate=candidate,
    )


def _least_level(holds: Callable[[float], bool]) -> float:
    """The least level at which a bound excludes a value, to six places; bounds draw nearer as the level grows."""
    low, high = _LEAST_LEVEL, 0.5 - _LEAST_LEVEL
    if not holds(high):
        return 1.0
    if holds(low):
        return low
    for _ in range(_HALVINGS):
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
