"""A run is followed while another process writes it: torn lines, files that change, and figures worked out by hand."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime

import msgspec
import pytest
import runs_by_hand as handmade

from evalsuite.records import Generation
from evalsuite.runs import DamagedRunError, RunStore
from evalsuite.view import live
from evalsuite.view.live import Follower, Tail

GONE = 2**22 + 1
"""No process has this id on Linux."""


@pytest.fixture
def whole(tmp_path):
    return handmade.make_run(tmp_path / "run", outcome=handmade.noodes)


def cut(store, *, drawn: int, read: int):
    """Leave so many rows, and half of the next one."""
    for path, rows in ((store.generations.path, drawn), (store.readings(store.manifest.ocr).path, read)):
        lines = path.read_bytes().splitlines(keepends=True)
        rest = lines[rows][:40] if rows < len(lines) else b""
        path.write_bytes(b"".join(lines[:rows]) + rest)


def log(store, *events, process=None, at=None):
    moment = datetime.fromtimestamp(at or time.time(), UTC).isoformat(timespec="milliseconds")
    rows = [{"at": moment, "process": process or os.getpid(), "event": each, "run": "x"} for each in events]
    with (store.folder / "log.jsonl").open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def test_a_torn_line_is_taken_up_when_it_is_whole(whole):
    path = whole.generations.path
    content = path.read_bytes()
    first, second, *_ = content.splitlines(keepends=True)
    tail = Tail(path, Generation)
    path.write_bytes(first + second[:25])
    assert [len(rows) for _, rows in (tail.read(), tail.read())] == [1, 0]
    path.write_bytes(content)
    assert [row.key for row in tail.read()[1]] == [json.loads(line)["key"] for line in content.splitlines()[1:]]


def test_a_file_that_was_replaced_is_read_anew(whole, tmp_path):
    path = whole.generations.path
    tail = Tail(path, Generation)
    assert (tail.read()[0], tail.read()) == (False, (False, []))
    other = tmp_path / "other"
    other.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    other.replace(path)
    anew, rows = tail.read()
    assert (anew, len(rows)) == (True, 1)
    path.unlink()
    assert tail.read() == (True, [])
    path.symlink_to("/etc/passwd")
    with pytest.raises(DamagedRunError, match="is a link"):
        tail.read()


def test_a_whole_line_that_is_no_row_is_damage(whole):
    whole.generations.path.write_text("{}\n")
    with pytest.raises(DamagedRunError, match="not a row"):
        Tail(whole.generations.path, Generation).read()


def test_a_row_that_names_another_prompt_than_its_key_is_damage(whole):
    line, *others = whole.generations.path.read_text().splitlines(keepends=True)
    for prompt in ("", "nobody"):
        row = json.dumps({**json.loads(line), "prompt": prompt}) + "\n"
        whole.generations.path.write_text("".join([row, *others]))
        with pytest.raises(DamagedRunError, match="but that key is"):
            Follower(RunStore.open(whole.folder)).now()


def test_the_figures_so_far_are_those_of_what_is_read(whole):
    cut(whole, drawn=3, read=2)
    now = Follower(RunStore.open(whole.folder)).now()
    assert (now.state, now.planned, now.drawn, now.read, now.failed) == ("stopped", 6, 3, 2, 0)
    klein, typeset = now.models
    assert (klein.planned, klein.drawn, klein.scored) == (3, 3, 2)
    # NIGHT NOODLES has lost one of its 12 letters; the 21 of the shop are right but for case.
    assert klein.accuracy.estimate == pytest.approx(1 - 1 / 33)
    assert (typeset.scored, typeset.accuracy.estimate) == (0, None)
    assert [(each.prompt, each.accuracy) for each in now.latest] == [
        ("menu-003", None), ("shop-002", 1.0), ("neon-001", pytest.approx(11 / 12)),
    ]  # fmt: skip


def test_what_failed_counts_as_wholly_wrong(tmp_path):
    def outcome(_spec, prompt, _seed):
        return handmade.Outcome(error="out of memory") if prompt.id == "neon-001" else handmade.perfect(prompt)

    store = handmade.make_run(tmp_path / "run", models=handmade.MODELS[:1], outcome=outcome)
    now = Follower(store).now()
    assert (now.drawn, now.read, now.failed, now.state) == (2, 3, 1, "done")
    # 12 of 39 characters are lost.
    assert now.models[0].accuracy.estimate == pytest.approx(27 / 39)
    assert [each.failed for each in now.latest if each.prompt == "neon-001"] == ["out of memory"]


def test_it_grows_with_the_files_and_ends_with_the_log(whole):
    content = whole.generations.path.read_bytes(), whole.readings(whole.manifest.ocr).path.read_bytes()
    cut(whole, drawn=1, read=0)
    log(whole, "opened")
    follower = Follower(RunStore.open(whole.folder))
    assert (follower.now().state, follower.now().drawn) == ("running", 1)
    whole.generations.path.write_bytes(content[0])
    whole.readings(whole.manifest.ocr).path.write_bytes(content[1])
    assert (follower.now().state, follower.now().read) == ("running", 6)
    log(whole, "closed")
    assert follower.now().state == "done"


@pytest.mark.parametrize(("ago", "state"), [(10.0, "running"), (live.SILENT + 10, "stopped")])
def test_a_process_that_is_not_seen_here_counts_as_stopped_when_it_is_silent(whole, ago, state):
    cut(whole, drawn=1, read=0)
    log(whole, "opened", process=GONE, at=time.time() - ago)
    assert Follower(whole).now().state == state


def test_the_time_left_goes_by_the_pace_of_this_session(whole):
    began = time.time() - 300
    rows = []
    for number, row in enumerate(whole.generations.read()[:4]):
        # One of a session before, then 100 s of loading, and a minute per image.
        at = began - 5000 if number == 0 else began + 100 + 60 * (number - 1)
        moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")
        rows.append(msgspec.structs.replace(row, drawn_at=moment))
    whole.generations.replace(rows)
    whole.readings(whole.manifest.ocr).path.unlink()
    log(whole, "opened", at=began)
    now = Follower(whole).now()
    assert now.left_drawing == pytest.approx(120, abs=0.1)
    assert now.left_reading is None
    assert now.elapsed == pytest.approx(300, abs=30)
