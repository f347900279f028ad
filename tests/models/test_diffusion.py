"""The real diffusers pipelines on stand-in checkpoints: what is drawn, by which seed, with which weights."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from evalsuite.errors import EvalsuiteError
from evalsuite.models import ImageModel
from evalsuite.models.diffusion import DiffusionModel
from evalsuite.records import ModelSpec

FAMILIES = ["klein", "klein-base", "ernie", "ernie-no-pe"]


def pixels(drawing) -> np.ndarray:
    assert drawing.error is None, drawing.error
    return np.asarray(drawing.image).astype(int)


def draw(model, *requests):
    with model:
        return list(model.draw(requests))


@pytest.mark.parametrize("name", FAMILIES)
def test_an_image_depends_on_its_prompt_and_seed_alone(open_model, prompt, name):
    sign, poster = prompt(), prompt("A poster saying 'HELLO'", ("HELLO",), "p2")
    first = draw(open_model(name), (sign, 1), (sign, 2), (poster, 1))
    again = draw(open_model(name), (poster, 1), (sign, 1))
    assert np.array_equal(pixels(first[0]), pixels(again[1]))
    assert np.array_equal(pixels(first[2]), pixels(again[0]))
    assert not np.array_equal(pixels(first[0]), pixels(first[1]))
    assert not np.array_equal(pixels(first[0]), pixels(first[2]))
    assert first[0].revised_prompt == again[1].revised_prompt


@pytest.mark.parametrize("name", FAMILIES)
def test_a_batch_equals_single_images_to_rounding(open_model, prompt, name):
    # Prompts of different lengths, so that padding would show.
    texts = ["A sign: 'A'", "A very long description of a poster with many words that reads 'B'", "'C'"]
    requests = [(prompt(text, (), f"p{i}"), 10 + i) for i, text in enumerate(texts)]
    single = draw(open_model(name), *requests)
    batch = draw(open_model(name, "batch=3"), *requests)
    for one, of_three in zip(single, batch, strict=True):
        assert of_three.timing.batch == 3
        assert one.prompt is of_three.prompt
        assert one.seed == of_three.seed
        assert np.abs(pixels(one) - pixels(of_three)).max() <= 1


def test_size_steps_and_order_are_as_asked(open_model, prompt):
    model = open_model("klein", "size=96x64", "steps=3", "batch=2")
    assert isinstance(model, ImageModel)
    drawings = draw(model, *[(prompt(), seed) for seed in (5, 3, 4)])
    assert [drawing.seed for drawing in drawings] == [5, 3, 4]
    assert {drawing.image.size for drawing in drawings} == {(96, 64)}
    assert [drawing.timing.batch for drawing in drawings] == [2, 2, 1]
    assert all(len(drawing.timing.steps) == 3 for drawing in drawings)
    assert drawings[0].image.mode == "RGB"


def test_guidance_draws_another_picture_only_where_the_model_takes_it(open_model, prompt):
    base = [pixels(draw(open_model("klein-base", f"guidance={scale}"), (prompt(), 1))[0]) for scale in (1, 4)]
    assert not np.array_equal(*base)
    distilled = [draw(open_model("klein", f"guidance={scale}"), (prompt(), 1))[0] for scale in (1, 4)]
    assert np.array_equal(pixels(distilled[0]), pixels(distilled[1]))
    assert [finding.code for finding in distilled[0].findings] == []
    assert [finding.code for finding in distilled[1].findings] == ["guidance-ignored"]


def test_warm_up_is_the_first_image_after_loading_and_after_another_batch_size(open_model, prompt):
    requests = [(prompt(), seed) for seed in range(5)]
    model = open_model("klein", "batch=2")
    for _ in range(2):  # loading again warms up again
        drawings = draw(model, *requests)
        assert [drawing.timing.warmup for drawing in drawings] == [True, True, False, False, True]
        assert [drawing.timing.load for drawing in drawings] == [model.load_seconds, None, None, None, None]
    assert model.load_seconds > 0


@pytest.mark.parametrize("offload", ["none", "model", "group", "sequential"])
def test_weights_leave_memory_with_the_context(open_model, prompt, offload):
    model = open_model("klein", f"offload={offload}")
    with model:
        transformer = weakref.ref(model._session.pipeline.transformer)
        list(model.draw([(prompt(), 1)]))
    gc.collect()
    assert transformer() is None
    with pytest.raises(RuntimeError, match="inside its context"):
        next(model.draw([(prompt(), 1)]))


def test_a_failing_image_is_put_on_record_and_the_others_are_drawn(open_model, prompt):
    model = open_model("klein", "batch=3")
    bad = prompt(123, (), "bad")  # no text: the tokenizer refuses it
    drawings = draw(model, (prompt(), 1), (bad, 1), (prompt(), 2))
    assert [drawing.error is None for drawing in drawings] == [True, False, True]
    assert drawings[1].image is None
    assert drawings[1].prompt.id == "bad"
    assert [drawing.timing and drawing.timing.batch for drawing in drawings] == [1, None, 1]


def test_a_pipeline_built_elsewhere_is_drawn_with_and_left_as_it_was(open_model, prompt, checkpoints):
    import torch
    from diffusers import Flux2KleinPipeline

    pipeline = Flux2KleinPipeline.from_pretrained(checkpoints / "klein", dtype=torch.float32, local_files_only=True)
    spec = ModelSpec(
        name="mine",
        kind="diffusion",
        role="stand-in",
        source="memory",
        weights_digest="0" * 64,
        settings={"size": "64x64", "steps": 2, "guidance": 1.0},
        runtime={"batch": 2},
    )
    tokenizer_class = type(pipeline.tokenizer)
    model = DiffusionModel.from_pipeline(pipeline, spec)
    assert model.uses_cpu
    drawing = draw(model, (prompt(), 1))[0]
    assert np.array_equal(pixels(drawing), pixels(draw(open_model("klein"), (prompt(), 1))[0]))
    assert "denoising" in [phase.name for phase in drawing.timing.phases]
    assert "encode_prompt" not in vars(pipeline)
    assert "decode" not in vars(pipeline.vae)
    assert "step" not in vars(pipeline.scheduler)
    assert not pipeline.transformer._forward_pre_hooks
    assert type(pipeline.tokenizer) is tokenizer_class


@pytest.mark.parametrize(
    ("name", "setting", "message"),
    [
        ("klein", "true_cfg=4", "takes no true_cfg"),
        ("klein", "negative_prompt=blurry", "takes no negative_prompt"),
        ("ernie", "max_tokens=77", "takes no max_tokens"),
    ],
)
def test_a_setting_that_the_pipeline_does_not_take_is_refused(open_model, name, setting, message):
    with pytest.raises(EvalsuiteError, match=message), open_model(name, setting):
        pass
