"""Thumbnails: small WebP copies named by the hash of the image that they show, made once."""

from __future__ import annotations

import io
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from evalsuite.errors import EvalsuiteError
from evalsuite.images import ImageError, load_image

if TYPE_CHECKING:
    from collections.abc import Iterable
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


def _write(path: Path, content: bytes) -> None:
    # Whole or not at all, but without waiting for the disk: a lost thumbnail is made again.
    scratch = path.with_name(f".{path.name}.tmp")
    scratch.write_bytes(content)
    scratch.replace(path)


def make(images: Iterable[tuple[str, Path]], folder: Path) -> dict[str, str]:
    """Write the missing thumbnails of (SHA-256, path) into `folder`; returns what failed, by SHA-256.

    Pillow frees the interpreter while it decodes, so that threads keep all cores busy.

    Raises:
        EvalsuiteError: when the folder cannot be written.
    """
    try:
        return _make(images, folder)
    except OSError as error:
        raise EvalsuiteError(f"{folder}: thumbnails cannot be written: {error.strerror}") from error


def _make(images: Iterable[tuple[str, Path]], folder: Path) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    present = {path.name for path in folder.iterdir()}
    missing = {sha: path for sha, path in images if file_name(sha) not in present}

    def one(item: tuple[str, Path]) -> tuple[str, str] | None:
        sha, path = item
        try:
            _write(folder / file_name(sha), encode(path))
        except ImageError as error:
            return sha, str(error)
        return None

    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        return dict(failure for failure in pool.map(one, missing.items()) if failure is not None)
