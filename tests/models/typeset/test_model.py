from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from rapidfuzz.distance import Levenshtein

from evalsuite.errors import EvalsuiteError
from evalsuite.models.typeset import fonts
from evalsuite.models.typeset.backgrounds import contrast, luminance
from evalsuite.models.typeset.fonts import FontsMissingError, faces_for
from evalsuite.models.typeset.malformed import Malforming, orders
from evalsuite.models.typeset.model import TypesetModel
from evalsuite.models.typeset.planted_errors import plant
from evalsuite.records import Prompt


def prompt(*targets: str, ident: str = "p") -> Prompt:
    return Prompt(
        id=ident, suite="s", language="en", category="c", length="short", text=" ".join(targets), targets=targets
    )


def pixels(model: TypesetModel, *requests: tuple[Prompt, int]) -> list[bytes]:
    return [drawing.image.tobytes() for drawing in model.draw(requests) if drawing.image]


def test_the_same_prompt_and_seed_give_the_same_page_and_another_seed_another():
    one, two, other = pixels(TypesetModel(), (prompt("OPEN"), 0), (prompt("OPEN"), 0), (prompt("OPEN"), 1))
    assert one == two != other


def test_a_page_has_the_size_asked_for_and_dark_and_light_pixels():
    (drawing,) = TypesetModel.parse("size=640x384").draw([(prompt("你好，世界", "Wi-Fi 5G"), 3)])
    assert drawing.image is not None
    assert drawing.image.size == (640, 384)
    assert np.ptp(np.asarray(drawing.image.convert("L"))) > 100
    assert drawing.timing is not None
    assert [phase.name for phase in drawing.timing.phases] == ["drawing"]


def test_what_cannot_be_drawn_is_an_error_of_that_image_and_the_rest_goes_on():
    too_long = prompt("word " * 2_000)
    drawings = list(TypesetModel().draw([(too_long, 0), (prompt("FINE"), 0)]))
    assert drawings[0].image is None
    assert "do not fit a 1024×1024 page" in str(drawings[0].error)
    assert drawings[1].error is None


def test_a_character_without_a_glyph_is_named():
    with pytest.raises(FontsMissingError, match="\U00013000"):
        faces_for("A\U00013000")


@pytest.mark.parametrize("arguments", ["errors=2", "errors=x", "size=10x10", "size=7", "colour=red"])
def test_bad_options_are_refused(arguments):
    with pytest.raises(EvalsuiteError):
        TypesetModel.parse(arguments)


def test_planted_errors_name_the_model_and_change_its_digest():
    clean, planted = TypesetModel(), TypesetModel.parse("errors=0.05")
    assert (clean.spec.name, planted.spec.name) == ("typeset", "typeset:errors=0.05")
    assert clean.spec.digest != planted.spec.digest
    assert clean.spec.role == planted.spec.role == "reference"


def test_plant_changes_about_the_rate_and_nothing_at_zero():
    text = "Fresh bread and 24 rolls daily 每日新鲜出炉 " * 400
    assert plant(text, 0.0, ["k"]) == text
    planted = plant(text, 0.1, ["k"])
    assert planted == plant(text, 0.1, ["k"]) != plant(text, 0.1, ["l"])
    letters = len(text.replace(" ", ""))
    rate = Levenshtein.distance(text.replace(" ", ""), planted.replace(" ", "")) / letters
    assert rate == pytest.approx(0.1, abs=0.01)


def test_plant_replaces_each_kind_by_its_kind():
    planted = plant("A" * 3_000, 1.0, ["k"])
    assert set(planted) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    share = Counter(letter == "A" for letter in planted)
    # Doubled letters (20 % of changes) stay A, twice; replaced ones (60 %) never do.
    assert share[True] == pytest.approx(1_200, abs=120)
    assert share[False] == pytest.approx(1_800, abs=120)


def test_plant_never_leaves_nothing():
    assert all(plant("A", 1.0, [seed]) for seed in range(50))


def test_contrast_follows_wcag():
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21.0)
    assert luminance((255, 255, 255)) == pytest.approx(1.0)
    # #767676 on white is WCAG's classic border case of 4.54.
    assert contrast((0x76, 0x76, 0x76), (255, 255, 255)) == pytest.approx(4.54, abs=0.005)


def test_arabic_letters_join_from_right_to_left_and_are_never_malformed():
    face = fonts.ARABIC_FACES[0]
    (only,) = {each.file for each in fonts.faces_for("خروج 25%")}
    assert only == face.file
    shape = fonts.font(face, 60)
    # joined, seen and ra are narrower than the two letters apart; the first letter stands on the right
    assert shape.getlength("سر") < shape.getlength("س") + shape.getlength("ر")
    mask = shape.getmask("اب")
    pixels = np.frombuffer(bytes(mask), np.uint8).reshape(mask.size[::-1])
    upright = pixels[: mask.size[1] // 3].any(axis=0)  # only alef reaches the top
    assert np.flatnonzero(upright).min() > mask.size[0] / 2
    assert orders("خروج", Malforming(rate=1.0), ["x"]) == {}


def test_without_a_shaper_arabic_is_an_error_that_says_what_to_install(monkeypatch):
    fonts.font.cache_clear()
    monkeypatch.setattr("PIL.features.check", lambda _: False)
    with pytest.raises(fonts.FontsMissingError, match="apt-get install libfribidi0"):
        fonts.font(fonts.ARABIC_FACES[0], 60)
