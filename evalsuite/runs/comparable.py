"""What must agree between two runs before anything of them is compared: the one rule for gate, pages and resuming."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.records import Record
from evalsuite.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalsuite.records import Manifest, OcrSpec, Prompt


class Unlike(Record, frozen=True, kw_only=True):
    """Something in which two runs differ: what, and its value in either."""

    what: str
    one: str
    other: str

    @property
    def text(self) -> str:
        """In words: `seeds: 0 to 3 and 0 to 7`."""
        return f"{self.what}: {self.one} and {self.other}"


def unlike(one: Manifest, other: Manifest) -> tuple[Unlike, ...]:
    """All that keeps two runs from being compared; empty where they may be.

    Suites, prompts, source pictures, seeds, OCR weights and settings, scorer, profile and normaliser must agree. The
    manifests are those that the runs were measured by (`OpenRun.measured_by`), with the engine and scorer whose rows
    are compared.
    """
    return tuple(Unlike(what=what, one=left, other=right) for what, left, right in _differing(one, other))


def _differing(one: Manifest, other: Manifest) -> Iterator[tuple[str, str, str]]:
    suites = [{ref.name: ref.digest for ref in manifest.suites} for manifest in (one, other)]
    for name in dict.fromkeys([*suites[0], *suites[1]]):
        if suites[0].get(name) != suites[1].get(name):
            yield f"suite {name}", _short(suites[0].get(name)), _short(suites[1].get(name))
    if suites[0] == suites[1]:
        yield from _prompts(one.prompts, other.prompts)
    for ident in sorted(one.sources.keys() & other.sources.keys()):
        if one.sources[ident] != other.sources[ident]:
            yield f"source picture of {ident}", _short(one.sources[ident].sha256), _short(other.sources[ident].sha256)
            break
    if set(one.seeds) != set(other.seeds):
        yield "seeds", say_seeds(one.seeds), say_seeds(other.seeds)
    if one.ocr.digest != other.ocr.digest:
        weights = one.ocr.weights_digest != other.ocr.weights_digest
        yield "OCR weights" if weights else "OCR settings", _say_ocr(one.ocr), _say_ocr(other.ocr)
    left, right = one.scorer, other.scorer
    if left.normalizer != right.normalizer:
        yield "normaliser", left.normalizer, right.normalizer
    if left.profile != right.profile:
        yield "scoring profile", left.profile, right.profile
    if (left.name, left.version) != (right.name, right.version):
        yield "scorer", f"{left.name} {left.version}", f"{right.name} {right.version}"


def _prompts(one: Sequence[Prompt], other: Sequence[Prompt]) -> Iterator[tuple[str, str, str]]:
    left, right = ({prompt.id: prompt for prompt in prompts} for prompts in (one, other))
    if left.keys() != right.keys():
        yield "prompts", _only(left.keys() - right.keys(), len(left)), _only(right.keys() - left.keys(), len(right))
    for name in sorted(left.keys() & right.keys()):
        if left[name] != right[name]:
            yield f"prompt {name}", *_first_difference(left[name], right[name])
            return


def _first_difference(one: Prompt, other: Prompt) -> tuple[str, str]:
    field = next(name for name in ("text", *one.__struct_fields__) if getattr(one, name) != getattr(other, name))
    return tuple(f"{field} {getattr(prompt, field)!r}" for prompt in (one, other))  # type: ignore[return-value]


def _only(names: set[str], count: int) -> str:
    return f"{count} prompts" + (f"; only here: {listed(sorted(names))}" if names else "")


def say_seeds(seeds: Sequence[int]) -> str:
    """Seeds as text: `0 to 3`, or `0, 5`."""
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def _say_ocr(ocr: OcrSpec) -> str:
    return f"{ocr.name} {ocr.weights_digest[:12]} (with settings {ocr.digest[:12]})"


def _short(digest: str | None) -> str:
    return digest[:12] if digest else "not in the run"
