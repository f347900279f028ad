"""The glyph verifier: characters cut out of a picture, compared one by one with reference drawings of them.

`look` looks at a run and keeps what it saw; `looked_at` tells what is kept. Neither changes a score.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalsuite.glyphs.looking import Looked
    from evalsuite.runs.opened import OpenRun
    from evalsuite.runs.progress import Watcher

__all__ = ["look", "looked_at"]


def look(run: OpenRun, *, keep: bool = True, watch: Watcher | None = None) -> Looked:
    """See `glyphs.looking.look`."""
    from evalsuite.glyphs import looking
    from evalsuite.runs.progress import ignore

    return looking.look(run, keep=keep, watch=watch or ignore)


def looked_at(run: OpenRun) -> Looked | None:
    """See `glyphs.looking.looked_at`. Where nobody has looked, nothing heavy is imported."""
    if not any(run.folder.glob("glyphs.*.jsonl")):
        return None
    from evalsuite.glyphs import looking

    return looking.looked_at(run)
