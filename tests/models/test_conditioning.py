"""Prompts that are encoded once."""

from __future__ import annotations

import pytest
import torch

from evalsuite.models.conditioning import PromptCache


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
