"""Released pictures with what a person reads in them: `truth.json` in the folder that `EVALSUITE_REAL_IMAGES` names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from PIL.Image import Resampling

from evalsuite.images import load_image

if TYPE_CHECKING:
    from PIL.Image import Image

VARIABLE = "EVALSUITE_REAL_IMAGES"


class Text(msgspec.Struct, frozen=True):
    """A string in a picture, its styles, and whether (or why) its truth is in doubt: its glyphs are malformed."""

    text: str
    tags: tuple[str, ...]
    doubtful: bool | str


class _Entry(msgspec.Struct, frozen=True):
    file: str
    language: str
    strings: tuple[Text, ...]


class _Truth(msgspec.Struct, frozen=True):
    images: tuple[_Entry, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with its strings."""

    name: str
    language: str
    image: Image
    strings: tuple[Text, ...]

    def at(self, long_side: int) -> Image:
        """The picture with its long side brought to so many pixels."""
        return at_size(self.image, long_side)


def at_size(image: Image, long_side: int) -> Image:
    """An image with its long side brought to so many pixels."""
    scale = long_side / max(image.size)
    size = round(image.width * scale), round(image.height * scale)
    return image if size == image.size else image.resize(size, Resampling.LANCZOS)


def pictures(folder: Path | None = None) -> list[Picture]:
    """The pictures of a folder, by default of the one that the environment variable names.

    Raises:
        SystemExit: when no folder is named.
    """
    named = folder or os.environ.get(VARIABLE)
    if not named:
        raise SystemExit(f"set {VARIABLE} to the folder of released pictures and their truth.json")
    truth = msgspec.json.decode(Path(named, "truth.json").read_bytes(), type=_Truth)
    return [
        Picture(Path(entry.file).stem, entry.language, load_image(Path(named, entry.file)), entry.strings)
        for entry in truth.images
    ]
