"""The browser of these tests: Debian's Chromium, named by EVALSUITE_CHROMIUM or found on PATH."""

from __future__ import annotations

import os
import shutil

import pytest

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def browser():
    """One for each file: while Playwright runs, its event loop is this thread's, in which other tests start theirs."""
    playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    named = os.environ.get("EVALSUITE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not named:
        pytest.skip("no Chromium: EVALSUITE_CHROMIUM names none and none is on PATH")
    with playwright_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=named, args=ARGUMENTS)
        yield opened
        opened.close()
