"""The random sample of judged glyphs that a person marks, drawn by a seed and without looking at what was seen.

It mirrors `runs.judged_sample`: written down, never chosen again, and believed only where its seed gives it.
"""

from __future__ import annotations

import random
from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from evalsuite.files import FileError, read_file, write_atomically
from evalsuite.glyphs.counts import TOLD, Place
from evalsuite.glyphs.verifier import verifier_digest
from evalsuite.records import Record, digest
from evalsuite.runs.judged_sample import PER_STRATUM, SampleError, Stratum, judged_models, turns

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from evalsuite.glyphs.seen import SeenImage
    from evalsuite.runs.opened import OpenRun

FORMAT = 1
SIZE = 200
"""Glyphs that are marked where nothing else is said."""

MAX_FILE_BYTES = 64 * 2**20


class GlyphSample(Record, frozen=True, kw_only=True):
    """Which glyphs are marked, as (key, line, index), in the order of drawing.

    `run` is the digest of the manifest, `engine_digest` that of the OCR, `verifier` that of the verifier whose judged
    glyphs are sampled.
    """

    format: int
    run: str
    engine_digest: str
    verifier: str
    seed: int
    places: tuple[tuple[str, int, int], ...]


def draw_glyphs(run: OpenRun, seen: Mapping[str, SeenImage], size: int, seed: int) -> tuple[Place, ...]:
    """`size` of the glyphs that the verifier could tell of, at random, whether sound or suspicious; all where fewer.

    Stratified by model and language as `runs.judged_sample.draw`: each stratum gets `PER_STRATUM` first, models equal
    parts, languages parts by their glyphs. Within a stratum every glyph is as likely as any other.

    Raises:
        SampleError: `size` is too small for the strata, or nothing could be judged.
    """
    models = judged_models(run)
    strata: dict[Stratum, list[Place]] = defaultdict(list)
    for key, request in run.requests.items():
        if request.model in models and key in seen:
            told = [Place(key, each.line, each.index) for each in seen[key].glyphs if each.sight in TOLD]
            if told:
                strata[request.model, run.prompts[request.prompt].language] += told
    if not strata:
        raise SampleError(f"{run.folder}: the verifier can tell of no glyph here, so there is none to mark")
    least = PER_STRATUM * len(strata)
    if size < least:
        raise SampleError(
            f"--sample {size}: at least {least} glyphs, {PER_STRATUM} of each of {len(strata)} models and languages"
        )
    for stratum, places in strata.items():
        rng = random.Random(digest([digest(run.manifest), "glyphs", seed, *stratum]))  # noqa: S311 - reproducible
        rng.shuffle(places)
    return tuple(strata[stratum][place] for stratum, place in turns(strata, size))


def path_of(run: OpenRun) -> Path:
    """Where the sample of this verifier's judged glyphs is kept."""
    return run.folder / f"glyph-sample.{verifier_digest()[:8]}.{run.ocr.name}-{run.ocr.digest[:8]}.json"


def read_sample(run: OpenRun, seen: Mapping[str, SeenImage]) -> GlyphSample | None:
    """The sample that is written down for this run, OCR and verifier; None where there is none.

    Raises:
        SampleError: The file cannot be read, or does not hold what its seed gives.
    """
    path = path_of(run)
    if not path.exists():
        return None
    remedy = "delete it to draw a sample anew, with its glyphs to be marked again"
    try:
        found = msgspec.json.decode(read_file(path, limit=MAX_FILE_BYTES, follow=False), type=GlyphSample)
    except (FileError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SampleError(f"{path}: no sample of glyphs: {error}; {remedy}") from error
    of = (FORMAT, digest(run.manifest), run.ocr.digest, verifier_digest())
    if (found.format, found.run, found.engine_digest, found.verifier) != of:
        raise SampleError(f"{path}: the sample is of another run, OCR or verifier; {remedy}")
    if tuple(Place(*each) for each in found.places) != draw_glyphs(run, seen, len(found.places), found.seed):
        raise SampleError(f"{path}: these are not the glyphs that seed {found.seed} gives; {remedy}")
    return found


def take_sample(run: OpenRun, seen: Mapping[str, SeenImage], size: int | None, seed: int | None) -> GlyphSample:
    """The stored sample, made larger where `size` asks for it, or a new one. The folder's lock must be held.

    Raises:
        SampleError: A stored sample has another seed or is larger than `size`, or is not what its seed gives.
    """
    stored, path = read_sample(run, seen), path_of(run)
    if stored is not None:
        if seed is not None and seed != stored.seed:
            raise SampleError(
                f"{path}: a sample with seed {stored.seed} was drawn already, and another would be a choice of two; "
                f"leave --seed out, or delete the file and mark anew"
            )
        if size is not None and size < len(stored.places):
            raise SampleError(
                f"--sample {size}: {len(stored.places)} glyphs were drawn already ({path}); mark them all"
            )
        if size is None or size == len(stored.places):
            return stored
    chosen = stored.seed if stored is not None else seed or 0
    places = draw_glyphs(run, seen, size or SIZE, chosen)
    sample = GlyphSample(
        format=FORMAT,
        run=digest(run.manifest),
        engine_digest=run.ocr.digest,
        verifier=verifier_digest(),
        seed=chosen,
        places=tuple((each.key, each.line, each.index) for each in places),
    )
    write_atomically(path, msgspec.json.format(msgspec.json.encode(sample), indent=1))
    return sample
