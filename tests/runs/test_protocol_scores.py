"""A stored run under other benchmarks' protocols: what counts, what is left out, and what the command prints."""

from __future__ import annotations

import subprocess
import sys

import pytest
from runs_by_hand import Outcome, make_run, model
from typer.testing import CliRunner

from evalsuite.cli.main import app
from evalsuite.errors import EvalsuiteError
from evalsuite.records import ModelSpec, OcrSpec, Prompt
from evalsuite.runs import OpenRun, open_run
from evalsuite.runs.protocol_scores import score_run

OCR = OcrSpec(name="paddle", weights_digest="p")
TARGETS = {"en": "GRAND OPENING today", "zh": "今日特价", "fr": "Fermé"}


def prompt(language: str, number: int) -> Prompt:
    target = TARGETS[language]
    return Prompt(
        id=f"{language}-{number}", suite="s", language=language, category="sign", length="short",
        text=f"{number}: {target}", targets=(target,),
    )  # fmt: skip


@pytest.fixture
def write(tmp_path):
    """A run of six prompts per language with one image each; `read` gives the text read, None for a missing image."""

    def make(read, languages=("en", "zh")) -> OpenRun:
        def outcome(model: ModelSpec, prompt: Prompt, _seed: int) -> Outcome:
            language, number = prompt.id.split("-")
            text = TARGETS[language] if model.role == "reference" else read(language, int(number))
            return Outcome(error="out of memory") if text is None else Outcome(lines=(text,))

        return open_run(
            make_run(
                tmp_path / "run",
                prompts=[prompt(language, number) for language in languages for number in range(6)],
                models=(model("m"), model("typeset", "reference")),
                outcome=outcome,
                ocr=OCR,
            )
        )

    return make


def drawn(language: str, number: int) -> str | None:
    """The first English image is missing; of the others each lacks `today`. Chinese is right but for one image."""
    if language == "en":
        return None if number == 0 else "opening GRAND"
    return "今日" if number == 1 else TARGETS[language]


def test_a_missing_image_is_left_out_as_published_and_counts_as_empty_when_corrected(write):
    store = write(drawn)
    published, corrected = (score_run(store, name).models[0] for name in ("longtext", "longtext-fixed"))
    assert published.languages[0].counts == {"matched": 10, "wanted": 15}
    assert corrected.languages[0].counts == {"matched": 10, "wanted": 18, "repeated": 0, "foreign": 0}
    for each in (published, corrected):
        assert each.incomplete
        assert each.languages[0].missing == ("en-0 seed 0",)
        assert (each.languages[0].images, each.languages[0].prompts) == (6, 6)
    assert published.languages[1].scores["text_score"].estimate == pytest.approx(22 / 24)
    assert published.average.estimate == pytest.approx((10 / 15 + 22 / 24) / 2)
    assert corrected.average.estimate == pytest.approx((10 / 18 + 22 / 24) / 2)


def test_the_ceiling_is_that_of_the_typeset_reference(write):
    scores = score_run(write(drawn), "longtext")
    assert scores.ceiling_model == "typeset"
    assert scores.ceiling("en").scores["text_score"].estimate == 1.0
    assert (scores.images_asked, scores.images_per_prompt, scores.published_reader) == (4, 1, "qwen2.5-vl")


def test_languages_that_a_protocol_does_not_cover_are_counted_and_left_out(write):
    store = write(lambda language, _: TARGETS[language], languages=("en", "fr"))
    scores = score_run(store, "longtext")
    assert scores.left_out == {"fr": 6}
    assert [part.language for part in scores.models[0].languages] == ["en"]
    assert scores.models[0].average is None  # one language is no average over both


def test_a_protocol_that_covers_no_language_of_the_run_is_an_error(write):
    store = write(lambda language, _: TARGETS[language], languages=("fr",))
    with pytest.raises(EvalsuiteError, match="protocol cvtg is defined for en; this run's prompts are in fr"):
        score_run(store, "cvtg")


def test_the_command_prints_scores_ceiling_and_what_they_are_not(write):
    store = write(lambda language, number: TARGETS[language][: -(number % 3) or None])
    done = CliRunner().invoke(app, ["score", str(store.folder), "--protocol", "longtext", "--protocol", "oneig"])
    assert done.exit_code == 0, done.output
    assert "LongText-Bench, as published (longtext 1)" in done.output
    assert "OneIG-Bench text score (oneig 1)" in done.output
    assert "Read by paddle; published figures of this protocol were read by qwen2.5-vl" in done.output
    assert "The protocol asks for 4 images per prompt; this run has 1." in done.output
    table = done.output.partition("(longtext 1)")[2].splitlines()
    line = next(line for line in table if line.startswith("m ") and " zh " in line)
    assert "0.750 [" in line  # 18 of 24 characters
    assert "1.000" in line  # the ceiling


def test_an_unknown_protocol_is_refused_before_anything_is_drawn(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "evalsuite", "run", "--suite", "signage-en", "--protocol", "longtex"],
        check=False, capture_output=True, text=True, cwd=tmp_path, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "'longtex' is not one of 'longtext', 'longtext-fixed', 'oneig'" in " ".join(
        done.stderr.replace("│", " ").split()
    )
    assert list(tmp_path.iterdir()) == []
