"""What a manifest promises, checked when a run is opened: a denominator that was tampered with is no denominator."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

import regex

from evalsuite.records import digest
from evalsuite.runs.rows import DamagedRunError
from evalsuite.runs.shards import check_shard
from evalsuite.suites import is_published
from evalsuite.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from evalsuite.records import Manifest, Prompt

MOST_TOLD = 3
_MARKS = regex.compile(r"(?<!\d)\p{P}|\p{P}(?!\d)|[\p{Z}\p{C}]")
"""What makes no other text: spaces, invisible characters, and punctuation but for that within a number."""
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,99}")
"""What may become part of a file's name: an engine's, a scorer's, a profile's."""


def check_manifest(manifest: Manifest, path: Path) -> None:
    """Check that a manifest is one that a run could have written.

    Raises:
        DamagedRunError: naming the first things that are wrong.
    """
    wrong = list(_wrong(manifest))
    if wrong:
        told = "; ".join(wrong[:MOST_TOLD]) + (f"; and {len(wrong) - MOST_TOLD} more" if len(wrong) > MOST_TOLD else "")
        raise DamagedRunError(
            f"{path}: not the plan of a run: {told}. A manifest is written once and never changed: "
            "restore it, or draw the run anew"
        )


def _wrong(manifest: Manifest) -> Iterator[str]:
    for what, listing in (("prompts", manifest.prompts), ("models", manifest.models), ("seeds", manifest.seeds)):
        if not listing:
            yield f"it has no {what}"
    for what, names in (
        ("prompt", [prompt.id for prompt in manifest.prompts]),
        ("model", [spec.name for spec in manifest.models]),
        ("seed", [str(seed) for seed in manifest.seeds]),
        ("suite", [ref.name for ref in manifest.suites]),
    ):
        twice = [name for name, times in Counter(names).items() if times > 1]
        if twice:
            yield f"{what} {listed(twice)} is listed more than once"
    for name in (manifest.ocr.name, manifest.scorer.name, manifest.scorer.profile):
        if not _FILE_NAME.fullmatch(name):
            yield f"{name!r} cannot be part of a file's name"
    if manifest.sequential is not None and len(manifest.models) != 1:
        yield "it is drawn until a gate's verdict, but has several models"
    if (shard := check_shard(manifest)) is not None:
        yield shard
    yield from _wrong_prompts(manifest)
    yield from _wrong_suites(manifest)
    yield from _wrong_sources(manifest)


def _wrong_sources(manifest: Manifest) -> Iterator[str]:
    edited = {prompt.id for prompt in manifest.prompts if prompt.editing is not None}
    if edited != set(manifest.sources):
        odd = min(edited ^ set(manifest.sources))
        yield f"prompt {odd} " + ("has no source picture" if odd in edited else "has a source picture, but edits none")
    if edited and len(edited) < len(manifest.prompts):
        yield "some of its prompts change a picture and others do not"
    if edited and manifest.source_model is None:
        yield "its prompts change pictures, but the pictures themselves are not among its models"
    for ident, picture in manifest.sources.items():
        if not re.fullmatch(r"[0-9a-f]{64}", picture.sha256) or min(picture.width, picture.height) < 1:
            yield f"the source picture of {ident} has no digest, or no size"


def _wrong_prompts(manifest: Manifest) -> Iterator[str]:
    # LongText-Bench itself has targets that do not stand in their prompts; they are kept as published.
    published = {ref.name for ref in manifest.suites if is_published(ref)}
    for prompt in manifest.prompts:
        if not prompt.targets or not all(target.strip() for target in prompt.targets):
            yield f"prompt {prompt.id} has no target, or an empty one"
        elif prompt.suite not in published and (odd := [each for each in prompt.targets if each not in prompt.text]):
            yield f"target {odd[0]!r} does not stand in the text of prompt {prompt.id}"


def _wrong_suites(manifest: Manifest) -> Iterator[str]:
    own: dict[str, list[Prompt]] = {ref.name: [] for ref in manifest.suites}
    for prompt in manifest.prompts:
        if prompt.suite not in own:
            yield f"prompt {prompt.id} is of suite {prompt.suite!r}, which is not among its suites"
            return
        own[prompt.suite].append(prompt)
    for ref in manifest.suites:
        count = len(own[ref.name])
        if count > ref.prompts:
            yield f"it has {count} prompts of suite {ref.name}, which has {ref.prompts}"
        # A sample of a suite cannot be told by the digest of the whole; comparisons hold its prompts side by side.
        elif count == ref.prompts and digest(own[ref.name]) != ref.digest:
            yield f"its prompts of suite {ref.name} are not those that the suite's digest ({ref.digest[:12]}) is of"


def sampling_units(prompts: Iterable[Prompt]) -> dict[str, str]:
    """For each prompt id, the first id whose prompt has the same text: prompts that are one and the same.

    The prompt is the sampling unit of every interval and gate, so one text under two ids counts once. Case, spaces,
    punctuation outside numbers, invisible characters and Unicode compatibility forms do not make another text; another
    source picture does.
    """
    first: dict[str, str] = {}
    units = {}
    for prompt in prompts:
        text = unicodedata.normalize("NFKC", prompt.text).casefold()
        picture = "" if prompt.editing is None else digest(prompt.editing)
        units[prompt.id] = first.setdefault((_MARKS.sub("", text) or text) + picture, prompt.id)
    return units


def notice_repeated(units: dict[str, str]) -> list[str]:
    """A notice where prompts are repeated under other ids."""
    again = [f"{ident} (as {unit})" for ident, unit in units.items() if ident != unit]
    if not again:
        return []
    count = f"{len(again)} prompts repeat" if len(again) > 1 else "1 prompt repeats"
    return [f"{count} the text of another: {listed(again)}; intervals and gates count each text once"]
