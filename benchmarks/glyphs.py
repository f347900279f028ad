"""What notices malformed characters: the glyph verifier, the reader's probabilities, a second reader.

    nox -s bench -- glyphs planted [PAGES]    defects planted one by one into released pictures and typeset pages
    nox -s bench -- glyphs doubtful           the strings of the released pictures that a person marked as doubtful
    nox -s bench -- glyphs runs RUN...        character accuracy beside suspicious glyphs of stored runs

Released pictures are found by EVALSUITE_REAL_IMAGES. A defect is drawn into the line's own picture (`_planting`), and
both readers read that picture again; so "noticed" means the same for all. Every detector is asked about the characters
that the verifier can tell of, in lines that were read as a person reads them and that nobody found doubtful. Hanzi of
released pictures are few, so each is planted `AGAIN` times by other lots. The probability's threshold, and that of
verifier and probability together, is the one with as many false alarms as the verifier has; how much the probability
counts beside the verifier is learned from the typeset pages.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import unicodedata
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rapidfuzz.distance import Levenshtein
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks._detectors import Look, Pair, show, show_elsewhere, weight_of
from benchmarks._planting import planted_line
from benchmarks._real_images import pictures
from evalsuite import ocr, suites
from evalsuite.glyphs.characters import cut_out
from evalsuite.glyphs.look import look_at_line
from evalsuite.glyphs.reference import script_of
from evalsuite.glyphs.verifier import open_verifier
from evalsuite.models.typeset.model import TypesetModel
from evalsuite.ocr.geometry import Quad
from evalsuite.ocr.paddle import PaddleReader, _as_bgr
from evalsuite.ocr.recognition import crop
from evalsuite.records import Characters, TextLine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from evalsuite.glyphs.characters import Cut
    from evalsuite.glyphs.verifier import GlyphVerifier
    from evalsuite.ocr.recognition import Pixels

console = Console()
PAGES = 24
AGAIN = {"latin": 1, "hanzi": 4}
"""How often each character of the released pictures is planted."""


def folded(text: str) -> str:
    """What is compared of a text: letters and digits, compatibility forms folded, in lower case."""
    return "".join(each for each in unicodedata.normalize("NFKC", text).lower() if each.isalnum())


class Readers:
    """The two readers' recognition networks over the upright picture of a line."""

    def __init__(self) -> None:
        self.first, second = PaddleReader.parse(), PaddleReader.rapidocr_v4()
        self._networks = [each._load()[1] for each in (self.first, second)]  # noqa: SLF001 - lines without detection

    def read(self, line: Pixels) -> tuple[TextLine, str]:
        """The first reader's line, its polygon the picture's edge, and the second reader's text."""
        height, width = line.shape[:2]
        edge = ((0.0, 0.0), (float(width), 0.0), (float(width), float(height)), (0.0, float(height)))
        found, other = (network.characters([line])[0] for network in self._networks)
        units = [(each, point) for each in found for point in each.text]
        places = Characters(
            at=tuple(round(1000 * each.at) for each, _ in units),
            p=tuple(round(1000 * each.probability) for each, _ in units),
        )
        text = "".join(point for _, point in units)
        return TextLine(text=text, polygon=edge, characters=places), "".join(each.text for each in other)


def agreed(text: str, other: str) -> set[int]:
    """The places of a text at which another reading has the same character, case and compatibility forms aside."""
    one, two = (unicodedata.normalize("NFKC", each).lower() for each in (text, other))
    if len(one) != len(text):
        return set()
    return {
        place
        for block in Levenshtein.opcodes(one, two)
        if block.tag == "equal"
        for place in range(block.src_start, block.src_end)
    }


def pairs_of(
    sources: Iterable[tuple[Pixels, Sequence[tuple[str, bool]]]],
    readers: Readers,
    verifier: GlyphVerifier,
    again: Mapping[str, int],
) -> Iterator[Pair]:
    """Every character that the verifier can tell of in pictures with their (string, doubtful)."""
    for number, (pixels, strings) in enumerate(sources):
        found = []
        for each in readers.first.read(_image(pixels)):
            if each.polygon is None or len(each.polygon) != 4 or Quad(each.polygon).runs_down:
                continue
            upright = crop(pixels, Quad(each.polygon))
            if min(upright.shape[:2], default=0) < 16:
                continue
            line, other = readers.read(upright)
            said = folded(line.text)
            if len(said) < 2 or not any(said in folded(text) and not doubtful for text, doubtful in strings):
                continue
            found.append((upright, line, other, look_at_line(verifier, upright, line)))
        for place, (upright, line, other, glyphs) in enumerate(found):
            same = agreed(line.text, other)
            for glyph in glyphs:
                if glyph.sight not in ("sound", "suspicious") or glyph.cut is None or glyph.doubt is None:
                    continue
                elsewhere = tuple(
                    twin.doubt
                    for _, _, _, row in found
                    for twin in row
                    if twin.character == glyph.character and twin is not glyph and twin.doubt is not None
                )
                assert line.characters is not None
                probability = line.characters.p[glyph.index] / 1000
                clean = Look(glyph.doubt, probability, glyph.index not in same, read=True)
                script = str(script_of(glyph.character))
                planted = [
                    _planted(
                        upright,
                        line,
                        glyph.cut,
                        readers,
                        verifier,
                        np.random.default_rng((number, place, glyph.index, each)),
                    )
                    for each in range(again.get(script, 1))
                ]
                yield Pair(number, script, clean, tuple(each for each in planted if each is not None), elsewhere)


def _planted(
    upright: Pixels, line: TextLine, cut: Cut, readers: Readers, verifier: GlyphVerifier, rng: np.random.Generator
) -> tuple[str, Look] | None:
    found = planted_line(upright, cut, rng)
    if found is None:
        return None
    picture, kind = found
    again, other = readers.read(picture)
    place = cut.index
    read = len(again.text) == len(line.text) and again.text[place] == line.text[place]
    # Cut out where the sound character was: what the verifier is given must not depend on what is read now.
    bad = {each.index: each for each in cut_out(picture, line)}.get(place)
    doubt = verifier.doubts([bad], line.text)[0] if bad is not None else None
    if doubt is None:
        return None
    assert again.characters is not None
    probability = again.characters.p[place] / 1000 if read else 0.0
    return kind, Look(doubt, probability, not read or place not in agreed(again.text, other), read)


def _image(pixels: Pixels) -> Any:
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(pixels[:, :, ::-1]))


def planted(pages: int) -> None:
    """Part one: planted defects."""
    readers, verifier = Readers(), open_verifier()
    released = [
        (_as_bgr(each.image), [(text.text, bool(text.doubtful)) for text in each.strings]) for each in pictures()
    ]
    prompts = [prompt for suite in suites.load("all") for prompt in suite.prompts if prompt.language in ("en", "zh")]
    prompts = [prompts[round(place)] for place in np.linspace(0, len(prompts) - 1, pages)]
    drawn = [
        (_as_bgr(each.image), [(text, False) for text in each.prompt.targets])
        for each in TypesetModel().draw([(prompt, 0) for prompt in prompts])
        if each.image is not None
    ]
    found = {
        title: list(pairs_of(track(sources, description=title, console=console), readers, verifier, again))
        for title, sources, again in (("Typeset pages", drawn, {}), ("Released pictures", released, AGAIN))
    }
    weight = weight_of(found["Typeset pages"])
    for title, pairs in found.items():
        show(console, title, pairs, weight)
        show_elsewhere(console, title, pairs)


def doubtful() -> None:
    """Part two: what the verifier makes of the strings that a person found doubtful."""
    reader, verifier = ocr.resolve("paddle"), open_verifier()
    table = Table(title="Strings that a person marked as doubtful")
    for column in ("picture", "string", "why", "suspicious", "verdict"):
        table.add_column(column)
    counts: dict[str, int] = defaultdict(int)
    for picture in pictures():
        wanted = [text for text in picture.strings if text.doubtful]
        if not wanted:
            continue
        pixels, lines = _as_bgr(picture.image), reader.read(picture.image)
        for text in wanted:
            glyphs = [
                glyph
                for line in lines
                if len(folded(line.text)) >= 2 and _overlaps(folded(line.text), folded(text.text))
                for glyph in look_at_line(verifier, pixels, line)
            ]
            told = [each for each in glyphs if each.sight in ("sound", "suspicious")]
            bad = [each for each in told if each.sight == "suspicious"]
            verdict = "found" if bad else "missed" if told else "cannot tell" if glyphs else "not read"
            counts[verdict] += 1
            named = " ".join(f"{each.character} ({each.doubt:.1f})" for each in bad)
            table.add_row(picture.name, text.text[:40], str(text.doubtful), named, verdict)
    console.print(table)
    console.print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))


def _overlaps(line: str, string: str) -> bool:
    """Whether a line may be a part of a string: most of its characters stand there in order."""
    return (
        Levenshtein.distance(line, string, weights=(0, 1, 1)) <= len(line) / 4
        if len(line) <= len(string)
        else (Levenshtein.normalized_similarity(line, string) > 0.6)
    )


def runs(folders: Sequence[str]) -> None:
    """Part three: character accuracy beside suspicious glyphs of stored runs."""
    import evalsuite
    from evalsuite.wording import with_ends

    table = Table(title="Character accuracy beside suspicious glyphs")
    for column in ("run", "lang", "accuracy", "judged", "suspicious", "cannot tell"):
        table.add_column(column, justify="right" if column not in ("run", "lang") else "left")
    for folder in folders:
        found = evalsuite.glyphs(folder, report=False)
        accuracy = {
            (model.name, part.value): part.intervals["character_accuracy"]
            for model in found.run.summary.models
            for part in model.by("language")
        }
        for each in found.found.counts:
            table.add_row(
                Path(folder).name,
                each.language,
                with_ends(accuracy[each.model, each.language], 3),
                str(each.judged),
                f"{each.seen['suspicious']}, {with_ends(each.rate, 3)}",
                str(each.cannot_tell),
            )
    console.print(table)


def main() -> int:
    """Run what the arguments name."""
    match sys.argv[1:]:
        case ["planted", *rest]:
            planted(int(rest[0]) if rest else PAGES)
        case ["doubtful"]:
            doubtful()
        case ["runs", *folders] if folders:
            runs(folders)
        case _:
            console.print(__doc__)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
