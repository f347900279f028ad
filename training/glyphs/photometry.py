"""What light, colour, printing, blur and compression do to a sample, in batches on the training device."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from evalsuite.glyphs.frame import CANVAS, SIDE

if TYPE_CHECKING:
    from torch import Generator, Tensor

SIDES = (64, 64, 64, 64, 52, 44, 38, 32)
SIDES_ROUGH = (64, 64, 64, 56, 48, 40, 32, 24)
"""Pixels that the frame has before it is enlarged, drawn for each batch."""


class Light:
    """Draws the random conditions of a batch.

    `mild` leaves out the lowest resolutions and strongest blur. `rough` adds what real pictures have and the tests'
    samples have not: lettering of 20 pixels compressed at its own size, relief, and text close to the picture's edge.
    """

    def __init__(self, generator: Generator, *, mild: bool = False, rough: bool = False) -> None:
        self.generator, self.mild, self.rough = generator, mild, rough
        self.device = generator.device
        frequency = torch.arange(8).view(8, 1)
        cosine = (
            torch.cos((2 * torch.arange(8) + 1) * frequency * math.pi / 16)
            * torch.where(frequency == 0, 1, 2).div(8).sqrt()
        )
        self.cosine = cosine.to(self.device)
        self.quantiser = torch.tensor(_LUMINANCE, device=self.device).view(8, 8) / 255

    def draw(self, count: int) -> Tensor:
        """Uniform numbers, (count, 1, 1, 1)."""
        return torch.rand(count, 1, 1, 1, device=self.device, generator=self.generator)

    def happens(self, count: int, share: float) -> Tensor:
        """1 in `share` of the batch, else 0."""
        return (self.draw(count) < share).float()

    def field(self, count: int, cells: int | tuple[int, int]) -> Tensor:
        """Smooth noise of `cells` waves across the frame."""
        shape = (cells, cells) if isinstance(cells, int) else cells
        noise = torch.randn(count, 1, *shape, device=self.device, generator=self.generator)
        return functional.interpolate(noise, size=(SIDE, SIDE), mode="bicubic", align_corners=False)

    def __call__(self, layers: Tensor) -> Tensor:
        """Grey pictures of zero mean and unit deviation, (n, 1, 64, 64), of layers (n, 2, 64, 64) in 0 to 1."""
        count = len(layers)
        ink, around = layers[:, :1], layers[:, 1:]
        contrast = 0.25 + 0.75 * self.draw(count)
        ground = self.draw(count)
        sign = torch.where(self.draw(count) < 0.5, -1.0, 1.0)
        sign = torch.where((ground + sign * contrast < 0) | (ground + sign * contrast > 1), -sign, sign)
        shade = (ground + sign * contrast).clamp(0, 1)
        picture = self._ground(ground, contrast, count)
        other = torch.where(self.draw(count) < 0.6, shade, ground + (self.draw(count) - 0.5) * 1.2 * contrast)
        picture = torch.lerp(picture, other.expand_as(picture), around)
        picture = self._behind(picture, ink, ground, shade, sign, contrast, count)
        fill = shade + (self.field(count, 2) * 0.10 * self.draw(count)) * contrast
        fill = fill + self.field(count, 10) * 0.05 * self.draw(count) * self.happens(count, 0.3) * contrast
        dry = (self.field(count, (24, 4)) * 0.8 + 0.9).clamp(0.25, 1)  # the streaks of a dry brush
        covers = ink * torch.where(self.draw(count) < 0.08, dry, torch.ones_like(dry))
        picture = torch.lerp(picture, fill, covers)
        if self.rough:
            picture = self._raised(picture, ink, ground, contrast, count)
        return standardised(self._camera(picture, count))

    def _ground(self, ground: Tensor, contrast: Tensor, count: int) -> Tensor:
        rough = self.field(count, 2) * 0.10 * self.draw(count)
        rough = rough + self.field(count, 6) * 0.07 * self.draw(count) * self.happens(count, 0.5)
        rough = rough + self.field(count, 20) * 0.06 * self.draw(count) * self.happens(count, 0.35)
        picture = ground + rough * contrast.clamp(min=0.4)
        along = torch.arange(SIDE, device=self.device, dtype=torch.float32)
        angle, shift = self.draw(count) * 2 * math.pi, (self.draw(count) - 0.5) * 80
        distance = (
            (along.view(1, 1, 1, -1) - 32) * torch.cos(angle)
            + (along.view(1, 1, -1, 1) - 32) * torch.sin(angle)
            - shift
        )
        edge = torch.sigmoid(distance * (0.3 + 2 * self.draw(count)))  # the edge of a thing behind the text
        return picture + edge * (self.draw(count) - 0.5) * 0.35 * contrast * self.happens(count, 0.3)

    def _behind(
        self, picture: Tensor, ink: Tensor, ground: Tensor, shade: Tensor, sign: Tensor, contrast: Tensor, count: int
    ) -> Tensor:
        """Outline, second outline, glow, soft shadow and extruded shadow: beneath the ink, in other shades."""
        wide = functional.max_pool2d(functional.max_pool2d(ink, 3, 1, 1), 3, 1, 1)
        wider = functional.max_pool2d(functional.max_pool2d(wide, 3, 1, 1), 3, 1, 1)
        for spread, share in ((wider, 0.06), (wide, 0.15)):
            tone = ground + (self.draw(count) - 0.5) * 0.9 * contrast
            picture = torch.lerp(picture, tone.expand_as(picture), spread * self.happens(count, share))
        glow = self.blurred(wide, 2 + 2.5 * self.draw(count))
        picture = torch.lerp(
            picture, shade.expand_as(picture), glow * self.happens(count, 0.2) * self.draw(count) * 0.55
        )
        across = int(torch.randint(-3, 4, (1,), generator=self.generator, device=self.device))
        down = int(torch.randint(1, 4, (1,), generator=self.generator, device=self.device))
        cast, solid = torch.roll(ink, (down, across), (2, 3)), ink
        for each in range(1, 4):
            solid = torch.maximum(solid, torch.roll(ink, (each, each if across >= 0 else -each), (2, 3)))
        for shadow, share, depth in ((cast, 0.15, 0.5), (solid, 0.08, 0.9)):
            tone = ground - 0.4 * sign
            picture = torch.lerp(
                picture, tone.expand_as(picture), shadow * self.happens(count, share) * self.draw(count) * depth
            )
        return picture

    def _raised(self, picture: Tensor, ink: Tensor, ground: Tensor, contrast: Tensor, count: int) -> Tensor:
        """Embossed lettering, 1 in 16: in the ground's own colour, with a light edge and a dark one."""
        step = int(torch.randint(1, 3, (1,), generator=self.generator, device=self.device))
        across = step if float(self.draw(1)) < 0.5 else -step
        edges = torch.roll(ink, (step, across), (2, 3)) - torch.roll(ink, (-step, -across), (2, 3))
        flat = torch.lerp(picture, ground.expand_as(picture), ink * (0.6 + 0.4 * self.draw(count)))
        sign = torch.where(self.draw(count) < 0.5, -1.0, 1.0)
        return torch.lerp(picture, flat + 0.5 * sign * contrast * edges, self.happens(count, 0.06))

    def _camera(self, picture: Tensor, count: int) -> Tensor:
        if not self.mild:
            which = int(torch.randint(0, 8, (1,), generator=self.generator, device=self.device))
            side = (SIDES_ROUGH if self.rough else SIDES)[which]
            if side < SIDE:
                small = functional.interpolate(picture, size=(side, side), mode="area")
                grown = "bicubic"
                if self.rough:
                    coarse = 0.1 + 0.6 * self.draw(count)
                    small = torch.where(self.draw(count) < 0.5, self.compressed(small, coarse), small)
                    grown = "bilinear" if float(self.draw(1)) < 0.7 else "bicubic"
                picture = functional.interpolate(small, size=(SIDE, SIDE), mode=grown, align_corners=False)
        strong = 0.5 if self.mild else 1.1
        sigma = 0.3 + torch.where(self.draw(count) < 0.5, 0.2 * self.draw(count), strong * self.draw(count))
        picture = self._clipped(self.blurred(picture, sigma), count)
        grain = 0.02 if self.mild else 0.05
        noise = torch.randn(picture.shape, device=self.device, generator=self.generator)
        picture = picture + noise * grain * self.draw(count) * self.happens(count, 0.5)
        coarse = 0.15 + 1.1 * self.draw(count) * (0.3 if self.mild else 1)
        picture = torch.where(self.draw(count) < 0.5, self.compressed(picture, coarse), picture)
        return (picture.clamp(0, 1) * 255).round() / 255

    def _clipped(self, picture: Tensor, count: int) -> Tensor:
        """The edge of the picture close to the text: what lies beyond repeats the last row or column."""
        place = torch.arange(SIDE, device=self.device).expand(count, SIDE)
        share, reach = (0.12, 8) if self.rough else (0.03, 4)
        for axis in (2, 3):
            near = (4 + reach * self.draw(count).view(count, 1)).long()
            low = torch.where(self.draw(count).view(count, 1) < share, near, 0)
            high = torch.where(self.draw(count).view(count, 1) < share, SIDE - 1 - near, SIDE - 1)
            index = place.clamp(low, high)
            shape = (count, 1, SIDE, 1) if axis == 2 else (count, 1, 1, SIDE)
            picture = torch.gather(picture, axis, index.view(shape).expand_as(picture))
        return picture

    def blurred(self, picture: Tensor, sigma: Tensor) -> Tensor:
        """A Gaussian of `sigma` pixels, (n, 1, 1, 1), each picture by its own."""
        count = len(picture)
        away = torch.arange(-4, 5, device=self.device, dtype=torch.float32)
        kernel = torch.exp(-(away**2) / (2 * sigma.view(-1, 1) ** 2))
        kernel = kernel / kernel.sum(1, keepdim=True)
        flat = functional.pad(picture.view(1, count, SIDE, SIDE), (4, 4, 4, 4), mode="replicate")
        flat = functional.conv2d(flat, kernel.view(count, 1, 1, 9), groups=count)
        return functional.conv2d(flat, kernel.view(count, 1, 9, 1), groups=count).view(count, 1, SIDE, SIDE)

    def compressed(self, picture: Tensor, coarse: Tensor) -> Tensor:
        """JPEG's loss: 8 × 8 cosine transforms, rounded by the standard's luminance table times `coarse`.

        Sides are multiples of 8.
        """
        count, side = len(picture), picture.shape[-1]
        blocks = picture.reshape(count, side // 8, 8, side // 8, 8).permute(0, 1, 3, 2, 4)
        step = self.quantiser * coarse.view(count, 1, 1, 1, 1)
        waves = torch.round(self.cosine @ blocks @ self.cosine.T / step) * step
        return (self.cosine.T @ waves @ self.cosine).permute(0, 1, 3, 2, 4).reshape(count, 1, side, side)


def standardised(picture: Tensor) -> Tensor:
    """Zero mean and unit deviation per picture; deviations below 0.02 count as 0.02."""
    mean = picture.mean((2, 3), keepdim=True)
    return (picture - mean) / picture.std((2, 3), keepdim=True).clamp(min=0.02)


def reference_drawings(masks: Tensor, frames: Tensor) -> Tensor:
    """References in the frame, (n, 3, 64, 64) in 0 to 1, of masks (n, 3, 108, 108) and their frames (n, 3, 3)."""
    count = len(masks)
    scale, middle_x, middle_y = frames.reshape(-1, 3).unbind(1)
    # From a pixel of the frame to one of the mask, both in grid_sample's -1 to 1.
    ratio = SIDE / CANVAS / scale
    zero = torch.zeros_like(scale)
    x = (2 * middle_x + 1) / CANVAS - 1
    y = (2 * middle_y + 1) / CANVAS - 1
    half = 1 / (SIDE * 1.0)
    place = torch.stack([ratio, zero, x - ratio * half, zero, ratio, y - ratio * half], 1).view(-1, 2, 3)
    grid = functional.affine_grid(place, [count * 3, 1, SIDE, SIDE], align_corners=False)
    drawn = functional.grid_sample(masks.reshape(-1, 1, CANVAS, CANVAS).float() / 255, grid, align_corners=False)
    return drawn.view(count, 3, SIDE, SIDE)


_LUMINANCE = [
    16.0, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
]  # fmt: skip
"""ISO/IEC 10918-1, annex K, table K.1."""
