"""Drawing, writing and reading side by side: what is safe when, what waits for what, and how each stage ends a run."""

from __future__ import annotations

import errno
import sys
import threading
import time
from multiprocessing import connection
from pathlib import Path

import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "reliability"))
import crashing
from crashing import PROMPTS, Painter, Spelling

from evalsuite.errors import EvalsuiteError
from evalsuite.files import WriteError
from evalsuite.images import ImageError
from evalsuite.models.base import Drawing
from evalsuite.records import OcrSpec, SuiteRef, digest
from evalsuite.runs.journal import Journal
from evalsuite.runs.plan import plan_prompts
from evalsuite.runs.reading import ReadingPool
from evalsuite.runs.runner import execute
from evalsuite.runs.store import RunStore
from evalsuite.runs.writing import Failed, Kept, Writing

SAMPLES = 4


def plan(model=None, engine=None):
    """Twelve images of 8×8 pixels."""
    return plan_prompts(
        refs=[SuiteRef(name="s", digest=digest(PROMPTS), prompts=len(PROMPTS), source="s")],
        prompts=PROMPTS,
        models=[model or Painter(uses_cpu=False)],
        engine=engine or Spelling(),
        profile="standard",
        samples=SAMPLES,
        seed=0,
        name="pipeline",
    )


@pytest.fixture
def store(tmp_path):
    with RunStore.create_or_resume(tmp_path / "run", plan().manifest)[0].writing():
        yield RunStore.open(tmp_path / "run")


def drawings(store):
    requests = list(store.requests.values())
    drawn = Painter(uses_cpu=False).draw([(store.prompts[each.prompt], each.seed) for each in requests])
    return list(zip(requests, drawn, strict=True))


def own_threads():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("evalsuite-")]


def write(store, pairs, **options):
    """Pass drawings through the writer stage; what it told."""
    told = []
    with store.generations.writer() as rows:
        stage = Writing(store, rows, told.append, **options)
        for request, drawing in pairs:
            stage.put(request, drawing)
        stage.close()
    return told


def test_a_row_is_written_after_its_file_and_the_name_of_its_file_are_on_disk(store):
    (pair, *_) = drawings(store)
    with store.generations.writer() as rows, crashing.steps_of(-1, lambda: None) as seen:
        stage = Writing(store, rows, lambda _: None)
        stage.put(*pair)
        stage.close()
    image = ["open an image", "write", "fsync", "replace an image", "fsync"]
    assert seen.names == [*image, "write", "fsync"]


def test_images_that_wait_together_have_the_disk_waited_for_once_and_no_row_comes_before_its_file(store, monkeypatch):
    pairs = drawings(store)[:4]
    all_there = threading.Event()
    write_group = RunStore.keep_all
    monkeypatch.setattr(RunStore, "keep_all", lambda self, group: (all_there.wait(), write_group(self, group))[1])
    told = []
    with store.generations.writer() as rows, crashing.steps_of(-1, lambda: None) as seen:
        stage = Writing(store, rows, told.append)
        stage.put(*pairs[0])
        while stage._waiting.qsize():  # until the writer has taken the first by itself
            time.sleep(0.001)
        for pair in pairs[1:]:
            stage.put(*pair)
        all_there.set()
        stage.close()
    image = ["open an image", "write", "fsync", "replace an image"]
    group = ["fsync", "write", "fsync"]
    assert seen.names == [*image, *group, *image * 3, *group]
    assert [event.row.key for event in told] == [request.key for request, _ in pairs]


def test_a_slow_disk_neither_loses_nor_reorders_and_drawing_waits_for_it(store, monkeypatch):
    drawn = kept = most = 0
    write_group = RunStore.keep_all

    def slowly(self, group):
        nonlocal kept, most
        time.sleep(0.01)
        rows = write_group(self, group)
        most = max(most, drawn - kept)
        kept += len(group)
        return rows

    def counted():
        nonlocal drawn
        for pair in drawings(store):
            yield pair
            drawn += 1

    monkeypatch.setattr(RunStore, "keep_all", slowly)
    told = write(store, counted(), room=3)
    order = list(store.requests)
    assert [event.row.key for event in told] == order
    assert [row.key for row in store.generations.read()] == order
    assert 1 <= most <= 3
    assert own_threads() == []


def test_a_picture_that_cannot_be_encoded_ends_it_after_those_before_it(store):
    pairs = drawings(store)
    request, drawing = pairs[2]
    pairs[2] = request, Drawing(drawing.prompt, drawing.seed, image=Image.new("F", (8, 8)))
    told = write(store, pairs)
    assert [type(event) for event in told] == [Kept, Kept, Failed]
    assert isinstance(told[2].error, ImageError)
    assert len(store.generations.read()) == 2


def test_a_full_disk_in_the_writer_stage_is_one_error_and_the_run_goes_on_when_there_is_room(tmp_path, monkeypatch):
    monkeypatch.setattr(Journal, "open", lambda _: None)  # its lines come from another thread, between the steps
    crashing.run_whole(tmp_path / "whole", overlap=True)
    with crashing.steps_of(-1, lambda: None) as seen:
        crashing.run_whole(tmp_path / "seen", overlap=True)
    first = seen.names.index("open an image")
    for number, step in enumerate((first + 1, first + 3, first + 5, first + 16)):
        folder = tmp_path / str(number)
        with (
            crashing.steps_of(step, crashing.fault(errno.ENOSPC)),
            pytest.raises(WriteError, match=r"cannot be written: No space left on device; .* make room"),
        ):
            crashing.run_whole(folder, overlap=True)
        assert crashing.scratch_of(folder) == []
        assert own_threads() == []
        crashing.run_whole(folder, overlap=True)
        assert crashing.rows_of(folder) == crashing.rows_of(tmp_path / "whole")


class Stopped(Painter):
    """Is interrupted after some images."""

    def __init__(self, after=7):
        super().__init__(uses_cpu=False)
        self.after = after

    def draw(self, requests):
        for number, drawing in enumerate(super().draw(requests)):
            if number == self.after:
                raise KeyboardInterrupt
            yield drawing


def test_an_interrupted_run_writes_what_it_has_drawn_and_leaves_no_thread(tmp_path, monkeypatch):
    write_group = RunStore.keep_all
    monkeypatch.setattr(RunStore, "keep_all", lambda self, group: (time.sleep(0.02), write_group(self, group))[1])
    asked = plan(Stopped())
    store, _ = RunStore.create_or_resume(tmp_path / "run", asked.manifest)
    with pytest.raises(KeyboardInterrupt):
        execute(asked, store, workers=1)
    assert [row.key for row in store.generations.read()] == list(store.requests)[:7]
    assert own_threads() == []
    events = [line for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines() if '"drawn"' in line]
    assert len(events) == 7
    again = plan()
    run = execute(again, RunStore.create_or_resume(tmp_path / "run", again.manifest)[0], workers=1)
    assert not run.missing
    assert [row.key for row in store.generations.read()] == list(store.requests)


class Broken:
    """An engine whose packages are there and do not work."""

    spec = OcrSpec(name="broken", weights_digest="4" * 64)

    def read(self, _image):
        raise ImportError("libGL.so.1: cannot open shared object file")


class Occupied(Painter):
    """Draws on what an engine on a GPU would read on."""

    now = False

    def __init__(self):
        super().__init__(uses_cpu=False)

    def draw(self, requests):
        Occupied.now = True
        yield from super().draw(requests)
        time.sleep(0.1)
        Occupied.now = False


class SpellingOnAGpu(Spelling):
    """An engine that computes on a GPU."""

    def most_processes(self):
        return 2


class PoolBeside(ReadingPool):
    """Reads in a thread beside the one that draws, as a pool with processes does."""

    has_processes = True

    def __init__(self, engine, workers):
        super().__init__(engine, min(workers, 1))

    def submit(self, key, path):
        assert not Occupied.now
        super().submit(key, path)

    def harvest(self, *, block):
        del block
        yield from super().harvest(block=True)

    def wait(self, other):
        connection.wait([other])


class BrokenOnAGpu(Broken):
    def most_processes(self):
        return 2


class Sightless(Broken):
    spec = OcrSpec(name="sightless", weights_digest="5" * 64)

    def read(self, _image):
        return ()


class Unused(Painter):
    """May be loaded while the readers start, and never draws."""

    def draw(self, _requests):
        raise AssertionError("drawn before the OCR was proven")


@pytest.mark.parametrize(
    ("uses_cpu", "workers", "engine", "told"),
    [
        (True, 1, Broken, "broken cannot read on this machine (ImportError: libGL.so.1: cannot open"),
        (False, 1, Sightless, "sightless found no text on a page that says 'evalsuite 2026'"),
        (False, 2, Broken, "broken cannot read on this machine (ImportError: libGL.so.1: cannot open"),
        (False, 2, BrokenOnAGpu, "broken cannot read on this machine (ImportError: libGL.so.1: cannot open"),
    ],
)
def test_ocr_that_cannot_work_ends_the_run_before_the_first_image(
    tmp_path, monkeypatch, uses_cpu, workers, engine, told
):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))  # spawned processes import this module by its own name
    import test_pipeline

    asked = plan(Unused(uses_cpu=uses_cpu), getattr(test_pipeline, engine.__name__)())
    store, _ = RunStore.create_or_resume(tmp_path / "run", asked.manifest)
    with pytest.raises(EvalsuiteError) as caught:
        execute(asked, store, workers=workers)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert store.generations.read() == []
    assert own_threads() == []


@pytest.mark.parametrize("drawn_before", [0, 5])
def test_an_engine_on_a_gpu_reads_when_all_is_drawn(tmp_path, monkeypatch, drawn_before):
    monkeypatch.setattr("evalsuite.runs.pipeline.ReadingPool", PoolBeside)
    asked = plan(Occupied(), SpellingOnAGpu())
    store, _ = RunStore.create_or_resume(tmp_path / "run", asked.manifest)
    if drawn_before:
        with pytest.raises(KeyboardInterrupt):
            execute(plan(Stopped(drawn_before), SpellingOnAGpu()), store)
        assert len(store.generations.read()) == drawn_before
    run = execute(asked, store)
    assert not run.missing
    assert len(run.readings) == 12
