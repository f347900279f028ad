"""Lines at any place and angle, for the tests of reading order."""

from __future__ import annotations

import math

from evalsuite.records import TextLine
from evalsuite.scoring import count, score_image

Place = tuple[str, float, float, float, float]
"""Text, left, top, width, height, in pixels."""


def line(
    text: str,
    left: float,
    top: float,
    width: float,
    height: float,
    angle: float = 0,
    centre: tuple[float, float] | None = None,
) -> TextLine:
    """A line, turned clockwise by `angle` degrees about `centre`, by default its own."""
    x, y = centre or (left + width / 2, top + height / 2)
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    corners = [(left, top), (left + width, top), (left + width, top + height), (left, top + height)]
    turned = [(x + (a - x) * cosine - (b - y) * sine, y + (a - x) * sine + (b - y) * cosine) for a, b in corners]
    return TextLine(text=text, polygon=tuple(turned), confidence=0.99)


def page(places: list[Place], angle: float = 0) -> list[TextLine]:
    """All lines on one sheet that is turned by `angle`."""
    return [line(*place, angle, (512, 512)) for place in places]


def arc(words: list[str], radius: float, span: float, *, below: bool = False) -> list[TextLine]:
    """Words on `span` degrees of a circle about (512, 512), 40 high: over its top, or `below` along its foot."""
    letters = sum(map(len, words)) + len(words) - 1
    lines, passed = [], 0
    for word in words:
        turn = ((passed + len(word) / 2) / letters - 0.5) * span
        passed += len(word) + 1
        width = radius * math.radians(span) * len(word) / letters
        x = 512 + radius * math.sin(math.radians(turn))
        y = 512 + radius * math.cos(math.radians(turn)) * (1 if below else -1)
        lines.append(line(word, x - width / 2, y - 20, width, 40, -turn if below else turn))
    return lines


def lost(targets: list[str], lines: list[TextLine], profile: str = "standard") -> tuple[int, int]:
    """Edits and left-over characters."""
    counts = count(score_image(targets, lines, profile))
    return counts.edits, counts.extra_length
