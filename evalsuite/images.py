"""Image files and pixels from outside: checked for size before decoding, turned upright, and brought to 8-bit RGB."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from evalsuite.errors import EvalsuiteError

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
MAX_FILE_BYTES = 200 * 2**20
MAX_SIDE = 8192
MAX_PIXELS = 2**25
"""Pixels of one image, 33.6 million: four times what any preset draws, and what a reader takes in seconds."""
BLANK_RANGE = 2

_MAX_TEXT = 64 * 2**20
"""Bytes of a PNG's text, unpacked."""

_ORIENTATION = 0x0112
"""The tag of TIFF 6.0 and EXIF 2.3 that says how the picture was held."""


class ImageError(EvalsuiteError):
    """A file or an image that cannot be used as a picture; the message says which and why."""


def is_blank(image: Image) -> bool:
    """True where an image is one even colour: no channel differs by more than `BLANK_RANGE` of 256 levels anywhere."""
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    extrema: Any = rgb.getextrema()  # a pair for each of the three channels
    return all(high - low <= BLANK_RANGE for low, high in extrema)


def pixels_digest(image: Image) -> str:
    """SHA-256 (64 hex digits) of an RGB picture's size and pixels, however its file is packed."""
    import hashlib

    return hashlib.sha256(f"{image.mode} {image.width}x{image.height}\n".encode() + image.tobytes()).hexdigest()


def load_image(path: Path) -> Image:
    """Decode a PNG, JPEG or WebP file whole, turn it as its EXIF orientation says, and bring it to 8-bit RGB.

    So pixels, sizes and the places of what is read are those of the picture that a viewer shows.

    Raises:
        ImageError: when it is no image, is damaged, or is too large.
    """
    return decode_image(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """The bytes of an image file.

    Raises:
        ImageError: when it cannot be read, or is too large.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ImageError(f"{path}: {size:,} bytes; {MAX_FILE_BYTES:,} at most")
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror}") from error


def decode_image(content: bytes, path: Path) -> Image:
    """Decode the bytes of a PNG, JPEG or WebP file; `path` is for messages. See `load_image`."""
    import PIL.Image
    from PIL import PngImagePlugin

    # A comment in a PNG, such as a workflow, may be long; none is longer than the file may be.
    PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = _MAX_TEXT
    try:
        with PIL.Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "WEBP")) as image:
            if max(image.size) > MAX_SIDE:
                raise ImageError(f"{path}: {image.width}×{image.height} pixels; {MAX_SIDE} a side at most")
            if image.width * image.height > MAX_PIXELS:
                raise ImageError(f"{path}: {image.width}×{image.height} pixels; {MAX_PIXELS:,} at most")
            image.load()
            return to_rgb(upright(image))
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
        raise ImageError(
            f"{path}: not a readable image ({error}); replace it, or remove it to have it counted as missing"
        ) from error


def upright(image: Image) -> Image:
    """The picture turned and mirrored as its EXIF orientation (1 to 8), or that of its XMP where EXIF has none, says.

    An orientation that is missing, is none of the eight, or stands in a damaged EXIF block counts as 1, as viewers
    have it: the pixels are sound, so the picture is shown as stored.
    """
    import struct

    from PIL.Image import Transpose

    try:
        orientation = image.getexif().get(_ORIENTATION)
    except (OSError, EOFError, SyntaxError, ValueError, LookupError, TypeError, struct.error):
        return image
    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    turn = turns.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def to_rgb(image: Image) -> Image:
    """An 8-bit RGB copy. 16-bit grey is scaled (Pillow alone would clip it); transparency is laid on white.

    Raises:
        ImageError: for 32-bit integer and floating-point modes, whose range nobody states.
    """
    import PIL.Image

    if image.mode.startswith("I;16"):
        import numpy as np

        return PIL.Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in {"I", "F"}:
        raise ImageError(f"an image of Pillow mode {image.mode!r} has no stated range; save it with 8 bits a channel")
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        page = PIL.Image.new("RGBA", image.size, "white")
        page.alpha_composite(image.convert("RGBA"))
        image = page
    return image.convert("RGB")
