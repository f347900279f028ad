"""What a reader's alphabet lacks is refused before anything is drawn, or said."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from installed import skip_without_paddleocr

from evalsuite import ocr, suites
from evalsuite.errors import EvalsuiteError
from evalsuite.records import OcrSpec, Prompt
from evalsuite.runs.readable import check_readable
from evalsuite.runs.targets import _language
from evalsuite.scoring import beyond_alphabet

LATIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyzéß0123456789 .,!'\"%")


@dataclass
class Reader:
    alphabet: frozenset[str] | None

    @property
    def spec(self) -> OcrSpec:
        return OcrSpec(name="a-reader", weights_digest="0" * 64)


def prompt(*targets: str, suite: str = "s") -> Prompt:
    fields = {"language": "en", "category": "c", "length": "short", "text": " ".join(targets)}
    return Prompt(id=f"{suite}-{targets[0]}", suite=suite, targets=targets, **fields)


@pytest.mark.parametrize(
    ("target", "profile", "missing"),
    [
        ("Café 24", "strict", ()),
        ("Cafe\u0301", "strict", ()),  # decomposed: the same letter
        ("\u201cSALE\u201d \u2018now\u2019", "strict", ()),  # curly quotes are straight ones
        ("ＯＰＥＮ", "strict", ()),  # full-width
        ("STRAẞE", "standard", ()),  # a capital of a letter that is there, case not charged
        ("STRAẞE", "strict", ("ẞ",)),
        ("¡Hola!", "standard", ("¡",)),
        ("부산 17", "standard", ("부", "산")),
        ("line\nbreak\u00a0here", "standard", ()),
    ],
)
def test_characters_beyond_an_alphabet(target, profile, missing):
    assert beyond_alphabet(target, LATIN, profile) == missing


def test_a_script_that_the_reader_does_not_know_is_refused_with_the_reason():
    with pytest.raises(EvalsuiteError) as caught:
        check_readable([prompt("부산"), prompt("OPEN", "강릉역"), prompt("SALE")], Reader(LATIN))
    said = str(caught.value)
    assert said.startswith("the reader 'a-reader' cannot read 2 prompts of s: its alphabet lacks ")
    assert "the score would be the reader's and not the model's" in said
    assert "--ocr qwen2.5-vl" in said


def test_single_characters_are_said_and_count_as_wrong():
    notices = check_readable([prompt("¡Hola!"), prompt("OPEN", suite="t")], Reader(LATIN))
    assert notices == ["the reader 'a-reader' has no ¡: they count as wrong in 1 targets of s"]
    assert check_readable([prompt("OPEN")], Reader(LATIN)) == []


def test_a_reader_without_an_alphabet_is_taken_to_read_everything():
    assert check_readable([prompt("부산")], Reader(None)) == []


@pytest.mark.parametrize(
    ("target", "language"), [("OPEN", "en"), ("营业中", "zh"), ("おでん", "ja"), ("부산", "ko"), ("مخبز", "ar")]
)
def test_the_language_of_images_without_one_is_guessed_by_script(target, language):
    assert _language(["24", target]) == language


@pytest.fixture(scope="module")
def paddle():
    skip_without_paddleocr()
    return ocr.resolve("paddle")


def test_pp_ocrv6_small_holds_what_its_suites_want_and_neither_hangul_nor_arabic(paddle):
    readable = {}
    for suite in (
        *suites.load("all"),
        *suites.load("languages"),
        *suites.load("lex-bench"),
        *suites.load("unigenbench"),
    ):
        try:
            readable[suite.name] = check_readable(suite.prompts, paddle) == []
        except EvalsuiteError:
            readable[suite.name] = None
    assert {name for name, fits in readable.items() if fits is not True} == {"signage-ui-ko", "signage-ui-ar"}
    assert readable["signage-ui-ko"] is readable["signage-ui-ar"] is None


@pytest.mark.parametrize("ident", ["signage-ui-ja-009", "signage-ui-fr-006", "signage-ui-de-036"])
def test_a_prompt_of_each_new_script_is_drawn_and_read(paddle, ident):
    from evalsuite.models.typeset.model import TypesetModel
    from evalsuite.scoring import rates, score_image

    chosen = {p.id: p for suite in suites.load("languages") for p in suite.prompts}[ident]
    model = TypesetModel(width=512, height=512)
    (drawn,) = model.draw([(chosen, 0)])
    found = rates(score_image(chosen.targets, paddle.read(drawn.image)))
    assert found.character_accuracy > 0.9


@pytest.mark.usefixtures("paddle")
def test_the_command_refuses_before_it_draws(tmp_path):
    from typer.testing import CliRunner

    from evalsuite.cli.main import app

    done = CliRunner().invoke(app, ["run", "--suite", "signage-ui-ar", "--out", str(tmp_path / "run")])
    assert done.exit_code != 0
    assert not (tmp_path / "run").exists()
