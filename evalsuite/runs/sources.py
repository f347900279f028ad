"""The source pictures of a run that edits: found or made when it is planned, kept in its folder under `sources/`.

The plan holds the digest of their pixels, so that what was edited is as certain as what was asked for.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evalsuite.errors import EvalsuiteError
from evalsuite.files import make_folder, write_atomically
from evalsuite.images import load_image, pixels_digest
from evalsuite.models.editing import Editor, Sources
from evalsuite.records import SourcePicture
from evalsuite.runs.store import SOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from PIL.Image import Image

    from evalsuite.models.base import ImageModel
    from evalsuite.records import Editing, Prompt, SourceLine
    from evalsuite.runs.store import RunStore
    from evalsuite.suites import Suite


@dataclass(frozen=True, slots=True)
class PlannedSources:
    """The pictures of a plan by prompt id, and where those that are files come from, by suite."""

    pictures: Mapping[str, SourcePicture] = field(default_factory=dict)
    edits: Mapping[str, tuple[Editing, Path | None]] = field(default_factory=dict)

    @property
    def all_made(self) -> bool:
        """Whether it is known of every picture what stands where."""
        return all(edit.made is not None for edit, _ in self.edits.values())

    def put(self, store: RunStore) -> None:
        """Write what the folder lacks. Its lock must be held.

        Raises:
            EvalsuiteError: A picture is another than when it was planned with, or cannot be written.
        """
        there = sources_of(store)
        if not self.pictures:
            return
        make_folder(there.folder)
        for ident, picture in self.pictures.items():
            path = there.path(picture)
            if path.exists():
                continue
            image, _ = _open(*self.edits[ident])
            if pixels_digest(image) != picture.sha256:
                raise EvalsuiteError(f"prompt {ident}: its source picture has changed meanwhile; start the run again")
            buffer = io.BytesIO()
            image.save(buffer, format="PNG", compress_level=1)
            write_atomically(path, buffer.getvalue())


def plan_sources(suites: Iterable[Suite], prompts: Sequence[Prompt]) -> PlannedSources:
    """The source pictures of prompts that change one; none where they draw from nothing.

    Raises:
        EvalsuiteError: A picture is missing or cannot be made, or some prompts change a picture and others do not.
    """
    roots = {suite.name: suite.pictures for suite in suites}
    edits = {each.id: (each.editing, roots.get(each.suite)) for each in prompts if each.editing is not None}
    if not edits:
        return PlannedSources()
    if len(edits) < len(prompts):
        drawn = next(each for each in prompts if each.editing is None)
        raise EvalsuiteError(
            f"prompt {drawn.id} of suite {drawn.suite} draws a picture, and {next(iter(edits))} changes one: run "
            "suites of edits by themselves"
        )
    pictures = {}
    for ident, (edit, root) in edits.items():
        try:
            image, lines = _open(edit, root)
        except EvalsuiteError as error:
            raise EvalsuiteError(f"prompt {ident}: its source picture cannot be had: {error}") from error
        pictures[ident] = SourcePicture(
            sha256=pixels_digest(image), width=image.width, height=image.height, lines=lines
        )
    return PlannedSources(pictures, edits)


def sources_of(store: RunStore) -> Sources:
    """Where a run keeps its source pictures."""
    return Sources(store.folder / SOURCES, store.manifest.sources)


def hand_out(models: Iterable[ImageModel], store: RunStore) -> None:
    """Tell the models that edit where the pictures are; nothing where none are edited."""
    if store.manifest.sources:
        for model in models:
            if isinstance(model, Editor):
                model.edit_from(sources_of(store))


def _open(edit: Editing, root: Path | None) -> tuple[Image, tuple[SourceLine, ...]]:
    if edit.made is not None:
        from evalsuite.models.typeset.sources import make_picture

        return make_picture(edit.made)
    if edit.file is None or root is None:
        raise EvalsuiteError("its suite names no folder to find it in")
    return load_image(root / edit.file), ()
