"""How well the verifier sees planted defects on faces and characters that no training sample showed.

Recall at one share of false alarms: the threshold is the quantile of the sound samples of the same group.
"""

from __future__ import annotations

import multiprocessing
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from training.glyphs.network import doubt, prepared
from training.glyphs.photometry import Light, reference_drawings
from training.glyphs.samples import LABELS, SCRIPTS, Samples, make

if TYPE_CHECKING:
    from training.glyphs.bank import Bank, Split
    from training.glyphs.network import Verifier

Numbers = np.ndarray[Any, np.dtype[Any]]

SETS: tuple[tuple[str, Split, bool], ...] = (
    ("trained faces", "trained", False),
    ("faces held apart", "apart", False),
    ("faces and hanzi held apart", "apart", True),
)


def _made(job: tuple[dict[str, Bank], int, int, Split, bool]) -> Samples:
    import cv2

    cv2.setNumThreads(1)
    banks, count, seed, split, unseen = job
    return make(banks, count, np.random.default_rng(10**6 + seed), split, unseen=unseen)


_BANKS: dict[str, Bank] = {}


def _made_here(job: tuple[int, int, Split, bool]) -> Samples:
    return _made((_BANKS, *job))


def samples(banks: dict[str, Bank], count: int, split: Split, *, unseen: bool) -> Samples:
    """`count` test samples, made by all cores."""
    _BANKS.update(banks)
    cores = os.cpu_count() or 2
    each = -(-count // cores)
    with multiprocessing.get_context("fork").Pool(cores) as pool:
        parts = pool.map(_made_here, [(each, seed, split, unseen) for seed in range(cores)])
    return Samples(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("layers", "frames", "about")))


@torch.no_grad()
def doubts(
    network: Verifier, made: Samples, references: torch.Tensor, offset: int, *, device: str, mild: bool
) -> Numbers:
    """The log odds of each sample, (n,)."""
    light = Light(torch.Generator(device=device).manual_seed(5), mild=mild)
    found = []
    for start in range(0, len(made.about), 1024):
        about = torch.from_numpy(made.about[start : start + 1024].astype(np.int64)).to(device)
        frames = torch.from_numpy(made.frames[start : start + 1024]).to(device)
        layers = torch.from_numpy(made.layers[start : start + 1024]).to(device).float() / 255
        drawn = reference_drawings(references[about[:, 3] + about[:, 0] * offset], frames)
        found.append(doubt(network(light(layers), prepared(drawn)).float()).cpu().numpy())
    return np.concatenate(found)


def area(sound: Numbers, bad: Numbers) -> float:
    """Area under the ROC curve: how often a malformed sample is doubted more than a sound one."""
    order = np.sort(sound)
    below, upto = np.searchsorted(order, bad, "left"), np.searchsorted(order, bad, "right")
    return float(((below + upto) / 2).mean() / len(sound))


def figures_of(found: Numbers, labels: Numbers) -> dict[str, float]:
    """AUC, recall at 1 and 5 % false alarms, F1 of a balanced set at 1 %, and recall by kind at 1 %."""
    sound, bad = found[labels == 0], found[labels > 0]
    at_1, at_5 = np.quantile(sound, [0.99, 0.95])
    recall = float((bad > at_1).mean())
    figures = {
        "sound": len(sound), "malformed": len(bad), "auc": area(sound, bad), "threshold at 1 %": float(at_1),
        "recall at 1 %": recall, "recall at 5 %": float((bad > at_5).mean()), "f1 at 1 %": 2 * recall / (recall + 1.01),
    }  # fmt: skip
    for label, name in enumerate(LABELS):
        if label and (labels == label).sum() >= 20:
            figures[name] = float((found[labels == label] > at_1).mean())
    return {name: round(value, 4) for name, value in figures.items()}


def evaluate(
    network: Verifier,
    banks: dict[str, Bank],
    references: torch.Tensor,
    offset: int,
    *,
    device: str,
    count: int = 24_000,
) -> dict[str, dict[str, float]]:
    """Figures per set, script and style of face; printed too."""
    table = {}
    for name, split, unseen in SETS:
        made = samples(banks, count, split, unseen=unseen)
        for mild in (True, False):
            found = doubts(network, made, references, offset, device=device, mild=mild)
            for script, which in enumerate(SCRIPTS):
                styles = np.array(banks[which].styles)[np.where(made.about[:, 0] == script, made.about[:, 2], 0)]
                for style in ("print", "hand", "display"):
                    chosen = (made.about[:, 0] == script) & (styles == style)
                    if chosen.sum() < 200:
                        continue
                    key = f"{name}, {which}, {style}, {'mild' if mild else 'all'} light"
                    table[key] = figures_of(found[chosen], made.about[chosen, 1])
                    print(key, table[key], flush=True)
    return table
