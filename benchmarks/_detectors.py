"""What detectors of malformed characters make of sound and planted ones, and how well each tells them apart."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from evalsuite.glyphs.look import SUSPICIOUS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

SCRIPTS = ("latin", "hanzi")


@dataclass(frozen=True, slots=True)
class Look:
    """What each detector makes of one character: log odds, the reader's probability, whether the readers differ there.

    `read` is False where the reader itself reads something else than is meant.
    """

    doubt: float
    probability: float
    differ: bool
    read: bool


@dataclass(frozen=True, slots=True)
class Pair:
    """A character of a picture as it is, and with defects planted, one at a time, each with its kind.

    `others` are the log odds of the same character elsewhere in the picture.
    """

    picture: int
    script: str
    clean: Look
    planted: tuple[tuple[str, Look], ...]
    others: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Detector:
    """What notices a malformed character: a value that grows with doubt, and whether that is enough."""

    name: str
    value: Callable[[Look], float]
    flags: Callable[[Look], bool]


VERIFIER = Detector("glyph verifier", lambda look: look.doubt, lambda look: look.doubt > SUSPICIOUS)
READERS_DIFFER = Detector("two readers differ", lambda look: look.differ, lambda look: look.differ)
READER = Detector("the reader itself", lambda look: not look.read, lambda look: not look.read)


def probability_below(cut: float) -> Detector:
    """The reader's probability of the character as a detector; of one that it does not read as meant it is 0."""
    return Detector(f"probability < {cut:.3f}", lambda look: -look.probability, lambda look: look.probability < cut)


def together(weight: float, cut: float) -> Detector:
    """The verifier's log odds and, by `weight`, the reader's against the character, as one detector."""

    def value(look: Look) -> float:
        return look.doubt - weight * log_odds(look.probability)

    return Detector(f"verifier - {weight:.2f} × probability", value, lambda look: value(look) > cut)


def log_odds(probability: float) -> float:
    """Those of a probability in thousandths, which may be 0 or 1."""
    inside = min(max(probability, 0.0005), 0.9995)
    return float(np.log(inside / (1 - inside)))


def weight_of(pairs: Sequence[Pair]) -> float:
    """What the reader's log odds count beside the verifier's, by logistic regression of planted against sound."""
    from scipy.optimize import minimize

    looks = [(each.clean, 0) for each in pairs] + [(look, 1) for each in pairs for _, look in each.planted]
    values = np.array([[1.0, look.doubt, -log_odds(look.probability)] for look, _ in looks])
    signs = np.array([1.0 if bad else -1.0 for _, bad in looks])

    def loss(weights: Any) -> float:
        return float(np.logaddexp(0, -signs * (values @ weights)).mean() + 1e-4 * (weights**2).sum())

    found = minimize(loss, np.array([0.0, 1.0, 0.0])).x
    return max(0.0, float(found[2] / found[1]))


def area(sound: Sequence[float], bad: Sequence[float]) -> float:
    """The area under the curve: how often a bad one scores above a sound one."""
    from scipy.stats import rankdata

    ranks = rankdata([*sound, *bad])[len(sound) :]
    return float((ranks.sum() - len(bad) * (len(bad) + 1) / 2) / (len(sound) * len(bad)))


def show(console: Console, title: str, pairs: Sequence[Pair], weight: float) -> None:
    """The detectors side by side, by script, and what the verifier finds by kind."""
    table = Table(title=title)
    for column in ("", "sound", "planted", "detector", "AUC", "false alarms", "found", "found where read as meant"):
        table.add_column(column, justify="right" if column else "left")
    for script in SCRIPTS:
        own = [each for each in pairs if each.script == script]
        bad = [look for each in own for _, look in each.planted]
        if len(own) < 20 or not bad:
            continue
        clean = [each.clean for each in own]
        share = float(np.mean([VERIFIER.flags(each) for each in clean]))
        cut = float(np.quantile([each.probability for each in clean], share))
        both = together(weight, 0.0)
        both = together(weight, float(np.quantile([both.value(each) for each in clean], 1 - share, method="lower")))
        alike = [look for look in bad if look.read]
        for detector in (VERIFIER, probability_below(cut), both, READERS_DIFFER, READER):
            value, flags = detector.value, detector.flags
            table.add_row(
                script,
                str(len(clean)),
                str(len(bad)),
                detector.name,
                f"{area([value(look) for look in clean], [value(look) for look in bad]):.3f}",
                f"{np.mean([flags(look) for look in clean]):.3f}",
                f"{np.mean([flags(look) for look in bad]):.3f}",
                f"{np.mean([flags(look) for look in alike]):.3f} of {len(alike)}" if alike else "",
            )
        console.print(f"{title}, {script}: {_intervals(own)}")
        console.print(f"  {_by_kind(own)}")
    console.print(table)


def _intervals(pairs: Sequence[Pair]) -> str:
    """The verifier's figures with 95 % intervals: Clopper and Pearson's of false alarms, by picture of what is found.

    Clopper and Pearson's takes characters as independent. What is found is drawn anew by picture (9,999 times).
    """
    from scipy.stats import binomtest

    alarms = [VERIFIER.flags(each.clean) for each in pairs]
    exact = binomtest(sum(alarms), len(alarms)).proportion_ci(method="exact")
    pictures = sorted({each.picture for each in pairs})
    looks = [[look for each in pairs if each.picture == one for _, look in each.planted] for one in pictures]
    planted = np.array([len(own) for own in looks])
    found = np.array([sum(VERIFIER.flags(look) for look in own) for own in looks])
    drawn = np.random.default_rng(0).integers(0, len(pictures), (9_999, len(pictures)))
    low, high = np.nanquantile(found[drawn].sum(axis=1) / np.maximum(planted[drawn].sum(axis=1), 1), [0.025, 0.975])
    return (
        f"{sum(alarms)} false alarms of {len(alarms)}, [{exact.low:.3f}, {exact.high:.3f}]; "
        f"{found.sum()} found of {planted.sum()} in {len(pictures)} pictures, [{low:.3f}, {high:.3f}]"
    )


def _by_kind(pairs: Sequence[Pair]) -> str:
    kinds: dict[str, list[bool]] = defaultdict(list)
    for each in pairs:
        for kind, look in each.planted:
            kinds[kind].append(VERIFIER.flags(look))
    return ", ".join(f"{kind} {np.mean(flags):.2f} of {len(flags)}" for kind, flags in sorted(kinds.items()))


def show_elsewhere(console: Console, title: str, pairs: Sequence[Pair]) -> None:
    """Whether the same character elsewhere in the picture helps: its median log odds subtracted, wholly or by half."""
    own = [each for each in pairs if len(each.others) >= 2]
    table = Table(title=f"{title}: {len(own)} characters that stand at least twice more in their picture")
    for column in ("subtracted", "AUC", "found at 2 % false alarms"):
        table.add_column(column, justify="right")
    for part in (0.0, 0.25, 0.5, 1.0):
        sound = [each.clean.doubt - part * median(each.others) for each in own]
        wrong = [look.doubt - part * median(each.others) for each in own for _, look in each.planted]
        if len(sound) < 20 or len(wrong) < 20:
            return
        at = float(np.quantile(sound, 0.98))
        table.add_row(f"{part:g} × median", f"{area(sound, wrong):.4f}", f"{np.mean(np.array(wrong) > at):.3f}")
    console.print(table)
