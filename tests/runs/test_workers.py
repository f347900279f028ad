"""Worker processes: what they answer, and how they end. No OCR: the work is a small class that can be pickled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from evalsuite.runs.reading import default_workers
from evalsuite.runs.workers import Died, WorkerDeathError, WorkerPool

HERE = Path(__file__).parent


def work(item: tuple[str, str]) -> str:
    """`("say", text)`, `("die", …)`, `("die once", file)`, or `("raise", text)`."""
    what, text = item
    if what == "die" or (what == "die once" and not Path(text).exists()):
        Path(text).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "raise":
        raise ValueError(text)
    if what == "sleep":
        time.sleep(float(text))
    return text


@pytest.fixture
def pool(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))  # spawned processes import this module by its own name
    import test_workers

    made = WorkerPool(test_workers.work, 2)
    yield made
    made.stop()


def test_every_item_is_answered_once(pool):
    for number in range(5):
        pool.submit(("say", str(number)))
    assert sorted(pool.harvest(block=True)) == ["0", "1", "2", "3", "4"]
    assert list(pool.harvest(block=True)) == []


def test_a_killed_worker_is_replaced_and_its_item_read_again_and_marked_at_the_second_death(pool, tmp_path):
    once, always = ("die once", str(tmp_path / "once")), ("die", str(tmp_path / "always"))
    for item in (once, always, ("say", "a"), ("say", "b")):
        pool.submit(item)
    answers = list(pool.harvest(block=True))
    assert sorted(answer for answer in answers if isinstance(answer, str)) == sorted(["a", "b", once[1]])
    assert [answer for answer in answers if not isinstance(answer, str)] == [Died(always, "killed by signal 9")]


def test_workers_that_die_one_after_the_other_end_the_run_with_one_clear_error(pool, tmp_path):
    for number in range(4):
        pool.submit(("die", str(tmp_path / str(number))))
    with pytest.raises(WorkerDeathError, match=r"^6 OCR processes died .*--ocr-workers 1"):
        list(pool.harvest(block=True))


def test_an_exception_of_the_work_is_raised_in_the_parent(pool):
    pool.submit(("raise", "no such thing"))
    with pytest.raises(ValueError, match="no such thing"):
        list(pool.harvest(block=True))


def test_stopping_does_not_wait_for_what_is_under_way(pool):
    pool.submit(("sleep", "600"))
    pool.submit(("say", "a"))
    assert next(iter(pool.harvest(block=True))) == "a"
    processes = [psutil.Process(each) for each in pool.process_ids]
    assert len(processes) == 2
    pool.stop()
    assert not any(process.is_running() for process in processes)


PARENT = """\
import sys, time
sys.path.insert(0, {here!r})
import test_workers
from evalsuite.runs.workers import WorkerPool
if __name__ == "__main__":
    pool = WorkerPool(test_workers.work, 2)
    pool.submit(("sleep", "600"))
    pool.submit(("say", "a"))
    next(iter(pool.harvest(block=True)))
    print(*pool.process_ids, flush=True)
    time.sleep(600)
"""


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT.format(here=str(HERE)))
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        workers = [psutil.Process(int(each)) for each in parent.stdout.readline().split()]
        assert len(workers) == 2
        parent.kill()
    assert psutil.wait_procs(workers, timeout=60)[1] == []


class Engine:
    spec = None

    def read(self, _image):
        raise AssertionError


class EngineOnAGpu(Engine):
    def most_processes(self):
        return 3


@pytest.mark.parametrize(
    ("cores", "gib", "expected"),
    [(1, 64, 1), (2, 64, 2), (4, 64, 4), (5, 64, 4), (16, 64, 14), (64, 64, 45), (16, 3, 2), (4, 0, 1), (256, 999, 64)],
)
def test_the_number_of_readers_follows_from_cores_and_memory(monkeypatch, cores, gib, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=gib * 2**30))
    assert default_workers(Engine()) == expected
    assert default_workers(EngineOnAGpu()) == min(expected, 3)


def test_a_worker_that_cannot_prepare_says_why(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    import test_workers

    made = WorkerPool(test_workers.work, 2, test_workers.refuse)
    made.start(1)
    try:
        with pytest.raises(ValueError, match="no engine here"):
            made.wait_ready()
    finally:
        made.stop()


def refuse() -> None:
    """A preparation that fails."""
    raise ValueError("no engine here")


def test_a_system_that_starts_no_process_is_one_clear_error(pool, monkeypatch):
    def cannot(_):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("multiprocessing.process.BaseProcess.start", cannot)
    with pytest.raises(
        WorkerDeathError, match=r"cannot be started \(Resource temporarily unavailable\); .*--ocr-workers 1"
    ):
        pool.submit(("say", "a"))
