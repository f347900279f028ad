"""What silently spoils an evaluation is caught: truncation, the enhancer, guidance, broken images."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from evalsuite.models import findings as checks
from evalsuite.models.findings import Encoding, FiniteWatch
from training.random_checkpoints import KLEIN_TEMPLATE, offline_tokenizer


def encode_as_klein(tokenizer, prompts, limit):
    """As Flux2KleinPipeline: a conversation around each prompt, padded and cut one by one."""
    for prompt in prompts:
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
        )
        tokenizer(text, return_tensors="pt", padding="max_length", truncation=True, max_length=limit)


def encode_as_ernie(tokenizer, prompts, limit):
    for prompt in prompts:
        tokenizer(prompt, add_special_tokens=True, truncation=True, max_length=limit, padding=False)


def encode_together(tokenizer, prompts, limit):
    tokenizer(list(prompts), return_tensors="pt", padding=True, truncation=True, max_length=limit)


def watched(encode, prompts, limit):
    tokenizer = offline_tokenizer(chat_template=KLEIN_TEMPLATE)
    kind, encodings = type(tokenizer), []
    with checks.watch_tokenizers(SimpleNamespace(components={"tokenizer": tokenizer, "vae": None}), encodings):
        encode(tokenizer, prompts, limit)
    assert type(tokenizer) is kind
    return encodings


WAYS = pytest.mark.parametrize("encode", [encode_as_klein, encode_as_ernie, encode_together])


@WAYS
def test_the_cut_lies_where_the_kept_tokens_end(encode):
    prompt = "one two three four five six seven eight nine ten " * 10
    (short,) = watched(encode, [prompt], 400)
    assert short.cut is None
    (entry,) = watched(encode, [prompt], 40)
    assert entry.limit == 40
    assert entry.tokens > 40
    # The oracle: what is kept decodes to the text up to the cut (the tokenizer loses no character).
    tokenizer = offline_tokenizer()
    kept = tokenizer(entry.text, truncation=True, max_length=40)["input_ids"]
    assert tokenizer.decode(kept) == entry.text[: entry.cut]


@WAYS
def test_exactly_full_is_not_cut(encode):
    prompt = "a sign that reads 'OPEN'"
    (entry,) = watched(encode, [prompt], 400)
    (full,) = watched(encode, [prompt], entry.tokens)
    assert (full.tokens, full.cut) == (entry.tokens, None)
    (cut,) = watched(encode, [prompt], entry.tokens - 1)
    assert cut.cut is not None


def test_targets_that_fell_off_are_named():
    prompt = "A poster that reads 'FIRST' and " + "very " * 100 + "small 'LAST'"
    encodings = watched(encode_as_klein, [prompt], 60)
    (finding,) = checks.truncation_findings(prompt, ("FIRST", "LAST"), encodings)
    assert finding.code == "prompt-truncated"
    assert finding.targets == ("LAST",)
    assert "was cut at 60; these fell off: 'LAST'" in finding.message
    assert not list(checks.truncation_findings(prompt, ("FIRST", "LAST"), watched(encode_as_klein, [prompt], 400)))


def test_a_target_cut_in_two_has_fallen_off_and_one_that_comes_twice_has_not():
    def encoding(cut):
        return Encoding("tokenizer", "say 'AB CD' or AB", 9, 20, cut)

    def lost(target, cut):
        (finding,) = checks.truncation_findings("say 'AB CD' or AB", (target,), [encoding(cut)])
        return finding.targets == (target,)

    assert lost("AB CD", 9)  # "say 'AB C": one letter is missing
    assert not lost("AB CD", 10)
    assert not lost("AB", 7)  # its first place counts
    assert lost("or AB", 16)


def test_a_cut_in_the_conversation_around_the_prompt_is_found_too():
    prompt = "a sign"
    (whole,) = watched(encode_as_klein, [prompt], 400)
    encodings = watched(encode_as_klein, [prompt], whole.tokens - 2)
    (finding,) = checks.truncation_findings(prompt, ("sign",), encodings)
    assert finding.targets == ()
    assert "no target fell off" in finding.message


def test_a_target_that_one_encoder_saw_whole_is_not_lost():
    short, long = Encoding("tokenizer", "abc XYZ", 2, 5, 3), Encoding("tokenizer_2", "abc XYZ", 512, 5, None)
    (finding,) = checks.truncation_findings("abc XYZ", ("XYZ",), [short, long])
    assert finding.targets == ()
    (finding,) = checks.truncation_findings("abc XYZ", ("XYZ",), [short])
    assert finding.targets == ("XYZ",)


def test_a_prompt_within_another_of_the_batch_is_not_blamed_for_its_cut():
    long = "a sign " + "and more " * 100
    encodings = watched(encode_as_klein, [long, "a sign"], 60)
    assert list(checks.truncation_findings(long, (), encodings))
    assert not list(checks.truncation_findings("a sign", (), encodings))


@pytest.mark.parametrize("name", ["klein", "ernie-no-pe"])
def test_truncation_is_caught_in_the_real_pipelines(open_model, prompt, name):
    text = "A poster that reads 'FIRST' and " + "very " * 600 + "small 'LAST'"
    long = prompt(text, ("FIRST", "LAST"))
    with open_model(name) as model:
        if name == "ernie-no-pe":
            model._session.pipeline.tokenizer.model_max_length = 256
        found = [
            [finding.targets for finding in drawing.findings] for drawing in model.draw([(long, 1), (prompt(), 1)])
        ]
    assert found == [[("LAST",)], []]


# --- The prompt enhancer ---


@pytest.mark.parametrize(
    ("revised", "code"),
    [
        ('A poster, "GRAND OPENING" in gold', None),
        ("A poster, 'GRAND\n  OPENING' in gold", None),
        ("A poster, 'GRAND  OPENING' in gold", None),
        ("A poster, 'Grand Opening' in gold", "target-altered-in-enhancement"),
        ("A poster, 'GRAND OPENNING' in gold", "target-altered-in-enhancement"),
        ("A poster with gold letters", "target-lost-in-enhancement"),
        ("", "target-lost-in-enhancement"),
    ],
)
def test_targets_dropped_or_altered_by_the_enhancer(revised, code):
    findings = list(checks.enhancement_findings(("GRAND OPENING",), revised))
    assert [finding.code for finding in findings] == ([code] if code else [])
    assert all(finding.targets == ("GRAND OPENING",) for finding in findings)


def test_the_altered_passage_is_quoted():
    (finding,) = checks.enhancement_findings(("OPEN 24 HOURS",), "a sign saying 'OPEN 24 HOUR' in red")
    assert finding.message.startswith("the prompt enhancer turned 'OPEN 24 HOURS' into ")
    assert "OPEN 24 HOUR'" in finding.message


@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=4))
def test_a_rewritten_prompt_that_holds_every_target_is_never_blamed(targets):
    assert not list(checks.enhancement_findings(targets, "before " + " | ".join(targets) + " after"))


# --- Guidance ---


@pytest.mark.parametrize(
    ("pipeline", "guidance", "ignored"),
    [
        (SimpleNamespace(do_classifier_free_guidance=True), 4.0, False),
        (SimpleNamespace(do_classifier_free_guidance=False), 4.0, True),
        (SimpleNamespace(do_classifier_free_guidance=False), 1.0, False),
        (SimpleNamespace(do_classifier_free_guidance=False), None, False),
        (SimpleNamespace(transformer=SimpleNamespace(config={"guidance_embeds": True})), 3.5, False),  # FLUX.1 [dev]
        (SimpleNamespace(transformer=SimpleNamespace(config={"guidance_embeds": False})), 3.5, True),  # [schnell]
        (SimpleNamespace(unet=SimpleNamespace(config={})), 7.5, False),  # tells neither
    ],
)
def test_guidance_without_effect(pipeline, guidance, ignored):
    found = [finding.code for finding in checks.guidance_findings(pipeline, guidance)]
    assert found == (["guidance-ignored"] if ignored else [])


# --- Images ---


def codes(image, size=(8, 8), *, finite=True):
    return [finding.code for finding in checks.image_findings(image, size, finite=finite)]


def test_images_that_show_nothing_or_are_broken():
    noise = Image.effect_noise((8, 8), 50).convert("RGB")
    assert codes(noise) == []
    assert codes(noise, finite=False) == ["nan-image"]
    assert codes(noise, (9, 8)) == ["size-rounded"]
    assert codes(Image.new("RGB", (8, 8), "red")) == ["blank-image"]


def test_two_levels_are_blank_and_three_are_not():
    image = Image.new("RGB", (8, 8), (100, 100, 100))
    image.putpixel((3, 3), (102, 102, 102))
    assert codes(image) == ["blank-image"]
    image.putpixel((3, 3), (103, 100, 100))
    assert codes(image) == []


def test_values_that_are_not_finite_are_told_by_image():
    watch = FiniteWatch()
    decoded = torch.zeros(3, 3, 4, 4)
    decoded[1, 2, 3, 3] = float("nan")
    decoded[2, 0, 0, 0] = float("inf")
    assert watch.watch(lambda: (decoded,))() == (decoded,)
    assert watch.take(3) == [True, False, False]
    assert watch.take(3) == [True, True, True]  # forgotten
    watch.note(torch.full((1, 3, 4, 4), 1e30))
    assert watch.take(1) == [True]


def test_not_a_number_is_caught_in_the_real_pipeline(open_model, prompt):
    with open_model("klein") as model:
        with torch.no_grad():
            model._session.pipeline.vae.decoder.conv_out.bias.fill_(float("nan"))
        (drawing,) = model.draw([(prompt(), 1)])
    assert {finding.code for finding in drawing.findings} == {"nan-image", "blank-image"}
    assert drawing.image is not None
