from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from evalsuite.images import ImageError, load_image, to_rgb

RED, GREEN, BLUE, WHITE = (230, 20, 20), (20, 200, 20), (20, 20, 230), (255, 255, 255)

# Where each quarter of the upright picture is stored, by the rows and columns that TIFF 6.0 (page 36) names:
# orientation 6, say, has its 0th row at the right and its 0th column at the top.
STORED = {
    1: ((RED, GREEN), (BLUE, WHITE)),
    2: ((GREEN, RED), (WHITE, BLUE)),
    3: ((WHITE, BLUE), (GREEN, RED)),
    4: ((BLUE, WHITE), (RED, GREEN)),
    5: ((RED, BLUE), (GREEN, WHITE)),
    6: ((GREEN, WHITE), (RED, BLUE)),
    7: ((WHITE, GREEN), (BLUE, RED)),
    8: ((BLUE, RED), (WHITE, GREEN)),
}


def quarters(rows, size=(96, 64)) -> Image.Image:
    """A picture of four quarters; upright it is 96 × 64."""
    picture = Image.new("RGB", size)
    for y, row in enumerate(rows):
        for x, colour in enumerate(row):
            picture.paste(colour, (x * size[0] // 2, y * size[1] // 2, (x + 1) * size[0] // 2, (y + 1) * size[1] // 2))
    return picture


def exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def colours(picture: Image.Image):
    width, height = picture.size
    return tuple(tuple(picture.getpixel((x * width // 4, y * height // 4)) for x in (1, 3)) for y in (1, 3))


def nearly(found, wanted) -> bool:
    return bool(np.abs(np.array(found, dtype=int) - np.array(wanted, dtype=int)).max() <= 12)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("orientation", STORED)
def test_every_exif_orientation_is_applied(tmp_path, suffix, orientation):
    file = tmp_path / f"picture.{suffix}"
    size = (96, 64) if orientation <= 4 else (64, 96)
    quarters(STORED[orientation], size).save(file, exif=exif(orientation), quality=95)
    loaded = load_image(file)
    assert loaded.size == (96, 64)
    assert nearly(colours(loaded), STORED[1])


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_orientation_and_transparency_together(tmp_path, suffix):
    stored = quarters(STORED[6], (64, 96)).convert("RGBA")
    stored.paste((0, 0, 0, 0), (32, 48, 64, 96))  # the quarter that is blue
    file = tmp_path / f"picture.{suffix}"
    stored.save(file, exif=exif(6), lossless=True)
    loaded = load_image(file)
    assert loaded.mode == "RGB"
    assert nearly(colours(loaded), ((RED, GREEN), (WHITE, WHITE)))


def test_orientation_of_a_palette_with_a_transparent_colour(tmp_path):
    stored = quarters(STORED[3]).quantize(4)
    stored.info["transparency"] = stored.getpixel((60, 50))  # red: stored at the bottom right
    stored.save(tmp_path / "picture.png", exif=exif(3))
    assert nearly(colours(load_image(tmp_path / "picture.png")), ((WHITE, GREEN), (BLUE, WHITE)))


def test_orientation_of_sixteen_bit_grey(tmp_path):
    stored = np.zeros((64, 96), dtype=np.uint16)
    stored[:32, :48] = 200 * 257
    Image.fromarray(stored).save(tmp_path / "picture.png", exif=exif(8))
    loaded = load_image(tmp_path / "picture.png")
    assert loaded.size == (64, 96)
    assert colours(loaded) == (((0,) * 3, (0,) * 3), ((200,) * 3, (0,) * 3))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_is_none_of_the_eight_changes_nothing(tmp_path, orientation):
    quarters(STORED[1]).save(tmp_path / "picture.jpg", exif=exif(orientation), quality=95)
    assert nearly(colours(load_image(tmp_path / "picture.jpg")), STORED[1])


@pytest.mark.parametrize(
    "block", [b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0XX no block", b"Exif\0\0" + bytes(40)]
)
def test_a_damaged_exif_block_leaves_the_picture_as_stored(tmp_path, block):
    quarters(STORED[1]).save(tmp_path / "picture.jpg", exif=block, quality=95)
    assert nearly(colours(load_image(tmp_path / "picture.jpg")), STORED[1])


def test_pixels_without_a_file_are_not_turned():
    """`to_rgb` is for pictures that models draw and for files already upright: to turn twice would be wrong."""
    stream = io.BytesIO()
    quarters(STORED[6], (64, 96)).save(stream, "PNG", exif=exif(6))
    assert to_rgb(Image.open(stream)).size == (64, 96)


def test_a_file_that_is_no_image_and_one_too_large_are_errors(tmp_path):
    (tmp_path / "note.png").write_text("no picture")
    with pytest.raises(ImageError, match="not a readable image"):
        load_image(tmp_path / "note.png")
    Image.new("L", (8193, 1)).save(tmp_path / "long.png")
    with pytest.raises(ImageError, match="8193×1 pixels; 8192 a side at most"):
        load_image(tmp_path / "long.png")


def test_a_long_comment_of_a_png_is_no_matter(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("workflow", "x" * (2 << 20), zip=True)
    Image.new("RGB", (8, 4), "red").save(tmp_path / "a.png", pnginfo=info)
    assert load_image(tmp_path / "a.png").size == (8, 4)
