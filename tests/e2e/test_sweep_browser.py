"""The page of a sweep in a real browser, opened from disk."""

from __future__ import annotations

import pytest
import runs_by_hand as handmade
import test_report_browser as report_browser
import test_sweep_page as pages

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


HOSTILE = "<img src=x onerror=window.stolen=1>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four checkpoints with their own pages: the baseline, one that failed its gate, a stand-in, one not run."""
    out = tmp_path_factory.mktemp("sweep") / "out"
    made = pages.Made(handmade, out)
    checkpoints = [
        made.checkpoint("step-100", 100, pages=True),
        made.checkpoint(f"step-200 {HOSTILE} #é%", 200, handmade.noodes, verdict=pages.FAIL, pages=True),
        made.checkpoint("step-300", 300, handmade.noodes, verdict=pages.MISSING, role="stand-in", pages=True),
        pages.Checkpoint("step-400 </script>", 400, "runs/step-400", "</script><script>window.stolen=1</script>"),
    ]
    pages.build_sweep(pages.swept(checkpoints, reference=made.reference()), out)
    return out


@pytest.fixture
def visit(browser, folder):
    """Opens the page; on leaving, no console message, no failed request, none outside the folder."""
    watched = []

    def opener(**options):
        one = report_browser.Watched(browser, f"file://{folder}/", **options)
        watched.append(one)
        one.page.goto(f"file://{folder}/index.html")
        return one.page

    yield opener
    for each in watched:
        each.check()


def test_it_opens_from_disk_and_switches_its_language(visit):
    page = visit()
    assert page.locator("h1").inner_text() == "klein"
    assert page.locator("#checkpoints-title").inner_text() == "Checkpoints"
    assert page.locator(".checkpoints tr.tone-bad .outcome").all_inner_texts() == [
        "Fail", "Incomplete", "Could not be run",
    ]  # fmt: skip
    page.select_option("#language", "zh")
    assert page.evaluate("document.documentElement.lang") == "zh-Hans"
    assert page.locator("#checkpoints-title").inner_text() == "检查点列表"
    assert page.locator(".checkpoints tr.tone-bad .outcome").all_inner_texts() == ["不通过", "不完整", "无法运行"]
    why = page.locator(".checkpoints tr.tone-bad .why .line").first.inner_text()
    assert why == "字符准确率，各提示词均值（全部提示词）：−0.051，最好 −0.034，超出容限 0.020。1 项门禁中 1 项不通过。"
    drawn = page.locator("#plot-sweep svg").inner_html()
    for text in ("字符准确率", "基线", "不通过", "OCR 上限", "训练步数", "全部语言合计"):
        assert text in drawn
    page.reload()
    assert page.locator("#checkpoints-title").inner_text() == "检查点列表"
    assert visit(locale="zh-CN").locator("#checkpoints-title").inner_text() == "检查点列表"


def test_nothing_of_the_data_runs_and_names_are_shown(visit):
    page = visit()
    page.select_option("#language", "zh")
    page.select_option("#language", "en")
    text = page.locator("body").inner_text()
    assert HOSTILE in text
    assert "</script><script>window.stolen=1</script>" in text
    assert page.evaluate("window.stolen") is None
    assert page.locator("img").count() == 0


def test_names_lead_to_the_checkpoints_own_pages(visit):
    page = visit()
    links = page.locator(".checkpoints a")
    assert links.count() == 4  # three checkpoints and the reference
    for place in range(4):
        links.nth(place).click()
        assert page.locator("#accuracy-title").is_visible()
        page.go_back()


def test_colours_follow_the_theme(visit):
    page = visit(color_scheme="dark")
    mark = "getComputedStyle(document.querySelector('#plot-sweep [fill=\"var(--bad)\"]')).fill"
    dark = page.evaluate(mark)
    page.select_option("#theme", "light")
    assert (dark, page.evaluate(mark)) == ("rgb(255, 155, 145)", "rgb(179, 38, 30)")


def test_it_reads_without_javascript(browser, folder):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"file://{folder}/index.html")
    assert "0.949" in page.locator(".checkpoints").inner_text()
    assert "beyond the margin of 0.020" in page.locator(".checkpoints").inner_text()
    assert page.locator("#plot-sweep svg").is_visible()
    assert page.locator("#plot-sweep table").is_visible()
    context.close()


@pytest.mark.parametrize(("scheme", "locale", "width"), report_browser.STYLES)
def test_axe_finds_no_fault(browser, folder, scheme, locale, width):
    with report_browser.styled(browser, scheme, locale, width) as page:
        page.goto(f"file://{folder}/index.html")
        assert page.evaluate("document.documentElement.lang") == ("en" if locale == "en" else "zh-Hans")
        assert report_browser.axe_faults(page) == {}


@pytest.mark.parametrize("width", [390, 768, 1600])
def test_no_width_scrolls_sideways(visit, width):
    page = visit(viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_strict_policy_of_the_server_is_enough(browser, folder):
    with report_browser._serving(folder) as origin:
        watched = report_browser.Watched(browser, origin)
        watched.page.goto(f"{origin}index.html")
        watched.page.select_option("#language", "zh")
        assert watched.page.locator("#checkpoints-title").inner_text() == "检查点列表"
        watched.check()
