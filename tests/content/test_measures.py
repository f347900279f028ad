"""Pictures compared outside their text, and their share that is not flat ground, with values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evalsuite.content import regions
from evalsuite.content.measures import likeness, outside, picture_share, psnr
from evalsuite.content.regions import text_region
from evalsuite.records import TextLine

pytest.importorskip("skimage", reason="scikit-image is not installed (evalsuite[content])")

BOX = ((10.0, 20.0), (49.0, 20.0), (49.0, 29.0), (10.0, 29.0))
NOWHERE = np.zeros((48, 64), dtype=bool)


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(40, 216, (48, 64, 3), dtype=np.uint8)


def line(polygon=BOX) -> TextLine:
    return TextLine(text="SALE", polygon=polygon)


def test_the_region_is_the_polygon_and_its_surroundings():
    mask = text_region([line()], 64, 48)
    # the box is 40 × 10 pixels; its height counts as 39·9/48 = 7.3, half of which is 4 pixels
    assert mask[20 - 4 : 29 + 5, 10 - 4 : 49 + 5].mean() > 0.97  # the corners are round
    mask = mask.copy()
    mask[20 - 4 : 29 + 5, 10 - 4 : 49 + 5] = False
    assert not mask.any()


def test_a_reader_without_places_gives_no_region_and_an_absurd_polygon_covers_the_picture_at_most():
    with pytest.raises(ValueError, match="without a polygon"):
        text_region([line(None)], 64, 48)
    far = ((-1e300, -1e300), (1e300, -1e300), (1e300, 1e300), (-1e300, 1e300))
    assert text_region([line(far)], 64, 48).all()
    point = ((5.0, 5.0), (5.0, 5.0), (5.0, 5.0))
    assert 0 < text_region([line(point)], 64, 48).sum() <= (2 * regions.LEAST_REACH + 1) ** 2


def test_pixels_whose_window_touches_text_or_the_edge_do_not_count():
    keep = outside(NOWHERE)
    assert keep.sum() == (48 - 6) * (64 - 6)
    mask = NOWHERE.copy()
    mask[24, 32] = True
    assert outside(mask).sum() == (48 - 6) * (64 - 6) - 7 * 7


def test_where_nearly_all_is_text_nothing_can_be_told():
    mask = ~NOWHERE
    assert outside(mask) is None
    assert outside(np.zeros((6, 6), dtype=bool)) is None


def test_equal_pictures_are_alike_and_their_noise_ratio_is_infinite():
    found = likeness(picture(), picture(), outside(NOWHERE))
    assert (found.ssim, found.mse) == (1.0, 0.0)
    assert psnr(found.mse) == math.inf
    assert psnr(None) is None


def test_a_change_inside_the_text_region_changes_nothing():
    mask = text_region([line()], 64, 48)
    after = picture()
    after[mask] = 255 - after[mask]
    found = likeness(picture(), after, outside(mask))
    assert (found.ssim, found.mse) == (1.0, 0.0)


def test_a_change_of_one_pixel_beside_it_is_seen():
    mask, after = text_region([line()], 64, 48), picture()
    after[5, 5, 0] = 40 if after[5, 5, 0] > 128 else 255
    assert likeness(picture(), after, outside(mask)).ssim < 1


def test_noise_of_known_size_has_the_ratio_of_the_formula():
    # every value off by 5: the mean squared error is 25, the ratio 20 log10(255 / 5)
    sign = np.where(np.indices((48, 64, 3)).sum(axis=0) % 2, 5, -5)
    after = (picture() + sign).astype(np.uint8)
    found = likeness(picture(), after, outside(NOWHERE))
    assert found.mse == 25.0
    assert psnr(found.mse) == pytest.approx(20 * math.log10(51))


def test_a_flat_picture_beside_another_flat_one_has_the_similarity_of_its_means():
    # without any variance SSIM is (2ab + C1) / (a² + b² + C1), C1 = (0.01 · 255)²
    before, after = (np.full((48, 64, 3), value, dtype=np.uint8) for value in (100, 200))
    expected = (2 * 100 * 200 + 2.55**2) / (100**2 + 200**2 + 2.55**2)
    assert likeness(before, after, outside(NOWHERE)).ssim == pytest.approx(expected)


def test_a_lost_ground_is_seen_by_both_figures():
    flat = np.full((48, 64, 3), 128, dtype=np.uint8)
    keep = outside(NOWHERE)
    assert likeness(picture(), flat, keep).ssim < 0.05
    assert picture_share(picture(), keep) == 1.0
    assert picture_share(flat, keep) == 0.0


def test_the_share_counts_pixels_near_an_edge_in_any_channel():
    pixels = np.full((48, 64, 3), 100, dtype=np.uint8)
    pixels[:, 32:, 1] = 108  # eight levels: still flat
    assert picture_share(pixels, outside(NOWHERE)) == 0.0
    pixels[:, 32:, 1] = 109
    # columns 29 to 34 have both sides in their window, 6 of the 58 that count
    assert picture_share(pixels, outside(NOWHERE)) == 6 / 58
