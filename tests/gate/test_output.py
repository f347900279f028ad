"""What CI gets: JUnit XML, Markdown, JSON with its published schema."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import pytest
from runs_by_hand import check, open_side

from evalsuite.cli.gate import show_verdict as show
from evalsuite.errors import EvalsuiteError
from evalsuite.gate import Verdict
from evalsuite.gate.junit import junit
from evalsuite.gate.markdown import MAX_BYTES, markdown, plain
from evalsuite.gate.output import schema, write
from evalsuite.gate.verdict import Acknowledgement
from evalsuite.wording import signed

HOSTILE = "</td><script>alert(1)</script> | `x` **b** [l](javascript:1)\x00\x1b[31m\u202eabc\ud800 " + "long " * 1_000


@pytest.fixture
def failed(make_run, policy_file):
    return check(make_run("a"), make_run("b", lambda i, _: 9 + i % 3 if i % 2 else 0), policy=policy_file)


def cases(verdict):
    """By the gate's id, which stands in brackets behind its name in words."""
    found = ET.fromstring(junit(verdict)).iter("testcase")
    return {case.get("name").rpartition(" (")[2].removesuffix(")"): case for case in found}


def test_junit_has_one_case_a_gate(failed):
    found = cases(failed)
    assert list(found) == ["comparability", *(gate.name for gate in failed.gates)]
    assert found["comparability"].find("error") is None
    assert found["language=zh/character_accuracy"].find("failure").get("type") == "FAIL"
    assert found["language=en/character_accuracy"].find("failure") is None
    text = found["language=zh/character_accuracy"].find("system-out").text
    assert "margin 0.05" in text
    assert "smallest detectable" in text
    suite = ET.fromstring(junit(failed)).find("testsuite")
    assert suite.get("tests") == "4"
    assert int(suite.get("failures")) == sum(gate.decision != "PASS" for gate in failed.gates)


def test_junit_of_runs_that_cannot_be_compared_is_an_error(make_run, policy_file):
    verdict = check(make_run("a"), make_run("b", seeds=(0,)), policy=policy_file)
    error = cases(verdict)["comparability"].find("error")
    assert error.get("message") == "NOT COMPARABLE: seeds: baseline 0, 1, candidate 0"


def test_junit_skips_what_the_policy_or_a_person_lets_pass(make_run, tmp_path, failed):
    path = tmp_path / "warn.toml"
    path.write_text('format = 1\nname = "w"\nsamples = 2\non_inconclusive = "warn"\n[[gates]]\nmargin = 0.02\n')
    verdict = check(make_run("c", prompts=20), make_run("d", prompts=20), policy=path)
    assert cases(verdict)["all/character_accuracy"].find("skipped").get("type") == "INCONCLUSIVE"
    entry = Acknowledgement(
        gate="language=zh/character_accuracy", model_digest="", by="Ada", reason="a \x01 reason", at="2026"
    )
    gates = [msgspec.structs.replace(g, acknowledged=entry) if g.name == entry.gate else g for g in failed.gates]
    skipped = cases(msgspec.structs.replace(failed, gates=tuple(gates)))[entry.gate].find("skipped")
    assert skipped.get("message") == "acknowledged by Ada: a \ufffd reason"


def test_markdown_shows_verdict_table_and_at_most_twenty_prompts(failed):
    text = markdown(failed)
    assert text.startswith("## ❌ Gate: FAIL\n")
    assert text.count("\n| p") == 20
    for gate in failed.gates:
        assert signed(gate.delta) in text
        assert f"| {gate.minimum_detectable_effect:.3f} | {gate.resolution_floor:.3f} |" in text
        assert plain(f"mean over prompts: {gate.slice.partition('=')[2] or 'all prompts'} ({gate.name})") in text
    assert "± " not in text


def test_hostile_text_stays_text_and_the_summary_stays_small(make_run, policy_file):
    prompts = tuple(
        msgspec.structs.replace(prompt, targets=(HOSTILE,), language=HOSTILE[:60]) for prompt in make_run.prompts(60)
    )
    # Written by the package's own rows: what cannot be UTF-8 (a lone surrogate) cannot be in a row.
    clean = HOSTILE.replace("\ud800", "")
    prompts = tuple(
        msgspec.structs.replace(
            p, targets=(clean,), language=clean[:60], text=f"{i}: {clean}", id=f"{i}<b>|`{clean[:40]}"
        )
        for i, p in enumerate(prompts)
    )
    verdict = check(
        make_run("a", prompts=prompts), make_run("b", lambda i, _: 10**9 if i % 2 else 0, prompts=prompts),
        policy=policy_file,
    )  # fmt: skip
    text = markdown(verdict)
    assert len(text.encode()) < 60_000
    assert "<script" not in text.replace("\\<script", "")
    assert "\x00" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    table = [line for line in text.splitlines() if line.startswith("| 1\\<b")]
    assert table
    assert all(line.replace("\\|", "").count("|") == 7 for line in table)
    ET.fromstring(junit(verdict))


def test_a_summary_that_would_be_too_large_is_cut_at_a_line(failed):
    many = msgspec.structs.replace(failed, notes=tuple(f"note {i} " + "x" * 280 for i in range(5_000)))
    text = markdown(many)
    assert MAX_BYTES - 1_000 < len(text.encode()) < MAX_BYTES
    assert text.endswith("… cut short; the JSON verdict holds the rest.\n")


def test_files_are_written_and_the_job_summary_is_appended_to(failed, tmp_path, monkeypatch):
    summary = tmp_path / "summary.md"
    summary.write_text("earlier step\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    files = {name: tmp_path / "out" / f"verdict.{name}" for name in ("json", "xml", "md")}
    write(failed, json_file=files["json"], junit_file=files["xml"], markdown_file=files["md"])
    assert msgspec.json.decode(files["json"].read_bytes(), type=Verdict) == failed
    assert files["xml"].read_bytes() == junit(failed)
    assert files["md"].read_text(encoding="utf-8") == markdown(failed)
    assert summary.read_text(encoding="utf-8") == "earlier step\n" + markdown(failed)


def test_a_place_that_cannot_be_written_is_one_clear_error(failed, tmp_path, monkeypatch):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EvalsuiteError, match="file: cannot be written"):
        write(failed, json_file=tmp_path / "file" / "verdict.json")


def test_the_published_schema_is_that_of_the_verdict():
    published = Path(__file__).parents[2] / "docs" / "verdict.schema.json"
    assert json.loads(published.read_text(encoding="utf-8")) == schema(), (
        "write it anew: evalsuite gate --schema > docs/verdict.schema.json"
    )


def test_the_terminal_shows_floor_and_detectable_effect(failed, capsys):
    show(failed)
    shown = capsys.readouterr().out
    assert shown.rstrip().endswith("FAIL")
    assert f"floor {failed.gates[0].resolution_floor:.3f}" in shown
    assert f"detectable {failed.gates[0].minimum_detectable_effect:.3f}, " in shown


def test_the_digest_of_a_run_covers_its_rows(make_run):
    one, other = make_run("a"), make_run("b", lambda i, seed: int((i, seed) == (3, 1)))
    assert open_side(one).digest == open_side(one).digest
    assert open_side(one).digest != open_side(other).digest
