"""How figures, lists and untrusted text are worded, on the page, in the terminal and in files alike."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Interval(Protocol):
    """What `stats` gives: an estimate with its ends, each None where it is undefined."""

    @property
    def estimate(self) -> float | None:
        """The figure."""
        ...

    @property
    def low(self) -> float | None:
        """The lower end."""
        ...

    @property
    def high(self) -> float | None:
        """The upper end."""
        ...


Sign = Literal["-", "+"]
"""Which numbers carry their sign: the negative ones, or all (of differences)."""

MAX_TEXT = 4_000
"""Characters of one string that a page carries; what is longer is cut with a note of how much."""

# Controls, and what reorders or hides its neighbours: bidirectional marks and overrides, zero-width space,
# line and paragraph separators, the byte-order mark, interlinear and tag characters. Joiners stay: emoji need them.
_HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """`text` with every control and reordering character written out, e.g. `‹U+202E›`; others stay as they are."""
    return _HIDDEN.sub(lambda match: f"‹U+{ord(match[0]):04X}›", text)


_COMMAND = re.compile(r"^(\s*:):|##(?=\[|vso\[)", re.MULTILINE)
"""What GitHub Actions and Azure Pipelines take for commands: `::` at a line's start, `##[` and `##vso[` anywhere."""


def for_log(text: str) -> str:
    """`visible` text for a terminal or a CI log, in which no line is a command to what runs it."""
    return _COMMAND.sub(lambda match: f"{match[1]} :" if match[1] else "# #", visible(text))


def clipped(text: str, limit: int = MAX_TEXT) -> str:
    """`text`, or its first `limit` characters and how many follow."""
    return text if len(text) <= limit else f"{text[:limit]}… (+{len(text) - limit:,})"


def rate(value: float | None) -> str:
    """A rate with three decimals, and as many more as it takes not to look perfect when it is not: `0.9996`."""
    if value is None:
        return "–"
    for digits in range(3, 8):
        text = f"{value:.{digits}f}"
        if value == 1.0 or float(text) != 1.0:
            break
    return text.replace("-", "\u2212")


def end(value: float | None) -> str:
    """An end of an interval as `rate`, but one above 0.99995 as `1.000`: rounding outwards leaves the interval true."""
    return f"{value:.3f}" if value is not None and 0.99995 <= value < 1 else rate(value)


def between(low: float, high: float, *, sign: Sign = "-") -> str:
    """An interval as it is written everywhere, with the decimals of `rate`: `[0.971, 0.975]`, `[−0.003, +0.027]`."""
    return f"[{signed(low)}, {signed(high)}]" if sign == "+" else f"[{rate(low)}, {end(high)}]"


def point(interval: Interval | None, digits: int | None = None, *, sign: Sign = "-") -> str:
    """The estimate alone, as `rate` or `signed`, or with `digits` decimals; `undefined` where there is none."""
    if interval is None or interval.estimate is None:
        return "undefined"
    if digits is None:
        return signed(interval.estimate) if sign == "+" else rate(interval.estimate)
    return f"{interval.estimate:{sign}.{digits}f}".replace("-", "\u2212")


def ends(interval: Interval | None, digits: int | None = None, *, sign: Sign = "-") -> str:
    """The ends of an interval, e.g. `[0.971, 0.975]`; empty where it has none."""
    if interval is None or interval.low is None or interval.high is None:
        return ""
    low, high = interval.low, interval.high
    if digits is None:
        return between(low, high, sign=sign)
    return f"[{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]".replace("-", "\u2212")


def with_ends(interval: Interval | None, digits: int | None = None, *, sign: Sign = "-") -> str:
    """The estimate with its interval, e.g. `0.973 [0.971, 0.975]`; the estimate alone where it has none.

    A difference takes `sign="+"`: `+0.012 [−0.003, +0.027]`. Only what is held against published figures names its
    own `digits`, which are theirs.
    """
    return f"{point(interval, digits, sign=sign)} {ends(interval, digits, sign=sign)}".rstrip()


def points(difference: float, *, sign: Sign = "-") -> str:
    """A difference of rates in points (hundredths) with one decimal, and more where it would look like none: `4.1`."""
    value = 100 * difference
    digits = next((digits for digits in range(1, 6) if round(value, digits) != 0), 1)
    return f"{value if round(value, digits) else 0.0:{sign}.{digits}f}".replace("-", "\u2212")


def one_sided(lower: str, upper: str) -> str:
    """Two one-sided bounds, e.g. `-0.012 … +0.004`: each holds by itself, so they are no interval in brackets."""
    return f"{lower} … {upper}"


def signed(value: float | None) -> str:
    """A difference of rates with its sign: `+0.012`, `−0.004`, `0.000`; more decimals where it would look like none."""
    if value is None:
        return "–"
    digits = next((digits for digits in range(3, 8) if round(value, digits) != 0), 3)
    text = f"{value:+.{digits}f}" if round(value, digits) else "0.000"
    return text.replace("-", "\u2212")


def amount(value: float) -> str:
    """How large a change is, without a sign: `0.031`; more decimals where it would look like none."""
    return signed(abs(value)).removeprefix("+")


def p_value(value: float | None) -> str:
    """A p-value as a relation: `p = 0.629`, `p < 0.001`; `–` where there is none."""
    if value is None:
        return "–"
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def seconds(value: float | None) -> str:
    """A time with three significant digits: `0.482 s`, `12.4 s`, `3.2 ms`, `2 min 05 s`."""
    if value is None:
        return "–"
    if value < 0.1:
        return f"{value * 1000:.3g} ms"
    if value < 120:
        return f"{value:.3g} s" if value < 100 else f"{value:.0f} s"
    whole = round(value)
    return f"{whole // 60} min {whole % 60:02d} s"


def size(value: int | None) -> str:
    """Bytes in GiB or MiB: `12.9 GiB`."""
    if value is None:
        return "–"
    return f"{value / 2**30:.1f} GiB" if value >= 2**30 else f"{value / 2**20:.0f} MiB"


def listed(names: Sequence[str], shown: int = 5) -> str:
    """The first names of a list and how many more there are: `a, b, c and 4 more`."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")


def sentence(text: str) -> str:
    """A notice or note as a sentence: with a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"


def images_per_prompt(count: int) -> str:
    """`1 image per prompt`, `4 images per prompt`."""
    return f"{count} image{'' if count == 1 else 's'} per prompt"


def did_you_mean(name: str, known: Iterable[str], *, listed: bool = True) -> str:
    """What to offer for an unknown name: its closest matches and, unless they are too many, all that is known."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=3)
    hint = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    return f"{hint}known: {', '.join(names)}" if listed else hint
