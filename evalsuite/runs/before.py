"""What stood on the source picture of an edit: as it was made, or as the reader reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite import scoring
from evalsuite.records import Request, TextLine
from evalsuite.scoring.edited import Before

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalsuite.records import Editing, Manifest, Prompt, Reading, SourcePicture


def source_keys(manifest: Manifest) -> dict[tuple[str, int], str]:
    """The keys of the source pictures among a run's images, by prompt and seed; empty where none are edited."""
    spec = manifest.source_model
    if spec is None:
        return {}
    requests = Request.plan(spec, manifest.prompts, manifest.seeds, manifest.sources)
    return {(each.prompt, each.seed): each.key for each in requests}


def before_of(prompt: Prompt, picture: SourcePicture, reading: Reading | None, profile: str) -> Before | None:
    """What stands on a prompt's source picture; None where nobody knows, for want of a reading.

    Args:
        prompt: A prompt that changes a picture.
        picture: Its source.
        reading: What was read there; needed where the picture was not made.
        profile: How texts are compared.
    """
    edit = prompt.editing
    if edit is None:
        return None
    if picture.lines:
        lines = [(line.text, _corners(line.box)) for line in picture.lines]
        old = tuple(TextLine(text=text, polygon=place) for text, place in lines if text in edit.old)
        keep = tuple(TextLine(text=text, polygon=place) for text, place in lines if text not in edit.old)
        return Before(old, keep, picture.width, picture.height)
    return None if reading is None else _as_read(edit, picture, reading, profile)


def _as_read(edit: Editing, picture: SourcePicture, reading: Reading, profile: str) -> Before:
    """Old text and lines to keep where the reader found them. A line with old text in it is to change as a whole."""
    found = scoring.score_image([*edit.old, *edit.keep], reading.lines, profile)
    changed: dict[int, str] = {}
    known = True
    for row in found.targets[: len(edit.old)]:
        changed |= {span.line: row.target for span in row.spans}
        known = known and row.matched and all(reading.lines[span.line].polygon is not None for span in row.spans)
    old = tuple(TextLine(text=text, polygon=reading.lines[at].polygon) for at, text in sorted(changed.items()))
    if edit.keep:
        keep = tuple(
            TextLine(text=row.target, polygon=reading.lines[row.spans[0].line].polygon)
            for row in found.targets[len(edit.old) :]
            if row.matched and row.spans[0].line not in changed
        )
    else:
        keep = tuple(
            TextLine(text=line.text, polygon=line.polygon) for at, line in enumerate(reading.lines) if at not in changed
        )
    return Before(old if known else None, keep, picture.width, picture.height)


def _corners(box: tuple[int, int, int, int]) -> tuple[tuple[float, float], ...]:
    left, top, right, bottom = box
    return (left, top), (right, top), (right, bottom), (left, bottom)


def befores(manifest: Manifest, readings: Mapping[str, Reading], profile: str) -> dict[tuple[str, int], Before | None]:
    """What stands on each source picture of a run, by prompt and seed."""
    prompts = {prompt.id: prompt for prompt in manifest.prompts}
    return {
        (ident, seed): before_of(prompts[ident], manifest.sources[ident], readings.get(key), profile)
        for (ident, seed), key in source_keys(manifest).items()
    }
