"""The prompt enhancer under its own seed, and prompts that are encoded once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from evalsuite.errors import EvalsuiteError
from evalsuite.models.conditioning import PromptCache, SeededEnhancer


class Enhancing:
    """A pipeline whose enhancer samples from torch's global generator, as ErnieImagePipeline's."""

    def __init__(self):
        self.calls = 0

    def _enhance_prompt_with_pe(self, prompt, device, width=1024):
        self.calls += 1
        return f"{prompt} {torch.randint(1_000_000, (1,)).item()} {device} {width}"


def enhance(pipeline, mode, *requests):
    enhancer = SeededEnhancer(pipeline, mode, "cpu")
    with enhancer.attach():
        for prompts, seeds in requests:
            enhancer.expect(seeds)
            for prompt in prompts:
                pipeline._enhance_prompt_with_pe(prompt, "cpu", width=64)
            yield list(enhancer.revised)


def test_each_image_has_its_own_text_by_its_seed_whatever_came_before():
    first, second = enhance(Enhancing(), "image", (["a", "a", "b"], [1, 2, 1]), (["a"], [1]))
    assert first[0] == second[0]
    assert len(set(first)) == 3
    torch.manual_seed(1)
    assert first[0] == f"a {torch.randint(1_000_000, (1,)).item()} cpu 64"


def test_all_seeds_of_a_prompt_share_one_text_in_any_order():
    pipeline = Enhancing()
    (first, second) = enhance(pipeline, "prompt", (["a", "b", "a"], [1, 2, 3]), (["b", "a"], [9, 8]))
    assert first[0] == first[2] == second[1]
    assert first[1] == second[0] != first[0]
    assert pipeline.calls == 2
    (again,) = enhance(Enhancing(), "prompt", (["b"], [5]))
    assert again == [first[1]]


def test_the_global_generator_is_as_it_was():
    torch.manual_seed(123)
    expected = torch.rand(3)
    torch.manual_seed(123)
    list(enhance(Enhancing(), "image", (["a"], [7])))
    assert torch.equal(torch.rand(3), expected)


def test_a_pipeline_without_a_known_enhancer_is_an_error():
    with pytest.raises(EvalsuiteError, match="Set enhance=off"):
        SeededEnhancer(SimpleNamespace(), "image", "cpu")


@pytest.mark.parametrize(("mode", "distinct"), [("image", 2), ("prompt", 1)])
def test_the_enhancer_of_ernie_image_runs_once_an_image_or_once_a_prompt(open_model, prompt, mode, distinct):
    with open_model("ernie", f"enhance={mode}") as model:
        calls = []
        handle = model._session.pipeline.pe.model.embed_tokens.register_forward_hook(lambda *_: calls.append(1))
        drawings = list(model.draw([(prompt(), 1), (prompt(), 2)]))
        handle.remove()
    texts = {drawing.revised_prompt for drawing in drawings}
    assert len(texts) == distinct
    assert all(text for text in texts)
    codes = {finding.code for drawing in drawings for finding in drawing.findings}
    assert "target-lost-in-enhancement" in codes  # random weights write noise
    spent = [{p.name: p.seconds for p in d.timing.phases}["prompt_enhancement"] for d in drawings]
    assert (spent[1] < 0.2 * spent[0]) == (mode == "prompt")


def test_without_the_enhancer_it_is_not_even_loaded(open_model, prompt):
    with open_model("ernie", "enhance=off") as model:
        assert model._session.pipeline.pe is None
        (drawing,) = model.draw([(prompt(), 1)])
    assert drawing.error is None, drawing.error
    assert drawing.revised_prompt is None
    assert "prompt_enhancement" not in [phase.name for phase in drawing.timing.phases]


# --- Prompts encoded once ---


class Encoding:
    """Counts what it encodes; `shape` says how the encodings of a batch are laid out."""

    def __init__(self, shape):
        self.shape = shape
        self.seen = []

    def encode_prompt(self, prompt=None, device=None, prompt_embeds=None):  # noqa: ARG002 - part of the key
        if prompt_embeds is not None:
            return prompt_embeds
        prompts = [prompt] if isinstance(prompt, str) else prompt
        self.seen.append(list(prompts))
        rows = [torch.full((3, 2), float(len(text))) for text in prompts]
        if self.shape == "list":
            return rows
        if self.shape == "pair":
            return torch.stack(rows), None, torch.zeros(len(rows), 1)
        return torch.stack(rows), torch.zeros(3, 2)  # the second has no row per prompt (FLUX.1's text ids)


def encode(shape, *batches, **kwargs):
    pipeline, plain = Encoding(shape), Encoding(shape)
    with PromptCache(pipeline).attach():
        for batch in batches:
            cached, expected = (
                pipeline.encode_prompt(prompt=batch, **kwargs),
                plain.encode_prompt(prompt=batch, **kwargs),
            )
            same(cached, expected)
    assert "encode_prompt" not in vars(pipeline)
    return pipeline.seen


def same(left, right):
    if isinstance(right, torch.Tensor):
        assert torch.equal(left, right)
    elif right is None:
        assert left is None
    else:
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            same(one, other)


@pytest.mark.parametrize("shape", ["list", "pair"])
def test_each_prompt_is_encoded_once(shape):
    assert encode(shape, ["a", "bb", "a"], ["bb", "ccc"], "a") == [["a"], ["bb"], ["ccc"]]


def test_encodings_that_cannot_be_put_together_are_kept_by_batch():
    assert encode("shared", ["a", "bb"], ["a", "bb"]) == [["a"], ["bb"], ["a", "bb"]]


def test_other_arguments_make_another_encoding():
    pipeline = Encoding("list")
    with PromptCache(pipeline).attach():
        for device in ("cpu", "meta", "cpu"):
            pipeline.encode_prompt("a", device)
        given = torch.ones(1)
        assert pipeline.encode_prompt("a", prompt_embeds=given) is given
    assert pipeline.seen == [["a"], ["a"]]


def test_only_the_latest_prompts_are_kept():
    seen = encode("list", *[[str(i)] for i in range(17)], ["16"], ["0"])
    assert seen[-1] == ["0"]
    assert seen.count(["16"]) == 1
