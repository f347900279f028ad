from __future__ import annotations

import csv
import io
import json
import re

import pytest
import runs_by_hand as handmade
import typer
import yaml

from evalsuite.cli import figures
from evalsuite.errors import EvalsuiteError, ExitCode, IncompleteError
from evalsuite.export import FORMATS, markdown, tables, write_export
from evalsuite.results import RunResult
from evalsuite.runs import open_run
from evalsuite.stats import ratio_interval


def export(folder, form, **options):
    """Export a stored run."""
    return write_export(open_run(folder), form, **options)


@pytest.fixture
def run(tmp_path):
    return handmade.make_run(tmp_path / "run", outcome=handmade.noodes, seeds=(0, 1)).folder


@pytest.fixture
def incomplete(tmp_path):
    def outcome(spec, prompt, seed):
        if spec.role == "model" and prompt.id == "neon-001" and seed == 1:
            return handmade.Outcome(error="out of memory")
        return handmade.noodes(spec, prompt, seed)

    return handmade.make_run(tmp_path / "incomplete", outcome=outcome, seeds=(0, 1)).folder


def test_a_csv_with_more_than_ascii_begins_with_the_mark_that_excel_needs(run, damaged):
    assert export(run, "csv").read_bytes().startswith("\ufeffrun,".encode())
    assert export(damaged, "csv").read_bytes().startswith(b"run,")


def test_csv_holds_a_row_an_image_with_counts_and_protocol(run):
    content = export(run, "csv").read_bytes().decode("utf-8-sig")
    assert content.count("\r\n") == 13
    rows = list(csv.DictReader(io.StringIO(content)))
    neon = rows[0]
    assert (neon["model"], neon["role"], neon["prompt_id"], neon["seed"]) == ("klein", "model", "neon-001", "0")
    assert (neon["length"], neon["deletions"], neon["character_accuracy"]) == ("12", "1", repr(11 / 12))
    assert json.loads(neon["read"]) == ["NIGHT NOODES"]
    assert json.loads(neon["phases"]) == {"text_encoding": 1.0, "denoising": 1.0}
    assert neon["profile"] == "standard"
    klein = [row for row in rows if row["model"] == "klein"]
    edits = sum(int(row[name]) for row in klein for name in ("substitutions", "insertions", "deletions"))
    assert 1 - edits / sum(int(row["length"]) for row in klein) == pytest.approx(74 / 78)


def test_csv_guards_spreadsheets_against_formulas(tmp_path):
    hostile = '=HYPERLINK("http://x","y")'
    prompts = [handmade.prompt("p-1", "signs", "@cat", f"A sign {hostile}", (hostile,))]
    handmade.make_run(
        tmp_path / "run", prompts=prompts, outcome=lambda *_: handmade.Outcome(error="-1+cmd|' /C calc'!A0")
    )
    row = next(csv.DictReader(io.StringIO(export(tmp_path / "run", "csv").read_text("utf-8-sig"))))
    assert row["category"] == "'@cat"
    assert row["detail"].startswith("'-1")
    assert json.loads(row["target_strings"]) == [hostile]


def test_parquet_keeps_types_and_texts(run):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    table = parquet.read_table(export(run, "parquet"))
    assert table.num_rows == 12
    row = table.slice(0, 1).to_pylist()[0]
    assert row["read"] == ["NIGHT NOODES"]
    assert row["length"] == 12
    assert row["warmup"] is True
    assert row["phases"] == [("text_encoding", 1.0), ("denoising", 1.0)]
    assert row["memory_process"] == 3 * 2**30
    assert row["memory_allocated"] is None


def test_missing_images_are_rows_too(incomplete):
    listed = list(tables.rows(open_run(incomplete)))
    assert len(listed) == 12
    row = next(row for row in listed if row["status"] == "missing")
    assert (row["image"], row["image_sha256"], row["detail"]) == (None, None, "out of memory")
    assert row["character_accuracy"] == 0.0
    assert row["seconds"] is None


@pytest.fixture
def damaged(tmp_path):
    """Of four images of klein one is changed, one deleted, one blank and one a link; the fifth is whole."""
    prompts = [handmade.prompt(f"p-{n}", "signs", "neon", f'A "SIGN {n}".', (f"SIGN {n}",)) for n in range(5)]

    def outcome(_spec, prompt, _seed):
        blank = (handmade.Finding(code="blank-image", message="white"),) if prompt.id == "p-2" else ()
        return handmade.Outcome(lines=prompt.targets, findings=blank)

    store = handmade.make_run(tmp_path / "damaged", prompts=prompts, models=handmade.MODELS[:1], outcome=outcome)
    paths = [handmade.image_of(store, prompt.id) for prompt in prompts]
    paths[0].write_bytes(paths[4].read_bytes())
    paths[1].unlink()
    paths[3].rename(tmp_path / "elsewhere.png")
    paths[3].symlink_to(tmp_path / "elsewhere.png")
    return store.folder


CHANGED = "its image file has changed since it was drawn"
LINK = "its image file cannot be read: is a link, which a run folder may not hold"


def test_a_table_says_of_each_image_why_it_is_not_there(damaged):
    listed = list(tables.rows(open_run(damaged)))
    assert [(row["prompt_id"], row["status"], row["character_accuracy"], row["detail"]) for row in listed] == [
        ("p-0", "missing", 0.0, CHANGED),
        ("p-1", "scored", 1.0, "its image file is missing"),
        ("p-2", "missing", 0.0, "the image is blank"),
        ("p-3", "missing", 0.0, LINK),
        ("p-4", "scored", 1.0, None),
    ]
    assert [row["image"] is None for row in listed] == [True, True, False, True, False]
    assert len(list(csv.DictReader(io.StringIO(export(damaged, "csv").read_text("utf-8-sig"))))) == 5


def test_the_missing_images_of_every_line_add_up_to_the_headings(damaged, capsys):
    """Changed, deleted, blank and a link: the deleted one has a score from its reading, and is missing all the same."""
    run = open_run(damaged)
    result = RunResult(run)
    assert [each.missing for each in result.figures] == [4]
    assert "5 (4 missing)" in result._repr_html_()
    assert f"{damaged}: 5 images, 4 missing;" in repr(result)
    assert sum(each.missing for each in run.summary.models[0].by("suite")) == len(run.missing) == 4
    assert "5 (5 prompts), 4 missing or unread" in export(damaged, "markdown").read_text()
    figures.show(result)
    with pytest.raises(typer.Exit):
        figures.leave([run], "draw them")
    shown = capsys.readouterr()
    assert "5 (4 missing)" in " ".join(shown.out.split())
    assert "incomplete: 4 of 5 images" in " ".join(shown.err.split())


def test_a_damaged_image_is_in_no_dataset(damaged, tmp_path):
    folder = export(damaged, "dataset", out=tmp_path / "set")
    present = [json.loads(line) for line in (folder / "test" / "metadata.jsonl").read_text().splitlines()]
    absent = [json.loads(line) for line in (folder / "missing.jsonl").read_text().splitlines()]
    assert [(row["prompt_id"], row["status"]) for row in present] == [("p-2", "missing"), ("p-4", "scored")]
    assert [(row["prompt_id"], row["detail"]) for row in absent] == [
        ("p-0", CHANGED), ("p-1", "its image file is missing"), ("p-3", LINK),
    ]  # fmt: skip
    images = list((folder / "test" / "images").iterdir())
    assert {path.name for path in images} == {row["file_name"].removeprefix("images/") for row in present}
    assert not any(path.is_symlink() for path in images)
    assert (tmp_path / "elsewhere.png").read_bytes() not in [path.read_bytes() for path in images]
    card = (folder / "README.md").read_text()
    assert "2 images with their prompts" in card
    assert "Missing images are listed in `missing.jsonl` with the reason: 3." in card


def test_a_dataset_loads_with_its_images(run, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = export(run, "dataset", out=tmp_path / "set")
    loaded = datasets.load_dataset("imagefolder", data_dir=str(folder), cache_dir=str(tmp_path / "cache"), split="test")
    assert len(loaded) == 12
    row = next(row for row in loaded if row["prompt_id"] == "menu-003" and row["model"] == "klein")
    assert row["image"].size == (64, 48)
    assert row["target_strings"] == ["今日特价", "半价"]
    assert row["read"] == ["今日持价", "半价"]
    assert not (folder / "missing.jsonl").exists()


def test_a_dataset_lists_what_was_not_drawn(incomplete, tmp_path):
    folder = export(incomplete, "dataset", out=tmp_path / "set")
    present = (folder / "test" / "metadata.jsonl").read_text().splitlines()
    absent = [json.loads(line) for line in (folder / "missing.jsonl").read_text().splitlines()]
    assert len(present) == len(list((folder / "test" / "images").iterdir())) == 11
    assert [(row["prompt_id"], row["seed"]) for row in absent] == [("neon-001", 1)]
    assert absent[0]["detail"] == "out of memory"
    assert "Missing images are listed in `missing.jsonl` with the reason: 1." in (folder / "README.md").read_text()


def test_out_is_a_file_or_a_folder_and_nothing_is_overwritten_unasked(run, tmp_path):
    assert export(run, "csv", out=tmp_path / "new" / "table.csv") == tmp_path / "new" / "table.csv"
    assert export(run, "csv", out=tmp_path / "new") == tmp_path / "new" / "images.csv"
    assert export(run, "markdown", out=f"{tmp_path}/fresh/") == tmp_path / "fresh" / "summary.md"
    table = tmp_path / "new" / "table.csv"
    table.write_text("mine")
    with pytest.raises(EvalsuiteError, match=r"table\.csv: is there already; .* --overwrite"):
        export(run, "csv", out=table)
    assert table.read_text() == "mine"
    assert export(run, "csv", out=table, overwrite=True).read_bytes() == export(run, "csv").read_bytes()
    assert export(run, "csv") == run / "images.csv", "in the run's own folder an export takes the place of the former"


def test_a_dataset_of_a_run_without_images_is_refused_and_leaves_nothing(run, tmp_path):
    for image in (run / "images").iterdir():
        image.unlink()
    with pytest.raises(IncompleteError, match=r"none of its 12 images is here \(neon-001 seed 0: .* is missing\)"):
        export(run, "dataset", out=tmp_path / "elsewhere" / "set")
    assert not (tmp_path / "elsewhere").exists()


def test_a_dataset_replaces_a_dataset_only_and_only_when_asked(run, tmp_path):
    folder = export(run, "dataset", out=tmp_path / "set")
    with pytest.raises(EvalsuiteError, match="or replace a dataset with --overwrite"):
        export(run, "dataset", out=folder)
    (folder / "README.md").write_text("old")
    export(run, "dataset", out=folder, overwrite=True)
    assert (folder / "README.md").read_text().startswith("# run")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(EvalsuiteError, match="not an empty folder"):
        export(run, "dataset", out=folder, overwrite=True)


def test_a_dataset_goes_into_an_empty_folder_only(run, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    with pytest.raises(EvalsuiteError, match="not an empty folder"):
        export(run, "dataset", out=tmp_path / "full")


def test_markdown_shows_interval_ceiling_protocol_and_what_is_no_model(run):
    content = export(run, "markdown").read_text(encoding="utf-8")
    interval = r"\[0\.\d{3}, [01]\.\d{3}\]"
    assert re.search(rf"\| klein \| all, pooled \| \*\*0\.949\*\* {interval} \| 1\.000 {interval} \|", content)
    typeset = rf"\| typeset \(reference, not a model\) \| en \| \*\*1\.000\*\* {interval} \| is the ceiling \|"
    assert re.search(typeset, content)
    assert "95 % intervals over prompts: Bayesian bootstrap with a pseudo-prompt at the ends." in content
    assert "profile standard" in content
    assert "OCR: paddle" in content
    assert "Incomplete" not in content
    table = [line for line in content.splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in table[:8]}) == 1


def test_markdown_of_an_incomplete_run_says_so_first(incomplete):
    content = export(incomplete, "markdown").read_text(encoding="utf-8")
    said = (
        "> **Incomplete: 1 of 12 images missing or unread.** 1 counts as wholly wrong, so every rate below is a lower "
        "bound. "
        "An incomplete run cannot confirm a published figure, nor pass a gate unless "
        "the policy counts blank images and no others are missing."
    )
    assert content.splitlines()[2:6] == [
        said,
        ">",
        "> - klein: neon-001 seed 1: out of memory",
        "",
    ]


def test_markdown_tells_a_deleted_image_from_a_changed_one(damaged):
    content = export(damaged, "markdown").read_text(encoding="utf-8")
    said = (
        "> **Incomplete: 4 of 5 images missing or unread.** 3 count as wholly wrong, so every rate below is a lower "
        "bound. Of 1 image only the file is gone: the stored reading still counts, but nobody can check it any more. "
        "An incomplete run cannot confirm a published figure, nor pass a gate unless "
        "the policy counts blank images and no others are missing."
    )
    named = (
        f"> - klein: p-0 seed 0: {CHANGED}; p-1 seed 0: its image file is missing; p-2 seed 0: the image is blank; "
        f"p-3 seed 0: {LINK}"
    )
    assert content.splitlines()[2:6] == [said, ">", named, ""]


def test_markdown_says_that_a_text_stands_under_two_ids(tmp_path):
    again = handmade.prompt("neon-009", "signs", "neon", 'A sign that  says "NIGHT NOODLES".', ("NIGHT NOODLES",))
    handmade.make_run(tmp_path / "run", prompts=(*handmade.PROMPTS, again))
    content = export(tmp_path / "run", "markdown").read_text(encoding="utf-8")
    assert content.splitlines()[2] == (
        "> 1 prompt repeats the text of another: neon-009 (as neon-001); intervals and gates count each text once."
    )
    assert "Incomplete" not in content
    assert "| 4 (3 prompts) |" in content


def test_markdown_is_not_broken_by_names():
    assert markdown.escape("a|b <img> *x* [y](z) `c`") == "a\\|b \\<img\\> \\*x\\* \\[y\\](z) \\`c\\`"
    assert markdown.escape("@team fixes #12\nnow") == "@<!-- -->team fixes #<!-- -->12 now"
    assert markdown.escape("flux2-klein-4b") == "flux2-klein-4b"
    assert "\u202e" not in markdown.escape("\u202e")


def test_a_model_card_carries_the_protocol_with_each_metric(run):
    content = export(run, "model-card").read_text(encoding="utf-8")
    assert content.startswith("---\n")
    assert content.endswith("---\n")
    index = yaml.safe_load(content.strip("-\n"))["model-index"]
    assert index[0]["name"] == "klein"
    results = {result["dataset"]["name"]: result for result in index[0]["results"]}
    assert set(results) == {"evalsuite signs", "evalsuite signs-zh", "evalsuite en", "evalsuite zh"}
    metric = results["evalsuite signs-zh"]["metrics"][0]
    assert metric["type"] == "character_accuracy"
    assert metric["value"] == pytest.approx(10 / 12)
    assert metric["args"]["ocr_ceiling"] == 1.0
    # One Chinese prompt of accuracy 5/6, with a pseudo-prompt at the ends of the range.
    expected = ratio_interval([10.0], [12.0], bounds=(0.0, 1.0))
    assert metric["args"]["interval"] == pytest.approx([expected.low, expected.high])
    assert metric["args"]["profile"] == "standard"
    assert metric["args"]["seeds"] == [0, 1]
    digests = {ref.name: ref.digest for ref in open_run(run).manifest.suites}
    assert results["evalsuite signs"]["dataset"]["revision"] == digests["signs"][:16]
    assert digests["signs"] != digests["signs-zh"]


def test_no_card_for_the_reference_an_incomplete_run_or_an_unnamed_one_of_two(run, incomplete, tmp_path):
    with pytest.raises(EvalsuiteError, match="no model 'typeset'; models with a card: klein"):
        export(run, "model-card", model="typeset")
    missing = "1 image of klein missing or unread, e.g. neon-001 seed 1: out of memory; finish the run"
    with pytest.raises(IncompleteError, match=missing) as caught:
        export(incomplete, "model-card")
    assert caught.value.exit_code is ExitCode.INCOMPLETE
    models = (handmade.model("one"), handmade.model("two", "stand-in"))
    handmade.make_run(tmp_path / "two", models=models)
    with pytest.raises(EvalsuiteError, match="name one with --model; models with a card: one, two"):
        export(tmp_path / "two", "model-card")
    card = export(tmp_path / "two", "model-card", model="two").read_text()
    assert "two (stand-in, says nothing of the real model)" in card


def test_a_card_has_no_anchors(run):
    content = export(run, "model-card").read_text()
    assert content.count("seeds:\n") > 3
    assert "&id" not in content
    assert "*id" not in content


def test_no_card_rests_on_an_image_that_nobody_can_check(run):
    handmade.image_of(open_run(run).store, "neon-001").unlink()
    with pytest.raises(IncompleteError, match=r"1 image of klein .* neon-001 seed 0: its image file is missing"):
        export(run, "model-card")


def test_a_card_of_one_model_does_not_want_the_images_of_another(tmp_path):
    store = handmade.make_run(tmp_path / "two", models=(handmade.model("one"), handmade.model("two")))
    handmade.image_of(store, "neon-001", "one").unlink()
    assert yaml.safe_load(export(store.folder, "model-card", model="two").read_text().strip("-\n"))
    with pytest.raises(IncompleteError, match="1 image of one"):
        export(store.folder, "model-card", model="one")


def test_unknown_forms_and_places_are_one_clear_line(run, tmp_path):
    with pytest.raises(
        EvalsuiteError, match=r"--to xlsx: no such form; known: parquet, csv, dataset, hub, markdown, model-card"
    ):
        export(run, "xlsx")
    with pytest.raises(EvalsuiteError, match="did you mean 'parquet'"):
        export(run, "parkett")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EvalsuiteError, match="cannot be written"):
        export(run, "csv", out=tmp_path / "file" / "table.csv")
    with pytest.raises(EvalsuiteError, match="no run here"):
        export(tmp_path, FORMATS[0])


def test_a_folder_for_the_hub_is_a_dataset_whose_card_begins_with_its_metadata(run, tmp_path):
    folder = export(run, "hub", out=tmp_path / "up")
    _, head, text = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    assert yaml.safe_load(head) == {
        "pretty_name": "evalsuite run",
        "language": ["en", "zh"],
        "task_categories": ["text-to-image"],
        "tags": ["evalsuite", "text-rendering", "ocr"],
        "size_categories": ["n<1K"],
        "configs": [{"config_name": "default", "data_files": [{"split": "test", "path": "test/**"}]}],
    }
    assert "# run\n" in text
    assert len((folder / "test" / "metadata.jsonl").read_text(encoding="utf-8").splitlines()) == 12
    with pytest.raises(EvalsuiteError, match="replace a dataset with --overwrite"):
        export(run, "hub", out=folder)
