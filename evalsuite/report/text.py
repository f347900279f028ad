"""Figures and untrusted text as a person reads them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalsuite.stats import Interval

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


CONSERVATIVE = "†"
"""Stands behind an interval that is a conservative bound; a page that shows intervals says once what it means."""
MEANS = "a conservative bound, of Gaffke's type"


def mark(interval: Interval) -> str:
    """`CONSERVATIVE` where an interval is Gaffke's bound, as in runs that were summed up by an earlier version."""
    return CONSERVATIVE if interval.method == "Gaffke" else ""


def signed(value: float | None) -> str:
    """A difference of rates with its sign: `+0.012`, `−0.004`, `0.000`; more decimals where it would look like none."""
    if value is None:
        return "–"
    digits = next((digits for digits in range(3, 8) if round(value, digits) != 0), 3)
    text = f"{value:+.{digits}f}" if round(value, digits) else "0.000"
    return text.replace("-", "\u2212")


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
