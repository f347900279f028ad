"""Small autoencoders that pictures pass through in training, as a diffusion model's pictures pass through its own.

They learn beside the verifier, from the same pictures, sound and malformed alike. What they lose is what such networks
lose: thin strokes grow soft, corners round, textures smear.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from training.glyphs.photometry import standardised

if TYPE_CHECKING:
    from torch import Generator, Tensor

CHANNELS = (4, 8, 16)
"""Of the code of 8 × 8 cells: an eighth of each side, and a 16th to a quarter of the numbers."""

LEARNED_AFTER = 1_500
"""Steps after which their pictures are good enough to be used."""


def _layer(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.SiLU())


class Autoencoder(nn.Module):
    """Pictures (n, 1, 64, 64) to what is left of them after a code of `channels` × 8 × 8."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        grow = nn.Upsample(scale_factor=2)
        self.layers = nn.Sequential(
            _layer(1, 24), _layer(24, 32, 2), _layer(32, 48, 2), _layer(48, 64, 2), nn.Conv2d(64, channels, 1),
            _layer(channels, 64), grow, _layer(64, 48), grow, _layer(48, 32), grow, _layer(32, 24),
            nn.Conv2d(24, 1, 3, 1, 1),
        )  # fmt: skip

    def forward(self, pictures: Tensor) -> Tensor:
        """The pictures decoded."""
        return self.layers(pictures)


class Autoencoders:
    """One per entry of `CHANNELS`; each step one of them learns, and takes `share` of the pictures."""

    def __init__(self, device: str, generator: Generator, share: float = 0.12) -> None:
        self.generator, self.share, self.device = generator, share, device
        self.networks = nn.ModuleList(Autoencoder(each) for each in CHANNELS).to(device)
        self.optimiser = torch.optim.Adam(self.networks.parameters(), lr=1e-3)
        self.steps = 0

    def __call__(self, pictures: Tensor) -> Tensor:
        """The batch of standardised pictures, a share of them passed through one autoencoder."""
        count = max(8, round(len(pictures) * self.share))
        network, some = self.networks[self.steps % len(CHANNELS)], pictures[:count]
        if self.steps < LEARNED_AFTER or self.steps % 4 == 0:
            with torch.enable_grad(), torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda"):
                loss = functional.l1_loss(network(some), some)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self.optimiser.step()
        self.steps += 1
        if self.steps <= LEARNED_AFTER:
            return pictures
        with torch.no_grad(), torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda"):
            seen = network(some).float()
        return torch.cat([standardised(seen), pictures[count:]])
