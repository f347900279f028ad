"""The bank: every character of every packed face as a mask, and how far it advances, in memory."""

from __future__ import annotations

import io
import json
import zipfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from evalsuite.glyphs.frame import CANVAS, EM, INK, draw

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

Split = Literal["trained", "apart"]
REFERENCES = 3


@dataclass(frozen=True)
class Bank:
    """Masks of one script, (faces, characters, 108, 108) in 8 bits; the first three faces are the references.

    `advance` is in pixels, 0 where a face does not draw a character. `rows` are the ink's first and last row, `columns`
    its columns. `names` and `styles` go with the faces.
    """

    masks: NDArray[np.uint8]
    advance: NDArray[np.float32]
    rows: NDArray[np.int16]
    columns: NDArray[np.int16]
    names: tuple[str, ...]
    styles: tuple[str, ...]
    apart: NDArray[np.bool_]
    characters: str
    trained: int

    def faces(self, split: Split) -> NDArray[np.intp]:
        """The faces of a split; references are trained on too."""
        return np.flatnonzero(self.apart if split == "apart" else ~self.apart)


def _drawn(job: tuple[bytes, str, str]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    from PIL import ImageFont

    data, characters, covered = job
    font = ImageFont.truetype(io.BytesIO(data), EM, layout_engine=ImageFont.Layout.BASIC)
    masks = np.zeros((len(characters), CANVAS, CANVAS), np.uint8)
    advance = np.zeros(len(characters), np.float32)
    there = set(covered)
    for place, character in enumerate(characters):
        if character not in there:
            continue
        mask = draw(character, font)
        if (mask > 127).sum() >= 40:
            masks[place], advance[place] = mask, font.getlength(character)
    return masks, advance


def open_pack(path: Path) -> dict[str, Bank]:
    """Draws all faces of a pack; a second or so per ten faces and core."""
    with zipfile.ZipFile(path) as archive:
        index = json.loads(archive.read("index.json"))
        faces = [each for each in index["faces"] if "left_out" not in each]
        by_script = {
            script: [
                (each, archive.read(f"{script}--{each['name']}.woff2")) for each in faces if each["script"] == script
            ]
            for script in index["alphabet"]
        }
    banks = {}
    with ProcessPoolExecutor() as pool:
        for script, rows in by_script.items():
            characters = index["alphabet"][script]
            drawn = list(pool.map(_drawn, [(font, characters, each["characters"]) for each, font in rows]))
            masks = np.stack([each for each, _ in drawn])
            banks[script] = Bank(
                masks=masks,
                advance=np.stack([each for _, each in drawn]),
                rows=_extent(masks.max(axis=3)),
                columns=_extent(masks.max(axis=2)),
                names=tuple(each["name"] for each, _ in rows),
                styles=tuple(each["style"] for each, _ in rows),
                apart=np.array([each["apart"] for each, _ in rows]),
                characters=characters,
                trained=index["trained_hanzi"] if script == "hanzi" else len(characters),
            )
    return banks


def _extent(profile: NDArray[np.uint8]) -> NDArray[np.int16]:
    """First and one past the last place above `INK` in the last axis, (…, 2); (0, 0) where there is none."""
    inked = profile > INK
    first = inked.argmax(axis=-1)
    last = inked.shape[-1] - inked[..., ::-1].argmax(axis=-1)
    there = np.asarray(inked.any(axis=-1))[..., None]
    return np.where(there, np.stack([first, last], axis=-1), 0).astype(np.int16)
