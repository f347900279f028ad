"""The verifier's training samples, their light, and that references are drawn alike in training and in use."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (evalsuite[models])")
pytest.importorskip("cv2", reason="OpenCV is not installed (evalsuite[ocr])")

import torch

from evalsuite.glyphs.reference import masks, references
from training.glyphs.bank import Bank, _extent
from training.glyphs.evaluate import area, figures_of
from training.glyphs.network import Verifier, doubt, prepared
from training.glyphs.photometry import Light, reference_drawings
from training.glyphs.samples import LABELS, make

LATIN, HANZI = "ABCDEFGHKMNRSTbdeghm", "日特价红烧牛肉面施工车辆慢行注意安全"


def bank(characters: str, trained: int) -> Bank:
    """A bank of the reference faces alone."""
    drawn = np.stack([masks(each) for each in characters], axis=1)
    return Bank(
        masks=drawn, advance=np.full(drawn.shape[:2], 60, np.float32), rows=_extent(drawn.max(axis=3)),
        columns=_extent(drawn.max(axis=2)), names=("a", "b", "c"), styles=("reference",) * 3,
        apart=np.zeros(3, np.bool_), characters=characters, trained=trained,
    )  # fmt: skip


@pytest.fixture(scope="module")
def banks():
    return {"latin": bank(LATIN, len(LATIN)), "hanzi": bank(HANZI, 12)}


def test_half_of_the_samples_are_sound_and_the_seed_decides(banks):
    made, again = (make(banks, 200, np.random.default_rng(1)) for _ in range(2))
    assert made.layers.shape == (200, 2, 64, 64)
    assert np.array_equal(made.layers, again.layers)
    assert 70 <= (made.about[:, 1] == 0).sum() <= 130
    assert set(made.about[:, 1]) == set(range(len(LABELS)))
    hanzi = made.about[made.about[:, 0] == 1]
    assert hanzi[:, 3].max() < 12
    unseen = make(banks, 20, np.random.default_rng(2), unseen=True)
    assert unseen.about[:, 3].min() >= 12


def test_a_batch_is_standardised_and_the_network_learns_from_it(banks):
    made = make(banks, 32, np.random.default_rng(3))
    pictures = Light(torch.Generator().manual_seed(0))(torch.from_numpy(made.layers).float() / 255)
    assert pictures.shape == (32, 1, 64, 64)
    assert float(pictures.mean((2, 3)).abs().max()) < 1e-4
    torch.manual_seed(0)
    network = Verifier()
    drawn = torch.zeros(32, 3, 64, 64)
    logits = network(pictures, prepared(drawn))
    assert logits.shape == (32, len(LABELS))
    doubt(logits).sum().backward()
    assert all(each.grad is not None for each in network.parameters())


@pytest.mark.parametrize(("character", "line"), [("e", "eh"), ("日", "日特价"), ("M", "M")])
def test_references_are_drawn_alike_in_training_and_in_use(character, line):
    """Two ways to draw one thing, by torch and by OpenCV: within a few grey levels."""
    from evalsuite.glyphs.frame import ink_columns, ink_rows, scale_of

    drawn = masks(character)
    frames = []
    for face in range(3):
        rows, columns = ink_rows([masks(each)[face] for each in line]), ink_columns(drawn[face])
        scale = scale_of(rows[1] - rows[0], columns[1] - columns[0])
        frames.append([scale, sum(columns) / 2, sum(rows) / 2])
    ours = reference_drawings(torch.from_numpy(np.stack(drawn))[None], torch.tensor([frames]))[0].numpy() * 255
    assert float(np.abs(ours - references(character, line)).mean()) < 3


def test_figures_by_hand():
    """Sound 0 to 99, malformed 98.5 and 200: the 99 % quantile is 98.01, both lie beyond it."""
    found = np.array([*range(100), 98.5, 200.0])
    labels = np.array([0] * 100 + [1, 1])
    figures = figures_of(found, labels)
    assert figures["recall at 1 %"] == 1.0
    assert figures["auc"] == pytest.approx((99 / 100 + 1) / 2)
    assert area(np.array([0.0, 1.0]), np.array([1.0])) == 0.75  # a tie counts half
