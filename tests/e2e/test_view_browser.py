"""`evalsuite view` in a real browser: a run is followed while its files grow, and two runs are voted on blind."""

from __future__ import annotations

from pathlib import Path

import pytest
import runs_by_hand as handmade
from view_by_hand import beige, serving

from evalsuite.view.library import id_of
from evalsuite.view.votes import Ballot

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


def axe_faults(page) -> list[str]:
    """What axe finds on the page as it stands."""
    package = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    page.evaluate((Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return [each["id"] for each in found["violations"] if each["impact"] != "minor"]


@pytest.fixture
def page(browser):
    context = browser.new_context(locale="en-US")
    opened = context.new_page()
    problems = []
    opened.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: problems.append(str(error)))
    yield opened
    context.close()
    assert problems == []


def test_a_run_is_followed_and_two_are_voted_on(page, tmp_path):
    root = tmp_path / "reports"
    old = handmade.make_run(root / "old", models=(handmade.model("klein"),), outcome=handmade.noodes, scored=False)
    handmade.make_run(root / "new", models=(handmade.model("ernie"),), outcome=beige, scored=False)
    readings = old.readings(old.manifest.ocr).path
    rows = readings.read_bytes().splitlines(keepends=True)
    readings.write_bytes(rows[0] + rows[1][:20])
    ballot = Ballot(tmp_path / "votes.jsonl")
    with serving(root, ballot) as client:
        base = str(client.base_url)
        page.goto(f"{base}/live/{id_of('old')}")
        page.get_by_text("1 / 3").first.wait_for()
        assert page.locator("#model-rows td").first.inner_text().startswith("0.917")
        assert page.locator("#latest li").count() == 3
        readings.write_bytes(b"".join(rows))
        page.locator("#read-text", has_text="3 / 3").wait_for(timeout=30_000)
        # Two letters of 39 are lost.
        assert page.locator("#model-rows td").first.inner_text().startswith("0.949")
        page.goto(base)
        assert axe_faults(page) == []
        page.get_by_role("searchbox").fill("ernie")
        assert page.locator(".runs tbody:visible").count() == 1
        page.get_by_role("searchbox").fill("")
        for box in page.locator("input[name=run]").all():
            box.check()
        page.get_by_role("button", name="Vote blind").click()
        page.locator("#count", has_text="0 of 3 voted").wait_for()
        assert not [name for name in ("klein", "ernie") if name in page.inner_text("body")]
        assert axe_faults(page) == []
        page.keyboard.press("ArrowLeft")
        page.locator("#count", has_text="1 of 3 voted").wait_for()
        page.get_by_role("button", name="No difference").click()
        page.locator("#count", has_text="2 of 3 voted").wait_for()
        page.locator("#right").click()
        page.get_by_text("All pairs are voted on.").wait_for()
        page.get_by_role("button", name="Show the result").click()
        page.locator("#figures", has_text="klein better").wait_for()
    assert sorted(vote.choice for vote in ballot.read()) == ["left", "right", "same"]
