"""A run looked at glyph by glyph, through the command, its page and the Python function."""

from __future__ import annotations

import csv
import json
import re
import sys

import pytest
from installed import skip_without_paddleocr
from msgspec import structs
from PIL import Image
from typer.testing import CliRunner

import evalsuite
from evalsuite.cli.main import app
from evalsuite.glyphs import looked_at
from evalsuite.glyphs.by_prompt import by_prompt
from evalsuite.glyphs.counts import Place, report_of
from evalsuite.glyphs.marks import GlyphMark, GlyphMarks, GlyphMarksError
from evalsuite.glyphs.sample import read_sample
from evalsuite.glyphs.seen import look_at_run, read_seen, rows_of
from evalsuite.records import digest, encode
from evalsuite.report.comparison import contestants
from evalsuite.report.glyph_differences import glyph_differences
from evalsuite.runs.judged_sample import SampleError

skip_without_paddleocr()

SUITE = """\
suite: small
language: en
prompts:
  - id: one
    category: sign
    length: short
    text: It says "Please keep this entrance clear at all times"
    targets: [Please keep this entrance clear at all times]
  - id: two
    language: zh
    category: sign
    length: short
    text: “前方施工车辆慢行注意安全”
    targets: [前方施工车辆慢行注意安全]
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("glyphs")
    (folder / "small.yaml").write_text(SUITE, encoding="utf-8")
    models = ["typeset", "typeset:malformed=0.2"]
    asked = {"out": folder / "run", "workers": 1, "ceiling": False, "report": False}
    evalsuite.run(models, [str(folder / "small.yaml")], **asked)
    return folder / "run"


def test_planted_glyphs_are_found_and_sound_ones_left_alone(run):
    result = evalsuite.glyphs(run, report=False)
    seen = {(each.model, each.language): each for each in result.found.counts}
    assert result.found.images == 4
    assert seen["typeset", "en"].judged == 37  # the letters of the sentence
    assert seen["typeset", "zh"].judged == 12
    assert seen["typeset", "en"].seen["suspicious"] == seen["typeset", "zh"].seen["suspicious"] == 0
    for language in ("en", "zh"):
        assert seen["typeset:malformed=0.2", language].seen["suspicious"] >= 1
    models = {result.run.generations[each.place.key].model for each in result.found.suspicions}
    assert models == {"typeset:malformed=0.2"}
    doubts = [each.doubt for each in result.found.suspicions]
    assert doubts == sorted(doubts, reverse=True)
    assert "0 of 37 suspicious" in repr(result)


def rows_beside(run):
    return {
        path.name: path.read_bytes() for path in run.glob("*.jsonl") if not path.name.startswith(("glyphs.", "log."))
    }


def test_the_command_writes_its_page_and_changes_no_row(run):
    before = rows_beside(run)
    done = CliRunner().invoke(app, ["glyphs", str(run)])
    assert done.exit_code == 0, done.output
    assert "cannot tell" in done.stdout
    page = (run / "glyphs.html").read_text(encoding="utf-8")
    assert page.count("<li data-place=") == len(evalsuite.glyphs(run, report=False).found.suspicions)
    assert "data:image/png;base64," in page
    assert rows_beside(run) == before


def test_what_was_seen_is_kept_and_believed_only_for_these_bytes_and_readings(run, monkeypatch):
    opened = evalsuite.open_run(run)
    evalsuite.glyphs(run, report=False)
    seen = read_seen(opened)
    assert set(seen) == set(opened.requests)
    monkeypatch.setattr(sys.modules["evalsuite.glyphs.seen"], "_look", None)  # nothing is looked at again
    assert look_at_run(opened, None) == look_at_run(opened, None, sealed=True) == seen
    monkeypatch.undo()

    (key, row), *rest = seen.items()
    one, *others = row.glyphs
    changed = [
        structs.replace(row, image_sha256="0" * 64),
        structs.replace(row, reading="0" * 64),
        structs.replace(row, verifier="0" * 64),
        structs.replace(row, glyphs=(structs.replace(one, index=10_000), *others)),
        structs.replace(row, glyphs=(structs.replace(one, line=-1), *others)),
    ]
    for wrong in changed:
        rows_of(opened).replace([wrong, *(each for _, each in rest)])
        assert key not in read_seen(opened)
        assert report_of(opened).unseen == 1
    edited = structs.replace(row, glyphs=tuple(structs.replace(each, sight="sound") for each in row.glyphs))
    rows_of(opened).replace([edited])
    monkeypatch.setattr(sys.modules["evalsuite.glyphs.seen"], "_look", lambda _run, key, *_: seen[key])
    assert look_at_run(opened, None)[key] == edited  # a page shows it
    assert look_at_run(opened, None, sealed=True) == seen  # no verdict rests on it
    rows_of(opened).replace(seen.values())


def test_the_report_shows_the_counts_beside_accuracy_with_filter_and_badge(run):
    evalsuite.glyphs(run)
    page = (run / "index.html").read_text(encoding="utf-8")
    section = page[page.index('<section id="glyphs"') :]
    assert section.index('href="glyphs.html"') < section.index("</section>")
    data = json.loads(re.search(r'id="gallery-data">(.*?)</script>', page)[1])
    found = report_of(evalsuite.open_run(run))
    assert data["glyphs"] == found.suspicious_images
    assert data["glyphs_page"] == "glyphs.html"
    whole = evalsuite.report(run, single_file=True).page.read_text(encoding="utf-8")
    assert 'href="glyphs.html"' not in whole
    assert '<section id="glyphs"' in whole


def test_a_page_elsewhere_links_to_its_own_copies_and_leaves_the_run_alone(run, tmp_path):
    before = {path.name for path in run.iterdir()}
    evalsuite.report(run, out=tmp_path / "page", glyphs=True)
    page = (tmp_path / "page" / "glyphs.html").read_text(encoding="utf-8")
    links = set(re.findall(r'<li data-place="[^"]*"[^>]*><a href="([^"]*)"', page))
    assert links
    assert all((tmp_path / "page" / link).is_file() for link in links)
    assert {path.name for path in run.iterdir()} == before


def test_exports_carry_the_counts(run, tmp_path):
    evalsuite.glyphs(run, report=False)
    rows = list(csv.DictReader(evalsuite.export(run, "csv", out=tmp_path / "a.csv").open(encoding="utf-8-sig")))
    clean = [(row["glyphs_judged"], row["glyphs_suspicious"], row["glyphs_cannot_tell"]) for row in rows[:2]]
    assert clean == [("37", "0", "0"), ("12", "0", "0")]
    markdown = evalsuite.export(run, "markdown", out=tmp_path / "a.md").read_text(encoding="utf-8")
    assert r"| typeset | zh | 12 | 0 | 0.000 \[" in markdown, markdown.split("Suspicious")[1][90:500]


def test_models_are_compared_prompt_by_prompt(run, tmp_path):
    evalsuite.glyphs(run, report=False)
    opened = evalsuite.open_run(run)
    called = contestants([opened])
    seen = report_of(opened).seen
    planted = by_prompt(opened, seen, "typeset:malformed=0.2")
    (whole, *_) = glyph_differences([opened], called, [looked_at(opened)])
    assert (whole.prompts, whole.left_out) == (2, 0)
    assert whole.interval.estimate == pytest.approx((planted["one"].share + planted["two"].share) / 2)
    page = evalsuite.compare(run, tmp_path / "compared").page.read_text(encoding="utf-8")
    assert '<section id="glyphs"' in page
    data = json.loads(re.search(r'id="gallery-data"[^>]*>(.*?)</script>', page, re.DOTALL)[1])
    counts = report_of(opened).suspicious_images
    assert counts
    assert data["glyphs"] == [counts, counts]  # by model: the typeset page and the one with malformed glyphs
    badges = [sum(data["glyphs"][row[0]].get(row[3], 0) for row in data["rows"] if row[0] == model) for model in (0, 1)]
    assert badges == [0, sum(counts.values())]


def marks_of(run, places, verdict):
    """What the page exports where a person marks these places, each by `verdict(place)`."""
    opened = evalsuite.open_run(run)
    marks = []
    for place in places:
        request, reading = opened.requests[place.key], opened.readings[place.key]
        marks.append(
            GlyphMark(
                key=place.key, model=request.model, prompt=request.prompt, seed=request.seed, verdict=verdict(place),
                image_sha256=reading.image_sha256, line=place.line, index=place.index, marked_at="2026-11-27T09:00:00Z",
                character=reading.lines[place.line].text[place.index],
            )
        )  # fmt: skip
    return GlyphMarks(format=1, run=digest(opened.manifest), engine_digest=opened.ocr.digest, marks=tuple(marks))


def test_a_sample_is_drawn_blind_marked_and_exported(run, tmp_path):
    first = evalsuite.glyphs(run, sample=8, seed=5)
    assert (first.correction.size, first.correction.marked) == (8, 0)
    assert "8 of the 8 sampled glyphs are not marked" in first.correction.withheld
    places = [Place(*each) for each in read_sample(first.run, first.found.seen).places]
    page = (run / "glyphs.html").read_text(encoding="utf-8")
    shown = page[page.index('<section id="sample">') : page.index('<section id="glyphs">')]
    assert re.findall(r'<li data-place="([^"]*)"', shown) == [place.name for place in places]
    assert "·" not in shown  # neither the verifier's doubt nor the model sways who marks

    file = tmp_path / "marks.json"
    file.write_bytes(encode(marks_of(run, places, lambda place: "malformed" if place == places[0] else "sound")))
    found = evalsuite.glyphs(run, marks=file, report=False).correction
    assert (found.marked, found.withheld) == (8, None)
    assert sum(each.found + each.missed for each in found.figures if each.language is None) == 1
    assert all(each.malformed is None for each in found.figures)  # glyphs of two prompts are too few

    folder = evalsuite.export(run, "glyphs", out=tmp_path / "labels")
    evalsuite.export(run, "glyphs", out=folder)  # the same glyphs again add nothing
    rows = [json.loads(line) for line in (folder / "glyphs.jsonl").read_text(encoding="utf-8").splitlines()]
    assert sorted(row["mark"] for row in rows) == ["malformed"] + ["sound"] * 7
    assert {row["file"] for row in rows} == {f"glyphs/{path.name}" for path in (folder / "glyphs").iterdir()}
    assert Image.open(folder / rows[0]["file"]).size == (64, 64)
    assert all(row["line"][row["index"]] == row["character"] for row in rows)
    with pytest.raises(SampleError, match="seed 5 was drawn already"):
        evalsuite.glyphs(run, sample=8, seed=6)


def test_marks_of_something_else_are_refused(run, tmp_path):
    evalsuite.glyphs(run, report=False)
    opened = evalsuite.open_run(run)
    good = marks_of(run, [Place(next(iter(opened.requests)), 0, 0)], lambda _: "sound")
    (mark,) = good.marks
    for wrong, said in [
        (structs.replace(good, run="0"), "another run"),
        (structs.replace(good, engine_digest="0" * 64), "another OCR read"),
        (structs.replace(good, marks=(mark, mark)), "marked twice"),
        (structs.replace(good, marks=(structs.replace(mark, key="none"),)), "no such image"),
        (structs.replace(good, marks=(structs.replace(mark, image_sha256="0"),)), "the image has changed"),
        (structs.replace(good, marks=(structs.replace(mark, character="Q"),)), "something else was read"),
        (structs.replace(good, marks=(structs.replace(mark, index=99),)), "something else was read"),
        (structs.replace(good, format=2), "marks of format 2"),
    ]:
        file = tmp_path / "marks.json"
        file.write_bytes(encode(wrong))
        with pytest.raises(GlyphMarksError, match=said):
            evalsuite.glyphs(run, marks=file, report=False)


def test_no_run_is_one_clear_line(tmp_path):
    done = CliRunner().invoke(app, ["glyphs", str(tmp_path)])
    assert done.exit_code != 0
    assert "no run here" in str(done.output) + str(done.exception)
