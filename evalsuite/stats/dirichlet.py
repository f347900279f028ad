"""How often a weighted mean with random Dirichlet weights lies below a value: exact, without drawing any.

Every interval and bound for a rate whose range is known is a quantile of such a mean; what they differ in is the
pseudo-prompts that stand for what was not sampled (see `gaffke` and `intervals`).
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from evalsuite.stats.resampling import Floats

STEP = 0.12
"""Of the trapezoid rule, whose error falls exponentially with its inverse; at this step it is below 10⁻⁶ (tests)."""

NODES = STEP * np.arange(132)
"""Up to 15.7: beyond, |s| is above 10⁶ b, and with two weights or more nothing is left of the integrand."""

_NOTHING = 34.0
"""e to the minus of this is below rounding, beside a share of 1."""

_NORMAL = NormalDist()

_LEAST = 1e-15
"""Probabilities nearer to 0 or 1 than this are not told apart."""

_TRIES = 4
"""Steps of the secant rule within which the bracket has to be halved."""

_CHUNK = 33
"""Nodes at a time: with many prompts the first are enough."""


def share_below(values: Floats, shapes: Floats) -> float:
    """P(Σ wᵢ valuesᵢ ≤ 0) for w ~ Dirichlet(shapes), which is P(Σ gᵢ valuesᵢ ≤ 0) with gᵢ ~ Gamma(shapesᵢ).

    The sum of gamma variables has the cumulant generating function K(s) = -Σ shapesᵢ ln(1 - valuesᵢ s), and
    P = -(1/2πi) ∫ e^(K(s)) ds / s along any path from -i∞ to i∞ that crosses the real axis once, at a c < 0 where K
    exists. c is the saddle point of the integrand (Daniels, Saddlepoint approximations in statistics, 1954), but
    nothing is approximated there: on the hyperbola s = c + b (i sinh t - κ (cosh t - 1)), bent the way of steepest
    descent, the trapezoid rule in t converges exponentially (Trefethen and Weideman, The exponentially convergent
    trapezoidal rule, 2014).

    Args:
        values: Shape (n,): of either sign.
        shapes: Shape (n,): positive; 1 for a prompt, 1/2 for half a pseudo-prompt, m for m equal prompts.
    """
    scale = float(np.abs(values).max(initial=0.0))
    kept = np.abs(values) > 1e-13 * scale
    a, m = values[kept] / (scale or 1.0), shapes[kept]
    if not (a < 0).any():
        return 1.0 if not len(a) else 0.0
    if not (a > 0).any():
        return 1.0
    # The smaller of the two tails: for the other one, c would lie beside the pole at 0.
    return 1 - _tail(-a, m) if (a * m).sum() < 0 else _tail(a, m)


def _tail(a: Floats, m: Floats) -> float:
    c = _saddle(a, m)
    slope = a / (1 - a * c)
    second = (m * slope**2).sum() + 1 / c**2
    third = 2 * (m * slope**3).sum() - 2 / c**3
    b = 1 / np.sqrt(second)
    bend = float(np.clip(-(b**3) * third / 3, -1.0, 1.0))
    for kappa in (bend, bend / 2, bend / 4):
        found = _along(a, m, c, b, kappa)
        if found is not None:
            return found
    # Straight up the integrand never rises, but it may oscillate further out.
    return _along(a, m, c, b, 0.0) or 0.0


def _along(a: Floats, m: Floats, c: float, b: float, kappa: float) -> float | None:
    """The integral along one hyperbola; None where the integrand rises on the way, past a pole of high order."""
    total, last = 0.0, np.inf
    for start in range(0, len(NODES), _CHUNK):
        t = NODES[start : start + _CHUNK]
        s = c + b * (1j * np.sinh(t) - kappa * (np.cosh(t) - 1))
        # ln(1 - a s) by its real and imaginary parts: numpy's complex logarithm takes ten times as long.
        across, up = 1 - np.multiply.outer(s.real, a), np.multiply.outer(s.imag, a)
        logs = -(np.log(across**2 + up**2) / 2 @ m) + 1j * (np.arctan2(up, across) @ m) - np.log(-s)
        size = logs.real
        if kappa and (size[0] > last or (np.diff(size) > 1e-9).any()):
            return None
        terms = np.imag(np.exp(logs) * b * (1j * np.cosh(t) - kappa * np.sinh(t)))
        total += float(terms.sum()) - (float(terms[0]) / 2 if start == 0 else 0.0)
        last = float(size[-1])
        if last + t[-1] < -_NOTHING:
            break
    return min(1.0, max(0.0, STEP / np.pi * total))


def _saddle(a: Floats, m: Floats) -> float:
    """Where K(c) - ln(-c) is least, for c between 1 / min a and 0: by bisection of its derivative, which rises."""
    low, high = 1 / float(a.min()), 0.0
    for _ in range(40):
        c = (low + high) / 2
        if (m * a / (1 - a * c)).sum() - 1 / c < 0:
            low = c
        else:
            high = c
    return (low + high) / 2


def quantile(
    num: Floats, den: Floats, shapes: Floats, level: float, *, least: float, most: float, tolerance: float = 1e-9
) -> float:
    """The `level`-quantile of Σ wᵢ numᵢ / Σ wᵢ denᵢ for w ~ Dirichlet(shapes), which lies between `least` and `most`.

    It is the θ at which Σ wᵢ (numᵢ - θ denᵢ) lies below zero with probability `level`. As a normal quantile that
    probability is nearly a straight line in θ, so a secant rule finds it in a few steps from the normal approximation;
    a bracket is kept, and halved wherever the rule leaves it or gains too little. Equal terms are one of their summed
    shapes: of 2,500 prompts there are some 200 different ones, since counts are small whole numbers.
    """
    different, which = np.unique(np.stack([num, den]), axis=1, return_inverse=True)
    num, den = different
    shapes = np.bincount(which.ravel(), weights=shapes).astype(np.float64)
    wanted = _NORMAL.inv_cdf(level)
    mean = float(shapes @ num / (shapes @ den))
    spread = float(np.sqrt(shapes @ (num - mean * den) ** 2) / (shapes @ den))
    low, high = least, most
    theta, slope = mean + wanted * spread, 1 / spread if spread > 0 else 0.0
    width, tried = high - low, 0
    last: tuple[float, float] | None = None
    for _ in range(200):
        if not low < theta < high or tried == _TRIES:
            theta, width, tried = (low + high) / 2, high - low, 0
        found = share_below(num - theta * den, shapes)
        off = _NORMAL.inv_cdf(min(max(found, _LEAST), 1 - _LEAST)) - wanted
        if last is not None and theta != last[0] and off != last[1]:
            slope = (off - last[1]) / (theta - last[0])
        last = theta, off
        if found < level:
            low = theta
        else:
            high = theta
        tried = 0 if high - low <= width / 2 else tried + 1
        width = high - low if not tried else width
        step = -off / slope if slope > 0 else np.inf
        if abs(step) <= tolerance or high - low <= tolerance:
            return min(max(theta + step, low), high) if np.isfinite(step) else (low + high) / 2
        theta += step
    return (low + high) / 2
