"""Runs that are really drawn by the typeset reference and really read by PaddleOCR."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from installed import skip_without_paddleocr
from PIL import Image, ImageDraw

import evalsuite
from evalsuite import ocr, scoring
from evalsuite.errors import EvalsuiteError
from evalsuite.models.typeset.fonts import LATIN_FACES, font
from evalsuite.models.typeset.planted_errors import plant
from evalsuite.records import TextLine
from evalsuite.runs import open_run
from evalsuite.runs.reading import read_image
from evalsuite.runs.rows import DamagedRunError
from evalsuite.runs.store import OtherPlanError, RunStore

skip_without_paddleocr()

SUITE = """\
suite: small
language: en
prompts:
  - {id: one, category: neon, length: short, text: 'A neon sign "NIGHT NOODLES".', targets: [NIGHT NOODLES]}
  - {id: two, category: neon, length: short, text: '"OPEN 24/7", "Free Wi-Fi"', targets: [OPEN 24/7, Free Wi-Fi]}
  - {id: three, language: zh, category: menu, length: short, text: '一块“今日特价”的牌子', targets: [今日特价]}
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("suite") / "small.yaml"
    path.write_text(SUITE, encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, suite) -> Path:
    """A finished run of three prompts; tests that change it take a copy."""
    folder = tmp_path_factory.mktemp("run") / "finished"
    evalsuite.run(["typeset:size=640x256"], [suite], out=folder, workers=1)
    return folder


@pytest.fixture
def run_copy(finished, tmp_path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def draws(folder: Path) -> list[str]:
    return [json.loads(line)["key"] for line in (folder / "generations.jsonl").read_text().splitlines()]


def accuracy(result) -> float | None:
    return scoring.rates(score.result for score in result.run.scores).character_accuracy


def test_a_run_draws_reads_and_scores_every_prompt(finished, suite):
    again = evalsuite.run(["typeset:size=640x256"], [suite], out=finished, workers=1)
    assert again.resumed
    assert [score.status for score in again.run.scores] == ["scored"] * 3
    assert accuracy(again) == 1.0
    assert len(draws(finished)) == 3
    names = {path.name.split(".")[0] for path in finished.iterdir()}
    assert {"manifest", "generations", "readings", "scores", "images"} <= names


def test_a_finished_run_is_left_as_it_is(run_copy, suite):
    rows = [path for path in run_copy.rglob("*.jsonl") if path.name != "log.jsonl"]
    before = {path: path.read_bytes() for path in rows}
    evalsuite.run(["typeset:size=640x256"], [suite], out=run_copy, workers=1)
    assert {path: path.read_bytes() for path in rows} == before


def test_another_plan_in_the_same_folder_is_refused_and_nothing_is_lost(run_copy, suite):
    before = sorted(path.name for path in run_copy.rglob("*"))
    with pytest.raises(OtherPlanError, match=r"\(seeds: 0, not 0, 1\); name another folder with --out"):
        evalsuite.run(["typeset:size=640x256"], [suite], out=run_copy, samples=2)
    with pytest.raises(
        OtherPlanError, match=r"its models are typeset:size=640x256, not typeset:errors=0\.5,size=640x256"
    ):
        evalsuite.run(["typeset:size=640x256,errors=0.5"], [suite], out=run_copy, ceiling=False)
    with pytest.raises(OtherPlanError, match="its models are typeset:size=640x256, not typeset:size=512x512"):
        evalsuite.run(["typeset:size=512x512"], [suite], out=run_copy, ceiling=False)
    assert sorted(path.name for path in run_copy.rglob("*")) == before


def test_a_changed_or_lost_image_is_drawn_and_read_again_and_only_that(run_copy, suite):
    first, second, third = draws(run_copy)
    Image.new("RGB", (64, 64)).save(run_copy / "images" / f"{first}.png")
    (run_copy / "images" / f"{second}.png").unlink()
    result = evalsuite.run(["typeset:size=640x256"], [suite], out=run_copy, workers=1)
    assert draws(run_copy)[3:] == [first, second]
    assert third not in draws(run_copy)[3:]
    assert accuracy(result) == 1.0


def test_a_torn_row_is_done_again(run_copy, suite):
    path = run_copy / "generations.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    result = evalsuite.run(["typeset:size=640x256"], [suite], out=run_copy, workers=1)
    assert len(draws(run_copy)) == 3
    assert accuracy(result) == 1.0


def test_a_row_that_leads_out_of_the_folder_is_refused(run_copy):
    path = run_copy / "generations.jsonl"
    path.write_text(path.read_text().replace('"image":"images/', '"image":"../images/', 1))
    with pytest.raises(DamagedRunError, match="is no image path of this run"):
        open_run(run_copy)


def test_a_blank_image_is_found_and_scores_zero(tmp_path, suite):
    for name in ("one_0.png", "two_0.png", "three_0.png"):
        Image.new("RGB", (512, 512), "navy").save(tmp_path / name)
    result = evalsuite.run([f"folder:{tmp_path}"], [suite], out=tmp_path / "run", ceiling=False, workers=1)
    assert accuracy(result) == 0.0
    assert [each.text for each in result.missing] == [
        f"{name} seed 0: the image is blank" for name in ("one", "two", "three")
    ]
    rows = result.run.generations.values()
    assert {finding.code for row in rows for finding in row.findings} == {"blank-image"}


def test_an_image_that_is_all_but_one_colour_is_blank_too(tmp_path, suite):
    for name in ("one_0.png", "two_0.png", "three_0.png"):
        page = Image.new("RGB", (512, 512), (10, 20, 30))
        page.putpixel((5, 5), (11, 21, 31))
        page.save(tmp_path / name)
    result = evalsuite.run([f"folder:{tmp_path}"], [suite], out=tmp_path / "run", ceiling=False, workers=1)
    assert {each.why for each in result.missing} == {"the image is blank"}


def test_an_image_swapped_between_drawing_and_reading_never_lends_its_text(run_copy, suite):
    """The reader hashes the bytes that it reads, so that the reading is of the picture that was there."""
    rows = {row.prompt: row for row in open_run(run_copy).generations.values()}
    store = RunStore.open(run_copy)
    shutil.copy(store.image_path(rows["two"]), store.image_path(rows["one"]))
    (readings,) = run_copy.glob("readings.*.jsonl")
    readings.unlink()
    with store.writing():
        engine = ocr.resolve("paddle")
        reading = read_image(engine, rows["one"].key, store.image_path(rows["one"]))
        store.readings(engine.spec).replace([reading])
    assert reading.image_sha256 == rows["two"].sha256
    assert open_run(run_copy).scores_of("typeset:size=640x256")[0].status == "missing"
    shutil.copy(store.image_path(rows["three"]), store.image_path(rows["one"]))
    result = evalsuite.run(["typeset:size=640x256"], [suite], out=run_copy, workers=1)
    assert accuracy(result) == 1.0
    assert result.complete


def test_a_missing_image_counts_with_all_its_targets_and_is_named(tmp_path, suite):
    evalsuite.run(["typeset:size=640x256"], [suite], out=tmp_path / "clean", workers=1)
    store = RunStore.open(tmp_path / "clean")
    generations = {row.prompt: row for row in open_run(store).generations.values()}
    images = tmp_path / "images"
    images.mkdir()
    for ident in ("one", "three"):
        shutil.copy(store.image_path(generations[ident]), images / f"{ident}_0.png")
    steps = []
    result = evalsuite.run(
        [f"folder:{images}"], [suite], out=tmp_path / "run", ceiling=False, workers=1, watch=steps.append
    )
    assert [each.text for each in result.missing] == ["two seed 0: no file for sample 0 of prompt two"]
    # NIGHT NOODLES 12 and 今日特价 4 are read, OPEN 24/7 (8) and Free Wi-Fi (9) are not: 16 of 33.
    assert accuracy(result) == pytest.approx(16 / 33)
    assert result.notices == ("folder:images: 1 missing: two_0",)
    # The notice comes before anything is drawn.
    assert [(step.stage, step.done, step.total, step.item) for step in steps[:2]] == [
        ("plan", 1, 1, "folder:images: 1 missing: two_0"),
        ("take", 0, 3, ""),
    ]


def test_the_lost_letter_of_night_noodes_is_caught_in_a_real_image(tmp_path):
    page = Image.new("RGB", (900, 300), "black")
    ImageDraw.Draw(page).text((60, 90), "NIGHT NOODES", fill=(255, 60, 60), font=font(LATIN_FACES[1], 96))
    page.save(tmp_path / "sign.png")
    (tmp_path / "targets.txt").write_text("NIGHT NOODLES\n")
    result = evalsuite.score(tmp_path, tmp_path / "targets.txt", out=tmp_path / "run", workers=1)
    (target,) = result.run.scores[0].result.targets
    assert (target.substitutions, target.insertions, target.deletions) == (0, 0, 1)
    assert [edit.target for edit in target.edits if edit.kind == "delete"] == ["L"]
    assert accuracy(result) == pytest.approx(11 / 12)


def test_rescoring_draws_and_reads_nothing(run_copy):
    before = {path.name: path.read_bytes() for path in run_copy.glob("[gr]*.jsonl")}
    result = evalsuite.rescore(run_copy, profile="strict")
    assert result.run.scorer.profile == "strict"
    assert {path.name: path.read_bytes() for path in run_copy.glob("[gr]*.jsonl")} == before
    assert len(list(run_copy.glob("scores.*.jsonl"))) == 2


def test_two_writers_do_not_share_a_folder(run_copy):
    store = RunStore.open(run_copy)
    with store.writing(), pytest.raises(EvalsuiteError, match="another evalsuite is writing"):
        evalsuite.rescore(run_copy)


def planted_accuracy(run) -> float:
    """Character accuracy of the texts that were set, against the targets: what a perfect reader would find."""
    errors = length = 0
    for request in run.requests.values():
        targets = run.prompts[request.prompt].targets
        drawn = [
            TextLine(text=plant(target, 0.3, [request.prompt, place, request.seed]))
            for place, target in enumerate(targets)
        ]
        counts = scoring.count(scoring.score_image(targets, drawn))
        errors, length = errors + counts.edits, length + counts.length
    return 1 - errors / length


def test_planted_errors_lower_the_score_by_what_was_planted(tmp_path, suite):
    result = evalsuite.run(
        ["typeset:size=640x256,errors=0.3"], [suite], out=tmp_path / "run", samples=2, workers=1, ceiling=False
    )
    measured = accuracy(result)
    assert measured is not None
    # The planted errors are known: 66 characters of two samples, of which so many were replaced, dropped or doubled.
    expected = planted_accuracy(result.run)
    assert measured == pytest.approx(expected, abs=0.031)  # the OCR may err on two of them


@pytest.mark.slow
def test_a_killed_run_goes_on_and_draws_nothing_twice(tmp_path):
    folder = tmp_path / "run"
    command = [
        sys.executable, "-m", "evalsuite", "run", "--model", "typeset:size=512x512", "--suite", "ui-en",
        "--limit", "12", "--out", str(folder), "--ocr-workers", "1",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    rows = folder / "generations.jsonl"
    deadline = time.monotonic() + 120
    while not (rows.exists() and rows.read_bytes().count(b"\n") >= 4):
        assert time.monotonic() < deadline, "the run drew nothing"
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    drawn_before = [line for line in rows.read_bytes().split(b"\n") if line.endswith(b"}")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    keys = draws(folder)
    assert len(keys) == len(set(keys)) == 12
    assert len(drawn_before) >= 4
    assert rows.read_bytes().startswith(b"\n".join(drawn_before[:4]))
    assert "accuracy [95 %]" in done.stdout


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path, suite):
    tmp_path.chmod(0o500)
    with pytest.raises(EvalsuiteError, match="cannot be written"):
        evalsuite.run(["typeset"], [suite], out=tmp_path / "run")


def test_a_file_in_the_way_of_the_run_folder_is_one_clear_error(tmp_path, suite):
    (tmp_path / "run").write_text("in the way")
    with pytest.raises(EvalsuiteError, match=r"run: cannot be (read|written)"):
        evalsuite.run(["typeset"], [suite], out=tmp_path / "run")
