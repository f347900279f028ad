"""Simulated checkpoints whose true loss is known: what the calibrations of the gate draw from.

Backgrounds (the baseline, and a candidate that lost nothing):

* quiet: every image is perfect, and repeats exactly;
* real: four of five images are perfect, the others lose a share that follows Beta(0.5, 2.5): mean 0.967, spread 0.107.
  Images of one prompt are alike, so that two runs' means over prompts correlate by 0.73 (one image per prompt) and 0.91
  (four);
* loose: the same with images that are less alike, 0.41 and 0.74.

Losses, each with the same mean:

* all: every image loses the same share;
* few: prompts break outright, in all their images;
* mix50, mix20: half, or a fifth, of the loss comes from prompts that break outright, the rest from all the others;
* img: single images break;
* heavy: each prompt loses a share that follows a beta distribution with most of its weight near 0 and 1.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]
Kind = Literal["all", "few", "mix50", "mix20", "img", "heavy"]
Background = Literal["quiet", "real", "loose"]

KINDS: tuple[Kind, ...] = ("all", "few", "mix50", "mix20", "img", "heavy")
BACKGROUNDS: tuple[Background, ...] = ("quiet", "real", "loose")

FLAWED = 0.2
"""Share of images that are not perfect."""

ALIKE: dict[Background, float] = {"real": 0.85, "loose": 0.6}
"""How much of a latent normal score an image shares with the others of its prompt."""

_LEVELS = np.linspace(0, 1, 20_001)
_LOST = stats.beta(0.5, 2.5).ppf(np.minimum(_LEVELS, 1 - 1e-9))

MEAN: dict[Background, float] = {"quiet": 1.0, "real": 1 - FLAWED * 0.5 / 3, "loose": 1 - FLAWED * 0.5 / 3}
"""Mean accuracy of a background: a share of Beta(0.5, 2.5) is 1/6 on average."""


def accuracies(rng: np.random.Generator, runs: int, shape: tuple[int, ...], k: int, background: Background) -> Floats:
    """The accuracy of k images for each prompt of `shape`, in runs that differ by chance alone: (runs, *shape, k)."""
    if background == "quiet":
        return np.ones((runs, *shape, k))
    alike = ALIKE[background]
    own = rng.standard_normal((runs, *shape, k))
    latent = np.sqrt(alike) * rng.standard_normal((*shape, 1)) + np.sqrt(1 - alike) * own
    share = stats.norm.cdf(latent)
    return 1 - np.where(share < FLAWED, np.interp(1 - share / FLAWED, _LEVELS, _LOST), 0.0)


def damaged(rng: np.random.Generator, accuracy: Floats, kind: Kind, share: float) -> Floats:
    """Images (…, prompts, k) that lost `share` of their accuracy on average, the way that `kind` says."""
    if share == 0:
        return accuracy
    per_prompt = (*accuracy.shape[:-1], 1)
    if kind == "all":
        return accuracy * (1 - share)
    if kind == "few":
        return np.where(rng.random(per_prompt) < share, 0.0, accuracy)
    if kind == "img":
        return np.where(rng.random(accuracy.shape) < share, 0.0, accuracy)
    if kind == "heavy":
        kept: Floats = accuracy * (1 - rng.beta(0.15, 0.15 * (1 - share) / share, size=per_prompt))
        return kept
    outright = share * {"mix50": 0.5, "mix20": 0.2}[kind]
    spread = (share - outright) / (1 - outright)
    mixed: Floats = np.where(rng.random(per_prompt) < outright, 0.0, accuracy * (1 - spread))
    return mixed


def differences(
    rng: np.random.Generator, simulations: int, n: int, k: int, kind: Kind, background: Background, loss: float
) -> Floats:
    """Candidate minus baseline, shape (simulations, n, k), with a true mean of exactly -loss."""
    baseline, candidate = accuracies(rng, 2, (simulations, n), k, background)
    found: Floats = damaged(rng, candidate, kind, loss / MEAN[background]) - baseline
    return found


def binary(
    rng: np.random.Generator, simulations: int, n: int, k: int, base: float, alike: float, loss: float
) -> Floats:
    """Differences of 0/1 outcomes in both directions: right with probability `base` before and `base` - loss after."""
    latent = np.sqrt(alike) * rng.standard_normal((simulations, n, 1))
    own = rng.standard_normal((2, simulations, n, k))
    share = stats.norm.cdf(latent + np.sqrt(1 - alike) * own)
    found: Floats = (share[1] < base - loss).astype(float) - (share[0] < base).astype(float)
    return found


def whole_run(
    rng: np.random.Generator, simulations: int, n: int, k: int, kind: Kind, background: Background, loss: float
) -> Floats:
    """Finite populations of n·k cells whose mean is exactly -loss, each in a random order: (simulations, n·k).

    Prompts break one after another, while there is room for them in their part of the loss; then every other image
    loses the share that makes up the rest.
    """
    baseline, candidate = accuracies(rng, 2, (simulations, n), k, background)
    # Where chance alone makes the candidate worse by much of the loss, the two change places.
    worse = (candidate.mean(axis=(1, 2)) - baseline.mean(axis=(1, 2)) < -loss / 8)[:, None, None]
    baseline, candidate = np.where(worse, candidate, baseline), np.where(worse, baseline, candidate)
    part = {"all": 0.0, "few": 1.0, "mix50": 0.5, "mix20": 0.2, "img": 1.0, "heavy": 1.0}[kind]
    wanted = baseline.sum(axis=(1, 2)) - loss * n * k
    room = part * (candidate.sum(axis=(1, 2)) - wanted)
    broken = np.cumsum(candidate.sum(axis=2), axis=1) <= room[:, None]
    kept = np.where(broken[..., None], 0.0, candidate)
    share = 1 - wanted / kept.sum(axis=(1, 2))
    found = kept * (1 - share[:, None, None]) - baseline
    flat: Floats = rng.permuted(found.reshape(simulations, n * k), axis=1)
    return flat
