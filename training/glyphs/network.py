"""The verifier's network: one encoder for crop and references, and a head that compares them place by place.

Each cell of the crop looks for its partner among the reference's cells nearby, and the reverse; the head sees how well
they match, where they lie and what differs. Encoder 16 × 16 cells of 48 features; 1.1 million parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from training.glyphs.samples import LABELS

if TYPE_CHECKING:
    from torch import Tensor

CELLS, FEATURES, REACH = 16, 48, 3


def _conv(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _conv(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.second(self.first(x)))


class Encoder(nn.Module):
    """Pictures (n, 1, 64, 64) to features (n, 48, 16, 16)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _conv(1, 32, 5, 2),
            _Residual(32),
            _conv(32, 64, 3, 2),
            _Residual(64),
            _Residual(64),
            nn.Conv2d(64, FEATURES, 1),
        )

    def forward(self, picture: Tensor) -> Tensor:
        """The features of each cell."""
        return self.layers(picture)


class Comparison(nn.Module):
    """Features of a crop (n, 48, 16, 16) and of its references (n, 3, 48, 16, 16) to logits of `LABELS`."""

    def __init__(self) -> None:
        super().__init__()
        rows, columns = (each.reshape(-1).float() for each in torch.meshgrid(*[torch.arange(CELLS)] * 2, indexing="ij"))
        down, across = rows[None] - rows[:, None], columns[None] - columns[:, None]
        near = (down.abs() <= REACH) & (across.abs() <= REACH)
        self.register_buffer("far", torch.where(near, 0.0, -30.0), persistent=False)
        self.register_buffer("places", torch.stack([rows, columns], 1) / REACH, persistent=False)
        self.sharpness = nn.Parameter(torch.tensor(2.3))
        self.layers = nn.Sequential(
            _conv(FEATURES * 4 + 15, 96, 1), _conv(96, 128, 3, 2), _Residual(128), _conv(128, 160, 3, 2), _Residual(160)
        )
        self.out = nn.Sequential(nn.Dropout(0.2), nn.Linear(320, len(LABELS)))

    def forward(self, crop: Tensor, references: Tensor) -> Tensor:
        """The logits."""
        count, cells = crop.shape[0], CELLS * CELLS
        flat, theirs = crop.reshape(count, 1, FEATURES, cells), references.reshape(count, 3, FEATURES, cells)
        alike = functional.normalize(flat, dim=2).transpose(2, 3) @ functional.normalize(theirs, dim=2)
        nearby = alike + self.far
        share = torch.softmax(nearby * self.sharpness.exp(), 3)
        found = (share @ theirs.transpose(2, 3)).transpose(2, 3)
        differs = (found - flat).abs()
        displaced = (share @ self.places - self.places).transpose(2, 3)  # down and across
        same_place = torch.diagonal(alike, dim1=2, dim2=3)
        seen = [
            flat[:, 0], theirs.mean(1), differs.mean(1), differs.amin(1), nearby.amax(3), nearby.amax(2), same_place,
            displaced[:, :, 0], displaced[:, :, 1],
        ]  # fmt: skip
        maps = self.layers(torch.cat(seen, 1).reshape(count, -1, CELLS, CELLS))
        return self.out(torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1))


class Verifier(nn.Module):
    """Encoder and comparison together, for training."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.comparison = Encoder(), Comparison()

    def forward(self, crop: Tensor, references: Tensor) -> Tensor:
        """Crops (n, 1, 64, 64), standardised, and references (n, 3, 64, 64) by `prepared`, to logits (n, labels)."""
        count = crop.shape[0]
        theirs = self.encoder(references.reshape(-1, 1, *references.shape[2:])).reshape(
            count, 3, FEATURES, CELLS, CELLS
        )
        return self.comparison(self.encoder(crop), theirs)


def prepared(references: Tensor) -> Tensor:
    """Reference drawings in 0 to 1, about centred for the encoder."""
    return (references - 0.15) * 2.5


def doubt(logits: Tensor) -> Tensor:
    """The log odds that a character is not sound, (n,)."""
    return torch.logsumexp(logits[:, 1:], 1) - logits[:, 0]
