"""Take the pictures of docs/images from a report: `python docs/pictures.py reports/sample/report.html`.

Needs Playwright and a Chromium, which EVALSUITE_CHROMIUM names where it is not on the path.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

SIZE = (1200, 900)
IMAGES = Path(__file__).parent / "images"


def take(page: Path) -> None:
    """`report-answer.png`, the first screen, and `report-images.png`, the first row of the English gallery."""
    chromium = os.environ.get("EVALSUITE_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        opened = browser.new_page(
            viewport={"width": SIZE[0], "height": SIZE[1]},
            color_scheme="light",
            locale="en-US",
            reduced_motion="reduce",
        )
        opened.goto(page.resolve().as_uri())
        keep(opened.screenshot(), "report-answer.png")
        cards = opened.locator("#grid .card")
        opened.locator("#images-title").scroll_into_view_if_needed()
        # A machine without Chinese fonts would show boxes.
        opened.locator("#filter-language").select_option("en")
        cards.nth(2).locator("img").evaluate("image => image.decode()")
        opened.locator("#images-title").evaluate("title => window.scrollBy(0, title.getBoundingClientRect().top - 60)")
        opened.set_viewport_size({"width": SIZE[0], "height": SIZE[1] + 180})
        keep(opened.screenshot(), "report-images.png")
        browser.close()


def keep(taken: bytes, name: str) -> None:
    """Write a picture in 256 colours, which is a third of its size."""
    few = Image.open(io.BytesIO(taken)).convert("RGB").quantize(256, kmeans=2, dither=Image.Dither.NONE)
    few.save(IMAGES / name, optimize=True)


if __name__ == "__main__":
    take(Path(sys.argv[1]))
