"""What a picture holds beside its text, in figures: likeness to another picture, and the share that is not flat ground.

Both look at the pixels outside the text only: at those whose whole neighbourhood of `WINDOW` × `WINDOW` pixels lies
outside it and within the picture. So a change of the text inside its region leaves them as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalsuite.errors import EvalsuiteError

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOW = 7
"""Pixels of a neighbourhood's side: the window of SSIM (Wang et al., IEEE Transactions on Image Processing 13, 2004)
with equal weights, as scikit-image has it."""

FLAT_RANGE = 8
"""Levels of 256 by which the pixels around a place may differ, in every channel, and it still is flat ground."""

LEAST_OUTSIDE = 0.1
"""Share of the picture that must lie outside the text for either figure to be told."""

GREATEST = 255.0


@dataclass(frozen=True, slots=True)
class Likeness:
    """Two pictures compared outside the text: SSIM in [-1, 1], and the mean squared error in squared levels of 256."""

    ssim: float
    mse: float


def outside(text: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """The pixels with nothing but picture around them, shape (H, W); None where they are fewer than `LEAST_OUTSIDE`."""
    from scipy.ndimage import maximum_filter

    reach = WINDOW // 2
    if min(text.shape) < WINDOW:
        return None
    keep = np.zeros(text.shape, dtype=np.bool_)
    inner = (slice(reach, -reach), slice(reach, -reach))
    keep[inner] = ~maximum_filter(text, size=WINDOW)[inner]
    return keep if keep.mean() >= LEAST_OUTSIDE else None


def likeness(before: NDArray[np.uint8], after: NDArray[np.uint8], keep: NDArray[np.bool_]) -> Likeness:
    """How alike two RGB pictures (H, W, 3) are at the pixels of `keep` (H, W): means over them and the channels.

    Raises:
        EvalsuiteError: scikit-image is not installed.
    """
    try:
        from skimage.metrics import mean_squared_error, structural_similarity
    except ImportError as error:
        raise EvalsuiteError("similarity to a baseline needs scikit-image: install evalsuite[content]") from error
    _, places = structural_similarity(before, after, win_size=WINDOW, channel_axis=2, data_range=GREATEST, full=True)
    # The running sums behind SSIM carry a rounding error from the text to the rest of the picture.
    ssim = round(float(places[keep].mean()), 9)
    return Likeness(ssim=ssim, mse=float(mean_squared_error(before[keep], after[keep])))


def psnr(mse: float | None) -> float | None:
    """The peak signal-to-noise ratio in decibels, 10 log₁₀(255² / MSE); infinite for equal pictures, None for None."""
    if mse is None:
        return None
    return float("inf") if mse == 0 else float(10 * np.log10(GREATEST**2 / mse))


def picture_share(pixels: NDArray[np.uint8], keep: NDArray[np.bool_]) -> float:
    """The share, in [0, 1], of the pixels of `keep` (H, W) of an RGB picture (H, W, 3) that are not flat ground."""
    from scipy.ndimage import maximum_filter, minimum_filter

    size = (WINDOW, WINDOW, 1)
    spread = maximum_filter(pixels, size=size) - minimum_filter(pixels, size=size)
    return float((spread.max(axis=2)[keep] > FLAT_RANGE).mean())
