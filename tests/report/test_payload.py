from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from evalsuite.records import Edit, TargetScore
from evalsuite.report import payload
from evalsuite.runs import open_run

ALIKE = (Edit(kind="equal", target="AB", read="AB"),)


def target(*, case_errors=0, edits=ALIKE):
    counts = {"substitutions": 0, "insertions": 0, "deletions": 0, "case_errors": case_errors}
    return TargetScore(target="AB", length=2, matched=True, exact=True, edits=edits, **counts)


@given(st.text())
def test_no_string_ends_the_script_element_and_all_come_back(text):
    block = payload.script_json({"text": text, f"{text}'s name": 1})
    assert "<" not in block
    assert json.loads(block) == {"text": text, f"{text}'s name": 1}


def test_the_ways_out_of_a_script_element_are_closed():
    block = payload.script_json(["</script>", "<!--", "]]>", "\x00", "\u2028"])
    assert "<" not in block
    assert "\x00" not in block
    assert json.loads(block) == ["</script>", "<!--", "]]>", "\x00", "\u2028"]


def test_a_target_read_letter_for_letter_is_one_digit():
    assert payload.target_row(target()) == 0


def test_a_target_read_with_another_case_or_form_keeps_its_edits():
    read = target(
        case_errors=1, edits=(Edit(kind="equal", target="A", read="A"), Edit(kind="case", target="B", read="b"))
    )
    assert payload.target_row(read) == [1, 0, 1, 1, [[0, "A", "A"], [1, "B", "b"]]]
    split = target(edits=(Edit(kind="equal", target="A B", read="A\nB"),))
    assert payload.target_row(split) == [1, 0, 0, 1, [[0, "A B", "A\nB"]]]


def test_rows_name_their_model_prompt_and_command(handmade, tmp_path):
    store = handmade.make_run(tmp_path / "run", outcome=handmade.noodes, models=(handmade.model("my model; rm -rf /"),))
    run = open_run(store)
    name = run.manifest.models[0].name
    gallery = payload.Gallery([payload.Side(run, run.scores, pictures={}, names={name: name})], sample=["a<b"])
    text = "".join(gallery.data())
    assert "<" not in text
    data, boxes = json.loads(text), json.loads("".join(gallery.boxes()))
    assert data["sample"] == ["a<b"]
    offered = "evalsuite run --model 'my model; rm -rf /' --set 'steps=4 guidance=1.0'"
    assert data["models"][0]["again"] == {"command": offered, "whole": False, "note": "again.place"}
    assert data["commands"] == {"signs": " --suite signs.yaml", "signs-zh": " --suite signs-zh.yaml"}
    assert [row[:3] for row in data["rows"]] == [[0, 0, 0], [0, 1, 0], [0, 2, 0]]
    neon = data["rows"][0]
    assert neon[8:10] == [12, 1]  # characters, errors
    assert neon[11] == [[1, 1, 0, 0, [[0, "NIGHT NOOD", "NIGHT NOOD"], [3, "L", ""], [0, "ES", "ES"]]]]
    assert [line[:2] for line in boxes[0]] == [[payload.WITH_ERRORS, "NIGHT NOODES"]]
    assert [line[0] for line in boxes[1]] == [payload.EXACT, payload.WITH_ERRORS, payload.NO_TARGET]
    assert [row[-2:] for row in data["rows"]] == [[run.generations[score.key].sha256, None] for score in run.scores]


def test_a_gallery_is_the_same_however_many_rows_are_written_at_once(handmade, tmp_path, monkeypatch):
    run = open_run(handmade.make_run(tmp_path / "run", outcome=handmade.noodes, seeds=(0, 1)))
    names = {spec.name: spec.name for spec in run.manifest.models}
    gallery = payload.Gallery([payload.Side(run, run.scores, pictures={}, names=names)])
    at_once = json.loads("".join(gallery.data()))
    assert len(at_once["rows"]) == 12
    monkeypatch.setattr(payload, "ROWS_AT_ONCE", 5)
    assert json.loads("".join(gallery.data())) == at_once
    monkeypatch.setattr(payload, "ROWS_AT_ONCE", 4)
    assert len(json.loads("".join(gallery.boxes()))) == 12


def test_a_gallery_without_a_row_has_empty_lists(handmade, tmp_path):
    run = open_run(handmade.make_run(tmp_path / "run"))
    gallery = payload.Gallery([payload.Side(run, (), pictures={}, names={"klein": "klein"})])
    assert json.loads("".join(gallery.data()))["rows"] == []
    assert "".join(gallery.boxes()) == "[]"
