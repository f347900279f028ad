"""The exact sign test: whether more pairs went one way than chance explains."""

from __future__ import annotations


def sign_test(up: int, down: int) -> float | None:
    """The two-sided p-value of so many pairs up and down, if either way were as likely; None where no pair moved.

    Pairs that did not move are left out, as is usual (W. J. Conover, Practical Nonparametric Statistics, section 3.4).
    The test speaks of how many pairs move, not of how far: a mean may go the other way by few large moves.

        >>> f"{sign_test(18, 0):.2e}"
        '7.63e-06'
        >>> sign_test(3, 3)
        1.0

    Args:
        up: Pairs that rose, at least 0.
        down: Pairs that fell, at least 0.
    """
    from scipy.special import bdtr

    if up + down == 0:
        return None
    return min(1.0, 2.0 * float(bdtr(min(up, down), up + down, 0.5)))
