"""What is sent to trackers, read back from what their own clients wrote without a network."""

from __future__ import annotations

import csv
import importlib
import io
import json
from pathlib import Path

import pytest
import runs_by_hand as handmade
from PIL import Image
from typer.testing import CliRunner

import evalsuite
from evalsuite.cli import tracking
from evalsuite.cli.main import app
from evalsuite.cli.options import TrackerName
from evalsuite.errors import EvalsuiteError
from evalsuite.runs import open_run
from evalsuite.stats import Interval
from evalsuite.sweep import Sweep, SweepRow
from evalsuite.track import SweepTracking, Tracked, TrackError, base, figures, known_trackers

ALL = 37 / 39
"""Of 39 characters one is lost and one is read wrongly (`runs_by_hand.noodes`)."""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return handmade.make_run(tmp_path_factory.mktemp("runs") / "mine", outcome=handmade.noodes)


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """An empty folder, and no setting of any client from outside."""
    for name in ("WANDB_PROJECT", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_TRACKING_URI", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def of_checkpoint(step: int | None, name: str, value: float) -> SweepRow:
    found = Interval(estimate=value, low=value - 0.1, high=value + 0.05, level=0.95, n=9, method="bootstrap")
    return SweepRow(
        name=name, step=step, kind="lora", path=name, run=f"runs/{name}", status="done", character_accuracy=found
    )


def sweep_of(*rows: SweepRow) -> Sweep:
    return Sweep(folder="ckpt", model="m", samples=1, policy="quick", policy_digest="d" * 64, baseline=None, rows=rows)


def test_the_options_are_the_trackers_that_there_are():
    assert tuple(each.value for each in TrackerName) == known_trackers()


def test_figures_are_named_by_model_and_language(run):
    found = figures.figures_of_run(open_run(run))
    assert found["klein/all/accuracy"] == pytest.approx(ALL)
    assert found["klein/en/accuracy"] == pytest.approx(32 / 33)
    assert found["klein/all/accuracy_low"] < ALL < found["klein/all/accuracy_high"]
    assert found["klein/all/ceiling"] == 1.0
    assert found["klein/all/p50_seconds"] == pytest.approx(0.6)
    assert (found["klein/all/images"], found["klein/all/missing"]) == (3, 0)
    assert "typeset/all/p50_seconds" not in found  # references are not timed
    assert "klein/all/corrected" not in found  # nobody judged


def test_the_worst_images_come_first_and_are_bounded(run):
    found = figures.worst_table(open_run(run), limit=2)
    assert [row[:2] for row in found.rows] == [("klein", "menu-003"), ("klein", "neon-001")]
    assert [row[4] for row in found.rows] == [pytest.approx(5 / 6), pytest.approx(11 / 12)]
    assert found.rows[1][5:] == ("NIGHT NOODLES", "NIGHT NOODES")
    assert [image.size for image in found.images] == [(64, 48)] * 2


class _Kept:
    """A tracker that keeps what it is given, or fails."""

    def __init__(self, fails: str | None = None) -> None:
        self.fails, self.values, self.tables, self.files, self.closed = fails, [], [], [], False

    def figures(self, values, step=None):
        if self.fails:
            raise OSError(self.fails)
        self.values.append((step, dict(values)))

    def table(self, name, _table):
        self.tables.append(name)

    def artefact(self, _name, files):
        self.files += [path.name for path in files if path.stat().st_size]

    def close(self):
        self.closed = True
        return "there"


def begin_with(monkeypatch, kept):
    def open_kept(*_):
        return kept

    for room in ("run", "sweep"):
        monkeypatch.setattr(importlib.import_module(f"evalsuite.track.{room}"), "open_tracker", open_kept)
    monkeypatch.setattr(base, "require", lambda *_: None)


def test_a_run_sends_figures_tables_and_its_report(run, monkeypatch):
    kept = _Kept()
    begin_with(monkeypatch, kept)
    assert evalsuite.track(run.folder, "wandb") == (Tracked("wandb", "there"),)
    assert kept.values[0][1]["klein/all/accuracy"] == pytest.approx(ALL)
    assert (kept.tables, kept.files, kept.closed) == (
        ["figures", "worst images"],
        ["report.html", "summary.json"],
        True,
    )


def test_a_tracker_that_fails_is_one_line_and_changes_no_exit_code(run, monkeypatch):
    kept = _Kept("no\nroute")
    begin_with(monkeypatch, kept)
    done = CliRunner().invoke(app, ["score", str(run.folder), "--track", "wandb"])
    assert done.exit_code == 0
    told = " ".join(done.stderr.split())
    again = f"evalsuite score {run.folder} --track wandb"
    assert f"error: --track wandb: OSError: no route; the run is kept, and '{again}' sends it again" in told
    assert kept.closed
    with pytest.raises(TrackError, match="no route"):
        evalsuite.track(run.folder, "wandb")


def test_what_is_not_installed_is_told_before_anything_is_drawn(run, monkeypatch):
    def lost(names, what):
        raise EvalsuiteError(f"{what} needs {', '.join(names)}")

    monkeypatch.setattr(base, "require", lost)
    done = CliRunner().invoke(app, ["run", "--model", "typeset", "--track", "mlflow", "--track", "wandb"])
    assert str(done.exception) == "--track needs mlflow, wandb"
    with pytest.raises(EvalsuiteError, match="--track wand: no such tracker; did you mean 'wandb'"):
        evalsuite.track(run.folder, "wand")


def test_a_sweep_sends_each_checkpoint_once_at_its_step(monkeypatch, tmp_path):
    kept = _Kept()
    begin_with(monkeypatch, kept)
    for name in ("sweep.json", "sweep.md"):
        (tmp_path / name).write_text("figures", encoding="utf-8")
    with tracking.sweep_tracking([TrackerName.WANDB], tmp_path) as take:
        take(sweep_of(of_checkpoint(100, "a", 0.5)))
        take(sweep_of(of_checkpoint(100, "a", 0.5), of_checkpoint(200, "b", 0.75)))
    assert [(step, values["accuracy"]) for step, values in kept.values] == [(100, 0.5), (200, 0.75)]
    assert (kept.files, kept.closed) == (["sweep.json", "sweep.md"], True)


def test_a_sweep_goes_on_without_a_tracker_that_failed(monkeypatch, tmp_path, capsys):
    begin_with(monkeypatch, _Kept("full"))
    with tracking.sweep_tracking([TrackerName.WANDB], tmp_path) as take:
        take(sweep_of(of_checkpoint(100, "a", 0.5)))
        take(sweep_of(of_checkpoint(100, "a", 0.5)))
    assert " ".join(capsys.readouterr().err.split()).count("OSError: full; the sweep goes on without it") == 1


def test_tensorboard_reads_back_what_its_event_files_hold(run, fresh):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (found,) = evalsuite.track(run.folder, "tensorboard")
    assert Path(found.place) == run.folder.parent / "tensorboard" / "mine"
    events = EventAccumulator(found.place).Reload()
    (scalar,) = events.Scalars("klein/all/accuracy")
    assert (scalar.step, scalar.value) == (0, pytest.approx(ALL))
    names = events.Tags()["images"]
    assert names[0] == "worst images/01 klein menu-003 zh 0"
    assert len(names) == 3
    content = events.Images(names[0])[0].encoded_image_string
    assert Image.open(io.BytesIO(content)).size == (64, 48)
    (text,) = events.Tensors("figures/text_summary")
    assert b"klein | model | all | 3 | 3 | 0 | 0.949" in text.tensor_proto.string_val[0]
    sweep = SweepTracking("tensorboard", fresh / "sweep")
    sweep.take(sweep_of(of_checkpoint(100, "a", 0.5), of_checkpoint(200, "b", 0.75)))
    read = EventAccumulator(sweep.close().place).Reload()
    assert [(each.step, each.value) for each in read.Scalars("accuracy")] == [(100, 0.5), (200, 0.75)]


def test_mlflow_reads_back_what_its_store_holds(run, fresh, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="no mlflow-skinny fits the pinned versions; install it apart")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (fresh / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    evalsuite.track(run.folder, "mlflow")
    client = mlflow.MlflowClient()
    (kept,) = client.search_runs([client.get_experiment_by_name("evalsuite").experiment_id])
    assert (kept.info.run_name, kept.info.status) == ("mine", "FINISHED")
    assert kept.data.metrics["klein/all/accuracy"] == pytest.approx(ALL)
    assert json.loads(kept.data.params["seeds"]) == [0]
    assert {each.path for each in client.list_artifacts(kept.info.run_id, "report")} == {
        "report/report.html",
        "report/summary.json",
    }
    table = client.download_artifacts(kept.info.run_id, "worst-images.csv")
    rows = list(csv.DictReader(io.StringIO(Path(table).read_text(encoding="utf-8"))))
    assert (rows[0]["prompt"], rows[0]["image"]) == ("menu-003", "worst-images/01.png")
    assert Image.open(client.download_artifacts(kept.info.run_id, rows[0]["image"])).size == (64, 48)


def test_wandb_offline_holds_figures_tables_and_report(run, fresh, monkeypatch):
    wandb = pytest.importorskip("wandb", reason="wandb is not installed: 200 MB with its own server binary")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DATA_DIR", str(fresh / "data"))  # where it stages pictures and artefacts
    (found,) = evalsuite.track(run.folder, "wandb")
    files = Path(found.place)
    tables = {path.name.split("_")[0] for path in files.rglob("*.table.json")}
    assert tables == {"figures", "worst images"}
    (table,) = files.rglob("worst images*.table.json")
    stored = json.loads(table.read_text(encoding="utf-8"))
    assert (stored["columns"][-1], len(stored["data"])) == ("image", 3)
    assert stored["data"][0][:2] == ["klein", "menu-003"]
    staged = [path for path in (fresh / "data").rglob("*") if path.is_file()]
    assert [Image.open(path).size for path in staged if path.read_bytes()[:4] == b"\x89PNG"] == [(64, 48)] * 3
    wandb.teardown()  # its service writes the record to the end
    (record,) = files.parent.glob("run-*.wandb")
    content = record.read_bytes()
    assert b"klein/all/accuracy" in content
    assert (content.count(b"report.html") > 0, content.count(b"summary.json") > 0) == (True, True)
