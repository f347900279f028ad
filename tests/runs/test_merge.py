"""Shards of a plan and their merging, on runs made by hand: no model, no OCR."""

from __future__ import annotations

import shutil

import msgspec
import pytest
from runs_by_hand import ENVIRONMENT, PROMPTS, SPECK, Outcome, check, image_of, make_run, noodes, open_side
from typer.testing import CliRunner

import evalsuite
from evalsuite.cli.main import app
from evalsuite.errors import EvalsuiteError, NotComparableError
from evalsuite.gate.compare import timing_mismatch
from evalsuite.records import Environment, Gpu, Shard
from evalsuite.runs import RunStore, open_run
from evalsuite.runs.evidence import read_evidence
from evalsuite.runs.merge import MergeError
from evalsuite.runs.shards import parse_shard, slots_of
from evalsuite.runs.store import OtherPlanError

H100 = Environment(cpu="a processor", cpu_threads=2, memory=2**34, gpus=(Gpu(name="NVIDIA H100"),))


def deal(store, folder, number, count, *, environment=ENVIRONMENT, seed=None):
    """The shard of a handmade run: the rows and images of its own requests, under a manifest that says so."""
    manifest = msgspec.structs.replace(
        store.manifest, shard=Shard(number=number, count=count), environment=environment,
        seeds=store.manifest.seeds if seed is None else (seed,),
    )  # fmt: skip
    part, _ = RunStore.create_or_resume(folder, manifest)
    rows = [row for row in store.generations.read() if row.key in part.own_requests]
    for row in rows:
        if row.image is not None:
            shutil.copy(store.folder / row.image, part.folder / row.image)
    part.generations.replace(rows)
    ocr = store.manifest.ocr
    part.readings(ocr).replace(row for row in store.readings(ocr).read() if row.key in part.own_requests)
    return part


@pytest.fixture
def whole(tmp_path):
    return make_run(tmp_path / "whole", seeds=(0, 1), size=SPECK, outcome=noodes)


def test_images_are_dealt_in_equal_parts_of_every_suite_with_the_seeds_of_a_prompt_together():
    parts = [sorted(slots_of(Shard(number=number, count=3), "abcde", (0, 1))) for number in (1, 2, 3)]
    # Dealt like cards, a d, b e, c; then ten images in a row, cut after the third and the sixth.
    assert parts == [
        [("a", 0), ("a", 1), ("d", 0)],
        [("b", 0), ("b", 1), ("d", 1)],
        [("c", 0), ("c", 1), ("e", 0), ("e", 1)],
    ]
    assert slots_of(Shard(number=2, count=2), "abcd", (7,)) == {("b", 7), ("d", 7)}


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "3/0", "-1/2", "1/2/3", "1/20000", ""])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(EvalsuiteError, match="write NUMBER/COUNT, from 1/8 to 8/8"):
        parse_shard(text)


def test_merged_shards_are_the_run_that_one_machine_made(tmp_path, whole):
    folders = [deal(whole, tmp_path / f"s{number}", number, 3).folder for number in (1, 2, 3)]
    merged = evalsuite.merge(tmp_path / "out", folders[::-1], report=False).run
    alone = open_run(whole)
    assert merged.missing == ()
    assert merged.manifest == alone.manifest
    assert merged.scores == alone.scores
    ocr = whole.manifest.ocr
    assert merged.store.generations.read() == whole.generations.read()
    assert merged.store.readings(ocr).read() == whole.readings(ocr).read()
    assert merged.environments() == (ENVIRONMENT,)


def test_a_shard_is_no_whole_run_and_says_so(tmp_path, whole):
    run = open_run(deal(whole, tmp_path / "s2", 2, 3))
    # Three prompts, two seeds, two models: of twelve images four.
    assert (run.mark, len(run.scores), run.faults) == ("shard 2 of 3, 4 of 12 images", 4, ())
    assert {each.stage for each in run.missing} == {"shard"}
    verdict = check(make_run(tmp_path / "baseline", seeds=(0, 1)).folder, run.folder)
    assert verdict.outcome == "INCOMPLETE"
    assert "shard 2 of 3, 4 of 12 images: it is a part of a run; put all of its shards together" in verdict.missing[0]
    with pytest.raises(NotComparableError, match="shard 2 of 3"):
        evalsuite.claims(run.folder)
    with pytest.raises(NotComparableError, match="shard 2 of 3"):
        evalsuite.compare([whole.folder, run.folder], tmp_path / "page")


def test_what_is_missing_is_told_and_can_be_added_later(tmp_path, whole):
    folders = [deal(whole, tmp_path / f"s{number}", number, 4).folder for number in (1, 2, 3, 4)]
    result = evalsuite.merge(tmp_path / "out", [folders[0], folders[2]], report=False)
    # Six images of each of two models in four parts: 1, 2, 1 and 2 of each.
    assert len(result.run.faults) == 8
    assert result.notices == ("of 4 shards, these were not given: 2, 4; merge again with them to add what they hold",)
    result = evalsuite.merge(tmp_path / "out", [folders[1], folders[3]], report=False)
    assert result.run.scores == open_run(whole).scores
    assert [row.key for row in result.run.store.generations.read()] == list(whole.requests)
    assert result.notices == ()


def test_shards_of_other_plans_are_refused_with_what_differs(tmp_path, whole):
    one = deal(whole, tmp_path / "s1", 1, 2).folder
    other = make_run(tmp_path / "other", seeds=(0, 2), size=SPECK)
    with pytest.raises(OtherPlanError, match=r"s2 is no shard of the run in .*s1: seeds: 0, 1, not 0, 2"):
        evalsuite.merge(tmp_path / "out", [one, deal(other, tmp_path / "s2", 2, 2).folder])
    assert not (tmp_path / "out").exists()
    with pytest.raises(MergeError, match="each once"):
        evalsuite.merge(tmp_path / "out", [one, one])


def test_one_image_drawn_twice_is_merged_once_and_two_different_ones_are_refused(tmp_path, whole):
    folders = [deal(whole, tmp_path / f"s{number}", number, 2).folder for number in (1, 2)]
    again = deal(whole, tmp_path / "again", 1, 3).folder
    merged = evalsuite.merge(tmp_path / "out", [*folders, again], report=False).run
    assert merged.scores == open_run(whole).scores
    assert len(merged.store.generations.read()) == 12
    anew = make_run(tmp_path / "anew", seeds=(0, 1), size=(64, 48))
    with pytest.raises(MergeError, match=r"4 images are drawn twice, and differently: klein neon-001 seed 0 \(in .*s1"):
        evalsuite.merge(tmp_path / "new", [*folders, deal(anew, tmp_path / "x", 1, 3).folder])
    assert not (tmp_path / "new" / "generations.jsonl").exists()


def test_an_image_counts_before_a_failure_and_a_changed_one_not_at_all(tmp_path):
    whole = make_run(tmp_path / "whole", size=SPECK)
    failed = make_run(tmp_path / "failed", size=SPECK, outcome=lambda *_: Outcome(error="out of memory"))
    first = deal(failed, tmp_path / "first", 1, 1)
    assert len(evalsuite.merge(tmp_path / "only", [first.folder], report=False).run.faults) == 6
    second = deal(whole, tmp_path / "second", 1, 1)
    image_of(second, "menu-003").write_bytes(b"another")
    run = evalsuite.merge(tmp_path / "out", [first.folder, second.folder], report=False).run
    assert [each.text for each in run.missing] == ["menu-003 seed 0: out of memory"]


def test_timings_of_machines_that_differ_are_not_pooled_without_a_word(tmp_path, whole):
    parts = [
        deal(whole, tmp_path / f"s{number}", number, 2, environment=environment)
        for number, environment in ((1, ENVIRONMENT), (2, H100))
    ]
    run = evalsuite.merge(tmp_path / "out", [each.folder for each in parts], report=False).run
    assert run.environments("klein") == (ENVIRONMENT, H100)
    assert run.scores == open_run(whole).scores
    assert run.notices[0].startswith("the timings of klein are of machines that differ (gpus none → NVIDIA H100)")
    own = {row.key for row in read_evidence(parts[1], run.ocr).drawn.values()}
    assert {row.key for row in run.store.generations.read() if row.timing.place} == own
    sides = open_side(whole.folder, "klein"), open_side(run.folder, "klein")
    assert timing_mismatch(*sides) == "not measured on the same hardware and software: gpus none → NVIDIA H100"
    assert timing_mismatch(sides[0], sides[0]) is None
    # Merged once more from what was merged, the machines are still known.
    again = evalsuite.merge(tmp_path / "again", [run.folder], report=False).run
    assert again.environments("klein") == (ENVIRONMENT, H100)


def test_a_plan_has_no_more_shards_than_images(tmp_path):
    shard = Shard(number=1, count=len(PROMPTS) + 1)
    with pytest.raises(EvalsuiteError, match="shard 1 of 4: there are only 3 images of each model"):
        deal(make_run(tmp_path / "whole", size=SPECK), tmp_path / "s", shard.number, shard.count)


def test_the_command_names_what_is_missing_and_a_shard_that_has_drawn_its_part_is_no_failure(tmp_path, whole):
    folders = [str(deal(whole, tmp_path / f"s{number}", number, 2).folder) for number in (1, 2)]
    out = str(tmp_path / "out")
    half = CliRunner().invoke(app, ["merge", out, folders[0], "--quiet"])
    assert half.exit_code == 12
    assert "incomplete: 6 of 12 images are missing" in half.stderr
    assert "of 2 shards, these were not given: 2" in half.stderr
    assert CliRunner().invoke(app, ["merge", out, folders[1], "--quiet"]).exit_code == 0
    shown = CliRunner().invoke(app, ["score", folders[0], "--quiet"])
    assert shown.exit_code == 0
    assert "shard 1 of 2, 6 of 12 images" in shown.stdout
