"""Runs that several processes of this machine draw: the same run, whatever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from backends_by_hand import Mortal, Unloadable, told
from PIL import Image

import evalsuite
from evalsuite.errors import EvalsuiteError
from evalsuite.models.base import PlaceableModel
from evalsuite.runs import open_run
from evalsuite.runs.backends import parse_devices
from evalsuite.runs.backends.devices import Devices

TESTS = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _tests_on_the_path(monkeypatch):
    monkeypatch.syspath_prepend(str(TESTS))  # spawned processes import `backends_by_hand` by its own name


@pytest.mark.parametrize(
    ("text", "gpus", "names"),
    [
        ("all", 2, ("cuda:0", "cuda:1")),
        ("0,1", 2, ("cuda:0", "cuda:1")),
        ("cuda:1", 2, ("cuda:1",)),
        ("cpu,cpu", 0, ("cpu", "cpu")),
        ("cpu:3", 0, ("cpu", "cpu", "cpu")),
    ],
)
def test_devices_by_name(monkeypatch, text, gpus, names):
    monkeypatch.setattr("evalsuite.runs.backends.names.gpu_count", lambda: gpus)
    assert parse_devices(text) == names


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("all", "there is no CUDA GPU here"),
        ("0", "there is no GPU 0 here; PyTorch sees 0 CUDA GPUs"),
        ("tpu", "'tpu' is no device"),
        ("", "name 1 to 64 devices"),
        ("cpu:0,cpu:70", "name 1 to 64 devices"),
    ],
)
def test_devices_that_are_not_there(monkeypatch, text, why):
    monkeypatch.setattr("evalsuite.runs.backends.names.gpu_count", lambda: 0)
    with pytest.raises(EvalsuiteError, match=why):
        parse_devices(text)


@pytest.mark.parametrize(("text", "why"), [("0,0", "cuda:0 is named twice"), ("0,cpu", "devices of one kind")])
def test_devices_that_do_not_go_together(monkeypatch, text, why):
    monkeypatch.setattr("evalsuite.runs.backends.names.gpu_count", lambda: 2)
    with pytest.raises(EvalsuiteError, match=why):
        parse_devices(text)


def test_a_checkpoint_drawn_by_two_processes_is_the_run_of_one_and_its_rows_say_where(draw, checkpoints):
    klein = str(checkpoints / "klein")
    settings = {"size": "64x64", "precision": "fp32", "steps": 1}
    alone = draw("alone", klein, settings={**settings, "device": "cpu"})
    both = draw("both", klein, settings=settings, devices="cpu,cpu")
    assert told(both) == told(alone)
    assert len({score.result for score in alone.scores}) > 1
    timings = [row.timing for row in both.generations.values()]
    assert {timing.place.device for timing in timings} == {"cpu:0", "cpu:1"}
    # The first image of each process is its warm-up and has its load time; no other image has either.
    assert sum(timing.warmup for timing in timings) == sum(timing.load is not None for timing in timings) == 2
    assert both.manifest.models[0].runtime["devices"] == "cpu,cpu"
    assert not both.machines


def test_what_a_killed_process_had_is_drawn_again_and_counts_once(execute, tmp_path):
    mortal = Mortal(tmp_path, "two", "four", batch=2)
    assert isinstance(mortal, PlaceableModel)
    run = execute(mortal, Devices(["cpu", "cpu"]))
    assert (tmp_path / "two-0").exists()
    assert run.missing == ()
    assert len(run.store.generations.read()) == 5
    assert told(run) == told(execute(mortal, name="alone"))


def test_an_image_at_which_processes_die_is_on_record_and_the_others_are_drawn(execute, tmp_path):
    run = execute(Mortal(tmp_path, "three", once=False), Devices(["cpu"]))
    assert [(each.prompt, each.stage) for each in run.missing] == [("three", "image")]
    assert "2 processes died while they drew it (killed by signal 9)" in run.missing[0].why
    assert len(run.store.generations.read()) == 5


def test_a_model_that_cannot_be_loaded_ends_the_run_at_once(execute):
    with pytest.raises(MemoryError, match="no room for the weights"):
        execute(Unloadable(width=256, height=256), Devices(["cpu"]))


def test_a_run_goes_on_with_other_devices_where_it_was(draw):
    whole = draw("run")
    rows = whole.store.generations.path
    lines = rows.read_bytes().splitlines(keepends=True)
    rows.write_bytes(b"".join(lines[:17]))
    again = draw("run", devices="cpu:2")
    assert told(again) == told(whole)
    assert rows.read_bytes().startswith(b"".join(lines[:17]))
    assert len(rows.read_bytes().splitlines()) == 20


PARENT = """\
import sys
from evalsuite.models.typeset.model import TypesetModel
from evalsuite.runs.backends.devices import Devices
from types import SimpleNamespace
from evalsuite.records import Prompt, Request

class Slow(TypesetModel):
    def draw(self, requests):
        import time
        for each in requests:
            time.sleep(600)
            yield each

if __name__ == "__main__":
    prompt = Prompt(id="p", suite="s", language="en", category="c", length="short", text="A", targets=("A",))
    requests = [Request(model="m", prompt="p", seed=seed, key=str(seed)) for seed in range(2)]
    backend = Devices(["cpu", "cpu"])
    drawing = backend.draw(Slow(), requests, SimpleNamespace(prompts={"p": prompt}))
    import threading
    def tell():
        while len(backend.process_ids) < 2:
            pass
        print(*backend.process_ids, flush=True)
    threading.Thread(target=tell).start()
    list(drawing)
"""


def test_processes_end_with_the_run_that_started_them(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    children = [psutil.Process(int(each)) for each in parent.stdout.readline().split()]
    assert len(children) == 2
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    for child in children:
        child.wait(timeout=60)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"interleave": True, "devices": "cpu:2"}, "--interleave: compares speed on one device; leave out --devices"),
        ({"settings": ["device=cpu"], "devices": "cpu:2"}, "name devices both"),
        ({"address": "auto"}, "--address goes with --backend ray"),
        ({"backend": "slurm"}, "--backend slurm: is not known; known: local, ray"),
        ({"until_verdict": True, "devices": "cpu:2"}, "--until-verdict: draws image by image in one process"),
        ({"until_verdict": True, "shard": "1/2"}, "--shard: what is drawn until a verdict cannot be dealt"),
        ({"shard": "1/11"}, "shard 1 of 11: there are only 10 images of each model to deal"),
    ],
)
def test_what_does_not_go_together_is_refused(draw, tmp_path, options, why):
    with pytest.raises(EvalsuiteError, match=why):
        draw("run", **options)
    assert not (tmp_path / "run").exists()


def test_models_that_no_device_speeds_up_are_refused(draw, tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "images" / "one.png")
    with pytest.raises(EvalsuiteError, match=r"--devices: .*images holds images that exist already"):
        draw("run", f"folder:{tmp_path / 'images'}", devices="cpu:2")


def test_shards_drawn_apart_and_merged_are_the_run_of_one_machine(draw, tmp_path):
    whole = draw("whole", samples=1)
    for number in (1, 2, 3):
        devices = "cpu:2" if number == 2 else None
        assert draw(f"s{number}", samples=1, shard=f"{number}/3", devices=devices).faults == ()
    merged = evalsuite.merge(tmp_path / "out", [tmp_path / f"s{number}" for number in (1, 2, 3)], report=False).run
    assert told(merged) == told(whole)
    assert [score.key for score in merged.scores] == [score.key for score in whole.scores]
    assert open_run(tmp_path / "out").missing == ()
