"""A disk that refuses, at every step of the write order: one clear error, and the same run goes on afterwards."""

from __future__ import annotations

import errno
import json
import shutil
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import crashing
import faults
import kills

from evalsuite.files import WriteError


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The number of steps of an uninterrupted run, and its rows."""
    return kills.steps_in("one", tmp_path_factory.mktemp("whole"))


def faulty_steps(tmp_path, whole, number: int, steps) -> list[dict[str, object]]:
    """What was not as it should be."""
    return [found for step in steps if not faults.is_right(found := faults.one(step, number, tmp_path, whole[1]))]


def test_a_full_disk_at_any_step_is_one_error_and_the_run_goes_on_when_there_is_room(tmp_path, whole):
    assert faulty_steps(tmp_path, whole, errno.ENOSPC, range(0, whole[0], 13)) == []


@pytest.mark.parametrize("number", [each for each in crashing.FAULTS if each != errno.ENOSPC])
def test_other_refusals_end_alike(tmp_path, whole, number):
    assert faulty_steps(tmp_path, whole, number, range(number % 89, whole[0], 89)) == []


def test_the_error_names_file_reason_and_remedy(tmp_path):
    with crashing.steps_of(-1, lambda: None) as whole_run:
        crashing.run_whole(tmp_path / "another")
    step = whole_run.names.index("open an image") + 1
    with (
        crashing.steps_of(step, crashing.fault(errno.ENOSPC)) as seen,
        pytest.raises(WriteError) as caught,
    ):
        crashing.run_whole(tmp_path / "run")
    assert seen.names[step] == "write"
    path, _, why = str(caught.value).partition(": ")
    assert Path(path).parent == tmp_path / "run" / "images"
    assert why == (
        "cannot be written: No space left on device; what was finished is kept: make room, "
        "then run the same command again"
    )


def test_new_folders_and_files_are_synced_before_anything_rests_on_them(tmp_path):
    with crashing.steps_of(-1, lambda: None) as seen:
        crashing.run_whole(tmp_path / "run")
    names = seen.names
    assert names[:4] == ["mkdir run", "fsync", "mkdir images", "fsync"]
    readings = names.index("open readings")
    assert names[readings : readings + 3] == ["open readings", "truncate", "fsync"]
    generations = names.index("open generations")
    assert names[generations : generations + 3] == ["open generations", "truncate", "fsync"]


@pytest.mark.parametrize("gone", ["run", "run/images"])
def test_a_folder_that_is_deleted_midway_is_named_and_made_anew_by_the_same_run(tmp_path, whole, gone):
    place = tmp_path / gone
    with (
        crashing.steps_of(30, lambda: shutil.rmtree(place)),
        pytest.raises(WriteError, match=r"its folder is gone; the same command makes anew what is missing$"),
    ):
        crashing.run_whole(tmp_path / "run")
    crashing.run_whole(tmp_path / "run")
    after = crashing.rows_of(tmp_path / "run")
    assert after["images"] == whole[1]["images"]
    assert {row["key"] for row in after["generations.jsonl"]} == {row["key"] for row in whole[1]["generations.jsonl"]}


@pytest.mark.parametrize(("step", "mode"), [(13, "one"), (17, "one"), (25, "two")])
def test_a_run_that_is_killed_goes_on_as_if_it_had_not_been(tmp_path, whole, step, mode):
    found = kills.one(step, mode, tmp_path, whole[1])
    assert found == {
        "mode": mode,
        "step": step,
        "killed": True,
        "ended": -signal.SIGKILL,
        "traceback": False,
        "warned": "",
        "orphans": 0,
        "torn": found["torn"],
        "equal": True,
        "scratch": [],
        "drawn_twice": 0,
    }


def test_temporary_files_of_dead_processes_are_removed_wherever_they_lie(tmp_path):
    crashing.run_whole(tmp_path)
    dead, alive = "4194304", "1"
    for folder in (".", "images", "assets", "assets/thumbs"):
        for process in (dead, alive):
            (tmp_path / folder / f".x.{process}-0123456789abcdef.tmp").touch()
    crashing.run_whole(tmp_path)
    assert crashing.scratch_of(tmp_path) == sorted(
        str(Path(folder) / f".x.{alive}-0123456789abcdef.tmp") for folder in (".", "images", "assets", "assets/thumbs")
    )


def test_a_thumbnail_that_a_power_loss_cut_is_made_anew(tmp_path):
    crashing.run_whole(tmp_path)
    empty, cut, *_ = thumbnails = sorted((tmp_path / "assets" / "thumbs").iterdir())
    before = [path.read_bytes() for path in thumbnails]
    empty.write_bytes(b"")
    cut.write_bytes(before[1][:-5])
    crashing.run_whole(tmp_path)
    assert [path.read_bytes() for path in thumbnails] == before


def test_every_event_of_a_run_is_a_line_of_its_log(tmp_path):
    crashing.run_whole(tmp_path)
    events = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [each["event"] for each in events] == ["opened", *["drawn"] * 6, *["read"] * 6, "scored", "closed"]
    assert set(events[1]) == {"at", "process", "event", "key", "model", "prompt", "seed"}
    with crashing.steps_of(5, crashing.fault(errno.ENOSPC)), pytest.raises(WriteError):
        crashing.run_whole(tmp_path)
    last = json.loads((tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert last["event"] == "stopped"
    assert last["error"].startswith("WriteError: ")
