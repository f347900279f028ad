"""Resampling whole prompts: how often each is drawn, the standard error of a ratio, and studentised pivots."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.unsignedinteger]

REPLICATES = 9_999
"""Bootstrap replicates: one short of a round number, so that α (replicates + 1) is whole."""

SEED = 20_240_229

SAME = 1e-12
"""Differences up to this are rounding, not difference; so is a variance of this share of its terms."""

_PICKS = 1_000_000
"""Prompts weighed at once."""

_DRAWN = 100_000
"""Prompts drawn at once: so few that they stay in the processor's cache."""


def draw_times(rng: np.random.Generator, n: int, replicates: int) -> Times:
    """How often each of n prompts occurs in each replicate: shape (replicates, n), rows that sum to n.

    In the smallest type that holds them: a byte, though n may be thousands, since hardly one occurs ten times.
    """
    picks = rng.integers(0, n, size=(replicates, n))
    picks += np.arange(replicates)[:, None] * n
    times = np.bincount(picks.ravel(), minlength=replicates * n).reshape(replicates, n)
    return times.astype(np.min_scalar_type(times.max()))


@lru_cache(maxsize=4)
def resample_counts(n: int, replicates: int = REPLICATES, seed: int = SEED) -> Times:
    """`draw_times` by a seed, read-only; kept, because all rates of one run ask for the same."""
    rng = np.random.default_rng(seed)
    block = max(1, _DRAWN // n)
    times: Times = np.empty((replicates, n), dtype=np.uint8)
    for at in range(0, replicates, block):
        part = draw_times(rng, n, min(block, replicates - at))
        if part.dtype.itemsize > times.dtype.itemsize:
            times = times.astype(part.dtype)
        times[at : at + block] = part
    times.setflags(write=False)
    return times


def standard_errors(errors: Floats, den: Floats) -> Floats:
    """Standard error of each row's ratio from its errors e_i = num_i - R den_i: sqrt(n / (n - 1) Σe²) / Σden.

    Linearisation (Cochran, Sampling Techniques, 3rd ed., 1977, ch. 6); with equal denominators, that of a mean.
    """
    n = errors.shape[-1]
    result: Floats = np.sqrt((errors**2).sum(axis=-1) * n / (n - 1)) / den.sum()
    return result


def pivots(
    errors: Floats, den: Floats | None = None, *, replicates: int = REPLICATES, seed: int = SEED
) -> tuple[Floats, Floats]:
    """The replicates' t* = (R* - R) / se* of m data sets, in the order drawn (Efron and Tibshirani, 1993, ch. 12.5).

    A replicate of zero spread counts as ±∞, by the sign of R* - R. Where that too is zero, the replicate says
    nothing, and it counts against either bound: -∞ in the first array, +∞ in the second.

    Args:
        errors: Shape (m, n): e_i = num_i - R den_i of each data set.
        den: Shape (n,); None for denominators of 1, which is faster.
        replicates: Their number.
        seed: Of the resampling; the same resamples serve all m data sets.

    Returns:
        Two arrays of shape (m, replicates) that differ at such replicates only.
    """
    m, n = errors.shape
    counts = resample_counts(n, replicates, seed)
    size: Floats | float
    if den is None:
        first, square = np.split(_sums(counts, np.concatenate([errors, errors**2]).T), [m], axis=1)
        size = float(n)
        shift = first / n
        deviation, scale = square - n * shift**2, square
    else:
        columns = np.concatenate([errors, errors**2, errors * den, [den, den**2]]).T
        first, square, cross, size, den_square = np.split(_sums(counts, columns), [m, 2 * m, 3 * m, 3 * m + 1], axis=1)
        shift = first / size
        scale = square + shift**2 * den_square
        deviation = scale - 2 * shift * cross
    deviation[deviation <= SAME * scale] = 0.0
    spread = np.sqrt(deviation * n / (n - 1)) / size
    # Errors that cancel leave a rounding error, which beside a zero spread would decide the sign of infinity.
    shift[np.abs(shift) <= SAME * np.abs(errors).max(axis=1)] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (shift / spread).T
    silent = np.isnan(t)
    return np.where(silent, -np.inf, t), np.where(silent, np.inf, t)


def _sums(counts: Times, columns: Floats) -> Floats:
    """The columns summed over each replicate's prompts: shape (replicates, columns)."""
    block = max(1, _PICKS // counts.shape[1])
    return np.concatenate([counts[at : at + block].astype(np.float64) @ columns for at in range(0, len(counts), block)])


def rank(alpha: float, size: int) -> int:
    """The order statistic of `size` draws that bounds at level alpha: ⌊α (size + 1)⌋; 0 where they are too few.

    Raises:
        ValueError: alpha is not between 0 and 1.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"level {alpha} is not between 0 and 1")
    return int(np.floor(alpha * (size + 1) + 1e-9))
