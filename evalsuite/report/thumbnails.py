"""Thumbnails: small WebP copies named by the hash of the image that they show, made once."""

from __future__ import annotations

import io
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from evalsuite.files import FileError, make_folder, read_file, write_atomically
from evalsuite.images import ImageError, load_image

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SIDE = 384
"""Longer side in pixels: sharp at the card's width on a screen of two device pixels a pixel."""
QUALITY = 62
MAX_BYTES = 2**20
"""More than any thumbnail of this size and quality has."""
_NAME = f"{{sha}}-{SIDE}.webp"


def file_name(sha256: str) -> str:
    """The thumbnail's name for an image whose bytes have this SHA-256."""
    return _NAME.format(sha=sha256[:20])


def encode(path: Path) -> bytes:
    """A thumbnail of the image at `path`, as WebP.

    Raises:
        ImageError: when the file is no image that can be decoded within the suite's limits.
    """
    from PIL import Image

    image = load_image(path)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    buffer = io.BytesIO()
    image.save(buffer, format="WEBP", quality=QUALITY, method=2)
    return buffer.getvalue()


def _is_whole(path: Path) -> bool:
    """Whether a thumbnail has the length that its own header states: a power loss may cut what was not waited for."""
    try:
        content = read_file(path, limit=MAX_BYTES, follow=False)
    except (FileNotFoundError, FileError):
        return False
    return content[:4] == b"RIFF" and int.from_bytes(content[4:8], "little") + 8 == len(content)


def make(images: Iterable[tuple[str, Path]], folder: Path) -> dict[str, str]:
    """Write the missing thumbnails of (SHA-256, path) into `folder`; returns what failed, by SHA-256.

    Pillow frees the interpreter while it decodes, so that threads keep all cores busy.

    Raises:
        WriteError: when the folder cannot be written.
    """
    make_folder(folder)
    missing = {sha: path for sha, path in images if not _is_whole(folder / file_name(sha))}

    def one(item: tuple[str, Path]) -> tuple[str, str] | None:
        sha, path = item
        try:
            # Whole or not at all, but without waiting for the disk: a lost thumbnail is made again.
            write_atomically(folder / file_name(sha), encode(path), durably=False)
        except ImageError as error:
            return sha, str(error)
        return None

    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        return dict(failure for failure in pool.map(one, missing.items()) if failure is not None)
