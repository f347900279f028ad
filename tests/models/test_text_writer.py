"""Texts written several at a time are those that transformers' `generate` writes one at a time."""

from __future__ import annotations

import dataclasses

import pytest

torch = pytest.importorskip("torch")

from evalsuite.errors import EvalsuiteError  # noqa: E402
from evalsuite.models import text_writer  # noqa: E402
from evalsuite.models.text_writer import Sampling, Text, check_model, write_texts  # noqa: E402

ASKED = {"max_new_tokens": 24, "do_sample": True, "temperature": 0.6, "top_p": 0.95, "eos_token_id": 2}
PROMPTS = [[5, 9, 3], [7] * 11, [4, 4, 30, 31, 8], [6], [12, 13, 14, 15]]


@pytest.fixture(scope="module")
def model():
    from transformers import Ministral3Config, Ministral3ForCausalLM

    torch.manual_seed(3)
    config = Ministral3Config(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=512,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    model = Ministral3ForCausalLM(config).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:  # large enough that the tokens before decide which is likely next
            torch.nn.init.normal_(parameter, std=0.5)
    return model


def alone(model, prompt, seed, asked):
    """What `generate` writes of one prompt under torch's global generator."""
    torch.manual_seed(seed)
    tokens = torch.tensor([prompt])
    with torch.inference_mode():
        written = model.generate(tokens, attention_mask=torch.ones_like(tokens), pad_token_id=0, **asked)
    return written[0, len(prompt) :].tolist()


def together(model, prompts, seeds, asked, slots):
    texts = [
        Text(number, torch.tensor(prompt), torch.Generator().manual_seed(seed))
        for number, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True))
    ]
    written = list(write_texts(model, texts, Sampling.of(model, asked), slots))
    assert sorted(text.name for text in written) == list(range(len(prompts)))
    return [text.tokens for text in sorted(written, key=lambda text: text.name)]


@pytest.mark.parametrize("slots", [1, 2, 8])
@pytest.mark.parametrize("other", [{}, {"do_sample": False}, {"top_k": 5, "min_new_tokens": 4}])
def test_each_text_is_what_generate_writes_of_it_alone(model, monkeypatch, slots, other):
    monkeypatch.setattr(text_writer, "CACHE_STEP", 8)  # so that the cache grows under way
    asked = {**ASKED, **other}
    seeds = [11, 22, 33, 44, 55]
    expected = [alone(model, prompt, seed, asked) for prompt, seed in zip(PROMPTS, seeds, strict=True)]
    assert len({len(tokens) for tokens in expected}) > 1  # some end before the others, and their slots are taken again
    assert together(model, PROMPTS, seeds, asked, slots) == expected


def test_a_text_is_the_same_among_other_texts_to_the_last_bit_of_its_scores(model, monkeypatch):
    seen = []
    drawn = text_writer._draw

    def watched(logits, texts, sampling):
        seen.extend(
            (len(text.tokens), logits[row].clone()) for row, text in enumerate(texts) if text and text.name == 0
        )
        return drawn(logits, texts, sampling)

    monkeypatch.setattr(text_writer, "_draw", watched)
    together(model, PROMPTS[:1], [11], ASKED, 4)
    first, seen[:] = list(seen), []
    together(model, PROMPTS, [11, 1, 2, 3, 4], ASKED, 4)
    assert len(first) == len(seen) > 4
    assert all(torch.equal(one, other) for (_, one), (_, other) in zip(first, seen, strict=True))


def test_nothing_to_write_writes_nothing(model):
    assert list(write_texts(model, [], Sampling.of(model, ASKED), 4)) == []


def test_probabilities_that_are_no_numbers_are_no_text(model, monkeypatch):
    monkeypatch.setattr(model.lm_head.weight, "data", torch.full_like(model.lm_head.weight, float("nan")))
    with pytest.raises(ArithmeticError, match="no numbers"):
        together(model, PROMPTS, [1] * 5, ASKED, 2)


def test_what_is_not_done_in_batches_is_refused_by_name(model, monkeypatch):
    with pytest.raises(EvalsuiteError, match=r"repetition_penalty cannot be had .* enhance_batch=1"):
        Sampling.of(model, {**ASKED, "repetition_penalty": 1.2})
    with pytest.raises(EvalsuiteError, match="no max_new_tokens"):
        Sampling.of(model, {"do_sample": True})
    monkeypatch.setattr(model.config, "sliding_window", 128)
    with pytest.raises(EvalsuiteError, match="sliding window of 128"):
        check_model(model)


def test_the_models_own_configuration_counts_where_nothing_is_asked(model, monkeypatch):
    monkeypatch.setattr(model.generation_config, "top_k", 7)
    monkeypatch.setattr(model.generation_config, "eos_token_id", [2, 3])
    asked = {name: value for name, value in ASKED.items() if name != "eos_token_id"}
    expected = Sampling(do_sample=True, temperature=0.6, top_k=7, top_p=0.95, ends=(2, 3), least=0, most=24)
    assert Sampling.of(model, asked) == expected
    assert Sampling.of(model, {**asked, "top_k": 9}) == dataclasses.replace(expected, top_k=9)
