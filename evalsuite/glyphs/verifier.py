"""The glyph verifier: a small network that compares a cut-out character with reference drawings of it.

Two ONNX graphs: an encoder, whose features of references are kept by character and scale, and a comparison. The figure
is the log odds that the character is malformed; a sound one in a plain face lies far below zero.
"""

from __future__ import annotations

import importlib.util
from collections import OrderedDict
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from evalsuite.datafiles import data_dir
from evalsuite.digests import files_digest
from evalsuite.errors import EvalsuiteError
from evalsuite.extras import install_command
from evalsuite.glyphs.look import KNOWN_LETTERING, LEAST_CHARACTERS, LEAST_HEIGHT, RULES, SUSPICIOUS
from evalsuite.glyphs.reference import references
from evalsuite.records import digest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from evalsuite.glyphs.characters import Cut

BATCH = 16
_KEPT = 4_000
"""Reference features kept, 150 KB each as 16-bit floats; the least used go first."""


class GlyphVerifier:
    """Reads `encoder.onnx` and `comparison.onnx` of a folder; one instance serves one thread."""

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._encoder, self._comparison = (
            onnxruntime.InferenceSession(str(folder / f"{name}.onnx"), options, providers=["CPUExecutionProvider"])
            for name in ("encoder", "comparison")
        )
        self._features: OrderedDict[bytes, NDArray[np.float16]] = OrderedDict()

    def doubts(self, cuts: Sequence[Cut], line: str) -> list[float | None]:
        """The log odds that each character is malformed, in order; None where it has no reference."""
        drawn = {place: each for place, cut in enumerate(cuts) if (each := references(cut.character, line)) is not None}
        known = list(drawn)
        doubts: list[float | None] = [None] * len(cuts)
        for start in range(0, len(known), BATCH):
            places = known[start : start + BATCH]
            crops = self._encode(np.stack([standardised(cuts[place].picture) for place in places]))
            theirs = np.stack([self._reference(drawn[place]) for place in places]).astype(np.float32)
            (logits,) = self._comparison.run(None, {"crops": crops, "references": theirs})
            for place, each in zip(places, logits, strict=True):
                doubts[place] = float(np.logaddexp.reduce(each[1:].astype(float)) - each[0])
        return doubts

    def _encode(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        (features,) = self._encoder.run(None, {"pictures": pictures[:, None]})
        return np.asarray(features, np.float32)

    def _reference(self, drawn: NDArray[np.uint8]) -> NDArray[np.float16]:
        key = drawn.tobytes()
        kept = self._features.get(key)
        if kept is None:
            kept = self._encode(np.asarray((drawn / 255 - 0.15) * 2.5, np.float32)).astype(np.float16)
            self._features[key] = kept
            if len(self._features) > _KEPT:
                self._features.popitem(last=False)
        self._features.move_to_end(key)
        return kept


def open_verifier() -> GlyphVerifier:
    """The verifier that ships with evalsuite.

    Raises:
        EvalsuiteError: ONNX Runtime, OpenCV or the reference faces are not installed.
    """
    for module in ("onnxruntime", "cv2"):
        if importlib.util.find_spec(module) is None:
            raise EvalsuiteError(f"looking at glyphs needs {module}; run: {install_command('ocr', 'fonts')}")
    references("a", "a")  # says what to install where the faces are missing
    return GlyphVerifier(data_dir() / "glyphs")


@cache
def verifier_digest() -> str:
    """SHA-256 (64 hex digits) of the verifier that ships: its weights and the rules by which it tells."""
    folder = data_dir() / "glyphs"
    weights = files_digest({name: folder / name for name in ("encoder.onnx", "comparison.onnx")})
    return digest([weights, RULES, SUSPICIOUS, KNOWN_LETTERING, LEAST_CHARACTERS, LEAST_HEIGHT])


def standardised(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Zero mean and unit deviation, (64, 64); a deviation below 0.02 of the range counts as that."""
    values = picture.astype(np.float32) / 255
    return np.asarray((values - values.mean()) / max(float(values.std(ddof=1)), 0.02), np.float32)
