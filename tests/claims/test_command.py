"""The command `evalsuite claims`, and what the report shows of it."""

from __future__ import annotations

import re

from claims_by_hand import GOOD, Plan, check, rows, standings_of
from typer.testing import CliRunner

from evalsuite.claims import published
from evalsuite.cli.main import app
from evalsuite.errors import ExitCode
from evalsuite.report import build_report
from evalsuite.runs import open_run


def test_the_command_prints_standings_and_verdicts_and_exits_by_the_worst(write):
    folder = write(Plan({"en": rows(0.9804, 40), "zh": rows(0.9661, 40, seed=1)}))
    named = CliRunner().invoke(app, ["claims", str(folder), "--claim", "ernie-image-longtext", "--no-report"])
    assert named.exit_code == ExitCode.OK, named.output
    assert "REPRODUCED: ERNIE-Image, with prompt enhancer (ernie-image-longtext), against candidate" in named.output
    assert "published scores and this run (→)" in named.output
    assert "26b2c049" in named.output
    failed = CliRunner().invoke(app, ["claims", str(folder), "--claim", "seedream-4.0-longtext", "--no-report"])
    assert failed.exit_code == ExitCode.FAIL
    assert "NOT REPRODUCED: Seedream 4.0" in failed.output
    about_it = CliRunner().invoke(app, ["claims", str(folder), "--no-report"])
    assert about_it.exit_code == ExitCode.INCOMPLETE  # no memory was measured
    assert CliRunner().invoke(app, ["claims", "--list"]).output.count("longtext") >= 23


def test_the_report_has_the_verdicts_and_the_standings(write):
    folder = write(Plan(GOOD))
    from evalsuite.report.claim_rows import report_rows

    (row,) = report_rows(check(folder, ["ernie-image-longtext"]))
    assert row.outcome == "inconclusive"
    assert row.published == "0.9733 (en 0.9804, zh 0.9661)"
    assert row.measured.startswith("0.96")
    assert row.interval.startswith("[0.9")
    assert row.ceiling == "0.9995"
    assert row.protocol == "longtext, read by qwen2.5-vl, 4 images per prompt"
    found = CliRunner().invoke(app, ["claims", str(folder), "--claim", "ernie-image-longtext"])
    assert found.exit_code == ExitCode.INCONCLUSIVE
    page = build_report(open_run(folder)).read_text(encoding="utf-8")  # as `evalsuite report` does later
    assert "ernie-image-longtext" in page
    standings = page[page.index('<section id="standings"') :].partition("</section>")[0]
    assert standings.count("<tr") == 1 + len(published().scores) + 2
    assert standings.count('class="own"') == 2
    own = re.search(r'<tr class="own"><td class="number"[^>]*>(\d+)</td>\s*<th scope="row"><bdi>candidate', standings)
    (place,) = [each for each in standings_of(folder) if each.model == "candidate"]
    assert own is not None
    assert int(own[1]) == place.rank


def test_verdicts_are_told_though_the_run_cannot_be_written(write):
    folder = write(Plan({"en": rows(0.9804, 40), "zh": rows(0.9661, 40, seed=1)}))
    (folder / ".lock").unlink(missing_ok=True)
    (folder / ".lock").mkdir()
    found = CliRunner().invoke(app, ["claims", str(folder), "--claim", "ernie-image-longtext"])
    assert found.exit_code == ExitCode.OK
    assert "REPRODUCED: ERNIE-Image, with prompt enhancer" in found.output
    assert "the verdicts are not in the report:" in found.output
