"""What a protocol is: how another benchmark counts one image, and which scores it makes of the counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from evalsuite.records import TextLine
from evalsuite.stats import Bounds
from evalsuite.stats.strata import Statistic, ratio

Counter = Callable[[Sequence[str], Sequence[TextLine], str], tuple[float, ...]]
"""From the targets of an image, the lines read in it and the language to its counts, one per column."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One score of a protocol: its name, what it is, and how it comes from the sums of the columns."""

    name: str
    meaning: str
    statistic: Statistic
    higher_is_better: bool = True


@dataclass(frozen=True, slots=True)
class TextProtocol:
    """How a benchmark scores text. Pure: it knows readings and targets, no files.

    Attributes:
        name: What `--protocol` takes.
        version: Changes with anything that can change a count.
        title: What a page calls it.
        source: Where the definition stands.
        languages: The languages that it is defined for (primary subtags).
        images: How many images per prompt it asks for.
        reader: The reader that its published figures were read with.
        missing: Whether an image that is missing or could not be read is left out of the sums, as the
            published code does it, or counted as an empty reading. The run is incomplete either way.
        columns: Names of the counts, in the order of `count`.
        count: The counts of one image.
        metrics: The scores for a language; the first is the headline.
        averaged: Whether the benchmark quotes the unweighted mean over its languages.
        recall: Whether the headline forgives text beyond the targets.
    """

    name: str
    version: str
    title: str
    source: str
    languages: tuple[str, ...]
    images: int
    reader: str
    missing: Literal["left out", "counted as empty"]
    columns: tuple[str, ...]
    count: Counter
    metrics: Callable[[str], tuple[Metric, ...]]
    averaged: bool = False
    recall: bool = False

    def covers(self, language: str) -> bool:
        """Whether the protocol is defined for a language tag such as `en` or `zh-Hant`."""
        return primary(language) in self.languages


def primary(language: str) -> str:
    """The primary subtag of a language tag: `zh` for `zh-Hans`."""
    return language.split("-", maxsplit=1)[0]


def share(
    columns: Sequence[str],
    name: str,
    meaning: str,
    numerator: str,
    denominator: str,
    *,
    higher_is_better: bool = True,
    bounds: Bounds = (0.0, 1.0),
) -> Metric:
    """A metric that is Σ `numerator` / Σ `denominator`, both named columns, within `bounds` for any image."""
    statistic = ratio(columns.index(numerator), columns.index(denominator), bounds=bounds)
    return Metric(name, meaning, statistic, higher_is_better)
