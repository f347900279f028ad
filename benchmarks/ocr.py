"""How well the readers read, at which size, and at which cost.

    nox -s bench -- ocr pages [PAGES]       typeset pages, clean, worn, at half size and four to a sheet, by reader
    nox -s bench -- ocr settings [PAGES]    the same pages, clean and worn, by setting of the default reader
    nox -s bench -- ocr pictures            released pictures by style, with the strings that fail, by reader
    nox -s bench -- ocr sizes [PICTURES]    released pictures at six sizes: accuracy and its spread
    nox -s bench -- ocr cost [IMAGES]       released pictures and typeset pages at three sizes, beside a single pass

Cost is processor seconds of one thread per image, beside PaddleOCR's own single pass over the same images in the same
run, image by image in turn, so that other work on the machine hits both. Released pictures are found by
EVALSUITE_REAL_IMAGES. Accuracy is the scorer's micro character accuracy; `left over` counts the graphemes that belong
to no target.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import time
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PIL import Image, ImageFilter
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks._real_images import at_size, pictures
from benchmarks._single_pass import SinglePassReader
from evalsuite import ocr, scoring, suites
from evalsuite.models.typeset.model import TypesetModel
from evalsuite.ocr.paddle import PaddleReader
from evalsuite.ocr.weights import OcrUnavailableError, bundled_folders

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalsuite.records import Json, Prompt, TextLine

SETTINGS: dict[str, dict[str, Json]] = {
    "unclip 1.5 (official)": {"text_det_unclip_ratio": 1.5},
    "unclip 2.0": {"text_det_unclip_ratio": 2.0},
    "box threshold 0.6 (official)": {"text_det_box_thresh": 0.6},
    "box threshold 0.4": {"text_det_box_thresh": 0.4},
    "no line read again": {"read_again_below": 0.0},
}
SIZES = (512, 768, 1024, 1536, 2048, 3072)
COST_SIZES = (512, 1024, 2048)
SERIES = (
    "easytext_2",
    "easytext_3",
    "glyph_scene_3",
    "glyph_design_3",
    "glyph_paragraph_2",
    "qwen_cn",
    "glyph_cn_1",
    "tp_1",
    "ovis_title",
    "hidream_tshirt",
)
"""Ten pictures, chosen before they were measured: large, thin, ornate, curved and small lettering, both languages."""

console = Console(width=160)


class Reader(Protocol):
    """What reads an image."""

    def read(self, image: Image.Image) -> tuple[TextLine, ...]:
        """The lines in an image."""


@dataclass(slots=True)
class Tally:
    """Counts over images and strings."""

    edits: int = 0
    length: int = 0
    exact: int = 0
    strings: int = 0
    left_over: int = 0
    seconds: float = 0.0
    images: int = 0
    failed: list[str] = field(default_factory=list)

    @property
    def accuracy(self) -> float:
        """Micro character accuracy."""
        return 1 - self.edits / self.length if self.length else 1.0

    def add(self, lines: Sequence[TextLine], strings: Sequence[tuple[str, bool]], seconds: float, name: str) -> None:
        """Count one image; `strings` are its targets, and whether each one counts."""
        score = scoring.score_image([text for text, _ in strings], lines)
        self.images, self.seconds = self.images + 1, self.seconds + seconds
        self.left_over += sum(extra.length for extra in score.extras)
        for target, (text, counts) in zip(score.targets, strings, strict=True):
            if counts:
                self.edits, self.length = self.edits + target.distance, self.length + target.length
                self.exact, self.strings = self.exact + target.exact, self.strings + 1
                if not target.exact:
                    self.failed.append(f"{name}: {text} ({target.distance})")


def timed(reader: Reader, image: Image.Image) -> tuple[tuple[TextLine, ...], float]:
    """The lines in an image and the processor seconds that reading took."""
    started = time.process_time()
    lines = reader.read(image)
    return lines, time.process_time() - started


def wear(page: Image.Image, seed: int) -> Image.Image:
    """A worn copy of a page: a third of the contrast around the mean, Gaussian blur and noise."""
    noise = np.random.default_rng(seed)
    pixels = np.asarray(page.filter(ImageFilter.GaussianBlur(2.5)), dtype=np.float32)
    pixels = pixels.mean() + (pixels - pixels.mean()) / 3 + noise.normal(0, 14, pixels.shape)
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def typeset(count: int) -> list[tuple[Prompt, Image.Image]]:
    """A balanced sample of the own suites' pages."""
    prompts = suites.sample([prompt for suite in suites.load("all") for prompt in suite.prompts], count)
    drawn = []
    for drawing in TypesetModel().draw([(prompt, 0) for prompt in prompts]):
        if drawing.image is None:
            raise SystemExit(f"{drawing.prompt.id}: {drawing.error}")
        drawn.append((drawing.prompt, drawing.image.convert("RGB")))
    return drawn


def sheets(
    pages: list[tuple[Prompt, Image.Image]], side: int, columns: int
) -> list[tuple[str, str, list[str], Image.Image]]:
    """Square sheets with `columns` × `columns` pages of one language each: small lettering on a large page."""
    made = []
    for language in ("en", "zh"):
        own = [page for page in pages if page[0].language == language]
        width, many = side // columns, columns * columns
        for start in range(0, len(own) - many + 1, many):
            sheet = Image.new("RGB", (side, side))
            targets: list[str] = []
            for place, (prompt, image) in enumerate(own[start : start + many]):
                corner = place % columns * width, place // columns * width
                sheet.paste(image.resize((width, width), Image.Resampling.LANCZOS), corner)
                targets += prompt.targets
            made.append((f"sheet {start // many}", language, targets, sheet))
    return made


def readers() -> dict[str, Reader]:
    """The single pass, the default reader, and the auditors that are installed."""
    found: dict[str, Reader] = {"single pass": SinglePassReader(), "paddle": PaddleReader.parse()}
    for name in ("rapidocr-v4", "tesseract"):
        try:
            found[name] = ocr.resolve(name)
        except OcrUnavailableError as missing:
            console.print(f"without {name}: {missing}")
    return found


def compare(
    known: Mapping[str, Reader], images: Sequence[tuple[str, str, list[str], Image.Image]]
) -> dict[tuple[str, str], Tally]:
    """What each reader makes of images (name, language, targets, picture), by reader and language."""
    tallies: dict[tuple[str, str], Tally] = {}
    for reader in known.values():
        reader.read(images[0][3])  # loads the models
    for name, language, targets, image in track(images, transient=True, console=console):
        for label, reader in known.items():
            lines, seconds = timed(reader, image)
            tally = tallies.setdefault((label, language), Tally())
            tally.add(lines, [(target, True) for target in targets], seconds, name)
    return tallies


def show(title: str, known: Mapping[str, Reader], tallies: Mapping[tuple[str, str], Tally]) -> None:
    """A table by reader: accuracy by language, and the cost beside the first reader's."""
    languages = sorted({language for _, language in tallies})
    table = Table(
        "reader",
        *(f"{language}: accuracy, edits, left over" for language in languages),
        "s per image",
        "ratio",
        box=None,
    )
    first = sum(tallies[next(iter(known)), language].seconds for language in languages)
    for label in known:
        rows = [tallies[label, language] for language in languages]
        cells = [f"{row.accuracy:.4f}, {row.edits} of {row.length}, {row.left_over}" for row in rows]
        seconds = sum(row.seconds for row in rows)
        table.add_row(label, *cells, f"{seconds / sum(row.images for row in rows):.2f}", f"{seconds / first:.2f}")
    console.print(f"\n{title}", table)


def pages(count: int, known: Mapping[str, Reader]) -> None:
    """Typeset pages of 1024 × 1024, worn ones, the same at 512 × 512, and four to a sheet of 2048 × 2048."""
    drawn = typeset(count)
    clean = [(prompt.id, prompt.language, list(prompt.targets), image) for prompt, image in drawn]
    worn = [(*page[:3], wear(page[3], number)) for number, page in enumerate(clean)]
    half = [(*page[:3], page[3].resize((512, 512), Image.Resampling.LANCZOS)) for page in clean]
    for title, images in (
        ("clean", clean),
        ("worn", worn),
        ("512 × 512", half),
        ("four to a sheet of 2048 × 2048", sheets(drawn, 2048, 2)),
        ("sixteen to a sheet of 2048 × 2048", sheets(drawn, 2048, 4)),
    ):
        if images:
            tallies = compare(known, images)
            show(f"{len(images)} × {title}", known, tallies)
            for (label, _), tally in tallies.items():
                if label == "paddle":
                    console.print(*tally.failed, sep="\n", markup=False)


def settings(count: int) -> None:
    """The default reader under other settings."""
    known: dict[str, Reader] = {"as shipped": PaddleReader.parse()}
    known |= {name: PaddleReader(*bundled_folders(), settings=other) for name, other in SETTINGS.items()}
    drawn = [(prompt.id, prompt.language, list(prompt.targets), image) for prompt, image in typeset(count)]
    show(f"{count} × clean", known, compare(known, drawn))
    worn = [(*page[:3], wear(page[3], number)) for number, page in enumerate(drawn)]
    show(f"{count} × worn", known, compare(known, worn))


def styles(known: Mapping[str, Reader]) -> None:
    """Released pictures: clear strings by language and by style, and those that fail."""
    tallies: dict[tuple[str, str], Tally] = {}
    shown = pictures()
    for reader in known.values():
        reader.read(shown[0].image)
    for picture in track(shown, transient=True, console=console):
        for label, reader in known.items():
            lines, seconds = timed(reader, picture.image)
            groups = {"all", picture.language, *(tag for text in picture.strings for tag in text.tags)}
            for group in groups:
                counted = [
                    (text.text, not text.doubtful and (group in text.tags or group in ("all", picture.language)))
                    for text in picture.strings
                ]
                tallies.setdefault((label, group), Tally()).add(lines, counted, seconds, picture.name)
    table = Table("reader", "strings", "accuracy", "edits", "exact", "left over", "s per image", title=None, box=None)
    for (label, group), tally in sorted(tallies.items(), key=lambda item: (list(known).index(item[0][0]), item[0][1])):
        if tally.strings:
            counts = f"{tally.edits} of {tally.length}", f"{tally.exact} of {tally.strings}"
            cost = f"{tally.left_over}", f"{tally.seconds / tally.images:.2f}"
            table.add_row(label, group, f"{tally.accuracy:.4f}", *counts, *(cost if group == "all" else ("", "")))
    console.print(table)
    console.print(
        *(f"{label}: {line}" for label in known for line in tallies[label, "all"].failed), sep="\n", markup=False
    )


def sizes(names: Sequence[str]) -> None:
    """Released pictures at six sizes: accuracy of the default reader, and its spread picture by picture."""
    by_name = {picture.name: picture for picture in pictures()}
    reader = PaddleReader.parse()
    totals = {side: Tally() for side in SIZES}
    spreads: dict[str, tuple[float, ...]] = {}
    for name in track(names, transient=True, console=console):
        counted = [(text.text, not text.doubtful) for text in by_name[name].strings]
        accuracies = []
        for side in SIZES:
            lines, seconds = timed(reader, by_name[name].at(side))
            alone = Tally()
            for tally in (totals[side], alone):
                tally.add(lines, counted, seconds, f"{name} at {side}")
            accuracies.append(alone.accuracy)
        spreads[name] = tuple(accuracies)
    table = Table("long side", "accuracy", "edits", "left over", box=None)
    for side, tally in totals.items():
        table.add_row(str(side), f"{tally.accuracy:.4f}", f"{tally.edits} of {tally.length}", str(tally.left_over))
    console.print(f"{len(names)} pictures", table)
    spread = {name: max(values) - min(values) for name, values in spreads.items()}
    console.print(f"spread over the sizes: mean {fmean(spread.values()):.4f}, greatest {max(spread.values()):.4f}")
    for name, values in spreads.items():
        if spread[name]:
            console.print(name, " ".join(f"{side}:{value:.4f}" for side, value in zip(SIZES, values, strict=True)))


def cost(count: int) -> None:
    """Processor seconds per image, beside a single pass, of released pictures and typeset pages at three sizes."""
    by_name = {picture.name: picture for picture in pictures()}
    shown = [by_name[name].image for name in SERIES[:count]]
    known: dict[str, Reader] = {"single pass": SinglePassReader(), "paddle": PaddleReader.parse()}
    try:
        known["paddle-openvino"] = PaddleReader.on_openvino()
    except OcrUnavailableError as missing:
        console.print(f"without paddle-openvino: {missing}")
    columns = [f"{label}, s{'' if label == 'single pass' else ' (ratio)'}" for label in known]
    table = Table("images", "long side", *columns, "texts as paddle's", box=None)
    for title, images in (("pictures", shown), ("typeset pages", [image for _, image in typeset(count)])):
        for side in COST_SIZES:
            scaled = [at_size(image, side) for image in images]
            seconds = dict.fromkeys(known, 0.0)
            for reader in known.values():
                reader.read(scaled[0])  # loads models and grows buffers
            equal = 0
            for image in scaled:
                texts = {}
                for label, reader in known.items():
                    lines, spent = timed(reader, image)
                    seconds[label] += spent
                    texts[label] = [line.text for line in lines]
                equal += texts.get("paddle-openvino") == texts["paddle"]
            once = seconds["single pass"]
            cells = [
                f"{each / len(images):.2f}" + ("" if label == "single pass" else f" ({each / once:.2f})")
                for label, each in seconds.items()
            ]
            told = f"{equal} of {len(images)}" if "paddle-openvino" in known else "–"
            table.add_row(title, str(side), *cells, told)
    console.print(f"{count} of each", table)


def main(part: str, count: int | None) -> None:
    """Print the tables of one part."""
    if part == "pages":
        pages(count or 60, readers())
    elif part == "settings":
        settings(count or 60)
    elif part == "pictures":
        styles(readers())
    elif part == "sizes":
        sizes(SERIES[: count or len(SERIES)])
    elif part == "cost":
        cost(count or len(SERIES))
    else:
        raise SystemExit("name a part: pages, settings, pictures, sizes, cost")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "pages", int(sys.argv[2]) if len(sys.argv) > 2 else None)
