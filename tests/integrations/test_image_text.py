"""One image and its targets: the score of a run, or a refusal with the reason."""

from __future__ import annotations

import numpy as np
import pytest
from integrations.conftest import picture

from evalsuite.errors import EvalsuiteError
from evalsuite.integrations import UnreadImageError, score_text
from evalsuite.integrations.pytest_plugin import assert_text_rendering


def test_an_image_counts_its_edits(by_hand, files):
    # OPENDAILY without its space has nine characters, of which one is another.
    found = score_text(files["wrong"], "OPEN DAILY", ocr=by_hand)
    assert found.character_accuracy == pytest.approx(8 / 9)
    assert (found.rates.counts.length, found.rates.counts.substitutions) == (9, 1)
    assert found.told().splitlines()[1:] == [
        "  target   OPEN DAILY",
        "  reading  OPEN DAlLY",
        "  edits    OPEN DA[I→l]LY",
    ]


def test_a_picture_in_memory_is_read_as_its_file_is(by_hand, files):
    image = picture(1)
    pixels = np.asarray(image)
    on_disk = score_text(files["wrong"], "OPEN DAILY", ocr=by_hand).score
    for form in (image, pixels, pixels / 255, image.convert("RGBA")):
        assert score_text(form, "OPEN DAILY", ocr=by_hand).score == on_disk


def test_an_image_without_text_is_a_true_zero(by_hand, files):
    assert score_text(files["none"], "OPEN", ocr=by_hand).character_accuracy == 0.0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("broken", "by-hand could not read it: the engine broke down"),
        ("blank", "is one even colour"),
        ("damaged", "not a readable image"),
        ("missing", "cannot be read: No such file"),
    ],
)
def test_what_cannot_be_read_is_no_score(by_hand, files, tmp_path, name, message):
    path = files.get(name, tmp_path / "missing.png")
    with pytest.raises(UnreadImageError, match=message) as raised:
        assert_text_rendering(path, "OPEN", at_least=0.01, ocr=by_hand)
    assert path.name in str(raised.value)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.full((8, 8, 3), np.nan), "not finite"),
        (np.full((8, 8, 3), 3.0), "floats run from 0 to 1"),
        (np.zeros((3, 8, 8), np.uint8), "height × width × 3"),
        (np.zeros((8, 8), np.int64), "not of int64"),
    ],
)
def test_arrays_that_are_no_picture_are_refused(by_hand, pixels, message):
    with pytest.raises(UnreadImageError, match=message):
        score_text(pixels, "OPEN", ocr=by_hand)


@pytest.mark.parametrize(
    ("targets", "message"), [((), "one string or more"), ([3], "one string"), (" ", "empty after")]
)
def test_targets_with_nothing_to_compare_are_refused(by_hand, files, targets, message):
    with pytest.raises(EvalsuiteError, match=message):
        score_text(files["exact"], targets, ocr=by_hand)


def test_what_the_reader_has_no_characters_for_is_refused(by_hand, files):
    by_hand.alphabet = frozenset("OPENDAILY ")
    with pytest.raises(EvalsuiteError, match="cannot read"):
        score_text(files["exact"], "營業中", ocr=by_hand)


def test_the_errors_of_several_images_are_summed(by_hand, files):
    # Eighteen characters, one wrong: 17/18 = 0.944.
    pair, targets = [files["exact"], picture(1)], [["OPEN DAILY"], "OPEN DAILY"]
    first, second = assert_text_rendering(pair, targets, at_least=0.94, ocr=by_hand)
    assert (first.character_accuracy, second.name) == (1.0, "image 2")
    with pytest.raises(AssertionError) as raised:
        assert_text_rendering(pair, targets, ocr=by_hand)
    assert str(raised.value).splitlines() == [
        "character accuracy 0.944 over 2 images, wanted 0.95 (read by by-hand, profile standard)",
        "image 2: 1 of 9 characters wrong",
        "  target   OPEN DAILY",
        "  reading  OPEN DAlLY",
        "  edits    OPEN DA[I→l]LY",
    ]


@pytest.mark.parametrize(
    ("images", "targets", "at_least"),
    [(2, "OPEN", 0.9), (2, ["OPEN"], 0.9), (0, [], 0.9), (1, ["OPEN"], 0), (1, ["OPEN"], 95), (1, ["OPEN"], True)],
)
def test_arguments_that_do_not_fit_are_no_failed_assertion(by_hand, files, images, targets, at_least):
    with pytest.raises(EvalsuiteError):
        assert_text_rendering([files["exact"]] * images, targets, at_least, ocr=by_hand)


def test_what_is_read_cannot_speak_to_the_terminal_or_the_ci(by_hand, files):
    by_hand.text = ("::error::\x1b[2J", "", "")
    told = score_text(files["exact"], "OPEN", ocr=by_hand).told()
    assert "\x1b" not in told
    assert not any(line.strip().startswith("::") for line in told.splitlines())
