"""PP-OCR through PaddleOCR on ONNX Runtime: offline, without paddlepaddle, one thread a process.

A picture is looked at at two or three working sizes (detection.py), each line is read from the picture at its
full size (recognition.py), and what was read twice is merged (merging.py). What PaddleOCR would silently take or
drop is refused here: it answers float or NaN arrays with an empty text and garbles uint16, so images are
converted before, and answers are checked after.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from evalsuite.errors import EvalsuiteError
from evalsuite.extras import install_command
from evalsuite.images import MAX_SIDE, ImageError, to_rgb
from evalsuite.ocr import detection, merging
from evalsuite.ocr.arcs import Arc, straightened
from evalsuite.ocr.base import OcrError
from evalsuite.ocr.geometry import Quad
from evalsuite.ocr.merging import Candidate, select, weight
from evalsuite.ocr.modules import Detector, Recogniser, Runtime
from evalsuite.ocr.openvino_runtime import PRECISION, require_openvino
from evalsuite.ocr.recognition import Character, Line, Pixels, brought_down, crop
from evalsuite.ocr.weights import (
    PP_OCRV4_MOBILE,
    PP_OCRV6_SMALL,
    Bundle,
    ModelFolder,
    OcrUnavailableError,
    bundled_folders,
    characters_of,
    user_folder,
)
from evalsuite.records import Characters, Json, OcrSpec, TextLine, digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL.Image import Image


# Chosen on the typeset pages of the project's own suites and on released pictures; docs/ocr.md holds the figures.
SETTINGS: dict[str, Json] = {
    "text_det_thresh": 0.3,
    "text_det_box_thresh": 0.5,
    "text_det_unclip_ratio": 1.8,
    # A line read less surely than this is read again: from its box with each side moved inwards by a part of its
    # height, which brings the letters closer, and from the boxes that other sizes put round it.
    "read_again_below": 0.95,
    "read_again_inset": 0.1,
    # A reading below this counts only where two sizes show a box: leaves and folds look like letters at one alone.
    "seen_twice_below": 0.6,
    "coarse": detection.COARSE,
    "fine": list(detection.FINE),
    "finer": list(detection.FINER),
    "finer_where_lower_than": detection.SMALL_HEIGHT,
    "finer_where_larger_by": detection.FINER_GAIN,
    "merging": merging.VERSION,
}

MIN_SIDE = 8
"""Smaller images hold no legible character."""


class PaddleReader:
    """Reads text lines with a PP-OCR detection and recognition model, with `SETTINGS` or others over them.

    Thresholds may be others; the sizes and the version only say what detection.py and merging.py do. The models
    load on the first `read`, so that a plan needs no model in memory. One reader serves one thread; run several
    processes for speed (two of one thread read 1.3 times what one of two threads does).
    """

    def __init__(
        self,
        found: ModelFolder,
        recognition: ModelFolder,
        *,
        name: str = "paddle",
        settings: Mapping[str, Json] | None = None,
        threads: int = 1,
        runtime: Runtime = "onnxruntime",
        device: str = "cpu",
    ) -> None:
        self._folders = found, recognition
        self._settings = {**SETTINGS, **(settings or {})}
        self._threads = threads
        self._runtime: Runtime = runtime
        self._device = device
        self._modules: tuple[Detector, Recogniser] | None = None
        versions = {part: importlib.metadata.version(part) for part in ("paddleocr", "paddlex", runtime)}
        computed = {} if runtime == "onnxruntime" else {"runtime": f"{runtime} {PRECISION}"}
        if runtime == "torch":
            computed |= {"device": device}
        self._spec = OcrSpec(
            name=name,
            weights_digest=digest([found.digest, recognition.digest]),
            settings={"detection": found.name, "recognition": recognition.name, **computed, **self._settings},
            versions=versions,
        )

    @classmethod
    def parse(cls, arguments: str = "") -> Self:
        """The reader that `paddle` or `paddle:DETECTION_DIR,RECOGNITION_DIR` names.

        Raises:
            OcrUnavailableError: when PaddleOCR or its weights are missing.
            EvalsuiteError: when the argument is not two folders.
        """
        if not arguments:
            return cls._bundled("paddle", PP_OCRV6_SMALL)
        require_paddleocr()
        folders = [Path(part).expanduser() for part in arguments.split(",")]
        if len(folders) != 2:
            raise EvalsuiteError(
                f"paddle:{arguments} names {len(folders)} folder(s); give two: paddle:DETECTION_DIR,RECOGNITION_DIR"
            )
        return cls(user_folder(folders[0]), user_folder(folders[1]))

    @classmethod
    def on_openvino(cls, arguments: str = "") -> Self:
        """The reader that `paddle-openvino` names: `paddle` with its networks computed by OpenVINO.

        Raises:
            OcrUnavailableError: when PaddleOCR, OpenVINO or the weights are missing.
            EvalsuiteError: when there are arguments.
        """
        if arguments:
            raise EvalsuiteError(f"paddle-openvino:{arguments}: this reader takes no arguments")
        require_paddleocr()
        require_openvino()
        return cls(*bundled_folders(PP_OCRV6_SMALL), name="paddle-openvino", runtime="openvino")

    @classmethod
    def rapidocr_v4(cls, arguments: str = "") -> Self:
        """The reader that `rapidocr-v4` names: PP-OCRv4 mobile, an older generation trained apart.

        Raises:
            OcrUnavailableError: when PaddleOCR or the wheel that carries the weights is missing.
            EvalsuiteError: when there are arguments.
        """
        if arguments:
            raise EvalsuiteError(f"rapidocr-v4:{arguments}: this reader takes no arguments")
        return cls._bundled("rapidocr-v4", PP_OCRV4_MOBILE)

    @classmethod
    def _bundled(cls, name: str, bundle: Bundle) -> Self:
        require_paddleocr()
        return cls(*bundled_folders(bundle), name=name)

    @property
    def spec(self) -> OcrSpec:
        """Models, weights digest, settings and library versions."""
        return self._spec

    @property
    def alphabet(self) -> frozenset[str]:
        """The characters that the recognition model can answer with, and the space."""
        return characters_of(self._folders[1])

    def read(self, image: Image) -> tuple[TextLine, ...]:
        """The text lines of an image, by their top edge, not in reading order.

        Images of any Pillow mode are converted to 8-bit RGB; transparency is laid on white.

        Raises:
            OcrError: when the image is too large or too small, or PaddleOCR fails or answers with something
                inconsistent.
        """
        pixels = _as_bgr(image)
        detector, recogniser = self._loaded()

        def read(places: Sequence[Quad | Arc]) -> list[Line]:
            answers = recogniser.characters([_upright(pixels, place) for place in places])
            return [_line(place, characters) for place, characters in zip(places, answers, strict=True)]

        boxes = _boxes(detector, pixels)
        found = detection.merge(boxes)
        first = read([each.box.place for each in found])
        # What was not read surely is read again otherwise, and from the boxes of the other sizes.
        again = {
            number: _otherwise(found[number].box, line, self._settings["read_again_inset"])
            for number, line in enumerate(first)
            if line.confidence < self._settings["read_again_below"]
        }
        further = [place for number, places in again.items() for place in (*places, *_twins(found[number]))]
        second = iter(read(further))
        candidates = []
        for number, (each, line) in enumerate(zip(found, first, strict=True)):
            lines = [(each.box, line)]
            if number in again:
                others = list(islice(second, len(again[number])))
                lines = [(each.box, max(line, *others, key=weight))]
                lines += list(zip(each.twins, islice(second, len(each.twins)), strict=True))
            candidates += [
                Candidate(line, box.size)
                for box, line in lines
                if line.confidence >= self._settings["seen_twice_below"] or detection.seen_at_another_size(box, boxes)
            ]
        return tuple(_text_line(line) for line in select(candidates, lambda quad: read([quad])[0]))

    def cut_lines(self, image: Image) -> list[tuple[Quad, Pixels]]:
        """The places of the straight lines that the detector finds, and what stands there, upright and blue first.

        Raises:
            OcrError: as `read` does.
        """
        pixels = _as_bgr(image)
        boxes = _boxes(self._loaded()[0], pixels)
        merged = detection.merge([box for box in boxes if box.arc is None])
        return [(found.box.quad, crop(pixels, found.box.quad)) for found in merged]

    def _loaded(self) -> tuple[Detector, Recogniser]:
        if self._modules is None:
            self._modules = self._load()
        return self._modules

    def _load(self) -> tuple[Detector, Recogniser]:
        found, recognition = self._folders
        thresholds = {
            name: float(self._settings[f"text_det_{name}"]) for name in ("thresh", "box_thresh", "unclip_ratio")
        }
        threads, runtime, device = self._threads, self._runtime, self._device
        return (
            Detector(found, threads=threads, settings=thresholds, runtime=runtime, device=device),
            Recogniser(recognition, threads=threads, runtime=runtime, device=device),
        )


def require_paddleocr() -> None:
    """Raise an `OcrUnavailableError` that says what to install where PaddleOCR is missing."""
    if importlib.util.find_spec("paddleocr") is None or importlib.util.find_spec("onnxruntime") is None:
        raise OcrUnavailableError(f"PaddleOCR is not installed; run: {install_command('ocr')}")


def _boxes(detector: Detector, pixels: Pixels) -> list[detection.Box]:
    """The boxes of all working sizes that the picture needs."""
    height, width = pixels.shape[:2]
    sides = list(detection.first_sizes(width, height))
    boxes: list[detection.Box] = []
    for size, side in enumerate(sides):  # grows while the lettering stays small
        found = detector.boxes(pixels, side, size)
        boxes += found
        if size == len(sides) - 1:
            finer = detection.finer_size(width, height, side, [box.working_height for box in found])
            sides += [] if finer is None else [finer]
    return boxes


def _twins(found: detection.Found) -> list[Quad | Arc]:
    return [twin.place for twin in found.twins]


def _line(place: Quad | Arc, characters: tuple[Character, ...]) -> Line:
    return Line(place, characters) if isinstance(place, Quad) else Line(place.quad, characters, place)


def _upright(pixels: Pixels, place: Quad | Arc) -> Pixels:
    """The picture of a line as the recognition network takes it."""
    return crop(pixels, place) if isinstance(place, Quad) else brought_down(straightened(pixels, place))


def _otherwise(box: detection.Box, line: Line, inset: float) -> list[Quad | Arc]:
    """Where a line that was not read surely is read again: a tighter box; a tighter arc, or it from its other end."""
    if box.arc is None:
        return [box.quad.inset(inset)]
    return [box.arc.more_bent, *([box.arc.reversed] if line.confidence < merging.DOUBTFUL else [])]


def _as_bgr(image: Image) -> Pixels:
    """uint8, height × width × 3, blue first, contiguous: the one layout that PaddleOCR reads correctly."""
    if min(image.size) < MIN_SIDE or max(image.size) > MAX_SIDE:
        raise OcrError(
            f"the image is {image.width}×{image.height}; sides of {MIN_SIDE} to {MAX_SIDE} pixels can be read"
        )
    try:
        rgb = np.asarray(to_rgb(image), dtype=np.uint8)
    except ImageError as error:
        raise OcrError(str(error)) from error
    return np.ascontiguousarray(rgb[:, :, ::-1])


def _text_line(line: Line) -> TextLine:
    """A line as it is written down: corners in whole pixels, the rest in thousandths or less."""
    corners = line.quad.corners if line.arc is None else line.arc.outline
    characters = [(item, code_point) for item in line.characters for code_point in item.text]
    return TextLine(
        text=line.text,
        polygon=tuple((float(round(x)), float(round(y))) for x, y in corners),
        confidence=round(line.confidence, 4),
        characters=Characters(
            at=tuple(round(1000 * item.at) for item, _ in characters),
            p=tuple(round(1000 * item.probability) for item, _ in characters),
        ),
    )
