"""Run folders from others: nothing in one leads out of it, and nothing in one waits."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest

import evalsuite
from evalsuite.errors import EvalsuiteError
from evalsuite.records import Timing
from evalsuite.runs import RunStore, open_run


@pytest.fixture
def run(handmade, tmp_path) -> Path:
    handmade.make_run(tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def outside(tmp_path) -> Path:
    """A folder that must stay as it is."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "kept").write_text("mine")
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize("name", ["assets", "assets/thumbs", "images"])
def test_a_folder_that_is_a_link_is_refused_by_every_command_that_writes(run, outside, name):
    place = run / name
    place.parent.mkdir(exist_ok=True)
    if place.exists():
        place.rename(run / "elsewhere")
    place.symlink_to(outside)
    for command in (evalsuite.report, evalsuite.rescore, evalsuite.open_run):
        with pytest.raises(EvalsuiteError) as caught:
            command(run)
        assert str(caught.value) == f"{place}: is a link, which a run folder may not hold; put the folder here"
    assert contents(outside) == {"kept": "mine"}


@pytest.mark.parametrize("name", ["index.html", "summary.json", "log.jsonl", "conclusions.json"])
def test_a_file_that_is_a_link_is_replaced_or_left_and_never_written_through(run, outside, name):
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(outside / "kept")
    try:
        evalsuite.rescore(run)
    except EvalsuiteError as error:
        assert name in str(error)  # noqa: PT017 - both ends are right, writing through is not
    assert contents(outside) == {"kept": "mine"}


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_rows_and_manifest_are_regular_files_or_the_run_is_refused_at_once(run, outside, kind):
    for path in [*run.glob("*.jsonl"), run / "manifest.json"]:
        content = path.read_bytes()
        path.unlink()
        if kind == "pipe":
            os.mkfifo(path)
        else:
            (outside / "rows").write_bytes(content)
            path.symlink_to(outside / "rows")
        if path.name.startswith("scores"):  # a cache: computed anew
            assert len(open_run(run).scores) == len(open_run(run).requests)
        elif path.name != "log.jsonl":
            with pytest.raises(EvalsuiteError, match=f"{path.name}: (is no regular file|cannot be read: is a link)"):
                open_run(run)
        path.unlink()
        path.write_bytes(content)


@pytest.mark.parametrize("name", ["x/../../../OUTSIDE", "../x", "/etc/x", "", "x\n", "x" * 101])
def test_an_engine_whose_name_is_a_path_is_refused(run, name):
    path = run / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["ocr"]["name"] = name
    path.write_text(json.dumps(manifest))
    with pytest.raises(EvalsuiteError, match=r"cannot be part of a file's name"):
        RunStore.open(run)
    manifest["ocr"]["name"] = "paddle"
    path.write_text(json.dumps(manifest))
    other = {"name": name, "weights_digest": "0" * 64, "settings": {}, "versions": {}}
    (run / "ocr.other-00000000.json").write_text(json.dumps(other))
    with pytest.raises(EvalsuiteError, match=r"ocr\.other-00000000\.json: describes the OCR engine .*, not its own$"):
        RunStore.open(run).engines()


def test_an_image_that_is_a_link_counts_as_missing_and_is_exported_nowhere(run, outside, tmp_path):
    image = min((run / "images").iterdir())
    image.unlink()
    image.symlink_to(outside / "kept")
    opened = open_run(run)
    assert [each.why for each in opened.missing if each.key == image.stem] == [
        "its image file cannot be read: is a link, which a run folder may not hold"
    ]
    evalsuite.export(run, "dataset", out=tmp_path / "dataset")
    assert image.name not in {path.name for path in (tmp_path / "dataset").rglob("*.png")}


def test_what_is_shared_are_copies_and_no_links_to_the_run(run, handmade, tmp_path):
    handmade.make_run(tmp_path / "second")
    evalsuite.export(run, "dataset", out=tmp_path / "dataset")
    evalsuite.compare([run, tmp_path / "second"], tmp_path / "comparison")
    evalsuite.report(run, out=tmp_path / "page")
    for folder in ("dataset", "comparison", "page"):
        copies = list((tmp_path / folder).rglob("*.png"))
        assert copies, folder
        assert {path.stat().st_nlink for path in copies} == {1}
        assert not any(path.is_symlink() for path in copies)


def test_a_run_that_may_only_be_read_is_shown_elsewhere(run, tmp_path):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    result = evalsuite.report(run, out=tmp_path / "page")
    assert result.page == tmp_path / "page" / "index.html"
    assert (tmp_path / "page" / "summary.json").is_file()
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    with pytest.raises(EvalsuiteError, match="a run folder; name another folder for the page"):
        evalsuite.report(run, out=run)


@pytest.mark.parametrize("total", ["1e308", "-5.0"])
def test_a_duration_that_no_image_takes_is_damage(total):
    row = f'{{"total": {total}}}'.encode()
    with pytest.raises(msgspec.ValidationError, match=r"Expected `float` .= .*\$.total"):
        msgspec.json.decode(row, type=Timing)
