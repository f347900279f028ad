"""Published benchmarks as suites: rows in their published form (our own words), and the real files where they are."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pytest

from evalsuite import scoring, suites
from evalsuite.records import SuiteRef
from evalsuite.suites import benchmarks
from evalsuite.suites.benchmarks import BENCHMARKS, quoted
from evalsuite.suites.suite import SuiteError

NAMED = {benchmark.name: benchmark for benchmark in BENCHMARKS}
PART = {part.suite: (benchmark, part) for benchmark in BENCHMARKS for part in benchmark.parts}
REAL_FILES = "EVALSUITE_PUBLISHED_SUITES"
"""A folder with a clone of each repository, by its name."""


def built(name: str, folder: Path, *files: str | list) -> suites.Suite:
    """A suite from made files in the published form; the pinned digest is another test's."""
    benchmark, part = PART[name]
    paths = []
    for place, content in zip(part.files, files, strict=False):
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content
        if isinstance(content, list):
            text = "\n".join(map(json.dumps, content)) if path.suffix == ".jsonl" else json.dumps(content)
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return benchmark.build(part, part.parse(paths), str(folder))


def table(*rows: dict) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


WEGEN = {"id": "EN_1", "prompt": 'A sign "OPEN" and "Late".', "text": ["OPEN", "Late"], "type": "x", "tag": [],
         "difficulty": "Hard"}  # fmt: skip
LEX = {"id": "0001", "text": ["Small", "but"], "combined_caption": 'A card, with the text on it: "Small", "but".'}
CVTG = {"index": 7, "prompt": "A door with 'Exit', a wall with 'Open Now'.", "carrier_list": [],
        "sentence_list": ["a door with 'Exit'.", "a wall with 'Open Now'."]}  # fmt: skip
TIIF = {"type": "text", "short_description": 'A "cup" of tea, with the text on it: "drink", "tea".',
        "long_description": "A long text about DRINK and tea."}  # fmt: skip
ASKED = {"type": "text", "yn_question_list": ["Is the text 'drink' in the image?", "Is the text 'tea' in the image?"]}


def test_targets_that_are_stated_are_taken_as_they_are(tmp_path):
    (prompt,) = built("wegen-en", tmp_path, [WEGEN]).prompts
    assert (prompt.id, prompt.category, prompt.targets) == ("wegen-en-EN_1", "hard", ("OPEN", "Late"))
    absent = built("wegen-zh", tmp_path, [{**WEGEN, "text": ["Closed"]}])
    assert "1 targets do not stand verbatim in their prompt; kept as published" in absent.warnings[0]
    (prompt,) = built("lex-bench-hard", tmp_path, [LEX]).prompts
    assert (prompt.id, prompt.targets) == ("lex-bench-hard-0001", ("Small", "but"))


def test_oneig_targets_are_a_list_in_a_cell(tmp_path):
    row = {"": 0, "id": "007", "prompt_en": 'A sign "It\'s on", 5%.', "text_content": "[\"It's on\", '5%']"}
    (prompt,) = built("oneig-en", tmp_path, table(row)).prompts
    assert (prompt.id, prompt.targets) == ("oneig-en-007", ("It's on", "5%"))
    for wrong in ("open('x')", "['a'", "'a'", "[1]", "[" * 2000):
        with pytest.raises(SuiteError, match=r"text_content\.csv:2: field 'text_content'"):
            built("oneig-en", tmp_path, table({**row, "text_content": wrong}))


def test_cvtg_targets_are_what_the_prompt_quotes(tmp_path):
    (prompt,) = built("cvtg-2k", tmp_path, [CVTG]).prompts
    assert (prompt.id, prompt.targets) == ("cvtg-2k-plain-2-0007", ("Exit", "Open Now"))
    two_on_one_carrier = {**CVTG, "prompt": "A door: 'In' and 'Out'.", "sentence_list": ["A door: 'In' and 'Out'."]}
    assert built("cvtg-2k", tmp_path, [two_on_one_carrier]).prompts[0].targets == ("In", "Out")
    with pytest.raises(SuiteError, match="quote different strings"):
        built("cvtg-2k", tmp_path, [{**CVTG, "sentence_list": ["a door with 'Exit'."]}])
    with pytest.raises(SuiteError, match="3 single quotes do not pair, so the targets cannot be told"):
        built("cvtg-2k", tmp_path, [{**CVTG, "prompt": "A sign that says 'Don't run'."}])


def test_tiif_targets_are_those_that_its_questions_ask_for(tmp_path):
    (short,) = built("tiif-short", tmp_path, [TIIF], [ASKED]).prompts
    assert short.targets == ("drink", "tea")  # not "cup", which stands before the list
    long = built("tiif-long", tmp_path, [TIIF], [ASKED])
    assert (long.prompts[0].text, long.prompts[0].targets) == (TIIF["long_description"], ("drink", "tea"))
    assert "1 targets do not stand verbatim" in long.warnings[0]
    for odd in ({"yn_question_list": ["Is it red?"]}, {"yn_question_list": ["Is the text 'milk' in the image?"]}):
        with pytest.raises(SuiteError, match="the questions are not about the strings"):
            built("tiif-short", tmp_path, [TIIF], [odd])


def test_unigenbench_targets_are_the_quoted_strings_that_its_point_names(tmp_path):
    def row(index: int, prompt: str, said: str, point: str = "Text Generation") -> dict:
        dims = {"Primary Categories": "Art", "Testpoints": ["Style", point], "Testpoint Description": ["ink", said]}
        return {"index": index, "prompt_en": prompt, "sub_dims_en": json.dumps(dims)}

    rows = (
        row(1, 'A poster of "The Bear" with the line "Eat more honey."', 'reads "Eat more honey."'),
        row(2, "A map with the words 'Around the World' on it.", "the words 'Around the World"),
        row(3, 'A wall that says "no".', "no", "Logic"),
        row(575, "A logo design.", "logo design"),
    )
    first, second = built("unigenbench-en", tmp_path, table(*rows)).prompts
    assert (first.id, first.category, first.targets) == ("unigenbench-en-1", "Art", ("Eat more honey.",))
    assert second.targets == ("Around the World",)
    with pytest.raises(SuiteError, match="no target can be told from this row"):
        built("unigenbench-en", tmp_path, table(row(4, 'A wall "yes".', "the word no")))
    with pytest.raises(SuiteError, match="do not pair"):
        built("unigenbench-en", tmp_path, table(row(4, "A dog's wall.", "yes")))


def test_text_atlas_keeps_one_string_or_the_numbered_lines(tmp_path):
    plain = {"annotation": "A page: 'Good morning'", "raw_text": "Good morning", "id": "0003"}
    assert built("textatlas-textsceneshq", tmp_path, [plain]).prompts[0].targets == ("Good morning",)
    lines = '\n1. "Good" in size 80, Bbox [1, 2, 3, 4]\n2. "morning" in size 76, Bbox [5, 6, 7, 8]'
    empty = {"annotation": "Nothing.", "raw_text": "", "id": "0637"}
    blend = built("textatlas-textvisionblend", tmp_path, [{**plain, "annotation": lines}, empty])
    assert [prompt.targets for prompt in blend.prompts] == [("Good", "morning")]
    with pytest.raises(SuiteError, match="the numbered texts are not those of 'raw_text'"):
        built("textatlas-textvisionblend", tmp_path, [{**plain, "annotation": lines, "raw_text": "Good"}])
    with pytest.raises(SuiteError, match="a target is empty"):
        built("textatlas-cleantextsynth", tmp_path, [empty])


def test_gentexteval_strings_are_cut_where_they_stand_in_quotes(tmp_path):
    row = {"prompt": "A shop 'Coffee Bar' with a sign 'OPEN'.", "target": "Coffee Bar OPEN", "dataset_type": "x",
           "prompt_id": 5}  # fmt: skip
    (prompt,) = built("gentexteval-en", tmp_path, [row]).prompts
    assert (prompt.id, prompt.targets) == ("gentexteval-en-0005", ("Coffee Bar", "OPEN"))
    assert quoted.split_at_quotes("a b", 'only "a" is quoted') == ("a b",)
    with pytest.raises(SuiteError, match="expected a whole number"):
        built("gentexteval-en", tmp_path, [{**row, "prompt_id": "five"}])


def test_strict_takes_the_first_characters_of_a_passage(tmp_path):
    (prompt,) = built("strict-fr-20", tmp_path, [{"rowid": 12, "text": "Le chat noir dort au soleil."}]).prompts
    assert (prompt.id, prompt.language) == ("strict-fr-20-12", "fr")
    assert prompt.targets == ("Le chat noir dort au",)
    assert prompt.text == "Produce an image of a typed document page with the following text: Le chat noir dort au"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{not json", "not JSON"),
        ('["a"]', "expected an object"),
        (json.dumps({**WEGEN, "text": "OPEN"}), "field 'text': expected a list of strings"),
        (json.dumps({**WEGEN, "text": []}), "no target can be told from this row"),
        (json.dumps({**WEGEN, "text": [" "]}), "a target is empty"),
        (json.dumps({**WEGEN, "prompt": None}), "field 'prompt': expected text"),
        (json.dumps(WEGEN) + "\n" + json.dumps(WEGEN), "'EN_1' is the id of an earlier row too"),
    ],
)
def test_what_is_no_row_is_named_with_its_line(tmp_path, content, said):
    with pytest.raises(SuiteError, match=r"wegenbench_text_en\.jsonl:\d: ") as caught:
        built("wegen-en", tmp_path, content)
    assert said in str(caught.value)


def test_other_content_than_the_published_is_refused_with_the_way_to_get_it(tmp_path):
    (tmp_path / "wegenbench_text_en.jsonl").write_text(json.dumps(WEGEN), encoding="utf-8")
    with pytest.raises(SuiteError, match="1 prompts with the digest") as caught:
        suites.load(f"wegen-en:{tmp_path}")
    assert "git clone https://github.com/WeChatCV/WeGenBench FOLDER" in str(caught.value)
    with pytest.raises(SuiteError, match=r"data/prompts/wegenbench_text_cn\.jsonl is not in it; `git clone"):
        suites.load(f"wegen-zh:{tmp_path}")
    with pytest.raises(SuiteError, match=r"does not ship with evalsuite \(CC BY-NC 4\.0\)\. Name the folder"):
        suites.load("wegen")


SHIPPED = {"lex-bench-easy": (630, 1890), "lex-bench-medium": (480, 3325), "lex-bench-hard": (200, 2400),
           "unigenbench-en": (86, 86), "unigenbench-zh": (87, 87)}  # fmt: skip


def test_what_ships_is_the_published_content_with_every_target_in_its_prompt():
    assert suites.shipped_benchmarks() == ("lex-bench", "unigenbench")
    loaded = [suite for name in suites.shipped_benchmarks() for suite in suites.load(name)]
    counts = {suite.name: (len(suite.prompts), sum(len(p.targets) for p in suite.prompts)) for suite in loaded}
    assert counts == SHIPPED
    for suite in loaded:
        assert suites.is_published(suite.ref)
        assert suite.source == f"evalsuite:{suite.name}"
        for prompt in suite.prompts:
            assert all(target in prompt.text for target in prompt.targets)
            scoring.check_targets(prompt, "standard")  # one target of LeX-Bench is "!"
    altered = SuiteRef(name="lex-bench-easy", digest="0" * 64, prompts=630, source="x")
    assert not suites.is_published(altered)


def test_published_lines_of_what_ships():
    (chinese,) = suites.load("unigenbench-zh")
    by_id = {prompt.id: prompt for prompt in chinese.prompts}
    assert by_id["unigenbench-zh-514"].targets == ("创造力是存在中最伟大的反叛",)
    (english,) = suites.load("unigenbench-en")
    by_id = {prompt.id: prompt for prompt in english.prompts}
    assert by_id["unigenbench-en-564"].targets == ("The Dragon Warrior is always hungry for more dumplings.",)
    assert by_id["unigenbench-en-576"].targets == ("Around the World",)
    (hard,) = suites.load("lex-bench-hard")
    assert hard.prompts[0].targets[:4] == ("Storage", "Goals", "Small", "but")


FOLDERS = {"lex-bench": "TextPecker", "unigenbench": "UniGenBench", "gentexteval": "TextPecker", "wegen": "WeGenBench",
           "oneig": "OneIG-Benchmark", "cvtg": "TextPecker", "tiif": "TIIF-Bench", "textatlas": "TextPecker",
           "strict": "STRICT-Bench"}  # fmt: skip


@pytest.mark.parametrize("name", FOLDERS)
def test_the_real_files_are_the_pinned_ones(name, tmp_path):
    root = os.environ.get(REAL_FILES)
    if not root:
        pytest.skip(f"${REAL_FILES} names no folder with the published repositories")
    loaded = suites.load(f"{name}:{Path(root) / FOLDERS[name]}")
    assert [suite.name for suite in loaded] == [part.suite for part in NAMED[name].parts]
    if NAMED[name].ships:
        for path in benchmarks.write_shipped(f"{name}:{Path(root) / FOLDERS[name]}", tmp_path):
            assert path.read_bytes() == (Path("data/suites/published") / path.name).read_bytes()


def test_only_what_may_ship_is_converted(tmp_path):
    with pytest.raises(SuiteError, match="are converted for shipping"):
        benchmarks.write_shipped(f"wegen:{tmp_path}", tmp_path)
