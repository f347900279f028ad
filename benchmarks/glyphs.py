"""What notices malformed characters: the glyph verifier, the reader's probabilities, a second reader.

    nox -s bench -- glyphs planted [PAGES]    defects planted one by one into released pictures and typeset pages
    nox -s bench -- glyphs doubtful           the strings of the released pictures that a person marked as doubtful
    nox -s bench -- glyphs runs RUN...        character accuracy beside suspicious glyphs of stored runs

Released pictures are found by EVALSUITE_REAL_IMAGES. A defect is drawn into the line's own picture, in its own ink, and
both readers read that picture again; so "noticed" means the same for all. Every detector is asked about the characters
that the verifier can tell of, in lines that were read as a person reads them and that nobody found doubtful. The
probability's threshold is the one with as many false alarms as the verifier has.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from rapidfuzz.distance import Levenshtein
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks._real_images import pictures
from evalsuite import ocr, suites
from evalsuite.glyphs.characters import cut_out
from evalsuite.glyphs.frame import SIDE, scale_of
from evalsuite.glyphs.look import SUSPICIOUS, look_at_line
from evalsuite.glyphs.reference import script_of
from evalsuite.glyphs.verifier import open_verifier
from evalsuite.models.typeset.defects import KINDS, NEEDS_DONOR
from evalsuite.models.typeset.defects.plant import malform
from evalsuite.models.typeset.model import TypesetModel
from evalsuite.ocr.geometry import Quad
from evalsuite.ocr.paddle import PaddleReader, _as_bgr
from evalsuite.ocr.recognition import crop
from evalsuite.records import Characters, TextLine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from evalsuite.glyphs.characters import Cut
    from evalsuite.glyphs.verifier import GlyphVerifier
    from evalsuite.ocr.recognition import Pixels

console = Console()
PAGES = 24
SCRIPTS = ("latin", "hanzi")


@dataclass(frozen=True, slots=True)
class Look:
    """What each detector makes of one character: log odds, the reader's probability, whether the readers differ there.

    `read` is False where the reader itself reads something else than is meant.
    """

    doubt: float
    probability: float
    differ: bool
    read: bool


@dataclass(frozen=True, slots=True)
class Pair:
    """A character as it is, and with a defect planted; `others` are the log odds of the same character elsewhere."""

    script: str
    clean: Look
    planted: Look | None
    others: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Detector:
    """What notices a malformed character: a value that grows with doubt, and whether that is enough."""

    name: str
    value: Callable[[Look], float]
    flags: Callable[[Look], bool]


VERIFIER = Detector("glyph verifier", lambda look: look.doubt, lambda look: look.doubt > SUSPICIOUS)
READERS_DIFFER = Detector("two readers differ", lambda look: look.differ, lambda look: look.differ)
READER = Detector("the reader itself", lambda look: not look.read, lambda look: not look.read)


def probability_below(cut: float) -> Detector:
    """The reader's probability of the character as a detector; of one that it does not read as meant it is 0."""
    return Detector(f"probability < {cut:.3f}", lambda look: -look.probability, lambda look: look.probability < cut)


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
        found, other = (network.characters(line) for network in self._networks)
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


def planted_line(line: Pixels, cut: Cut, rng: np.random.Generator) -> Pixels | None:
    """The line's picture with a defect in one character, in its own ink; None where none could be planted."""
    threshold, _ = cv2.threshold(cut.picture, 0, 255, cv2.THRESH_OTSU)
    bright = cut.picture > threshold
    ink = ~bright if np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]]).mean() > 0.5 else bright
    if min(ink.sum(), (~ink).sum()) < 60:
        return None
    full, ground = np.median(cut.picture[ink]), np.median(cut.picture[~ink])
    mask = (np.clip((cut.picture - float(ground)) / (full - ground + 1e-6), 0, 1) * 255).astype(np.uint8)
    own = np.zeros_like(mask)
    left, right = max(0, int(SIDE / 2 - cut.width / 2 - 1)), min(SIDE, int(SIDE / 2 + cut.width / 2 + 2))
    own[:, left:right] = mask[:, left:right]
    kind = str(rng.choice([each for each in KINDS if each not in NEEDS_DONOR]))
    bad = malform(own, kind=kind, severity=float(rng.uniform(0.3, 1)), rng=rng)
    if bad is None:
        return None
    change = (bad.astype(np.float32) - own) / 255
    scale = scale_of(cut.rows[1] - cut.rows[0], cut.columns[1] - cut.columns[0])
    middle = sum(cut.columns) / 2, sum(cut.rows) / 2
    back = np.array([[1 / scale, 0, middle[0] - SIDE / 2 / scale], [0, 1 / scale, middle[1] - SIDE / 2 / scale]])
    there = cv2.warpAffine(change, back.astype(np.float32), (line.shape[1], line.shape[0]), flags=cv2.INTER_AREA)
    soft = cv2.warpAffine(own.astype(np.float32) / 255, back.astype(np.float32), (line.shape[1], line.shape[0]))
    inked, bare = line[soft > 0.8], line[(soft < 0.05) & (np.abs(there) > 0.2)]
    if not len(inked):
        return None
    bare = bare if len(bare) else np.concatenate([line[:2].reshape(-1, 3), line[-2:].reshape(-1, 3)])
    colour = np.median(inked, axis=0) - np.median(bare, axis=0)
    return np.asarray(np.clip(line + there[:, :, None] * colour, 0, 255), dtype=np.uint8)


def pairs_of(
    sources: Iterable[tuple[Pixels, Sequence[tuple[str, bool]]]], readers: Readers, verifier: GlyphVerifier
) -> Iterator[Pair]:
    """Every character that the verifier can tell of in pictures with their (string, doubtful)."""
    rng = np.random.default_rng(0)
    for pixels, strings in sources:
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
        for upright, line, other, glyphs in found:
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
                planted = _planted(upright, line, glyph.cut, readers, verifier, rng)
                yield Pair(str(script_of(glyph.character)), clean, planted, elsewhere)


def _planted(
    upright: Pixels, line: TextLine, cut: Cut, readers: Readers, verifier: GlyphVerifier, rng: np.random.Generator
) -> Look | None:
    picture = planted_line(upright, cut, rng)
    if picture is None:
        return None
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
    return Look(doubt, probability, not read or place not in agreed(again.text, other), read)


def _image(pixels: Pixels) -> Any:
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(pixels[:, :, ::-1]))


def area(sound: Sequence[float], bad: Sequence[float]) -> float:
    """The area under the curve: how often a bad one scores above a sound one."""
    from scipy.stats import rankdata

    ranks = rankdata([*sound, *bad])[len(sound) :]
    return float((ranks.sum() - len(bad) * (len(bad) + 1) / 2) / (len(sound) * len(bad)))


def show(title: str, pairs: Sequence[Pair]) -> None:
    """The detectors side by side, by script."""
    table = Table(title=title)
    for column in ("", "sound", "planted", "detector", "AUC", "false alarms", "found", "found where read as meant"):
        table.add_column(column, justify="right" if column else "left")
    for script in SCRIPTS:
        own = [each for each in pairs if each.script == script]
        bad = [each.planted for each in own if each.planted is not None]
        if len(own) < 20 or not bad:
            continue
        clean = [each.clean for each in own]
        share = float(np.mean([each.doubt > SUSPICIOUS for each in clean]))
        cut = float(np.quantile([each.probability for each in clean], share))
        alike = [look for look in bad if look.read]
        for detector in (VERIFIER, probability_below(cut), READERS_DIFFER, READER):
            value, flags = detector.value, detector.flags
            table.add_row(
                script,
                str(len(clean)),
                str(len(bad)),
                detector.name,
                f"{area([value(look) for look in clean], [value(look) for look in bad]):.3f}",
                f"{np.mean([flags(look) for look in clean]):.3f}",
                f"{np.mean([flags(look) for look in bad]):.3f}",
                f"{np.mean([flags(look) for look in alike]):.3f} of {len(alike)}" if alike else "",
            )
    console.print(table)


def show_elsewhere(title: str, pairs: Sequence[Pair]) -> None:
    """Whether the same character elsewhere in the picture helps: its median log odds subtracted, wholly or by half."""
    own = [each for each in pairs if len(each.others) >= 2]
    bad = [each for each in own if each.planted is not None]
    table = Table(title=f"{title}: {len(own)} characters that stand at least twice more in their picture")
    for column in ("subtracted", "AUC", "found at 2 % false alarms"):
        table.add_column(column, justify="right")
    for part in (0.0, 0.25, 0.5, 1.0):
        sound = [each.clean.doubt - part * median(each.others) for each in own]
        wrong = [each.planted.doubt - part * median(each.others) for each in bad if each.planted is not None]
        if len(sound) < 20 or len(wrong) < 20:
            return
        at = float(np.quantile(sound, 0.98))
        table.add_row(f"{part:g} × median", f"{area(sound, wrong):.4f}", f"{np.mean(np.array(wrong) > at):.3f}")
    console.print(table)


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
    for title, sources in (("Released pictures", released), ("Typeset pages", drawn)):
        pairs = list(pairs_of(track(sources, description=title, console=console), readers, verifier))
        show(title, pairs)
        show_elsewhere(title, pairs)


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
