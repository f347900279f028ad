"""The random sample of a run's images that a person judges: drawn by a seed, written down, and never chosen again.

Only a random sample says how often the reader errs on images like these; the worst images, which one looks at first,
do not. So the sample follows from the run and a seed alone, and a stored one is believed only where it does.
"""

from __future__ import annotations

import random
from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from evalsuite.errors import EvalsuiteError
from evalsuite.files import FileError, read_file, write_atomically
from evalsuite.records import Record, digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from evalsuite.runs.opened import OpenRun

FORMAT = 1
SIZE = 40
"""Images that are judged where nothing else is said."""

PER_STRATUM = 2
"""Images at least of every model in every language, so that no part of a corrected figure goes unseen."""

MAX_FILE_BYTES = 64 * 2**20

Stratum = tuple[str, str]
"""A model and a language."""


class SampleError(EvalsuiteError):
    """A sample that cannot be drawn, or a stored one that its seed does not give; the message says what to do."""


class JudgedSample(Record, frozen=True, kw_only=True):
    """Which images are judged. `run` is the digest of the manifest, `engine_digest` that of the OCR that is judged.

    `keys` are in the order of drawing: a larger sample with the same seed begins with them.
    """

    format: int
    run: str
    engine_digest: str
    seed: int
    keys: tuple[str, ...]


def judged_models(run: OpenRun) -> list[str]:
    """The models whose images are sampled: those that are evaluated, without the ceilings that ride along."""
    subjects = run.models(subjects=True)
    return [spec.name for spec in subjects if not spec.measures_reader] or [spec.name for spec in subjects]


def strata_of(run: OpenRun) -> dict[Stratum, list[str]]:
    """The images that may be sampled, by model and language."""
    found: dict[Stratum, list[str]] = defaultdict(list)
    subjects = judged_models(run)
    for key, request in run.requests.items():
        if request.model in subjects:
            found[request.model, run.prompts[request.prompt].language].append(key)
    return dict(found)


def draw(run: OpenRun, size: int, seed: int) -> tuple[str, ...]:
    """The keys of `size` images at random, in the order of drawing; all of them where there are no more.

    Stratified by model and language: every stratum first gets `PER_STRATUM`, then the models get equal parts and a
    model's languages parts by their images (Sainte-Laguë's divisors, so that a larger sample holds the smaller).
    Within a stratum prompts come in random order, each with one of its seeds at random before any comes again.

    Raises:
        SampleError: `size` is too small for the strata.
    """
    strata = strata_of(run)
    least = PER_STRATUM * len(strata)
    if size < least:
        raise SampleError(
            f"--sample {size}: at least {least} images, {PER_STRATUM} of each of {len(strata)} models and languages"
        )
    orders = {stratum: _order(run, stratum, keys, seed) for stratum, keys in strata.items()}
    return tuple(orders[stratum][place] for stratum, place in turns(orders, size))


def _order(run: OpenRun, stratum: Stratum, keys: Iterable[str], seed: int) -> list[str]:
    rng = random.Random(digest([digest(run.manifest), seed, *stratum]))  # noqa: S311 - a reproducible sample
    units: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        units[run.units[run.requests[key].prompt]].append(key)
    shuffled = list(units.values())
    rng.shuffle(shuffled)
    for images in shuffled:
        rng.shuffle(images)
    rounds = max(map(len, shuffled))
    return [images[turn] for turn in range(rounds) for images in shuffled if turn < len(images)]


def turns(orders: Mapping[Stratum, Sequence[object]], size: int) -> list[tuple[Stratum, int]]:
    """Which stratum gives its next item, item by item, with the place in its order."""
    of_model: dict[str, int] = defaultdict(int)
    for (model, _), keys in orders.items():
        of_model[model] += len(keys)
    given = dict.fromkeys(orders, 0)
    taken: list[tuple[Stratum, int]] = []
    while len(taken) < size:
        open_strata = [stratum for stratum, keys in orders.items() if given[stratum] < len(keys)]
        if not open_strata:
            break
        first = [stratum for stratum in open_strata if given[stratum] < PER_STRATUM]
        chosen = max(
            first or open_strata,
            key=lambda each: len(orders[each]) / of_model[each[0]] / (2 * given[each] + 1),
        )
        taken.append((chosen, given[chosen]))
        given[chosen] += 1
    return taken


def path_of(run: OpenRun, what: str) -> Path:
    """Where the `sample` or the `marks` of the run's OCR are kept."""
    return run.folder / f"judged-{what}.{run.ocr.name}-{run.ocr.digest[:8]}.json"


def read_sample(run: OpenRun) -> JudgedSample | None:
    """The sample that is written down for this run and OCR; None where there is none.

    Raises:
        SampleError: The file cannot be read, or does not hold what its seed gives.
    """
    path = path_of(run, "sample")
    if not path.exists():
        return None
    remedy = "delete it to draw a sample anew, with its judgements to be made again"
    try:
        found = msgspec.json.decode(read_file(path, limit=MAX_FILE_BYTES, follow=False), type=JudgedSample)
    except (FileError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SampleError(f"{path}: no sample to be judged: {error}; {remedy}") from error
    if (found.format, found.run, found.engine_digest) != (FORMAT, digest(run.manifest), run.ocr.digest):
        raise SampleError(f"{path}: the sample is of another run or another OCR; {remedy}")
    if found.keys != draw(run, len(found.keys), found.seed):
        raise SampleError(f"{path}: these are not the images that seed {found.seed} gives; {remedy}")
    return found


def take_sample(run: OpenRun, size: int | None, seed: int | None) -> JudgedSample:
    """The stored sample, made larger where `size` asks for it, or a new one. The folder's lock must be held.

    Raises:
        SampleError: A stored sample has another seed or is larger than `size`, or is not what its seed gives.
    """
    stored = read_sample(run)
    if stored is not None:
        path = path_of(run, "sample")
        if seed is not None and seed != stored.seed:
            raise SampleError(
                f"{path}: a sample with seed {stored.seed} was drawn already, and another would be a choice of two; "
                f"leave --seed out, or delete the file and judge anew"
            )
        if size is not None and size < len(stored.keys):
            raise SampleError(f"--sample {size}: {len(stored.keys)} images were drawn already ({path}); judge them all")
        if size is None or size == len(stored.keys):
            return stored
    chosen = stored.seed if stored is not None else seed or 0
    keys = draw(run, size or SIZE, chosen)
    sample = JudgedSample(format=FORMAT, run=digest(run.manifest), engine_digest=run.ocr.digest, seed=chosen, keys=keys)
    write_atomically(path_of(run, "sample"), msgspec.json.format(msgspec.json.encode(sample), indent=1))
    return sample
