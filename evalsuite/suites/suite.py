"""A suite: a named, hashed, ordered set of prompts, and samples of its prompts."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from evalsuite.errors import EvalsuiteError
from evalsuite.records import LengthClass, Prompt, SuiteRef, digest

LONG_WORDS = 28
LONG_CHARACTERS = 40
"""A prompt that names no length class is `long` from this much target text on (words, or unspaced characters)."""


class SuiteError(EvalsuiteError):
    """A suite that cannot be used; the message names file, line and field."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A named, hashed, ordered set of prompts. `warnings` are what a careful author would fix.

    `pictures` is the folder that the source pictures of edits are named from, where they are files.
    """

    name: str
    description: str
    source: str
    prompts: tuple[Prompt, ...]
    warnings: tuple[str, ...] = ()
    pictures: Path | None = None

    @property
    def digest(self) -> str:
        """SHA-256 over all prompts in order; the description and the file's place do not count."""
        return digest(self.prompts)

    @property
    def ref(self) -> SuiteRef:
        """What a run's manifest remembers of this suite."""
        return SuiteRef(name=self.name, digest=self.digest, prompts=len(self.prompts), source=self.source)


def length_class(targets: Sequence[str]) -> LengthClass:
    """The length class of a prompt that names none, by its target text."""
    words = sum(len(target.split()) for target in targets)
    unspaced = sum(len(re.findall(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]", target)) for target in targets)
    return "long" if words > LONG_WORDS or unspaced > LONG_CHARACTERS else "short"


def sample(prompts: Sequence[Prompt], limit: int | None, seed: int = 0) -> tuple[Prompt, ...]:
    """At most `limit` prompts, balanced over suites, then categories, then length classes; in suite order.

    Deterministic in `seed`, and nested: the sample of n is part of the sample of n + 1.
    """
    if limit is None or limit >= len(prompts):
        return tuple(prompts)
    if limit < 1:
        raise SuiteError(f"--limit {limit}: at least one prompt is needed")
    rng = random.Random(f"evalsuite-sample-{seed}")  # noqa: S311 - a reproducible sample, not a secret
    tree: dict[str, dict[str, dict[str, list[Prompt]]]] = {}
    for prompt in prompts:
        tree.setdefault(prompt.suite, {}).setdefault(prompt.category, {}).setdefault(prompt.length, []).append(prompt)
    chosen = {prompt.id for prompt in _deal(tree, rng)[:limit]}
    return tuple(prompt for prompt in prompts if prompt.id in chosen)


def _deal(node: Mapping[str, Any] | list[Prompt], rng: random.Random) -> list[Prompt]:
    """Deal from each branch in turn, like cards, so that any prefix is balanced at every level."""
    if isinstance(node, list):
        return rng.sample(node, len(node))
    branches = [_deal(child, rng) for child in node.values()]
    rng.shuffle(branches)
    return [prompt for hand in zip_longest(*branches) for prompt in hand if prompt is not None]
