"""Glyph codes, tile maps and the decoder's input: the hand-made half of the stand-ins' autoencoder."""

from __future__ import annotations

import numpy as np
import pytest

from training.standins.glyphs import CHANNELS, INK, Glyphs, width

torch = pytest.importorskip("torch")
from training.standins import autoencoder  # noqa: E402
from training.standins.autoencoder import Canvas, unpacked  # noqa: E402


@pytest.fixture(scope="module")
def glyphs():
    return Glyphs.render()


def numbers(glyphs, text):
    return torch.tensor([[glyphs.characters.index(character) for character in text]])


def test_every_character_has_ink_and_its_own_shape(glyphs):
    assert len(set(glyphs.characters)) == len(glyphs.characters)
    for number, character in enumerate(glyphs.characters):
        assert glyphs.tiles[number].any(), character
        assert width(character) == 2 or not glyphs.tiles[number][[1, 3]].any(), character
    shapes = {tuple(glyphs.coverage[tiles].tobytes() for tiles in row) for row in glyphs.tiles}
    assert len(shapes) == len(glyphs.characters)


def test_codes_hold_nearly_all_ink(glyphs):
    patches = glyphs.coverage.reshape(-1, 2, 8, 2, 8).transpose(0, 1, 3, 2, 4).reshape(-1, 64)
    again = glyphs.codes.reshape(-1, INK) * glyphs.scale @ glyphs.basis
    assert ((again - patches) ** 2).sum() < 0.04 * (patches**2).sum()
    assert not glyphs.codes[0].any()


def test_a_saved_table_keeps_its_basis(glyphs, tmp_path):
    glyphs.save(tmp_path / "glyphs.npz")
    loaded = Glyphs.load(tmp_path / "glyphs.npz")
    assert loaded.characters == glyphs.characters
    assert np.array_equal(loaded.basis, glyphs.basis)
    assert np.abs(loaded.codes - glyphs.codes).max() < 1e-2


def test_characters_go_where_the_layout_says(glyphs):
    canvas = Canvas(glyphs, "cpu")
    glyph = numbers(glyphs, "A中")
    board = canvas.tile_map(torch.tensor([[0, 2]]), torch.tensor([[0, 4]]), glyph)[0]
    expected = torch.zeros(32, 32, dtype=torch.long)
    expected[1, 1], expected[2, 1] = (int(glyphs.tiles[glyph[0, 0]][corner]) for corner in (0, 2))
    expected[7, 5], expected[7, 6], expected[8, 5], expected[8, 6] = map(int, glyphs.tiles[glyph[0, 1]])
    assert torch.equal(board, expected)


def test_nothing_is_drawn_for_what_has_no_place(glyphs):
    canvas = Canvas(glyphs, "cpu")
    board = canvas.tile_map(torch.tensor([[-1]]), torch.tensor([[-1]]), torch.tensor([[-1]]))
    assert not board.any()


def test_latents_are_read_back_under_noise(glyphs):
    canvas = Canvas(glyphs, "cpu")
    glyph = numbers(glyphs, "Kiosk中文")
    column = torch.tensor([[0, 1, 2, 3, 4, 5, 7]])
    board = canvas.tile_map(torch.zeros_like(column), column, glyph)
    torch.manual_seed(0)
    latents = canvas.latents(board, torch.tensor([3]))
    read = canvas.nearest(latents + 0.1 * torch.randn_like(latents))
    assert (read == board).float().mean() > 0.99


def test_picture_is_ink_on_paper(glyphs):
    canvas = Canvas(glyphs, "cpu")
    board = canvas.tile_map(torch.tensor([[0]]), torch.tensor([[0]]), numbers(glyphs, "I"))
    red = canvas.picture(board, torch.tensor([1]))[0]
    levels = ((red + 1) * 127.5).round().int().flatten(1)
    assert levels[:, -1].tolist() == list(autoencoder.PAPERS[1])
    assert levels.max(dim=1).values.tolist() == list(autoencoder.LIGHT)


def test_decoder_input_unpacks_as_the_pipelines_do():
    """Against diffusers' own unpatchifying, with the phase flags in the running mean."""
    from diffusers import Flux2KleinPipeline

    vae = autoencoder.build()
    latents = torch.randn(1, 4 * CHANNELS, 2, 3)
    mean, variance = vae.bn.running_mean.view(1, -1, 1, 1), vae.bn.running_var.view(1, -1, 1, 1)
    values = latents * torch.sqrt(variance + vae.config.batch_norm_eps) + mean
    expected = Flux2KleinPipeline._unpatchify_latents(values)
    assert torch.equal(unpacked(vae, latents), expected)
    flags = unpacked(vae, torch.zeros_like(latents))[0, -2:]
    assert flags[0, 0].tolist() == [1, -1] * 3
    assert flags[1, :, 0].tolist() == [1, -1] * 2
