"""Text accuracy inside other people's tools: pytest, EvalScope and Pruna.

Each module imports its tool only when it is imported itself. All of them score by `score_text`, the one way from an
image and its target strings to counts: a broken image or reader raises, and is never a score.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalsuite.integrations.image_text import ImageText, UnreadImageError, score_text

__all__ = ["ImageText", "UnreadImageError", "score_text"]


def __getattr__(name: str) -> object:
    """Load what is asked for: pytest loads the plugin at every start, which must cost nothing."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from evalsuite.integrations import image_text

    return getattr(image_text, name)
