"""How many malformed characters a reader notices: counted by hand on made-up readings."""

from __future__ import annotations

import msgspec
import pytest

import evalsuite
from evalsuite.cli.figures import show
from evalsuite.errors import EvalsuiteError
from evalsuite.models.typeset.defects import KINDS
from evalsuite.records import ModelSpec, PlantedGlyph
from evalsuite.report import build_comparison, build_report
from evalsuite.report.i18n import LANGUAGES, catalogue
from evalsuite.report.sensitivity_tables import beside_ceiling, sensitivity_tables
from evalsuite.results import RunResult
from evalsuite.runs import open_run
from evalsuite.runs.api import RunOptions, malformed_for, plan_run
from evalsuite.runs.figures import run_figures
from evalsuite.runs.sensitivity import per_hundred, per_hundred_ends

BOX = (0, 0, 8, 8)


def malformed(name="typeset:malformed=0.1", **settings):
    return ModelSpec(
        name=name,
        kind="typeset",
        role="reference",
        source="typeset",
        weights_digest="f" * 64,
        settings={"malformed": 0.1, "severity": 0.5, "width": 64, "height": 48} | settings,
    )


# The prompts of `runs_by_hand`: what is planted in each target, and what a made-up reader sees of it.
PLANTED = {
    # N I G H T - N O O D L E S
    "neon-001": [(0, 0, "N", "cut"), (0, 9, "D", "half")],
    # G R A N D - O P E N I N G ; O p e n - D a i l y
    "shop-002": [(0, 6, "O", "cut"), (1, 0, "O", "merged")],
    # 今 日 特 价 ; 半 价
    "menu-003": [(0, 2, "特", "missing-part"), (1, 0, "半", "cut")],
}
READ = {
    # The N is read as H, the D dropped; a sound T is read as 7.
    "neon-001": ("HIGH7 NOOLES",),
    # The first O is read as intended; the second as a small o, which the standard profile does not charge.
    "shop-002": ("GRAND OPENING", "open Daily"),
    # 特 is read as 持; 半价 is not found at all.
    "menu-003": ("今日持价",),
}


def run_of(handmade, folder, planted=PLANTED, *, models=None, profile="standard"):
    models = models or (handmade.model("klein"), handmade.model("typeset", "reference"), malformed())

    def outcome(spec, prompt, _seed):
        return handmade.Outcome(lines=READ[prompt.id]) if spec.is_malformed else handmade.perfect(prompt)

    store = handmade.make_run(folder, models=models, outcome=outcome, profile=profile)
    rows = [
        msgspec.structs.replace(
            row,
            planted=tuple(
                PlantedGlyph(target=target, index=index, character=character, kind=kind, box=BOX)
                for target, index, character, kind in planted[row.prompt]
            ),
        )
        if row.model == "typeset:malformed=0.1"
        else row
        for row in open_run(store).generations.values()
    ]
    store.generations.replace(rows)
    return open_run(store.folder)


@pytest.fixture
def run(handmade, tmp_path):
    return run_of(handmade, tmp_path / "run")


def counts(found, language=None, kind=None):
    figure = found.figure(language, kind)
    return figure and (figure.noticed, figure.malformed, figure.doubted, figure.sound)


def test_a_malformed_character_is_noticed_where_the_alignment_charges_it(run):
    (found,) = run.sensitivities
    assert (found.reader, found.reference, found.pages, found.unread) == ("paddle", "typeset:malformed=0.1", 3, 0)
    assert (found.styled, found.rate, found.severity) == (False, 0.1, 0.5)
    # 12 letters of neon, 12 and 9 of shop: N and D are noticed, both malformed O are not, the sound T is doubted.
    assert counts(found, "en") == (2, 4, 1, 29)
    assert counts(found, "en", "cut") == (1, 2, 0, 0)
    assert counts(found, "en", "half") == (1, 1, 0, 0)
    assert counts(found, "en", "merged") == (0, 1, 0, 0)
    assert counts(found, "en", "missing-part") is None
    # 特 is substituted, and 半 lost with its string, which costs the sound 价 too.
    assert counts(found, "zh") == (2, 2, 1, 4)
    assert counts(found, "zh", "cut") == (1, 1, 0, 0)
    assert counts(found, "zh", "missing-part") == (1, 1, 0, 0)
    assert counts(found) == (4, 6, 2, 33)
    assert counts(found, kind="cut") == (2, 3, 0, 0)
    assert found.figures[0].language is None
    assert [each.kind for each in found.figures[:3]] == [None, None, None]


def test_the_strict_profile_charges_case_and_so_does_the_count(handmade, tmp_path):
    (found,) = run_of(handmade, tmp_path / "run", profile="strict").sensitivities
    assert counts(found, "en", "merged") == (1, 1, 0, 0)


def test_shares_carry_intervals_over_prompts(run):
    figure = run.sensitivities[0].figure("zh")
    assert figure.noticed_share.estimate == 1.0
    assert figure.noticed_share.n == 1
    assert figure.doubted_share.estimate == 1 / 4
    assert 0 < figure.doubted_share.low < 0.25 < figure.doubted_share.high < 1
    assert run.sensitivities[0].figure(None, "cut").noticed_share.n == 3


def test_pages_without_a_score_are_named_and_not_counted(handmade, tmp_path):
    run = run_of(handmade, tmp_path / "run")
    (row,) = [row for row in run.generations.values() if row.planted and row.prompt == "menu-003"]
    (run.folder / row.image).write_bytes(b"damaged")
    (found,) = open_run(run.folder).sensitivities
    assert (found.pages, found.unread) == (2, 1)
    assert found.figure("zh") is None


def test_a_planted_character_that_the_target_does_not_have_is_an_error(handmade, tmp_path):
    for number, wrong in enumerate([(0, 0, "X", "cut"), (0, 99, "N", "cut"), (7, 0, "N", "cut")]):
        run = run_of(handmade, tmp_path / str(number), {**PLANTED, "neon-001": [wrong]})
        with pytest.raises(EvalsuiteError, match=r"generations\.jsonl: .* names a malformed character"):
            _ = run.sensitivities


def test_settings_that_are_no_numbers_are_an_error(handmade, tmp_path):
    run = run_of(handmade, tmp_path / "run", models=(malformed(severity="gross"),))
    with pytest.raises(EvalsuiteError, match="severity='gross' is no number"):
        _ = run.sensitivities


def test_a_run_without_malformed_references_has_none(handmade, tmp_path):
    run = open_run(handmade.make_run(tmp_path / "run"))
    assert run.sensitivities == ()
    assert sensitivity_tables(run) == []
    assert beside_ceiling(run, "klein", None, styled=False) == {}


def test_the_figure_stands_beside_each_models_ceiling_and_in_a_table(run):
    assert beside_ceiling(run, "klein", "zh", styled=False) == {"noticed": "100", "doubted": "25"}
    assert beside_ceiling(run, "klein", "zh", styled=True) == {}
    assert beside_ceiling(run, "typeset", "zh", styled=False) == {"noticed": "100", "doubted": "25"}
    assert beside_ceiling(run, "typeset:malformed=0.1", "zh", styled=False) == {}
    (table,) = sensitivity_tables(run)
    assert table.languages == (None, "en", "zh")
    assert [row.key for row in table.rows] == [
        "sensitivity.all", "glyph.missing-part", "glyph.cut", "glyph.merged", "glyph.half", "sensitivity.sound",
    ]  # fmt: skip
    merged = table.rows[3]
    assert [cell and (cell.text, cell.count) for cell in merged.cells] == [("0.0", 1), ("0.0", 1), None]


def test_so_many_of_a_hundred(run):
    share = run.sensitivities[0].figure("zh").doubted_share

    def said(estimate):
        return per_hundred(msgspec.structs.replace(share, estimate=estimate))

    assert [said(value) for value in (0.0, 0.006, 0.0994, 0.09951, 0.341, 1.0, None)] == [
        "0.0", "0.6", "9.9", "10", "34", "100", "–",
    ]  # fmt: skip
    ends = msgspec.structs.replace(share, low=0.0123, high=0.5)
    assert per_hundred_ends(ends) == "[1.2, 50]"
    assert per_hundred_ends(msgspec.structs.replace(share, low=None)) == ""


def test_every_kind_of_defect_has_a_name_on_the_page():
    for language in LANGUAGES:
        assert {f"glyph.{kind}" for kind in KINDS} == {key for key in catalogue(language) if key.startswith("glyph.")}


def test_the_page_the_terminal_and_the_summary_tell_it(run, capsys):
    page = build_report(run).read_text(encoding="utf-8")
    assert "of 100 malformed, 100 noticed; of 100 sound, 25 doubted" in page
    assert "Noticed by paddle, of 100" in page
    assert (
        "typeset:malformed=0.1: not a model. The targets are set in real fonts with some characters malformed" in page
    )
    figures = run_figures(run)
    assert [(each.reader, each.figures[0].noticed) for each in figures.sensitivity] == [("paddle", 4)]
    show(RunResult(run))
    told = capsys.readouterr().out
    assert "Of 100 malformed characters, paddle notices (typeset:malformed=0.1; 3 pages)" in told
    assert "a stroke cut" in told
    assert "draws the targets in real fonts with malformed glyphs" in told


def test_malformed_references_measure_and_are_not_evaluated(run):
    assert run.summary.malformed == ("typeset:malformed=0.1",)
    assert "typeset:malformed=0.1" in run.summary.measuring
    assert run.manifest.ceiling_of(run.manifest.models[0]).name == "typeset"
    assert run.manifest.malformed_of(run.manifest.models[0]).name == "typeset:malformed=0.1"
    assert run.manifest.malformed_of(run.manifest.models[0], styled=True) is None


def test_a_run_with_sensitivity_draws_one_malformed_reference_for_each_ceiling():
    pytest.importorskip("font_amatic_sc", reason="the fonts of styled pages are not installed")

    def names(**options):
        plan, _ = plan_run(
            RunOptions(models=("typeset:size=512x512",), suites=("signage-en",), limit=2, ocr="paddle", **options)
        )
        return [model.spec.name for model in plan.models]

    own = ["typeset:size=512x512"]
    assert names() == own
    assert names(sensitivity=True) == [*own, "typeset:malformed=0.1,size=512x512"]
    assert names(sensitivity=True, styled_ceiling=True) == [
        *own,
        "typeset:styled,size=512x512",
        "typeset:malformed=0.1,size=512x512",
        "typeset:styled,malformed=0.1,size=512x512",
    ]
    klein = ModelSpec(
        name="klein", kind="diffusion", role="model", source="x", weights_digest="0" * 64, settings={"size": "768x768"}
    )
    assert [model.spec.name for model in malformed_for([klein], styled=False)] == ["typeset:malformed=0.1,size=768x768"]


def test_sensitivity_and_a_run_until_a_verdict_exclude_each_other():
    with pytest.raises(EvalsuiteError, match="--sensitivity draws references, which --until-verdict leaves out"):
        evalsuite.run("typeset", until_verdict=True, sensitivity=True)


def test_a_comparison_has_the_figure_beside_the_ceiling_too(handmade, tmp_path):
    one, two = (run_of(handmade, tmp_path / name) for name in ("a", "b"))
    page = build_comparison([one, two], tmp_path / "page").read_text(encoding="utf-8")
    assert "of 100 malformed, 100 noticed; of 100 sound, 25 doubted" in page
