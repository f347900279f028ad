"""The autoencoder of both stand-ins: latents made by hand, a trained decoder.

Packed channel 4c + 2·dy + dx is channel c of the latent pixel (dy, dx) of a token, as the pipelines patchify.
Channels 0 to `INK` - 1 are the glyph codes of `glyphs.py`, the next three the paper colour in [-1, 1]. The last two
are phase flags, whose values (±1 by column, ±1 by row) live in the batch norm's running mean: they tell the
decoder where a latent pixel begins, which upsampling convolutions cannot see on their own. The encoder half of the
autoencoder stays untrained, since text-to-image pipelines never call it; image inputs do not work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from training.standins.glyphs import CHANNELS, INK, TILE, Glyphs, width
from training.standins.optimiser import Clock, Optimiser, course
from training.standins.prompts import LINES, SIDE

if TYPE_CHECKING:
    from collections.abc import Callable

PACKED = 4 * CHANNELS
PAPERS = ((245, 243, 238), (176, 32, 44), (28, 72, 152), (20, 104, 68), (250, 210, 70), (24, 24, 30), (246, 188, 204),
          (240, 142, 52), (96, 52, 132), (206, 208, 214), (104, 66, 44))  # fmt: skip
"""Paper colours, in the order of `tokenizer.COLOURS` after the default."""
DARK, LIGHT = (22, 22, 32), (252, 250, 244)


def build() -> Any:
    """An untrained `AutoencoderKLFlux2` with the batch norm set as described above."""
    from diffusers import AutoencoderKLFlux2

    vae = AutoencoderKLFlux2(
        block_out_channels=(4, 4, 4, 4),
        decoder_block_out_channels=(8, 16, 32, 64),
        layers_per_block=1,
        norm_num_groups=4,
        latent_channels=CHANNELS,
        mid_block_add_attention=False,
        sample_size=SIDE * TILE,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
    )
    mean, variance = torch.zeros(CHANNELS, 2, 2), torch.ones(CHANNELS, 2, 2)
    mean[-2] = torch.tensor([[1.0, -1.0], [1.0, -1.0]])
    mean[-1] = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])
    variance[-2:] = 0.0
    vae.bn.running_mean.copy_(mean.flatten())
    vae.bn.running_var.copy_(variance.flatten())
    return vae.eval()


class Canvas:
    """Tile maps to latents and to pictures, on a device."""

    def __init__(self, glyphs: Glyphs, device: str) -> None:
        codes = torch.zeros(len(glyphs.codes), CHANNELS, 4)
        codes[:, :INK] = torch.from_numpy(glyphs.codes).transpose(1, 2)
        self.codes = codes.flatten(1).to(device)
        self.coverage = torch.from_numpy(glyphs.coverage).to(device)
        self.tiles = torch.from_numpy(glyphs.tiles).to(device)
        papers = torch.tensor(PAPERS, dtype=torch.float32) / 127.5 - 1
        paper = torch.zeros(len(PAPERS), CHANNELS, 4)
        paper[:, INK : INK + 3] = papers[:, :, None]
        self.paper_codes = paper.flatten(1).to(device)
        luminance = papers @ torch.tensor([0.299, 0.587, 0.114])
        ink = torch.where(luminance[:, None] > 0, torch.tensor(DARK), torch.tensor(LIGHT)) / 127.5 - 1
        self.papers, self.inks = papers.to(device), ink.to(device)
        self.device = device

    def tile_map(self, line: Any, column: Any, glyph: Any) -> Any:
        """Tile numbers, batch × `SIDE` × `SIDE`, of drawn tokens (all batch × tokens, glyph -1 for none)."""
        batch = len(glyph)
        # One spare row takes what is not drawn.
        board = torch.zeros(batch, (SIDE + 1) * SIDE, dtype=torch.long, device=self.device)
        drawn = glyph >= 0
        tiles = self.tiles[glyph.clamp(min=0)]
        for corner in range(4):
            y, x = 3 * line + 1 + corner // 2, column + 1 + corner % 2
            inside = drawn & (tiles[..., corner] > 0) & (x < SIDE)
            place = torch.where(inside, y * SIDE + x, SIDE * SIDE)
            board.scatter_(1, place, torch.where(inside, tiles[..., corner], 0))
        return board[:, : SIDE * SIDE].view(batch, SIDE, SIDE)

    def latents(self, tiles: Any, paper: Any) -> Any:
        """Normalised packed latents, batch × `PACKED` × height × width, of tile maps and paper numbers."""
        return (self.codes[tiles] + self.paper_codes[paper][:, None, None]).permute(0, 3, 1, 2)

    def picture(self, tiles: Any, paper: Any) -> Any:
        """What the latents stand for: batch × 3 × 16·height × 16·width, in [-1, 1]."""
        batch, height, across = tiles.shape
        ink = self.coverage[tiles].permute(0, 1, 3, 2, 4).reshape(batch, 1, height * TILE, across * TILE)
        ground, letters = self.papers[paper][:, :, None, None], self.inks[paper][:, :, None, None]
        return ground + ink * (letters - ground)

    def nearest(self, latents: Any) -> Any:
        """The tile map whose codes are nearest to given normalised latents: an OCR-free reading."""
        ink = latents[:, : 4 * INK].permute(0, 2, 3, 1).float()
        table = self.codes[:, : 4 * INK]
        flat = ink.reshape(-1, ink.shape[-1])
        distance = (table**2).sum(1)[None] - 2 * flat @ table.T
        return distance.argmin(1).view(ink.shape[:3])


def unpacked(vae: Any, latents: Any) -> Any:
    """What the decoder takes, from normalised packed latents."""
    mean, variance = vae.bn.running_mean[None, :, None, None], vae.bn.running_var[None, :, None, None]
    values = latents * torch.sqrt(variance + 1e-4) + mean
    batch, _, height, across = values.shape
    values = values.view(batch, CHANNELS, 2, 2, height, across).permute(0, 1, 4, 2, 5, 3)
    return values.reshape(batch, CHANNELS, 2 * height, 2 * across)


def random_tiles(canvas: Canvas, glyphs: Glyphs, count: int, side: int) -> Any:
    """Tile maps full of random glyphs, set in lines as on the real canvas, of `side` cells."""
    device = canvas.device
    is_wide = torch.tensor([width(character) == 2 for character in glyphs.characters], device=device)
    groups = ((~is_wide).nonzero()[:, 0], is_wide.nonzero()[:, 0])
    shape = (count, LINES, SIDE)
    column = torch.arange(SIDE, device=device).expand(shape)
    line = torch.arange(LINES, device=device)[None, :, None].expand(shape)
    wide = torch.rand(count, LINES, 1, device=device) < 0.5
    picks = [group[torch.randint(0, len(group), shape, device=device)] for group in groups]
    glyph = torch.where(wide, picks[1], picks[0])
    end = torch.randint(-8, SIDE, (count, LINES, 1), device=device)
    blank = (column >= end) | (wide & (column % 2 == 1)) | (torch.rand(shape, device=device) < 0.1)
    glyph = torch.where(blank | (column >= SIDE - 2), -1, glyph)
    return canvas.tile_map(line.flatten(1), column.flatten(1), glyph.flatten(1))[:, :side, :side]


def train(vae: Any, glyphs: Glyphs, clock: Clock, device: str, side: int, report: Callable[[str], None]) -> None:
    """Train the decoder in place, on noisy latents of pictures of `side` cells each way."""
    canvas = Canvas(glyphs, device)
    vae.to(device).requires_grad_(requires_grad=False)
    decoder = torch.nn.ModuleList([vae.decoder, vae.post_quant_conv]).requires_grad_(requires_grad=True)
    optimiser = Optimiser([], decoder.parameters(), lr=3e-3)
    count = 8 if device == "cpu" else 16
    while clock.progress < 1:
        tiles = random_tiles(canvas, glyphs, count, side)
        paper = torch.randint(0, len(PAPERS), (count,), device=device)
        paper = torch.where(torch.rand(count, device=device) < 0.4, 0, paper)
        latents = canvas.latents(tiles, paper)
        strength = 0.35 * torch.rand(count, 1, 1, 1, device=device)
        noisy = latents + strength * torch.randn_like(latents)
        target = canvas.picture(tiles, paper)
        with torch.autocast(device, torch.bfloat16, enabled=device != "cpu"):
            image = vae.decode(unpacked(vae, noisy)).sample
        difference = image.float() - target
        loss = (difference**2).mean() + 0.3 * functional.smooth_l1_loss(image.float(), target, beta=0.1)
        loss.backward()
        optimiser.step(course(clock.progress))
        clock.step += 1
        if clock.step % 50 == 0:
            report(f"decoder step {clock.step} root mean square {(difference.detach() ** 2).mean().sqrt().item():.4f}")
    vae.eval()
