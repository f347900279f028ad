"""The stand-ins' tokenizer: words outside quotation marks, characters inside, nothing refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.standins.tokenizer import build, prompt_hanzi


@pytest.fixture(scope="module")
def tokenizer():
    return build(chat=False)


def pieces(tokenizer, text: str) -> list[str]:
    return [tokenizer.decode([number]) for number in tokenizer(text, add_special_tokens=False)["input_ids"]]


def test_words_outside_quotes_characters_inside(tokenizer):
    assert pieces(tokenizer, 'A red sign reads "the sign" here') == [
        *("A", " red", " sign", " reads", " ", "“"),
        *("t", "h", "e", " ", "s", "i", "g", "n"),
        *("”", " here"),
    ]


@pytest.mark.parametrize("quotes", ['""', "“”", "「」", "『』"])
def test_all_quotes_become_one_kind(tokenizer, quotes):
    assert pieces(tokenizer, f"x{quotes[0]}on{quotes[1]}") == ["x", "“", "o", "n", "”"]


def test_straight_quotes_open_and_close_in_turn(tokenizer):
    assert [piece for piece in pieces(tokenizer, '"a" b "c" d "e"') if piece in "“”"] == ["“", "”"] * 3


def test_hanzi_are_one_token_each(tokenizer):
    text = prompt_hanzi()
    assert len(text) == 3755
    assert pieces(tokenizer, text) == list(text)


def test_every_text_ends_with_the_end_token(tokenizer):
    assert tokenizer("")["input_ids"] == [tokenizer.eos_token_id]


@given(st.text(st.characters(exclude_characters='"「」『』', exclude_categories=["Cs"]), max_size=60))
@settings(deadline=None)
def test_no_text_is_refused_or_lost(tokenizer, text):
    import unicodedata

    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == unicodedata.normalize("NFC", text)


def test_chat_template_wraps_the_prompt_as_klein_does():
    chat = build(chat=True)
    message = [{"role": "user", "content": "x"}]
    text = chat.apply_chat_template(message, tokenize=False, add_generation_prompt=True, enable_thinking=False)
    assert text == "<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
