"""Suites whose prompts change a picture: what is read, what is refused and how, the shipped ones, TextEdit's."""

from __future__ import annotations

import json

import pytest

from evalsuite.models.typeset.sources import make_picture
from evalsuite.records import MadePicture
from evalsuite.suites import SuiteError, default_suites, edit_suites, load, option_for

PROMPT = """\
suite: edits
language: en
prompts:
  - id: sale
    text: Change "SALE" to "SOLD OUT".
    source: printed
    size: 512x384
    lines: [SALE, Open daily]
    old: [SALE]
    targets: [SOLD OUT]
"""


@pytest.fixture
def loaded(tmp_path):
    def load_text(text):
        path = tmp_path / "edits.yaml"
        path.write_text(text, encoding="utf-8")
        return load(str(path))[0]

    return load_text


def test_an_edit_names_its_picture_the_old_text_and_what_stays(loaded):
    (prompt,) = loaded(PROMPT).prompts
    made = MadePicture(style="printed", lines=("SALE", "Open daily"), width=512, height=384)
    assert (prompt.editing.made, prompt.editing.old, prompt.editing.keep) == (made, ("SALE",), ("Open daily",))
    assert prompt.targets == ("SOLD OUT",)


def test_a_prompt_without_a_picture_is_written_as_before(loaded):
    (prompt,) = loaded(PROMPT[: PROMPT.index("    source")] + "    targets: [SOLD OUT]\n").prompts
    assert prompt.editing is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("    old: [SALE]\n", ""), "edits.yaml:4: field 'old' is missing; a prompt with 'source' changes a picture"),
        (("    source: printed\n", ""), "edits.yaml:4: field 'source' is missing"),
        (("    lines: [SALE, Open daily]\n", ""), "edits.yaml:4: field 'lines': is missing; list the lines"),
        (("old: [SALE]", "old: [SAIL]"), "edits.yaml:9: field 'old': 'SAIL' is none of the picture's lines"),
        (("old: [SALE]", "old: [SOLD OUT]"), "edits.yaml:9: field 'old': 'SOLD OUT' is a target, too"),
        (("old: [SALE]", "old: SALE"), "edits.yaml:9: field 'old': expected a list of at least one string"),
        (("Open daily]", "SALE]"), "edits.yaml:8: field 'lines': 'SALE' stands twice, or is a target already"),
        (("Open daily]", "SOLD OUT]"), "edits.yaml:8: field 'lines': 'SOLD OUT' stands twice, or is a target already"),
        (("512x384", "500x384"), "edits.yaml:7: field 'size': '500x384'; write WIDTHxHEIGHT with sides of 256 to 2048"),
        (("printed", "etched"), "edits.yaml:6: field 'source': 'etched' is neither printed nor styled nor an image"),
        (("printed", "../shop.png"), "edits.yaml:6: field 'source': '../shop.png' leaves the suite's folder"),
        (("printed", "/shop.png"), "edits.yaml:6: field 'source': '/shop.png' leaves the suite's folder"),
        (("printed", "shop.png"), "edits.yaml:8: field 'lines': is for pictures that are made"),
        (("    old:", "    keep: [Open daily]\n    old:"), "edits.yaml:9: field 'keep': is for pictures from files"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(loaded, change, said):
    with pytest.raises(SuiteError, match="edits") as caught:
        loaded(PROMPT.replace(*change))
    assert said in str(caught.value)


def test_a_suite_draws_or_changes_pictures(loaded):
    with pytest.raises(SuiteError, match="prompt plain draws a picture and sale does not; put them into two suites"):
        loaded(PROMPT + '  - {id: plain, text: A sign "A", targets: [A]}\n')


def test_the_shipped_edits_are_apart_from_all():
    suites = load("editing")
    assert [(suite.name, len(suite.prompts)) for suite in suites] == [("editing-en", 20), ("editing-zh", 16)]
    assert edit_suites() == ("editing-en", "editing-zh")
    assert not set(edit_suites()) & {*default_suites(), *(suite.name for suite in load("languages"))}
    assert option_for("editing-en", "evalsuite:editing-en") == "editing-en"
    assert not any(suite.warnings for suite in suites)


def test_a_made_picture_is_the_same_again_and_says_where_its_lines_are():
    made = MadePicture(style="styled", lines=("NIGHT", "Since 1987"), width=256, height=256)
    image, lines = make_picture(made)
    assert image.tobytes() == make_picture(made)[0].tobytes()
    assert [line.text for line in lines] == ["NIGHT", "Since 1987"]
    for left, top, right, bottom in (line.box for line in lines):
        assert 0 <= left < right <= 256
        assert 0 <= top < bottom <= 256
    (_, first_top, _, first_bottom), (_, second_top, _, _) = (line.box for line in lines)
    assert first_top < first_bottom <= second_top


def textedit_row(**changes):
    row = {
        "id": 3, "prompt": "Replace the text 'IWORKED' with 'SUCCESS'.", "gt_caption": "A poster.",
        "original_image": "1.1.1/image/original/1.jpg", "gt_image": "1.1.1/image/gt/1.jpg",
        "source_text": "IWORKED", "target_text": "SUCCESS",
    }  # fmt: skip
    return {**row, **changes}


@pytest.fixture
def textedit(tmp_path):
    def write(*rows, pictures=("1.1.1/image/original/1.jpg",)):
        listing = tmp_path / "eval_prompts" / "miniset" / "1.1.1.jsonl"
        listing.parent.mkdir(parents=True)
        listing.write_text("\n".join(map(json.dumps, rows)) + "\n")
        for name in pictures:
            path = tmp_path / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
        return f"textedit:{tmp_path}"

    return write


def test_textedits_published_rows_are_edits(textedit):
    (suite,) = load(textedit(textedit_row()))
    (prompt,) = suite.prompts
    assert (prompt.id, prompt.targets, prompt.category) == ("textedit-1.1.1-3", ("SUCCESS",), "virtual 1.1.1")
    assert (prompt.editing.old, prompt.editing.file) == (("IWORKED",), "data/1.1.1/image/original/1.jpg")
    assert option_for("textedit", suite.source) == f"textedit:{suite.pictures}"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": "3"}, "1.1.1.jsonl:1: field 'id': expected a whole number"),
        ({"target_text": ""}, "1.1.1.jsonl:1: field 'target_text': expected text"),
        ({"target_text": "OTHER"}, "1.1.1.jsonl:1: field 'target_text': 'OTHER' does not stand in the prompt"),
        ({"original_image": "../../x.jpg"}, "1.1.1.jsonl:1: field 'original_image': '../../x.jpg' is no picture"),
        ({"original_image": "1.1.1/2.jpg"}, "1 of 1 pictures are not in it, e.g. data/1.1.1/2.jpg; clone github.com"),
    ],
)
def test_a_row_of_textedit_that_cannot_be_used_is_named(textedit, change, said):
    with pytest.raises(SuiteError) as caught:
        load(textedit(textedit_row(**change)))
    assert said in str(caught.value)


def test_textedit_without_its_folder_says_where_to_get_it(tmp_path):
    for name in ("textedit", f"textedit-full:{tmp_path}"):
        with pytest.raises(SuiteError, match=r"huggingface\.co/datasets/opencompass/TextEdit"):
            load(name)
