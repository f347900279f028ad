"""Runs that edit: drawn from source pictures, read, judged figure by figure, shown, exported, compared, refused."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil

import msgspec
import pytest
from edits_by_hand import KnowingReader
from PIL import Image

import evalsuite
from evalsuite.edits import edits_of
from evalsuite.errors import EvalsuiteError
from evalsuite.export.markdown import summary
from evalsuite.export.tables import to_csv
from evalsuite.models.editing import Sources
from evalsuite.models.mechanical_editor import FAULTS
from evalsuite.models.typeset.sources import make_picture
from evalsuite.runs import open_run
from evalsuite.runs.comparable import unlike
from evalsuite.runs.rows import DamagedRunError
from evalsuite.runs.store import RunStore
from evalsuite.suites import load

pytest.importorskip("skimage", reason="scikit-image is not installed (evalsuite[content])")

FAULTY = [f"editor:faults={fault}" for fault in FAULTS]


@pytest.fixture(scope="module")
def edited(tmp_path_factory, suite):
    """A run of the editor without faults, and with each of them."""
    folder = tmp_path_factory.mktemp("edited") / "run"
    reader = KnowingReader(load(str(suite))[0].prompts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evalsuite.ocr, "resolve", lambda _name: reader)
        evalsuite.run(FAULTY, [str(suite)], out=folder, workers=1)
    return folder


def by_model(run):
    return {each.model: each for each in edits_of(run).figures if each.language is None}


def test_every_fault_lowers_its_own_figure_and_no_other(edited):
    found = {
        name: (each.target.estimate, each.gone.estimate, each.kept.estimate, each.similarity.estimate, each.identical)
        for name, each in by_model(open_run(edited)).items()
    }
    assert found["editor"] == (1.0, 1.0, 1.0, 1.0, True)
    assert found["source"] == (0.0, 0.0, 1.0, 1.0, True)
    assert found["editor:faults=old-left"][:3] == (1.0, 0.0, 1.0)
    # One of two lines beside SALE is changed (10 of 20 letters), and the one beside NOODLES.
    assert found["editor:faults=line-changed"][:3] == (1.0, 1.0, pytest.approx((0.5 + 0.0) / 2, abs=0.06))
    target, gone, kept, similarity, identical = found["editor:faults=pixels-changed"]
    assert (target, gone, kept, identical) == (1.0, 1.0, 1.0, False)
    assert similarity < 0.95


def test_the_mechanical_editor_is_the_ceiling_and_the_sources_ride_along(edited):
    run = open_run(edited)
    assert [spec.name for spec in run.manifest.models] == [*FAULTY, "source", "editor"]
    assert run.manifest.ceiling.name == "editor"
    assert run.manifest.source_model.name == "source"
    assert {spec.role for spec in run.manifest.models} == {"reference"}


def test_the_source_is_part_of_what_an_image_is_of(edited):
    manifest = RunStore.open(edited).manifest
    other = msgspec.structs.replace(manifest.sources["sale"], sha256="0" * 64)
    moved = msgspec.structs.replace(manifest, sources={**manifest.sources, "sale": other})
    keys, others = ({each.key: each.prompt for each in plan.plan_requests()} for plan in (manifest, moved))
    assert {keys[key] for key in keys.keys() - others.keys()} == {"sale"}
    assert {keys[key] for key in keys.keys() & others.keys()} == {"noodles"}
    assert [each.what for each in unlike(manifest, moved)] == ["source picture of sale"]


def test_kept_rows_are_believed_only_where_this_user_sealed_them(edited, tmp_path):
    folder = shutil.copytree(edited, tmp_path / "run")
    path = folder / "edits.jsonl"
    path.write_text(re.sub(r'"ssim":[0-9.e-]+', '"ssim":0.25', path.read_text()))
    assert by_model(open_run(folder))["editor"].similarity.estimate == 1.0


def test_a_missing_edit_counts_nothing_anywhere(edited, tmp_path):
    folder = shutil.copytree(edited, tmp_path / "run")
    store = RunStore.open(folder)
    rows = store.generations.read()
    lost = next(row for row in rows if (row.model, row.prompt) == ("editor", "sale"))
    store.generations.replace([row for row in rows if row.key != lost.key])
    found = by_model(open_run(folder))["editor"]
    assert (found.missing, found.gone.estimate, found.kept.estimate, found.similarity.estimate) == (1, 0.5, 0.5, 0.5)
    assert not found.identical


def test_without_the_source_nobody_can_tell_what_was_kept_of_the_picture(edited, tmp_path):
    folder = shutil.copytree(edited, tmp_path / "run")
    (folder / "edits.jsonl").unlink()
    store = RunStore.open(folder)
    row = next(row for row in store.generations.read() if (row.model, row.prompt) == ("source", "sale"))
    Image.new("RGB", (256, 256), "red").save(store.image_path(row))
    found = by_model(open_run(folder))["editor"]
    assert (found.similarity.estimate, found.similarity_untold, found.kept.estimate) == (1.0, 1, 1.0)


def test_page_summary_table_and_markdown_carry_the_figures(edited):
    run = open_run(edited)
    page = (edited / "index.html").read_text()
    before = page.index('id="accuracy"')
    section = page[page.index('id="edits"') : before]
    assert section.count('<th scope="row">') == 5
    assert section.count("<figcaption") == 3 * 6
    assert '"source":"source"' in page
    kept = json.loads((edited / "summary.json").read_text())["edits"]
    assert {row["model"]: row["gone"]["estimate"] for row in kept} == {
        "source": 0.0, "editor": 1.0, **dict.fromkeys(FAULTY, 1.0), "editor:faults=old-left": 0.0,
    }  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(to_csv(run))))
    assert {row["edit_old_gone"] for row in rows if row["model"] == "source"} == {"0.0"}
    assert {row["edit_psnr"] for row in rows if row["model"] == "editor"} == {""}
    assert "| source (reference) | all | 2 |" in summary(run)


def test_a_comparison_shows_the_edits_of_each(edited, tmp_path):
    evalsuite.compare([edited], out=tmp_path / "page")
    page = (tmp_path / "page" / "index.html").read_text()
    assert 'id="edits"' in page


def test_a_source_that_was_tampered_with_is_not_edited(edited, tmp_path):
    manifest = RunStore.open(edited).manifest
    prompt = manifest.prompts[0]
    sources = Sources(tmp_path, manifest.sources)
    with pytest.raises(EvalsuiteError, match="is not there; start the run again"):
        sources.open(prompt)
    Image.new("RGB", (256, 256)).save(sources.path(manifest.sources["sale"]))
    with pytest.raises(EvalsuiteError, match="not the source picture that the run was planned with"):
        sources.open(prompt)
    image, _ = make_picture(prompt.editing.made)
    image.save(sources.path(manifest.sources["sale"]))
    assert sources.open(prompt).tobytes() == image.tobytes()


def test_a_plan_without_its_sources_is_damaged(edited, tmp_path):
    folder = shutil.copytree(edited, tmp_path / "run")
    path = folder / "manifest.json"
    plan = json.loads(path.read_text())
    del plan["sources"]["sale"]
    path.write_text(json.dumps(plan))
    with pytest.raises(DamagedRunError, match="prompt sale has no source picture"):
        RunStore.open(folder)


@pytest.mark.usefixtures("knowing")
@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        ("typeset", {}, "typeset cannot edit pictures: it sets pages of its own"),
        ("editor", {"styled_ceiling": True}, "--styled-ceiling: is drawn from nothing"),
        ("editor", {"suites": "signage-en"}, "one: run suites of edits by themselves"),
        ("editor", {"until_verdict": True}, "--until-verdict: edits are drawn whole"),
        ("editor:faults=rust", {}, "known faults, joined by .: old-left, line-changed, pixels-changed"),
    ],
)
def test_what_cannot_edit_is_refused_before_drawing(suite, tmp_path, model, options, said):
    suites = [str(suite), *([options["suites"]] if "suites" in options else [])]
    rest = {key: value for key, value in options.items() if key != "suites"}
    with pytest.raises(EvalsuiteError, match=said):
        evalsuite.run([model], suites, out=tmp_path / "run", **rest)
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("knowing")
def test_the_editor_draws_no_prompts_without_a_picture(tmp_path):
    with pytest.raises(EvalsuiteError, match="editor: changes pictures; name a suite of edits"):
        evalsuite.run(["editor"], ["signage-en"], out=tmp_path / "run", limit=1)


def test_a_picture_from_a_file_is_judged_by_what_the_reader_finds_on_it(tmp_path, monkeypatch, suite):
    (made,) = load(str(suite))
    image, _ = make_picture(made.prompts[0].editing.made)
    image.save(tmp_path / "shop.png")
    edits = tmp_path / "edited"
    edits.mkdir()
    image.save(edits / "sale_0.png")
    (tmp_path / "files.yaml").write_text(
        'suite: files\nlanguage: en\nprompts:\n  - id: sale\n    text: Change "SALE" to "GONE".\n'
        "    source: shop.png\n    old: [SALE]\n    targets: [GONE]\n"
    )
    monkeypatch.setattr(evalsuite.ocr, "resolve", lambda _name: KnowingReader(made.prompts[:1]))
    result = evalsuite.run([f"folder:{edits}"], [str(tmp_path / "files.yaml")], out=tmp_path / "run", report=False)
    assert [spec.name for spec in result.run.manifest.models] == ["folder:edited", "source"]
    found = by_model(result.run)["folder:edited"]
    # Nothing was done: the two other lines and the picture are kept, SALE still stands there.
    assert (found.target.estimate, found.gone.estimate, found.kept.estimate, found.identical) == (0.0, 0.0, 1.0, True)
