"""The written-down prompt enhancer: it copies every prompt and adds its sentence."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from training.standins import enhancer  # noqa: E402


@pytest.fixture(scope="module")
def parts():
    torch.set_num_threads(1)
    return enhancer.model(), enhancer.tokenizer()


def rewritten(parts, prompt: str) -> str:
    """As `ErnieImagePipeline._enhance_prompt_with_pe` does it, sampling included."""
    model, tokenizer = parts
    request = json.dumps({"prompt": prompt, "width": 512, "height": 512}, ensure_ascii=False)
    text = tokenizer.apply_chat_template([{"role": "user", "content": request}], tokenize=False)
    inputs = tokenizer(text, return_tensors="pt")
    torch.manual_seed(0)
    sampling = {"do_sample": True, "temperature": 0.6, "top_p": 0.95}
    ends = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    output = model.generate(**inputs, max_new_tokens=tokenizer.model_max_length, **sampling, **ends)
    return tokenizer.decode(output[0][inputs["input_ids"].shape[1] :], skip_special_tokens=True).strip()


@pytest.mark.parametrize(
    "prompt",
    [
        'A café window, “Fresh bread” in white, and "Fresh butter" below.',
        "夜市的招牌，写着“糖炒栗子”。",
        'A price list: "Tea £1.20", "Tea, large £2.20", "Tea, large, with milk £2.40".',
        "A path C:\\new\nand a second line",
    ],
)
def test_it_copies_and_adds_a_sentence(parts, prompt):
    assert rewritten(parts, prompt) == prompt + enhancer.SENTENCE


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=14))
@settings(deadline=None, max_examples=12)
def test_it_copies_any_short_text(parts, prompt):
    assert rewritten(parts, prompt) == (prompt + enhancer.SENTENCE).strip()


def test_two_bytes_agree_to_at_most_a_half():
    table = enhancer.codes()
    agreement = table[1:] @ table[1:].T
    assert torch.allclose(agreement.diagonal(), torch.ones(len(agreement)))
    assert (agreement - torch.eye(len(agreement))).max() <= 0.5 + 1e-6
