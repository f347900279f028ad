"""What the content gates notice: changes planted into styled pages, judged by the gate as runs of many prompts.

    nox -s bench -- content [PAGES [lpips:FOLDER | dino:FOLDER …]]

Every page is a ground of soft and sharp shapes with a word in a face of the styled reference on it, so that all that
happens is known. The default reader reads each picture, as in a run. Suites of `PROMPTS` pages are drawn by lot from
those measured, and the gates decide on them: how often PASS / FAIL / INCONCLUSIVE come out. Distances by local weights,
where named, are shown beside; they are not gated.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from rich.console import Console
from rich.progress import track
from rich.table import Table

from evalsuite import ocr
from evalsuite.content.distances import open_ruler
from evalsuite.content.measures import likeness, outside, picture_share, psnr
from evalsuite.content.regions import text_region
from evalsuite.models.typeset.fonts import font, styled_faces_for
from evalsuite.stats import bounds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from evalsuite.content.distances import Ruler
    from evalsuite.records import TextLine

    Pixels = NDArray[np.uint8]

console = Console(width=200)
PAGES, PROMPTS, DRAWS = 16, 40, 400
SIZE = 384
ALPHA = 0.05
GATES = (("content_similarity", 0.1), ("content_similarity", 0.2), ("content_share", 0.1))
FIRST = 100
"""The first page's seed: margins were chosen on the pages before it."""
WORDS = ("OPEN", "SALE", "MENU", "CAFE", "EXIT", "LIVE", "ROOM", "PARK", "BOOK", "FISH", "MOON", "GOLD")


def ground(seed: int) -> Image.Image:
    """A picture of overlapping shapes, some with soft edges, with fine grain over all."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (SIZE, SIZE), tuple(int(each) for each in rng.integers(60, 200, 3)))
    for _ in range(40):
        pen = ImageDraw.Draw(image)
        x, y, w, h = (int(each) for each in rng.integers((-60, -60, 20, 20), (SIZE, SIZE, 160, 160)))
        colour = tuple(int(each) for each in rng.integers(40, 220, 3))
        (pen.ellipse if rng.random() < 0.5 else pen.rectangle)((x, y, x + w, y + h), fill=colour)
        if rng.random() < 0.1:
            image = image.filter(ImageFilter.GaussianBlur(2))
    noisy = np.asarray(image) + rng.normal(0, 1, (SIZE, SIZE, 3))
    return Image.fromarray(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))


def page(text: str, seed: int, scene: Image.Image) -> Image.Image:
    """A word on a scene, light with a dark rim, in one of the styled reference's faces."""
    faces = styled_faces_for(text)
    chosen = font(faces[seed % len(faces)], 72)
    whole = scene.copy()
    middle = (SIZE // 2, SIZE // 3 + 16 * (seed % 8))
    ImageDraw.Draw(whole).text(
        middle, text, font=chosen, anchor="mm", fill="white", stroke_width=6, stroke_fill="black"
    )
    return whole


def noise(image: Image.Image, seed: int, deviation: float) -> Image.Image:
    """The same picture with normal noise of so many levels."""
    noisy = np.asarray(image) + np.random.default_rng(seed).normal(0, deviation, (SIZE, SIZE, 3))
    return Image.fromarray(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))


def flat(image: Image.Image) -> Image.Image:
    """One even colour, the picture's mean."""
    colour = tuple(int(each) for each in np.asarray(image).reshape(-1, 3).mean(axis=0))
    return Image.new("RGB", image.size, colour)


def half_flat(image: Image.Image) -> Image.Image:
    """The lower half lost."""
    lost = image.copy()
    lost.paste(flat(image).crop((0, SIZE // 2, SIZE, SIZE)), (0, SIZE // 2))
    return lost


Change = Callable[[str, int], Image.Image]
CHANGES: dict[str, Change] = {
    "the same again": lambda text, seed: page(text, seed, ground(seed)),
    "other words, same ground": lambda text, seed: page(WORDS[(WORDS.index(text) + 1) % 12], seed, ground(seed)),
    "noise of 2 levels": lambda text, seed: noise(page(text, seed, ground(seed)), seed, 2),
    "blurred by 1 pixel": lambda text, seed: page(text, seed, ground(seed).filter(ImageFilter.GaussianBlur(1))),
    "another ground": lambda text, seed: page(text, seed, ground(seed + 10_000)),
    "half the ground lost": lambda text, seed: page(text, seed, half_flat(ground(seed))),
    "ground lost": lambda text, seed: page(text, seed, flat(ground(seed))),
}


@dataclass(frozen=True, slots=True)
class Told:
    """One page: likeness to the baseline's, mean squared error, the shares of both that are not flat, and distances."""

    similarity: float
    mse: float
    before: float
    after: float
    distances: tuple[float, ...]


def compare(
    before: Pixels, after: Pixels, one: Sequence[TextLine], other: Sequence[TextLine], rulers: Sequence[Ruler]
) -> Told | None:
    """What `content.measuring` and `content.distances` make of a pair of images and their readings."""
    text = text_region([*one, *other], SIZE, SIZE)
    keep = outside(text)
    singles = [outside(text_region(lines, SIZE, SIZE)) for lines in (one, other)]
    if keep is None or singles[0] is None or singles[1] is None:
        return None
    found = likeness(before, after, keep)
    apart = tuple(ruler.distance(before, after, text, keep) or 0.0 for ruler in rulers)
    shares = picture_share(before, singles[0]), picture_share(after, singles[1])
    return Told(max(0.0, found.ssim), found.mse, *shares, apart)


def decide(differences: NDArray[np.float64], margin: float) -> str:
    """The gate's decision on one metric alone."""
    found = bounds.compare(differences, replicates=999)
    if found.p_below(-margin) <= ALPHA:
        return "FAIL"
    return "PASS" if found.lower(ALPHA) > -margin else "INCONCLUSIVE"


def measure(pages: int, rulers: Sequence[Ruler]) -> dict[str, list[Told]]:
    """All changes on all pages; pairs of which nothing can be told are left out."""
    reader = ocr.resolve("paddle")
    found: dict[str, list[Told]] = {name: [] for name in CHANGES}
    for seed in track(range(FIRST, FIRST + pages), "Measuring", console=console):
        text = WORDS[seed % len(WORDS)]
        first = page(text, seed, ground(seed))
        lines = reader.read(first)
        for name, change in CHANGES.items():
            image = change(text, seed)
            theirs = lines if name == "the same again" else reader.read(image)
            told = compare(np.asarray(first), np.asarray(image), lines, theirs, rulers)
            if told is not None:
                found[name].append(told)
    return found


def main() -> None:
    """Print both tables."""
    pages = int(sys.argv[1]) if len(sys.argv) > 1 else PAGES
    rulers = [open_ruler(name) for name in sys.argv[2:]]
    found = measure(pages, rulers)
    table = Table(title=f"Decisions in {DRAWS} suites of {PROMPTS} prompts out of {pages} pages, %")
    for column in (
        "change",
        "similarity",
        "PSNR dB",
        "share",
        *(each.name for each in rulers),
        *(f"{name} {margin}" for name, margin in GATES),
    ):
        table.add_column(column, overflow="fold")
    rng = np.random.default_rng(0)
    for name, rows in found.items():
        similarity = np.array([each.similarity for each in rows])
        share = np.array([each.after - each.before for each in rows])
        apart = np.array([each.distances for each in rows]).T
        cells = [f"{each.mean():.4f} ({each.min():.4f} to {each.max():.4f})" for each in apart]
        for metric, margin in GATES:
            values = share if metric == "content_share" else similarity - 1
            drawn = Counter(decide(rng.choice(values, PROMPTS), margin) for _ in range(DRAWS))
            cells.append(" / ".join(f"{100 * drawn[each] / DRAWS:.1f}" for each in ("PASS", "FAIL", "INCONCLUSIVE")))
        ratio = psnr(float(np.mean([each.mse for each in rows])))
        table.add_row(
            name,
            f"{similarity.mean():.3f} ({similarity.min():.3f} to {similarity.max():.3f})",
            "∞" if ratio == float("inf") else f"{ratio:.1f}",
            f"{np.mean([each.before for each in rows]):.3f} → {np.mean([each.after for each in rows]):.3f}",
            *cells,
        )
    console.print(table)


if __name__ == "__main__":
    main()
