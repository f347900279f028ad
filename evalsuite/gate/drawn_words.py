"""How a verdict that fell while drawing is told: the same words in the terminal, on pages, in CI and in notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.wording import one_sided

if TYPE_CHECKING:
    from evalsuite.gate.verdict import Drawn, WagerResult

COLUMNS = ("Gate", "Baseline", "Candidate", "Change", "Bounds", "Limit", "Images", "Decided after")

_ABOUT = {
    "this suite": "about the complete run over these prompts and seeds; no assumption but the order drawn by lot",
    "prompts like these": "about all prompts like these, of which the suite's are taken for independent draws",
}


def about(drawn: Drawn) -> str:
    """After how many images, and what the verdict is about."""
    return (
        f"After {drawn.images} of {drawn.planned} images, “{drawn.claim}”: the verdict is {_ABOUT[drawn.claim]}. "
        f"Bounds hold however often one looks; a failure counts at level {drawn.alpha_fail:.3g}."
    )


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def bounds(each: WagerResult) -> str:
    """Of the difference, or of the candidate's own rate where that is bet on."""
    sign = "+" if each.subject == "loss" else "-"
    return one_sided(f"{each.lower:{sign}.4f}", f"{each.upper:{sign}.4f}")


def wager_cells(each: WagerResult) -> tuple[str, ...]:
    """A wager as a row of `COLUMNS`."""
    name = each.name if each.subject == "loss" else f"{each.name}, floor"
    return (
        name,
        _rate(each.baseline),
        _rate(each.candidate),
        "–" if each.delta is None else f"{each.delta:+.4f}",
        bounds(each),
        f"−{each.threshold:g}" if each.subject == "loss" else f"{each.threshold:g}",
        f"{each.images} of {each.prompts} {'prompt' if each.prompts == 1 else 'prompts'}",
        "–" if each.images_to_decision is None else f"{each.images_to_decision}",
    )
