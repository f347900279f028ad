"""Styled pages: deterministic, varied, and with each string whole inside the page."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from PIL import Image

from evalsuite.errors import EvalsuiteError
from evalsuite.models.typeset import lettering
from evalsuite.models.typeset.fonts import CAPITAL_FACES, styled_faces_for
from evalsuite.models.typeset.model import TypesetModel
from evalsuite.models.typeset.page import PageFullError
from evalsuite.models.typeset.styled import STYLES, render
from evalsuite.records import ModelSpec
from evalsuite.runs.api import ceilings_for

pytest.importorskip("font_amatic_sc", reason="the fonts of styled pages are not installed")

TEXTS = ["NIGHT NOODLES", "Open daily 5-11", "今日特价"]


def page(key, size=256, texts=TEXTS):
    return np.asarray(render(texts, width=size, height=size, key=key)[0])


def test_the_same_key_is_the_same_page_and_another_is_another():
    assert (page(["a", 0]) == page(["a", 0])).all()
    assert (page(["a", 0]) != page(["a", 1])).any()


def test_a_string_that_does_not_fit_is_an_error_that_names_it():
    with pytest.raises(PageFullError, match="'Donaudampf"):
        page(["a", 0], texts=["Donaudampfschifffahrtsgesellschaftskapitaen" * 2])


def test_capitals_only_are_drawn_in_the_face_whose_small_letters_are_capitals():
    assert CAPITAL_FACES[0] in styled_faces_for("SALE 50%")
    assert CAPITAL_FACES[0] not in styled_faces_for("Sale 50%")


def test_an_arc_keeps_what_is_on_it_and_is_as_high_as_its_sagitta():
    tile = Image.new("RGBA", (200, 20), (9, 9, 9, 255))
    bent = lettering.bent(tile, 60)
    # Radius 200 / (π/3) = 191; rims 201 and 181: 201 - 181 cos 30° = 44 high, 2 · 201 sin 30° = 201 wide.
    assert bent.height == pytest.approx(44, abs=3)
    assert bent.width == pytest.approx(201, abs=3)
    area = np.asarray(bent)[..., 3].astype(float).sum() / 255
    assert area == pytest.approx(199 * 19, rel=0.02)  # the last row and column of pixels lie at its edge


def test_relief_has_a_lit_and_a_shaded_edge():
    mask = Image.new("L", (60, 60), 0)
    mask.paste(255, (20, 20, 40, 40))
    tile = np.asarray(lettering.embossed(mask, (120, 120, 120), 36)).astype(int)
    assert tile[19, 30, 0] > 200  # above the block: lit
    assert tile[41, 30, 3] > 0
    assert tile[41, 30, 0] < 60  # below it: shaded
    assert tuple(tile[30, 30]) == (142, 142, 142, 255)  # the face


def test_the_styled_reference_is_named_and_told_apart():
    plain, styled = TypesetModel(width=512, height=512).spec, TypesetModel.parse("styled,size=512x512").spec
    assert (plain.name, styled.name) == ("typeset:size=512x512", "typeset:styled,size=512x512")
    assert (plain.is_ceiling, plain.is_styled_ceiling, plain.measures_reader) == (True, False, True)
    assert (styled.is_ceiling, styled.is_styled_ceiling, styled.measures_reader) == (False, True, True)
    assert plain.digest != styled.digest
    assert not TypesetModel.parse("styled,errors=0.1").spec.measures_reader
    assert TypesetModel.parse("styled=true").spec == TypesetModel.parse("styled").spec
    with pytest.raises(EvalsuiteError, match="unknown option 'styled=maybe'"):
        TypesetModel.parse("styled=maybe")
    assert len(set(STYLES)) == 8


def test_a_model_stands_beside_the_ceiling_of_its_own_size(handmade, tmp_path):
    def spec(name, **settings):
        return ModelSpec(
            name=name, kind="diffusion", role="model", source="x", weights_digest="0" * 64, settings=settings
        )

    large, small = TypesetModel().spec, TypesetModel(width=512, height=512).spec
    styled = TypesetModel(width=512, height=512, styled=True).spec

    def beside(model, *ceilings, **options):
        plan = msgspec.structs.replace(handmade.make_run(tmp_path).manifest, models=(model, *ceilings))
        found = plan.ceiling_of(model, **options)
        return found and found.name

    one = spec("klein", size="512x512")
    assert one.size == (512, 512)
    assert beside(one, large, small) == small.name
    assert beside(one, large) == large.name  # the one there is
    assert beside(one) is None
    assert beside(spec("folder"), large, small) == large.name  # of unknown size
    assert beside(one, small, styled, styled=True) == styled.name
    assert beside(one, small, styled=True) is None


def test_a_run_draws_each_ceiling_once_for_every_size_of_its_models():
    def spec(name, role="model", **settings):
        return ModelSpec(name=name, kind="diffusion", role=role, source="x", weights_digest="0" * 64, settings=settings)

    sizes = {"a": "512x512", "b": "512x512", "c": "768x1344", "tiny": "64x64"}
    models = [spec(name, size=size) for name, size in sizes.items()]

    def names(specs, *, styled):
        return [model.spec.name for model in ceilings_for(specs, styled=styled)]

    # 64 pixels are too few for a page: its ceiling has the size that a page has by default.
    assert names(models, styled=False) == ["typeset:size=512x512", "typeset:size=768x1344", "typeset"]
    assert names(models[:1], styled=True) == ["typeset:styled,size=512x512"]
    there = TypesetModel(width=512, height=512).spec
    assert names([models[0], there], styled=False) == []
    assert names([TypesetModel(width=384, height=384, errors=0.1).spec], styled=False) == ["typeset:size=384x384"]
    assert names([there], styled=True) == ["typeset:styled,size=512x512"]
