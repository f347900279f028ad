from __future__ import annotations

import msgspec
import pytest

from evalsuite.gate.names import parse
from evalsuite.gate.verdict import Acknowledgement, Difference, GateResult, RunRef, SpeedResult, Verdict
from evalsuite.report import build_report, store_verdict, verdict_row
from evalsuite.report.conclusions import GateLabel
from evalsuite.report.gate_names import gate_cell
from evalsuite.report.i18n import translate
from evalsuite.runs import open_run


def side(model):
    return RunRef(
        folder=model, digest="0", model=model, role="model", model_digest="0", created_at="2026-05-04T00:00:00"
    )


GATE = GateResult(
    name="anchor/language=zh/character_accuracy",
    against="anchor",
    slice="language=zh",
    metric="character_accuracy",
    average="macro",
    decision="FAIL",
    prompts=40,
    differing=9,
    samples=4,
    baseline=0.95,
    candidate=0.9,
    delta=-0.05,
    lower=-0.08,
    upper=-0.03,
    margin=0.02,
    standard_error=0.01,
    method="Gaffke",
    p_pass=1.0,
    p_fail=0.001,
    p_fail_holm=0.002,
    minimum_detectable_effect=0.01,
    resolution_floor=0.005,
    note="Lost more than the margin.",
    advice="Look at the menus.",
    acknowledged=Acknowledgement(gate="zh", model_digest="0", by="Ada", reason="known", at="2026"),
)
SPEED = SpeedResult(
    name="speed/p50",
    against="baseline",
    quantity="p50",
    unit="s",
    decision=None,
    prompts=40,
    baseline=1.25,
    candidate=1.5,
    ratio=1.2,
    lower=1.1,
    upper=1.3,
    limit=1.1,
    p_fail=0.01,
    p_fail_holm=None,
    advisory="other hardware",
    note="Slower.",
)
VERDICT = Verdict(
    outcome="FAIL",
    exit_code=10,
    decided_at="2026",
    evalsuite="0",
    policy="default",
    policy_digest="0",
    alpha=0.05,
    level=0.05,
    look=1,
    samples=4,
    candidate=side("new"),
    baseline=side("old"),
    gates=(GATE,),
    speed=(SPEED,),
)


def test_every_gate_is_a_line_with_its_bounds():
    row = verdict_row(VERDICT)
    assert (row.outcome, row.title) == ("FAIL", "new against old of 2026-05-04")
    assert row.gates[0] == (
        "Character accuracy, mean over prompts: zh, against the anchor",
        "FAIL",
        "0.950",
        "0.900",
        "\u22120.050",
        "\u22120.080\u00a0…\u00a0\u22120.030",
        "0.020",
        "Lost more than the margin. Look at the menus. Accepted by Ada: known",
    )
    assert row.gates[1] == (
        "Median seconds",
        "–",
        "1.25 s",
        "1.5 s",
        "×\u00a01.200",
        "×\u00a01.100\u00a0…\u00a01.300",
        "×\u00a01.100",
        "Slower. Advisory: other hardware",
    )
    assert all(len(gate) == len(row.columns) for gate in row.gates)


@pytest.mark.parametrize("outcome", ["INCOMPLETE", "NOT COMPARABLE"])
def test_what_forbids_a_verdict_is_said(outcome, handmade, tmp_path):
    difference = Difference(against="baseline", what="seeds", baseline="0", candidate="0, 1")
    missing = tuple(f"p-{n} seed 0" for n in range(25))
    verdict = msgspec.structs.replace(
        VERDICT, outcome=outcome, gates=(), speed=(), differences=(difference,), missing=missing
    )
    row = verdict_row(verdict)
    assert row.text.startswith("seeds: 0 there, 0, 1 here. Missing: p-0 seed 0,")
    assert "p-19 seed 0 and 5 more." in row.text
    assert row.columns == ()
    run = open_run(handmade.make_run(tmp_path / "run"))
    store_verdict(run, row)
    assert "seeds: 0 there" in build_report(run).read_text(encoding="utf-8")


def test_notes_are_sentences_and_nothing_is_said_twice():
    speed = msgspec.structs.replace(SPEED, note="advisory: other hardware")
    verdict = msgspec.structs.replace(VERDICT, notes=("drawn with 4 steps", "a stand-in"), samples=1, speed=(speed,))
    row = verdict_row(verdict)
    assert row.text == (
        "Drawn with 4 steps. A stand-in. Policy default; one-sided bounds at level 0.05, 1 image per prompt."
    )
    assert row.gates[1][-1] == "Advisory: other hardware."


@pytest.mark.parametrize(
    ("ident", "words", "chinese"),
    [
        ("all/character_accuracy", "Character accuracy: all prompts", "字符准确率（全部提示词）"),
        ("language=zh/exact_string_rate/micro", "Strings exact, pooled: zh", "字符串全对，合并计算（zh）"),
        (
            "anchor/suite=ui-en/ned/macro",
            "Mean similarity of strings (NED), mean over prompts: suite ui-en, against the anchor",
            "字符串平均相似度（NED），各提示词均值（题集 ui-en），相对锚点",
        ),
        ("category=a/b/sound_glyph_rate", "Sound glyphs: category a/b", "字形正常率（类别 a/b）"),
        ("anchor/speed/p90", "90th percentile of seconds, against the anchor", "耗时第 90 百分位，相对锚点"),
    ],
)
def test_the_names_of_gates_in_words(ident, words, chinese):
    assert parse(ident).words == words
    cell = gate_cell(GateLabel(id=ident))
    assert cell.text == words
    assert translate(cell.key, "zh", **cell.values) == chinese


@pytest.mark.parametrize("ident", ["", "all", "other/metric", "all/other", "speed/other", "where=x/ned", "/ned"])
def test_an_unknown_id_stays_as_it_is(ident):
    assert parse(ident) is None
    assert gate_cell(GateLabel(id=ident)).text == ident


def test_the_page_has_the_name_in_words_and_the_id_beside(handmade, tmp_path):
    run = open_run(handmade.make_run(tmp_path / "run"))
    store_verdict(run, verdict_row(VERDICT))
    page = build_report(run).read_text(encoding="utf-8")
    row = page[page.index('<th scope="row"><span data-i18n="gate.words.anchor"') :]
    assert row.index("Character accuracy, mean over prompts: zh, against the anchor") < row.index("</th>")
    assert '<code class="line quiet">anchor/language=zh/character_accuracy</code></th>' in row[: row.index("<td")]
    assert '<code class="line quiet">speed/p50</code>' in page
