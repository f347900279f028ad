"""`--json`: one document on stdout, of the published schema, and nothing else there."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
import runs_by_hand as handmade
from typer.testing import CliRunner

from evalsuite.cli import doctor, documents
from evalsuite.cli.main import app


def told(*arguments: str, as_a: type, code: int = 0):
    """The document that a command prints; fields that its record does not have are refused."""
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == code, done.stderr
    return msgspec.json.decode(done.stdout, type=as_a)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return handmade.make_run(tmp_path_factory.mktemp("runs") / "run", outcome=handmade.noodes).folder


def test_the_published_schema_is_that_of_the_documents():
    published = Path(__file__).parents[2] / "docs" / "output.schema.json"
    assert json.loads(published.read_text(encoding="utf-8")) == documents.schema(), (
        "write it anew: evalsuite schema > docs/output.schema.json"
    )


def test_a_run_is_told_with_its_figures_as_its_summary_holds_them(run):
    found = told("score", str(run), "--protocol", "oneig", as_a=documents.RunDocument)
    assert (found.folder, found.page, found.exit_code) == (str(run), str(run / "index.html"), 0)
    assert [each.model for each in found.summary.figures if each.language is None] == ["klein", "typeset"]
    # 39 characters, of which one is lost and one is read wrongly.
    assert found.summary.figures[0].accuracy.estimate == pytest.approx(37 / 39)
    assert [each.protocol for each in found.protocols] == ["oneig"]
    assert msgspec.json.decode((run / "summary.json").read_bytes(), type=documents.RunSummary) == found.summary


def test_an_incomplete_run_says_so_in_the_document_and_by_its_exit_code(tmp_path):
    def lost(_spec, prompt, _seed):
        return handmade.Outcome(error="out of memory") if prompt.id == "neon-001" else handmade.perfect(prompt)

    folder = handmade.make_run(tmp_path / "lost", outcome=lost).folder
    found = told("score", str(folder), as_a=documents.RunDocument, code=12)
    assert (found.exit_code, found.summary.complete, len(found.summary.missing)) == (12, False, 2)


def test_a_comparison_is_told_with_its_differences(tmp_path):
    models = (handmade.model("klein"), handmade.model("ernie"))
    run = handmade.make_run(tmp_path / "run", models=models).folder
    found = told("compare", str(run), "--out", str(tmp_path / "both"), as_a=documents.ComparisonDocument)
    assert (found.folders, found.page) == ((str(run),), str(tmp_path / "both" / "index.html"))
    assert [each.contestant.name for each in found.differences if each.language is None] == ["ernie"]
    assert [each.interval.estimate for each in found.differences if each.language is None] == [0.0]


def test_claims_are_told_with_their_ids(run):
    found = told("claims", str(run), "--claim", "ernie-image-longtext", as_a=documents.ClaimsDocument, code=12)
    assert [(each.claim, each.outcome) for each in found.verdicts] == [("ernie-image-longtext", "not comparable")]
    listed = told("claims", "--list", as_a=documents.PublishedDocument)
    assert "ernie-image-longtext" in {each.id for each in listed.published.scores}


def test_models_and_suites_are_listed_as_documents():
    models = told("models", "list", as_a=documents.ModelsDocument).models
    assert {"typeset", "flux2-klein-4b"} <= {each.name for each in models}
    suites = told("suites", "list", as_a=documents.SuitesDocument).suites
    assert {"signage-en", "signage-ui-fr", "lex-bench-easy"} <= {each.name for each in suites}
    assert all(each.rows == () for each in suites)
    (shown,) = told("suites", "show", "signage-en", as_a=documents.SuitesDocument).suites
    assert len(shown.rows) == shown.prompts
    assert told("suites", "validate", "signage-en", as_a=documents.SuitesDocument).suites[0].digest == shown.digest


def test_doctor_is_told_as_a_document(monkeypatch):
    checks = [doctor.Check("OCR", "missing", "not here"), doctor.Check("fonts", "ok", "digest 0")]
    monkeypatch.setattr(doctor, "examine", lambda: checks)
    found = told("doctor", as_a=documents.DoctorDocument, code=2)
    assert (found.exit_code, found.checks[0].part, found.checks[0].state) == (2, "OCR", "missing")


def test_a_command_that_fails_prints_no_document():
    done = CliRunner().invoke(app, ["suites", "show", "sinage-en", "--json"])
    assert (done.exit_code != 0, done.stdout) == (True, "")
