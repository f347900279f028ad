"""What the functions of the package take and return."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

import pytest
import runs_by_hand
import typer

import evalsuite
from evalsuite.cli.main import app

FORMAT_1 = Path(__file__).parent / "runs" / "format_1"


@pytest.fixture
def run(tmp_path):
    """One model that errs, and the clean reference (`runs_by_hand.noodes`)."""
    return runs_by_hand.make_run(tmp_path / "run", outcome=runs_by_hand.noodes).folder


def fraction(interval):
    return round(interval.estimate, 12)


def test_every_command_is_a_function():
    commands = set(typer.main.get_command(app).commands)
    told_otherwise = {
        "baseline": "promote",  # `evalsuite baseline promote`
        "doctor": None,  # about the installation, not about a run
        "models": None,
        "suites": None,
        "schema": None,  # about what is printed
    }
    for command in commands:
        name = told_otherwise.get(command, command)
        assert name is None or name in evalsuite.__all__


@pytest.mark.parametrize("room", ["gate", "claims", "report", "export", "sweep", "load"])
def test_a_function_stays_a_function_after_its_room_was_imported(room):
    importlib.import_module(f"evalsuite.{room}")
    assert callable(getattr(evalsuite, room))


@pytest.mark.parametrize("kind", [str, Path])
def test_a_folder_may_be_text_or_a_path(run, kind):
    result = evalsuite.report(kind(run))
    assert (result.folder, result.complete, result.missing) == (run, True, ())
    assert result.page == run / "index.html"
    # klein: NOODLES without its L (11 of 12), both shop strings (21 of 21), one wrong of six characters.
    found = {(row.model, row.language): fraction(row.accuracy) for row in result.figures}
    assert found == {
        ("klein", None): round(37 / 39, 12),
        ("klein", "en"): round(32 / 33, 12),
        ("klein", "zh"): round(5 / 6, 12),
        ("typeset", None): 1.0,
        ("typeset", "en"): 1.0,
        ("typeset", "zh"): 1.0,
    }
    assert fraction(result.accuracy()) == round(37 / 39, 12)  # the one model that is no reference
    assert fraction(result.accuracy("klein", "zh")) == round(5 / 6, 12)
    first = result.figures[0]
    assert (fraction(first.exact), fraction(first.ceiling), first.images, first.missing) == (0.6, 1.0, 3, 0)
    assert first.p50 == pytest.approx(0.6)  # of 0.5 and 0.7: the warm-up is left out
    with pytest.raises(KeyError, match="one of klein/all"):
        result.accuracy("flux")


def test_a_run_in_a_console_is_one_line_and_in_a_notebook_a_table(run):
    result = evalsuite.report(run)
    text = repr(result)
    assert text.startswith(f"<evalsuite run {run}: 6 images; klein 0.949 [")
    assert "\n" not in text
    page = result._repr_html_()
    assert page.count("<tr>") == 7
    assert "<td>typeset (reference)</td>" in page


def test_what_a_notebook_shows_is_escaped(tmp_path):
    models = (runs_by_hand.model("<script>alert(1)</script>"), runs_by_hand.model("typeset", "reference"))
    store = runs_by_hand.make_run(tmp_path / "run", models=models)
    page = evalsuite.report(store.folder)._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_a_missing_image_is_told_by_the_result(run):
    store = evalsuite.open_run(str(run)).store
    assert store.folder == Path(run)
    runs_by_hand.image_of(store, "neon-001").unlink()
    result = evalsuite.report(run)
    assert not result.complete
    assert [each.text for each in result.missing] == ["neon-001 seed 0: its image file is missing"]
    assert "6 images, 1 missing" in repr(result)


@pytest.mark.parametrize("folders", [lambda run: run, lambda run: [run], lambda run: (str(run),)])
def test_one_folder_or_several_are_compared(tmp_path, folders):
    def outcome(spec, prompt, seed):
        return runs_by_hand.noodes(spec, prompt, seed) if spec.name == "klein" else runs_by_hand.perfect(prompt)

    models = [runs_by_hand.model(name) for name in ("klein", "ernie")]
    run = runs_by_hand.make_run(tmp_path / "run", models=models, outcome=outcome).folder
    compared = evalsuite.compare(folders(run), str(tmp_path / "page"))
    assert compared.page == tmp_path / "page" / "index.html"
    assert compared.complete
    assert [each.folder for each in compared.runs] == [run]
    (overall,) = [each for each in compared.differences if each.language is None]
    assert overall.contestant.name == "ernie"
    assert fraction(overall.interval) == round((1 / 12 + 0 + 1 / 6) / 3, 12)  # a mean over prompts
    assert "ernie +0.083 [" in repr(compared)
    assert "<td>+0.083 [" in compared._repr_html_()


def test_a_gate_that_does_not_pass_is_an_answer_and_no_exception(tmp_path, run):
    other = runs_by_hand.make_run(tmp_path / "other").folder
    result = evalsuite.gate(run, other, policy="quick", report=False)
    assert (result.outcome, result.passed, result.exit_code) == ("INCONCLUSIVE", False, 11)
    assert repr(result).startswith("<evalsuite gate INCONCLUSIVE: klein; all/character_accuracy INCONCLUSIVE −0.0")
    assert result._repr_html_().startswith("<p><strong>INCONCLUSIVE</strong></p><table>")
    assert result.page is None
    itself = evalsuite.gate(run, run, policy="quick", report=False)
    assert (itself.outcome, int(itself.exit_code)) == ("NOT COMPARABLE", 12)
    assert repr(itself) == "<evalsuite gate NOT COMPARABLE: klein; run differs>"


def test_a_run_that_is_not_there_is_an_error_of_one_line(tmp_path):
    with pytest.raises(evalsuite.EvalsuiteError) as caught:
        evalsuite.report(tmp_path / "nowhere")
    assert str(caught.value).startswith(f"{tmp_path / 'nowhere'}: no run here (no manifest.json)")
    assert caught.value.exit_code == 2


def test_a_run_of_the_first_format_opens(tmp_path):
    """A run of 180 images, which are not kept, with rows of format 1."""
    folder = tmp_path / "sample"
    shutil.copytree(FORMAT_1, folder)
    before = (folder / "generations.jsonl").read_bytes()
    result = evalsuite.report(folder)
    found = {row.model: round(row.accuracy.estimate, 4) for row in result.figures if row.language is None}
    assert found == {"flux2-klein-micro": 0.9334, "ernie-image-micro": 0.9402, "typeset": 0.9988}
    assert (len(result.missing), result.complete) == (180, False)
    assert (folder / "generations.jsonl").read_bytes() == before
    assert evalsuite.verify(folder).sound is False
