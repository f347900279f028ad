"""Runs that Ray's actors draw and read: the same run, whatever is lost."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from backends_by_hand import Mortal, MortalReader, PixelReader, resolve, told

import evalsuite
from evalsuite.digests import files_digest
from evalsuite.errors import EvalsuiteError
from evalsuite.models.loading import CheckpointSource
from evalsuite.models.typeset.model import TypesetModel
from evalsuite.records import Shard
from evalsuite.runs.backends.actors import DrawingActor, ReadingActor
from evalsuite.runs.backends.devices import Devices
from evalsuite.runs.backends.on_ray import OnRay
from evalsuite.version import __version__

TESTS = Path(__file__).parents[2]
FIND = partial(resolve, "pixels")


@pytest.fixture(scope="module")
def cluster():
    """Ray on this machine: two cores to draw, one to read."""
    ray = pytest.importorskip("ray", reason="Ray is not installed (evalsuite[ray])")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("RAY_prestart_worker_first_driver", "0")  # each process that Ray starts takes seconds
        # Actors import `backends_by_hand` by its own name.
        patch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), str(TESTS.parent)]))
        ray.init(
            address="local", num_cpus=3, object_store_memory=100 * 2**20, include_dashboard=False, log_to_driver=False,
            logging_level="ERROR",
        )  # fmt: skip
        yield ray
        ray.shutdown()


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_one_plan_has_the_same_scores_whoever_draws_it_and_whatever_is_lost(execute, tmp_path, monkeypatch):
    """In this process, by two processes, by shards that are merged, and on Ray, where a process of each kind dies."""
    monkeypatch.syspath_prepend(str(TESTS))  # spawned processes import `backends_by_hand` by its own name
    mortal = Mortal(tmp_path, "two", batch=2)
    ray = execute(mortal, OnRay("cpu:2", None, partial(MortalReader, str(tmp_path))), name="ray")
    assert {path.name for path in tmp_path.iterdir()} >= {"two-0", "reader-died"}
    assert ray.missing == ()
    assert len(ray.store.generations.read()) == len(ray.store.readings(ray.ocr).read()) == 5
    assert {row.timing.place.device for row in ray.generations.values()} <= {"cpu:0", "cpu:1", "cpu:2"}
    assert ray.machines == ()
    # From here on nothing dies: what dies, dies once.
    alone = execute(mortal, name="alone")
    devices = execute(mortal, Devices(["cpu", "cpu"]), name="devices")
    for number in (1, 2):
        execute(mortal, name=f"s{number}", shard=Shard(number=number, count=2))
    merged = evalsuite.merge(tmp_path / "merged", [tmp_path / "s1", tmp_path / "s2"], report=False).run
    assert told(ray) == told(devices) == told(merged) == told(alone)
    assert len({score.result for score in alone.scores}) > 1


@pytest.mark.parametrize(
    ("devices", "address", "why"),
    [
        ("0,1", None, "Ray itself deals the GPUs; write all, or cpu:2"),
        (None, "ray://head:10001", "Ray's client is not supported"),
    ],
)
def test_what_ray_is_not_asked_for(devices, address, why):
    pytest.importorskip("ray", reason="Ray is not installed (evalsuite[ray])")
    with pytest.raises(EvalsuiteError, match=why):
        OnRay(devices, address, FIND)


def test_without_ray_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EvalsuiteError, match=r"pip install 'evalsuite\[ray\]'"):
        OnRay(None, None, FIND)


def test_a_machine_with_another_version_or_other_weights_does_not_draw(monkeypatch):
    model = TypesetModel(width=256, height=256)
    with pytest.raises(EvalsuiteError, match=rf"has evalsuite {__version__}, the driver 0.0.1; install the same"):
        DrawingActor("cpu", 0, "0.0.1", ".").load((model, {}, False))
    monkeypatch.setattr("evalsuite.models.typeset.model.fonts_digest", lambda **_: "0" * 64)
    with pytest.raises(EvalsuiteError, match="the fonts of this machine are others"):
        DrawingActor("cpu", 0, __version__, ".").load((model, {}, False))


def test_a_machine_with_other_files_of_a_checkpoint_does_not_draw(tmp_path):
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"weights")
    source = CheckpointSource(SimpleNamespace(folder=tmp_path), files={"transformer/model.safetensors": weights})
    spec = SimpleNamespace(name="klein", weights_digest=files_digest(source.files), adapters=())
    source.check(spec)
    weights.write_bytes(b"others")
    with pytest.raises(EvalsuiteError, match=r"klein: the files in .* are others on this machine"):
        source.check(spec)


def test_a_machine_with_another_engine_does_not_read():
    with pytest.raises(EvalsuiteError, match=r"pixels of machine .* has other weights or settings than the driver's"):
        ReadingActor(FIND, "0" * 64, __version__).prove()
    ReadingActor(FIND, PixelReader.spec.digest, __version__).prove()
