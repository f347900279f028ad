"""Text accuracy inside other people's tools: pytest, EvalScope and Pruna.

Each module imports its tool only when it is imported itself. All of them score by `score_text`, the one way from an
image and its target strings to counts: a broken image or reader raises, and is never a score.
"""

from __future__ import annotations

from evalsuite.integrations.image_text import ImageText, UnreadImageError, score_text

__all__ = ["ImageText", "UnreadImageError", "score_text"]
