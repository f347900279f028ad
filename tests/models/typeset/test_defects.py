"""Planted defects: visible, seeded, within their frame, and refused where they cannot be planted."""

from __future__ import annotations

import numpy as np
import pytest

from evalsuite.models.typeset.defects.plant import KINDS, LEAST_CHANGE, malform, visible_change
from evalsuite.models.typeset.defects.shape_changes import changes_shape, moved
from evalsuite.models.typeset.defects.strokes import Strokes, parts_of, skeleton

_FRAME = 96


def _boxes(*boxes):
    """A mask with filled boxes (left, top, right, bottom; right and bottom outside)."""
    mask = np.zeros((_FRAME, _FRAME), np.uint8)
    for left, top, right, bottom in boxes:
        mask[top:bottom, left:right] = 255
    return mask


# An F of strokes 8 pixels wide with a dot and a bar: three parts, and no symmetry. 880 + 120 + 160 pixels of ink.
_F, _DOT, _BAR = ((20, 20, 28, 76), (20, 20, 60, 28), (20, 36, 50, 44)), (62, 60, 72, 72), (40, 56, 48, 76)
GLYPH = _boxes(*_F, _DOT, _BAR)
# A frame with a bar in it, in two parts.
DONOR = _boxes((16, 16, 80, 24), (16, 72, 80, 80), (16, 16, 24, 80), (72, 16, 80, 80), (34, 44, 62, 52))


def _malformed(kind, *, seed=0, severity=0.5, mask=GLYPH):
    return malform(mask, kind=kind, severity=severity, rng=np.random.default_rng(seed), donor=DONOR)


@pytest.mark.parametrize("kind", KINDS)
def test_a_defect_changes_the_stated_share_of_the_ink_in_place_and_by_its_seed(kind):
    before = GLYPH.copy()
    ink = int((GLYPH > 127).sum())
    found = [_malformed(kind, seed=seed, severity=severity) for seed in range(6) for severity in (0.2, 0.8)]
    planted = [mask for mask in found if mask is not None]
    assert len(planted) >= 6
    for mask in planted:
        assert (mask.shape, mask.dtype) == (GLYPH.shape, np.uint8)
        assert visible_change(GLYPH, mask) >= LEAST_CHANGE[kind] * ink
    assert np.array_equal(GLYPH, before)
    again = [_malformed(kind, seed=seed, severity=severity) for seed in range(6) for severity in (0.2, 0.8)]
    assert all(np.array_equal(one, other) for one, other in zip(found, again, strict=True) if one is not None)
    assert len({mask.tobytes() for mask in planted}) > 1


def test_a_moved_outline_is_no_visible_change_and_a_lost_box_counts_less_its_rim():
    grown = _boxes((19, 20, 28, 76), (20, 20, 60, 28), (20, 36, 50, 44), _DOT, _BAR)
    assert visible_change(GLYPH, grown) == 0
    without_dot = _boxes(*_F, _BAR)
    # The side is 56, so a square of 2 × 2 erodes the 10 × 12 pixels of the dot to 9 × 11.
    assert visible_change(GLYPH, without_dot) == 99


def test_what_each_kind_takes_away_or_adds():
    before = GLYPH > 127
    for seed in range(8):
        for kind in ("missing-part", "missing-stroke", "cut", "half"):
            mask = _malformed(kind, seed=seed)
            assert mask is None or not ((mask > 127) & ~before).any(), kind
        for kind in ("added", "merged"):
            mask = _malformed(kind, seed=seed)
            assert mask is None or not (before & (mask <= 127)).any(), kind
    # The F is most of the ink: only the dot or the bar can be the part that is lost.
    lost = [_malformed("missing-part", seed=seed) for seed in range(8)]
    assert {mask.tobytes() for mask in lost} == {_boxes(*_F, _DOT).tobytes(), _boxes(*_F, _BAR).tobytes()}


def test_a_cut_parts_a_bar_in_two_and_half_a_bar_loses_its_share():
    bar = _boxes((10, 44, 86, 52))
    cut = _malformed("cut", mask=bar)
    _, parts = parts_of((cut > 127).astype(np.uint8))
    assert len(parts) == 2
    assert all((part.top, part.height) == (44, 8) for part in parts)
    ink = 76 * 8
    for seed in range(6):
        left = int((_malformed("half", seed=seed, severity=0.0, mask=bar) > 127).sum())
        # 30 to 33 % of its width or height is gone, and the soft edge beside it.
        assert 0.5 * ink <= left <= 0.7 * ink


# An E with a serif (30 to 34) under its lowest bar, and a ring.
_STEM, _TOP, _MIDDLE, _LOW = (20, 20, 28, 76), (20, 20, 60, 28), (20, 44, 50, 52), (20, 68, 60, 76)
_E, _RING = (_STEM, _TOP, _MIDDLE, _LOW), ((16, 16, 80, 24), (16, 72, 80, 80), (16, 16, 24, 80), (72, 16, 80, 80))


@pytest.mark.parametrize(
    ("kind", "before", "after", "counts"),
    [
        ("missing-stroke", (*_E, (54, 62, 60, 76)), _E, False),  # a serif less
        ("missing-stroke", _E, (_STEM, _TOP, _LOW), True),  # a bar less
        ("cut", _E, (_STEM, (20, 20, 54, 28), _MIDDLE, _LOW), False),  # the bar's end is lost: it is shorter
        ("cut", _E, (_STEM, (20, 20, 40, 28), (46, 20, 60, 28), _MIDDLE, _LOW), True),  # two pieces
        ("cut", _RING, (_RING[0], _RING[1], _RING[2], (72, 16, 80, 44), (72, 52, 80, 80)), True),  # no hole is left
        ("merged", _E, (*_E, (28, 28, 33, 33)), False),  # a filled notch
        ("merged", _E, (*_E, (28, 28, 50, 44)), True),  # one of its two openings is filled
        ("added", _E, (*_E, (58, 20, 62, 28)), False),  # a bar a little longer
        ("added", _E, (*_E, (64, 44, 72, 52)), True),  # a dot on free ground
        ("mirrored", _RING, ((16, 16, 80, 24), (16, 72, 80, 80), (16, 16, 26, 80), (74, 16, 80, 80)), False),
        ("mirrored", _E, ((52, 20, 60, 76), _TOP, (30, 44, 60, 52), _LOW), True),
    ],
)
def test_a_defect_changes_which_strokes_meet_or_where_they_run(kind, before, after, counts):
    assert changes_shape(kind, Strokes(_boxes(*before)), Strokes(_boxes(*after))) is counts


def test_middle_lines_that_moved_are_counted_on_both_sides():
    bar, lower = Strokes(_boxes((10, 40, 86, 43))), Strokes(_boxes((10, 60, 86, 63)))
    assert moved(bar, bar) == 0
    lines = int(bar.skeleton.sum())
    assert 70 <= lines <= 76
    assert moved(bar, lower) == 2 * lines  # 20 pixels apart, and 7 % of 76 are 5


def test_severity_makes_more_of_the_same():
    def mean_change(kind, severity):
        found = [_malformed(kind, seed=seed, severity=severity) for seed in range(12)]
        return np.mean([visible_change(GLYPH, mask) for mask in found if mask is not None])

    for kind in ("added", "cut", "wandering", "half", "missing-stroke"):
        assert mean_change(kind, 1.0) > 1.2 * mean_change(kind, 0.0), kind


def test_masks_of_floats_stay_floats_and_equal_those_of_eight_bits():
    whole = _malformed("added", seed=3)
    part = malform(
        (GLYPH / 255).astype(np.float32), kind="added", severity=0.5, rng=np.random.default_rng(3), donor=DONOR / 255
    )
    assert part.dtype == np.float32
    assert np.array_equal(np.rint(part * 255), whole)


def test_what_cannot_be_planted_is_none():
    blank = np.zeros((40, 40), np.uint8)
    assert all(_malformed(kind, mask=blank) is None for kind in KINDS)
    bar = _boxes((10, 44, 86, 52))
    assert _malformed("missing-part", mask=bar) is None  # it has one part
    assert _malformed("merged", mask=bar) is None  # there is nothing to merge with
    assert _malformed("mirrored", mask=_boxes((16, 16, 80, 80))) is None  # its mirror image is itself
    assert malform(GLYPH, kind="swapped", severity=0.5, rng=np.random.default_rng(0)) is None
    assert malform(GLYPH, kind="melted", severity=0.5, rng=np.random.default_rng(0)) is not None


def test_bad_arguments_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="'crooked' is no kind of defect; known: missing-part"):
        malform(GLYPH, kind="crooked", severity=0.5, rng=rng)
    with pytest.raises(ValueError, match=r"severity=1\.5: a number from 0 to 1"):
        malform(GLYPH, kind="cut", severity=1.5, rng=rng)
    with pytest.raises(ValueError, match=r"a mask \(H, W\) .* not int64 of shape \(2, 2\)"):
        malform(np.ones((2, 2), np.int64), kind="cut", severity=0.5, rng=rng)
    with pytest.raises(ValueError, match=r"of shape \(3, 4, 1\)"):
        malform(np.ones((3, 4, 1), np.uint8), kind="cut", severity=0.5, rng=rng)


def test_a_cross_is_four_segments_and_its_strokes_are_as_wide_as_drawn():
    strokes = Strokes(_boxes((10, 44, 86, 52), (44, 10, 52, 86)))
    labels, segments = strokes.segments
    assert len(segments) == 4
    assert 7 <= strokes.width <= 9
    right = max(segments, key=lambda part: part.left)
    near = strokes.ink_near(labels == right.label)
    assert near[47, 80]
    assert not near[47, 15]
    assert not near[15, 47]


def test_the_skeleton_is_opencvs_thinning():
    ximgproc = pytest.importorskip("cv2.ximgproc")
    for mask in (GLYPH, DONOR):
        ink = (mask > 127).astype(np.uint8)
        assert np.array_equal(skeleton(ink) * 255, ximgproc.thinning(ink * 255))
