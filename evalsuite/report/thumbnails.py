"""Thumbnails: small WebP copies named by the hash of the image that they show, made once."""

from __future__ import annotations

import io
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from evalsuite.files import NO_LINK, make_folder, write_atomically
from evalsuite.images import ImageError, load_image

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

SIDE = 384
"""Longer side in pixels: sharp at the card's width on a screen of two device pixels a pixel."""
QUALITY = 62
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


def _is_whole(path: str) -> bool:
    """Whether a thumbnail has the length that its own header states: a power loss may cut what was not waited for."""
    try:
        handle = os.open(path, os.O_RDONLY | NO_LINK | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return False
    try:
        state, head = os.fstat(handle), os.read(handle, 8)
    except OSError:
        return False
    finally:
        os.close(handle)
    if not stat.S_ISREG(state.st_mode) or head[:4] != b"RIFF":
        return False
    return int.from_bytes(head[4:], "little") + 8 == state.st_size


def missing(shas: Iterable[str], folder: Path) -> set[str]:
    """Those of the images, by SHA-256, that have no whole thumbnail in `folder`."""
    return {sha for sha in shas if not _is_whole(f"{folder}/{file_name(sha)}")}


def make(images: Mapping[str, Path], folder: Path) -> dict[str, str]:
    """Write the thumbnails of images, paths by SHA-256, into `folder`; returns what failed, by SHA-256.

    Pillow frees the interpreter while it decodes, so that threads keep all cores busy.

    Raises:
        WriteError: when the folder cannot be written.
    """
    make_folder(folder)

    def one(item: tuple[str, Path]) -> tuple[str, str] | None:
        sha, path = item
        try:
            # Whole or not at all, but without waiting for the disk: a lost thumbnail is made again.
            write_atomically(folder / file_name(sha), encode(path), durably=False)
        except ImageError as error:
            return sha, str(error)
        return None

    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        return dict(failure for failure in pool.map(one, images.items()) if failure is not None)
