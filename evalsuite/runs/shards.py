"""Dealing a plan to several run folders, so that machines which share nothing draw it together.

Every shard has the whole plan as its manifest. Of each model it draws an equal part of the images, to within one: the
prompts are gone through as cards are dealt (the 1st, 9th, 17th … of eight shards, then the 2nd, 10th, …), all seeds of
a prompt one after the other, and this row of images is cut into equal lengths. So each shard gets prompts of every
suite and length, and the seeds of a prompt stay together but where the row is cut.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from evalsuite.errors import EvalsuiteError
from evalsuite.records import Shard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalsuite.records import Manifest

MAX_SHARDS = 10_000

Slot = tuple[str, int]
"""A prompt's id and a seed."""


def parse_shard(text: str) -> Shard:
    """The shard that `3/8` names.

    Raises:
        EvalsuiteError: It names none.
    """
    parts = re.fullmatch(r"([0-9]{1,5})/([0-9]{1,5})", text.strip())
    number, count = (int(parts[1]), int(parts[2])) if parts else (0, 0)
    if not 1 <= number <= count <= MAX_SHARDS:
        raise EvalsuiteError(f"--shard {text}: write NUMBER/COUNT, from 1/8 to 8/8 for eight shards")
    return Shard(number=number, count=count)


def slots_of(shard: Shard, prompts: Sequence[str], seeds: Sequence[int]) -> frozenset[Slot]:
    """The images of each model that a shard draws, by prompt and seed."""
    count = shard.count
    dealt = [prompts[place] for first in range(count) for place in range(first, len(prompts), count)]
    row = [(prompt, seed) for prompt in dealt for seed in seeds]
    cuts = [part * len(row) // count for part in (shard.number - 1, shard.number)]
    return frozenset(row[cuts[0] : cuts[1]])


def check_shard(manifest: Manifest) -> str | None:
    """What is wrong with a manifest's shard, None where nothing is."""
    shard, images = manifest.shard, len(manifest.prompts) * len(manifest.seeds)
    if shard is None:
        return None
    if not 1 <= shard.number <= shard.count <= MAX_SHARDS:
        return f"there is no {shard}"
    if shard.count > images:
        return f"{shard}: there are only {images} images of each model to deal"
    if manifest.sequential is not None:
        return f"{shard}: what is drawn until a gate's verdict cannot be dealt"
    return None
