"""How a verdict that fell while drawing is told: the same words in the terminal, on pages, in CI and in notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.gate.names import spelled
from evalsuite.wording import one_sided, rate, signed

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


def bounds(each: WagerResult) -> str:
    """Of the difference, or of the candidate's own rate where that is bet on."""
    shown = signed if each.subject == "loss" else rate
    return one_sided(shown(each.lower), shown(each.upper))


def wager_cells(each: WagerResult) -> tuple[str, ...]:
    """A wager as a row of `COLUMNS`."""
    return (
        spelled(each),
        rate(each.baseline),
        rate(each.candidate),
        signed(each.delta),
        bounds(each),
        f"−{each.threshold:g}" if each.subject == "loss" else f"{each.threshold:g}",
        f"{each.images} of {each.prompts} {'prompt' if each.prompts == 1 else 'prompts'}",
        "–" if each.images_to_decision is None else f"{each.images_to_decision}",
    )
