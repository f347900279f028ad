"""The suites in other languages than English and Chinese: complete, and written in their script."""

from __future__ import annotations

import re
import unicodedata

import pytest

from evalsuite import scoring, suites

OWN_SCRIPT = {"fr": r"[éèêàçôùœÉ]", "de": r"[äöüßÄÖÜ]", "es": r"[áéíóúñÑÁ¿]", "ja": r"[\u3040-\u30ff]",
              "ko": r"[\uac00-\ud7a3]", "ar": r"[\u0620-\u064a]"}  # fmt: skip
SUITES = {f"signage-ui-{language}": language for language in OWN_SCRIPT}


@pytest.fixture(scope="module")
def loaded() -> dict[str, suites.Suite]:
    return {suite.name: suite for suite in suites.load("languages")}


def test_there_are_twenty_signs_and_twenty_screens_each(loaded):
    assert set(loaded) == set(SUITES)
    for name, suite in loaded.items():
        assert [prompt.category for prompt in suite.prompts] == ["signage"] * 20 + ["ui"] * 20
        assert {prompt.language for prompt in suite.prompts} == {SUITES[name]}
        assert suite.warnings == ()  # every target stands in quotes of its language
        assert len({prompt.text for prompt in suite.prompts}) == 40


def test_they_are_no_part_of_all_and_can_be_named(loaded):
    assert set(loaded) & {suite.name for suite in suites.load("all")} == set()
    assert suites.load("signage-ui-ja")[0].digest == loaded["signage-ui-ja"].digest


@pytest.mark.parametrize("name", SUITES)
def test_they_are_written_in_their_script_and_composed(loaded, name):
    prompts = loaded[name].prompts
    targets = [target for prompt in prompts for target in prompt.targets]
    assert sum(bool(re.search(OWN_SCRIPT[SUITES[name]], target)) for target in targets) > len(targets) / 4
    for prompt in prompts:
        assert unicodedata.is_normalized("NFC", prompt.text)
        assert len(set(prompt.targets)) == len(prompt.targets)
        for profile in scoring.PROFILES:
            scoring.check_targets(prompt, profile)
