"""Counts of any number of scores, and the rates that they give. Sum first, divide last, never clip."""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec import structs

from evalsuite.records import ImageScore, Record


class Counts(Record, frozen=True, kw_only=True):
    """Sufficient statistics of the rates; those of two sets of images add up.

    Lengths and errors are in graphemes after normalisation. `length` is that of all targets, and the
    deletions include all of every unmatched target. `ned_sum` is the sum over targets of
    1 - d / max(|target|, |piece|).
    """

    images: int = 0
    exact_images: int = 0
    targets: int = 0
    exact_targets: int = 0
    matched_targets: int = 0
    length: int = 0
    substitutions: int = 0
    insertions: int = 0
    deletions: int = 0
    unmatched_length: int = 0
    case_errors: int = 0
    duplicate_length: int = 0
    other_length: int = 0
    words: int = 0
    word_errors: int = 0
    extra_words: int = 0
    ned_sum: float = 0.0

    def __add__(self, other: Counts) -> Counts:
        return total((self, other))

    @property
    def edits(self) -> int:
        """Σd + Σ|unmatched|."""
        return self.substitutions + self.insertions + self.deletions

    @property
    def extra_length(self) -> int:
        """Graphemes read that belong to no target."""
        return self.duplicate_length + self.other_length


def total(counts: Iterable[Counts]) -> Counts:
    """The sum of any number of counts."""
    columns = zip(*map(structs.astuple, counts), strict=True)
    return Counts(**dict(zip(Counts.__struct_fields__, map(sum, columns), strict=False)))


def count(score: ImageScore) -> Counts:
    """The counts of one image."""
    # One look at each target: sums of their own for every column take twice as long, in runs of 10,000 images.
    exact = matched = length = substitutions = insertions = deletions = unmatched = case_errors = words = wrong = 0
    similarities = []
    for target in score.targets:
        exact += target.exact
        length += target.length
        substitutions += target.substitutions
        insertions += target.insertions
        deletions += target.deletions
        case_errors += target.case_errors
        words += target.words
        wrong += target.word_errors
        if target.matched:
            matched += 1
        else:
            unmatched += target.length
        longer = max(target.length, target.length - target.deletions + target.insertions)
        similarities.append(1 - target.distance / longer)
    return Counts(
        images=1,
        exact_images=int(exact == len(score.targets)),
        targets=len(score.targets),
        exact_targets=exact,
        matched_targets=matched,
        length=length,
        substitutions=substitutions,
        insertions=insertions,
        deletions=deletions,
        unmatched_length=unmatched,
        case_errors=case_errors,
        duplicate_length=sum(e.length for e in score.extras if e.kind == "duplicate"),
        other_length=sum(e.length for e in score.extras if e.kind == "other"),
        words=words,
        word_errors=wrong,
        extra_words=sum(e.words for e in score.extras),
        ned_sum=math.fsum(similarities),
    )


def _ratio(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator else None


class Rates(Record, frozen=True, kw_only=True):
    """The rates of `counts`, each None where its denominator is 0 (undefined, never 0.0)."""

    counts: Counts

    @property
    def character_accuracy(self) -> float | None:
        """1 - (Σd + Σ|unmatched|) / Σ|T|."""
        return _ratio(self.counts.length - self.counts.edits, self.counts.length)

    @property
    def strict_accuracy(self) -> float | None:
        """Character accuracy less the extra ratio; may be negative."""
        return _ratio(self.counts.length - self.counts.edits - self.counts.extra_length, self.counts.length)

    @property
    def exact_string_rate(self) -> float | None:
        """Share of targets that were read without an error that the profile charges."""
        return _ratio(self.counts.exact_targets, self.counts.targets)

    @property
    def all_exact_image_rate(self) -> float | None:
        """Share of images whose targets are all exact."""
        return _ratio(self.counts.exact_images, self.counts.images)

    @property
    def extra_ratio(self) -> float | None:
        """Graphemes read that belong to no target, over Σ|T|."""
        return _ratio(self.counts.extra_length, self.counts.length)

    @property
    def duplicate_ratio(self) -> float | None:
        """The part of the extra ratio that repeats a target."""
        return _ratio(self.counts.duplicate_length, self.counts.length)

    @property
    def matched_rate(self) -> float | None:
        """Share of targets that something was matched to."""
        return _ratio(self.counts.matched_targets, self.counts.targets)

    @property
    def case_error_rate(self) -> float | None:
        """Graphemes that differ in case alone, over Σ|T|."""
        return _ratio(self.counts.case_errors, self.counts.length)

    @property
    def cer(self) -> float | None:
        """Character error rate (S + D + I) / N, all unused text an insertion, as serial CER counts it."""
        return _ratio(self.counts.edits + self.counts.extra_length, self.counts.length)

    @property
    def wer(self) -> float | None:
        """Word error rate (S + D + I) / N over the words of all targets, all unused words insertions."""
        return _ratio(self.counts.word_errors + self.counts.extra_words, self.counts.words)

    @property
    def ned(self) -> float | None:
        """Mean over targets of 1 - d / max(|T|, |C|): as AnyText and CVTG-2K report it, 1 is perfect."""
        return _ratio(self.counts.ned_sum, self.counts.targets)


RATES: tuple[str, ...] = tuple(name for name, value in vars(Rates).items() if isinstance(value, property))
"""The names of all rates."""


def rates(scores: ImageScore | Iterable[ImageScore]) -> Rates:
    """Rates of one score or of many: their counts are summed first, then divided."""
    if isinstance(scores, ImageScore):
        return Rates(counts=count(scores))
    return Rates(counts=total(map(count, scores)))
