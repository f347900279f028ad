"""Tesseract 5 through tesserocr: a reader of another kind, trained by other people on other data.

Its errors are its own, so where it and PP-OCR differ on English lettering a person should look. With `lines=paddle` it
reads the lines that PP-OCR's detector finds, which knows lines of scripts that its recogniser has no letters for. The
weights are the distribution's `traineddata` files; tesserocr carries the library itself.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageOps

from evalsuite.digests import file_sha256
from evalsuite.errors import EvalsuiteError
from evalsuite.extras import install_command
from evalsuite.images import MAX_SIDE, ImageError, to_rgb
from evalsuite.ocr.base import OcrError
from evalsuite.ocr.libraries import loading
from evalsuite.ocr.options import parse_options
from evalsuite.ocr.traineddata import characters_of
from evalsuite.ocr.weights import OcrUnavailableError
from evalsuite.records import Json, OcrSpec, TextLine, digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.Image import Image

    from evalsuite.ocr.paddle import PaddleReader

DEFAULTS = {"lang": "eng", "data": "", "lines": "own", "psm": ""}

PAGE_SEGMENTATION = {
    # Find as much text as there is, in no particular order: posters are no pages of prose.
    "own": (11, 3, 4, 6, 12),
    # A line in words; or as it stands (13), without the search for words, which loses short Arabic lines.
    "paddle": (7, 13),
}
"""Tesseract's page segmentation modes for lines that it finds itself and for given ones, the default first."""

DATA_FOLDERS = (
    "/usr/share/tesseract-ocr/5/tessdata",
    "/usr/share/tessdata",
    "/usr/local/share/tessdata",
    "/opt/homebrew/share/tessdata",
)
"""Where Debian, Fedora and Arch, a build by hand, and Homebrew put the languages' files."""

SETTINGS: dict[str, Json] = {
    # The LSTM network alone; the older engine learns from page to page, so that a reading depended on the last one.
    "engine_mode": 1,
    # Tesseract reads lettering of 20 to 50 pixels best and slows down with the square of the size.
    "long_side": [1024, 2048],
    "resolution": 150,
}

LINE_SETTINGS: dict[str, Json] = {
    "lines": "paddle",
    "engine_mode": 1,
    # Pixels of a line's height, and of its ground around it.
    "line_height": 32,
    "line_margin": 8,
    "resolution": 150,
}

MIN_SIDE = 8


class TesseractReader:
    """Reads text lines with Tesseract's LSTM engine; no places of characters.

    Boxes are upright, or those of `detector`, where it finds the lines; `psm` is one of `PAGE_SEGMENTATION`. The
    library loads on the first `read`. One reader serves one thread.
    """

    def __init__(
        self, folder: Path, languages: tuple[str, ...], *, psm: int = 11, detector: PaddleReader | None = None
    ) -> None:
        self._folder, self._languages, self._detector = folder, languages, detector
        self._settings = {"page_segmentation": psm, **(SETTINGS if detector is None else LINE_SETTINGS)}
        self._api: Any = None
        files = {language: folder / f"{language}.traineddata" for language in languages}
        for language, file in files.items():
            if not file.is_file():
                raise OcrUnavailableError(
                    f"tesseract: {file} is missing; on Debian or Ubuntu run: apt-get install "
                    f"tesseract-ocr-{language.replace('_', '-')}"
                )
        self._spec = OcrSpec(
            name="tesseract",
            weights_digest=digest(
                [
                    *([language, file_sha256(file)] for language, file in files.items()),
                    *([] if detector is None else [["lines", detector.spec.digest]]),
                ]
            ),
            settings={"languages": list(languages), **self._settings},
            versions={"tesserocr": importlib.metadata.version("tesserocr"), "tesseract": _version()},
        )

    @classmethod
    def parse(cls, arguments: str = "") -> Self:
        """The reader that `tesseract` or `tesseract:lang=eng+chi_sim,data=FOLDER,lines=paddle` names.

        Raises:
            OcrUnavailableError: when tesserocr or a language's data is missing.
            EvalsuiteError: for an unknown option or a malformed language.
        """
        options = parse_options("tesseract", arguments, DEFAULTS)
        languages = tuple(options["lang"].split("+"))
        if not all(re.fullmatch(r"[A-Za-z]+(_[A-Za-z]+)*", language) for language in languages):
            raise EvalsuiteError(
                f"tesseract: lang={options['lang']}: languages as Tesseract names them, e.g. eng+chi_sim"
            )
        modes = PAGE_SEGMENTATION.get(options["lines"])
        if modes is None:
            raise EvalsuiteError(f"tesseract: lines={options['lines']}: own or paddle, whose detector finds the lines")
        psm = options["psm"] or str(modes[0])
        if psm not in map(str, modes):
            known = ", ".join(map(str, modes))
            raise EvalsuiteError(f"tesseract: psm={psm}: with lines={options['lines']} one of {known}")
        if importlib.util.find_spec("tesserocr") is None:
            raise OcrUnavailableError(f"tesserocr is not installed; run: {install_command('tesseract')}")
        detector = None
        if options["lines"] == "paddle":
            from evalsuite.ocr.paddle import PaddleReader

            detector = PaddleReader.parse()
        return cls(_data_folder(options["data"], languages[0]), languages, psm=int(psm), detector=detector)

    @property
    def spec(self) -> OcrSpec:
        """Digest of the languages' data, settings and library versions."""
        return self._spec

    @cached_property
    def alphabet(self) -> frozenset[str] | None:
        """The characters that the languages' networks can answer with; None where a file does not tell."""
        found = [characters_of(self._folder / f"{language}.traineddata") for language in self._languages]
        known = [each for each in found if each is not None]
        return frozenset().union(*known) if len(known) == len(found) else None

    def read(self, image: Image) -> tuple[TextLine, ...]:
        """The text lines of an image, in Tesseract's order or the detector's, each in the order in which it is read.

        Raises:
            OcrError: when the image is too large or too small, or Tesseract fails.
        """
        if min(image.size) < MIN_SIDE or max(image.size) > MAX_SIDE:
            raise OcrError(
                f"the image is {image.width}×{image.height}; sides of {MIN_SIDE} to {MAX_SIDE} pixels can be read"
            )
        try:
            picture = to_rgb(image)
        except ImageError as error:
            raise OcrError(str(error)) from error
        if self._detector is not None:
            return tuple(self._found_lines(picture, self._detector))
        low, high = SETTINGS["long_side"]
        scale = min(max(*picture.size, low), high) / max(picture.size)
        if scale != 1:
            picture = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))
        try:
            return self._lines(picture, scale)
        except RuntimeError as error:
            raise OcrError(f"Tesseract failed: {error}") from error

    def _lines(self, picture: Image, scale: float) -> tuple[TextLine, ...]:
        import tesserocr

        # Only the text of a whole page is in the order in which it is read, from right to left too.
        text = [line.strip() for line in self._recognise(picture).splitlines() if line.strip()]
        level = tesserocr.RIL.TEXTLINE
        found = self._api.GetIterator()
        places = [
            (item.BoundingBox(level), float(item.Confidence(level)))
            for item in (tesserocr.iterate_level(found, level) if found else ())
            # An iterator over a page without text stands on nothing.
            if not item.Empty(level) and item.GetUTF8Text(level).strip()
        ]
        self._api.Clear()
        if len(text) != len(places):
            raise OcrError(f"Tesseract gave {len(text)} lines of text for {len(places)} places")
        lines = []
        for line, (box, sure) in zip(text, places, strict=True):
            left, top, right, bottom = (float(round(value / scale)) for value in box)
            polygon = ((left, top), (right, top), (right, bottom), (left, bottom))
            lines.append(TextLine(text=line, polygon=polygon, confidence=_confidence(sure)))
        return tuple(lines)

    def _found_lines(self, picture: Image, detector: PaddleReader) -> Iterator[TextLine]:
        height, margin = LINE_SETTINGS["line_height"], LINE_SETTINGS["line_margin"]
        for quad, pixels in detector.cut_lines(picture):
            if not pixels.size:
                continue
            line = PillowImage.fromarray(np.ascontiguousarray(pixels[:, :, ::-1]))
            line = line.resize(
                (max(MIN_SIDE, round(line.width * height / line.height)), height), PillowImage.Resampling.LANCZOS
            )
            edges = np.concatenate([np.asarray(line)[0], np.asarray(line)[-1]])
            ground = tuple(int(value) for value in np.median(edges, axis=0))
            try:
                text = " ".join(self._recognise(ImageOps.expand(line, margin, fill=ground)).split())
                sure = float(self._api.MeanTextConf())
                self._api.Clear()
            except RuntimeError as error:
                raise OcrError(f"Tesseract failed: {error}") from error
            if text:
                polygon = tuple((float(round(x)), float(round(y))) for x, y in quad.corners)
                yield TextLine(text=text, polygon=polygon, confidence=_confidence(sure))

    def _recognise(self, picture: Image) -> str:
        """The text of a picture, in the order in which it is read."""
        with loading("tesseract"):
            import tesserocr

        if self._api is None:
            self._api = tesserocr.PyTessBaseAPI(
                path=str(self._folder),
                lang="+".join(self._languages),
                psm=self._settings["page_segmentation"],
                oem=self._settings["engine_mode"],
            )
        self._api.SetImage(picture)
        self._api.SetSourceResolution(self._settings["resolution"])
        if not self._api.Recognize():
            raise OcrError("Tesseract gave up on the image")
        return str(self._api.GetUTF8Text())


def _confidence(percent: float) -> float:
    return min(max(round(percent / 100, 4), 0.0), 1.0)


def _data_folder(named: str, language: str) -> Path:
    """The folder named, or the first of `TESSDATA_PREFIX` and the usual ones that holds the language."""
    if named:
        return Path(named).expanduser()
    usual = [Path(folder) for folder in (os.environ.get("TESSDATA_PREFIX"), *DATA_FOLDERS) if folder]
    return next((folder for folder in usual if (folder / f"{language}.traineddata").is_file()), Path(DATA_FOLDERS[0]))


def _version() -> str:
    # Read when the library is loaded, so the threads are set before: one per process, like every reader's.
    os.environ.setdefault("OMP_THREAD_LIMIT", "1")
    import tesserocr

    return str(tesserocr.tesseract_version()).split()[1]
