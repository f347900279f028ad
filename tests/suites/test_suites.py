from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from evalsuite import suites
from evalsuite.records import Prompt

GOOD = """\
suite: mine
language: en
prompts:
  - id: a
    category: neon
    length: short
    text: >-
      A red sign that reads "OPEN LATE"
      above a door.
    targets:
      - OPEN LATE
  - id: b
    text: 'A price tag "$9.99" in a window.'
    targets: ["$9.99"]
"""


def write(folder: Path, content: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def test_yaml_suite_loads_with_defaults(tmp_path):
    suite = suites.load_file(write(tmp_path, GOOD))
    assert suite.name == "mine"
    assert suite.prompts[0] == Prompt(
        id="a",
        suite="mine",
        language="en",
        category="neon",
        length="short",
        text='A red sign that reads "OPEN LATE" above a door.',
        targets=("OPEN LATE",),
    )
    assert (suite.prompts[1].category, suite.prompts[1].length) == ("uncategorised", "short")
    assert suite.warnings == ()


def test_jsonl_suite_equals_the_yaml_one(tmp_path):
    from_yaml = suites.load_file(write(tmp_path, GOOD))
    rows = [
        {"id": p.id, "language": "en", "category": p.category, "length": p.length, "text": p.text, "targets": p.targets}
        for p in from_yaml.prompts
    ]
    path = write(tmp_path, "\n".join(json.dumps(row) for row in rows) + "\n", "mine.jsonl")
    from_jsonl = suites.load_file(path)
    assert from_jsonl.prompts == from_yaml.prompts
    assert from_jsonl.digest == from_yaml.digest


@pytest.mark.parametrize(
    ("change", "line", "message"),
    [
        (("- OPEN LATE", "- OPEN EARLY"), 10, "field 'targets': 'OPEN EARLY' does not stand in the prompt's text"),
        (("- id: b", "- id: a"), 12, "field 'id': 'a' is used already on line 4"),
        (('targets: ["$9.99"]', "targets: [9.99]"), 14, "field 'targets': 9.99 is not a string; put it in quotes"),
        (('targets: ["$9.99"]', "targets: []"), 14, "expected a list of at least one string"),
        (("length: short", "length: medium"), 6, "'medium' is neither 'short' nor 'long'"),
        (("category: neon", "categry: neon"), 5, "unknown field 'categry'"),
        (("language: en", "language: English!"), 2, "no tag such as en or zh"),
        (("- id: b", "- id: 007"), 12, "field 'id': expected text, got 7; put it in quotes"),
        (("- id: b", "- id: ../b"), 12, "may hold letters, digits"),
        (("- id: b\n    text:", "- id: b\n    id: c\n    text:"), 13, "field 'id' is given twice"),
        (("    targets:\n      - OPEN LATE\n", ""), 4, "field 'targets' is missing"),
        (("suite: mine", "suite: mine\nauthor: me"), 2, "unknown field 'author'"),
        (("category: neon", "category: [neon"), 6, "broken YAML"),
    ],
)
def test_an_error_names_file_line_and_field(tmp_path, change, line, message):
    path = write(tmp_path, GOOD.replace(*change))
    with pytest.raises(suites.SuiteError) as caught:
        suites.load_file(path)
    assert str(caught.value).startswith(f"{path}:{line}:")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{not json", ":1: not JSON"),
        ('["a"]', ":1: expected an object"),
        ('{"id": "a", "id": "b"}', ":1: not JSON: field 'id' is given twice"),
        ('{"id": "a", "language": "en", "text": "x \\ufffd", "targets": ["x \\ufffd"]}', "decoded wrongly"),
        ('{"id": "a", "language": "en", "text": "x \\u0000", "targets": ["x"]}', "holds a NUL character"),
    ],
)
def test_a_jsonl_error_names_its_line(tmp_path, row, message):
    with pytest.raises(suites.SuiteError, match=message.replace("(", r"\(")):
        suites.load_file(write(tmp_path, row, "mine.jsonl"))


def test_a_yaml_bomb_of_aliases_is_refused(tmp_path):
    bomb = "suite: &a [x]\nlanguage: en\ndescription: *a\nprompts: []\n"
    with pytest.raises(suites.SuiteError, match="aliases are not allowed"):
        suites.load_file(write(tmp_path, bomb))


def test_a_target_outside_quotes_is_a_warning(tmp_path):
    suite = suites.load_file(write(tmp_path, GOOD.replace('"OPEN LATE"', "OPEN LATE")))
    assert suite.warnings == (
        f"{tmp_path / 'mine.yaml'}:4: prompt a: target 'OPEN LATE' does not stand in quotes in the text",
    )


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(suites.SuiteError, match=r"did you mean 'signage-en'"):
        suites.load("sinage-en")
    with pytest.raises(suites.SuiteError, match="no such suite file"):
        suites.load("missing.yaml")


def test_the_same_id_in_two_suites_is_refused(tmp_path):
    write(tmp_path, GOOD, "one.yaml")
    write(tmp_path, GOOD.replace("suite: mine", "suite: other"), "two.yaml")
    with pytest.raises(suites.SuiteError, match="prompt id 'a' stands in suite 'mine' and in 'other'"):
        suites.load_all([str(tmp_path / "one.yaml"), str(tmp_path / "two.yaml")])


OWN = {"longtext-style-en": 80, "longtext-style-zh": 80, "signage-en": 40, "signage-zh": 40, "ui-en": 40, "ui-zh": 40}


def test_the_own_suites_are_complete_and_every_target_stands_in_quotes():
    loaded = {suite.name: suite for suite in suites.load("all")}
    assert {name: len(suite.prompts) for name, suite in loaded.items()} == OWN
    assert [warning for suite in loaded.values() for warning in suite.warnings] == []
    assert len({prompt.id for suite in loaded.values() for prompt in suite.prompts}) == 320


@pytest.mark.parametrize("name", ["longtext-style-en", "longtext-style-zh"])
def test_longtext_style_has_five_short_and_five_long_prompts_a_category(name):
    (suite,) = suites.load(name)
    kinds = Counter((prompt.category, prompt.length) for prompt in suite.prompts)
    categories = ("sign", "label", "print", "webpage", "slide", "poster", "caption", "dialogue")
    assert kinds == {(category, length): 5 for category in categories for length in ("short", "long")}
    for prompt in suite.prompts:
        assert 1 <= len(prompt.targets) <= 12
        if prompt.language == "en":
            assert 10 <= sum(len(target.split()) for target in prompt.targets) <= 60
        else:
            assert 15 <= sum(len(target) for target in prompt.targets) <= 110


def test_the_three_known_cases_are_among_the_prompts():
    targets = [prompt.targets for suite in suites.load("all") for prompt in suite.prompts]
    assert any("LIME SHIFT" in each for each in targets)
    assert ("DAILY REPORT", "SIGNUPS", "MRR") in targets
    assert ("NIGHT NOODLES",) in targets


def prompts_of(**sizes: int) -> list[Prompt]:
    return [
        Prompt(
            id=f"{suite}-{n}",
            suite=suite,
            language="en",
            category=f"c{n % 2}",
            length="short",
            text="x",
            targets=("x",),
        )
        for suite, size in sizes.items()
        for n in range(size)
    ]


def test_a_sample_is_balanced_nested_seeded_and_in_order():
    prompts = prompts_of(big=100, small=10)
    eight = suites.sample(prompts, 8, seed=1)
    assert Counter((prompt.suite, prompt.category) for prompt in eight) == {
        ("big", "c0"): 2,
        ("big", "c1"): 2,
        ("small", "c0"): 2,
        ("small", "c1"): 2,
    }
    assert set(eight) < set(suites.sample(prompts, 9, seed=1))
    assert eight == suites.sample(prompts, 8, seed=1)
    assert eight != suites.sample(prompts, 8, seed=2)
    assert list(eight) == [prompt for prompt in prompts if prompt in eight]


def test_a_sample_takes_all_of_a_small_suite_and_fills_up_from_the_rest():
    assert Counter(p.suite for p in suites.sample(prompts_of(big=100, small=3), 20)) == {"big": 17, "small": 3}
    assert suites.sample(prompts_of(a=5), None) == tuple(prompts_of(a=5))
    with pytest.raises(suites.SuiteError, match="--limit 0"):
        suites.sample(prompts_of(a=5), 0)
