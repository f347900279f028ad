"""The page's colours: far enough apart for the common kinds of colour blindness, and against the ground."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from evalsuite.report.charts import canvas

# Machado, Oliveira and Fernandes, IEEE TVCG 15 (2009), severity 1.0, on linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def linear(code):
    channels = np.array([int(code[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    scaled = TO_XYZ @ np.clip(rgb, 0, 1) / np.array([0.95047, 1.0, 1.08883])
    f = np.where(scaled > 0.008856, np.cbrt(scaled), 7.787 * scaled + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(one, other):
    low, high = sorted(float(TO_XYZ[1] @ linear(code)) for code in (one, other))
    return (high + 0.05) / (low + 0.05)


CSS = (Path(canvas.__file__).parents[1] / "assets" / "report.css").read_text(encoding="utf-8")


def themes():
    """The light and the dark colours, by name."""
    pairs = re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", CSS)
    return [{name: light for name, light, _ in pairs}, {name: dark for name, _, dark in pairs}]


def test_each_colour_is_stated_once_for_light_and_dark():
    named = re.findall(r"--([\w-]+):[^;]*#[0-9a-f]", CSS)
    assert len(named) == len(set(named))
    assert set(named) == set(themes()[0])
    assert set(canvas._VARIABLES.values()) <= set(named)


@pytest.mark.parametrize("theme", [0, 1])
@pytest.mark.parametrize("sight", SIGHT)
def test_series_keep_apart(theme, sight):
    colours = themes()[theme]
    places = [lab(SIGHT[sight] @ linear(colours[f"s{n}"])) for n in range(1, len(canvas.SERIES) + 1)]
    assert min(float(np.linalg.norm(a - b)) for a, b in combinations(places, 2)) > 30  # CIE 1976 ΔE


@pytest.mark.parametrize("theme", [0, 1])
def test_series_and_texts_stand_out_from_the_ground(theme):
    colours = themes()[theme]
    for n in range(1, len(canvas.SERIES) + 1):
        assert contrast(colours[f"s{n}"], colours["ground"]) >= 3.0  # WCAG 2.2, 1.4.11
    for name in ("ink", "quiet", "accent", "bad", "good", "wrong"):
        assert contrast(colours[name], colours["ground"]) >= 4.5, name  # 1.4.3
    for name in ("missing", "wrong", "added", "case"):
        assert contrast(colours[name], colours[f"{name}-soft"]) >= 4.5, name
