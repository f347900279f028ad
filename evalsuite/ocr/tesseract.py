"""Tesseract 5 through tesserocr: a reader of another kind, trained by other people on other data.

Its errors are its own, so where it and PP-OCR differ on English lettering a person should look. The weights are the
distribution's `traineddata` files; tesserocr carries the library itself.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from evalsuite.digests import file_sha256
from evalsuite.errors import EvalsuiteError
from evalsuite.extras import install_command
from evalsuite.images import MAX_SIDE, ImageError, to_rgb
from evalsuite.ocr.base import OcrError
from evalsuite.ocr.options import parse_options
from evalsuite.ocr.weights import OcrUnavailableError
from evalsuite.records import Json, OcrSpec, TextLine, digest

if TYPE_CHECKING:
    from PIL.Image import Image

DEFAULTS = {"lang": "eng", "data": ""}

DATA_FOLDERS = (
    "/usr/share/tesseract-ocr/5/tessdata",
    "/usr/share/tessdata",
    "/usr/local/share/tessdata",
    "/opt/homebrew/share/tessdata",
)
"""Where Debian, Fedora and Arch, a build by hand, and Homebrew put the languages' files."""

SETTINGS: dict[str, Json] = {
    # Find as much text as there is, in no particular order: posters are no pages of prose.
    "page_segmentation": 11,
    # The LSTM network alone; the older engine learns from page to page, so that a reading depended on the last one.
    "engine_mode": 1,
    # Tesseract reads lettering of 20 to 50 pixels best and slows down with the square of the size.
    "long_side": [1024, 2048],
    "resolution": 150,
}

MIN_SIDE = 8


class TesseractReader:
    """Reads text lines with Tesseract's LSTM engine; upright boxes, no places of characters.

    The library loads on the first `read`. One reader serves one thread.
    """

    def __init__(self, folder: Path, languages: tuple[str, ...]) -> None:
        self._folder, self._languages = folder, languages
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
            weights_digest=digest([[language, file_sha256(file)] for language, file in files.items()]),
            settings={"languages": list(languages), **SETTINGS},
            versions={"tesserocr": importlib.metadata.version("tesserocr"), "tesseract": _version()},
        )

    @classmethod
    def parse(cls, arguments: str = "") -> Self:
        """The reader that `tesseract` or `tesseract:lang=eng+chi_sim,data=FOLDER` names.

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
        if importlib.util.find_spec("tesserocr") is None:
            raise OcrUnavailableError(f"tesserocr is not installed; run: {install_command('tesseract')}")
        return cls(_data_folder(options["data"], languages[0]), languages)

    @property
    def spec(self) -> OcrSpec:
        """Digest of the languages' data, settings and library versions."""
        return self._spec

    def read(self, image: Image) -> tuple[TextLine, ...]:
        """The text lines of an image, in Tesseract's order, in upright boxes.

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

        if self._api is None:
            self._api = tesserocr.PyTessBaseAPI(
                path=str(self._folder),
                lang="+".join(self._languages),
                psm=SETTINGS["page_segmentation"],
                oem=SETTINGS["engine_mode"],
            )
        self._api.SetImage(picture)
        self._api.SetSourceResolution(SETTINGS["resolution"])
        if not self._api.Recognize():
            raise OcrError("Tesseract gave up on the image")
        level = tesserocr.RIL.TEXTLINE
        found = self._api.GetIterator()
        lines = []
        for item in tesserocr.iterate_level(found, level) if found else ():
            # An iterator over a page without text stands on nothing.
            text = "" if item.Empty(level) else item.GetUTF8Text(level).strip()
            if text:
                left, top, right, bottom = (float(round(value / scale)) for value in item.BoundingBox(level))
                confidence = round(float(item.Confidence(level)) / 100, 4)
                polygon = ((left, top), (right, top), (right, bottom), (left, bottom))
                lines.append(TextLine(text=text, polygon=polygon, confidence=min(max(confidence, 0.0), 1.0)))
        self._api.Clear()
        return tuple(lines)


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
