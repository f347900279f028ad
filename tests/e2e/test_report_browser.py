"""The report in a real browser: Debian's Chromium, named by EVALSUITE_CHROMIUM or found on PATH."""

from __future__ import annotations

import contextlib
import csv
import functools
import http.server
import importlib.util
import json
import shutil
import threading
import time
from pathlib import Path

import pytest
import runs_by_hand as handmade

import evalsuite
from evalsuite import scoring, wording
from evalsuite.report import build_comparison, build_report
from evalsuite.runs import adjudications, open_run

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

STRICT = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; base-uri 'none'"


WORDS = ["OPEN", "Daily", "SALE", "$9.99", "12:30", "Menu", "EXIT", "Tickets"]


def _many():
    prompts = list(handmade.PROMPTS)
    for n in range(60):
        target = f"{WORDS[n % 8]} {WORDS[(n * 3 + 1) % 8]} {n}"
        prompts.append(
            handmade.prompt(f"board-{n:03}", "boards", "price-board", f'A board with "{target}".', (target,))
        )
    return prompts


def _outcome(spec, prompt, seed):
    if prompt.suite != "boards" or spec.role == "reference":
        return handmade.noodes(spec, prompt, seed)
    n = int(prompt.id[6:])
    if n == 7 and seed == 1:
        return handmade.Outcome(error="out of memory")
    text = prompt.targets[0]
    if n % 9 == 0:
        text = text[1:]
    return handmade.Outcome(lines=(text,), colour=("white", "beige", "lightblue")[n % 3])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """63 prompts × 2 seeds × 2 models: 252 images."""
    folder = tmp_path_factory.mktemp("report") / "run"
    store = handmade.make_run(folder, prompts=_many(), seeds=(0, 1), outcome=_outcome)
    opened = open_run(store)
    build_report(opened)
    build_report(opened, single_file=True)
    return opened


@pytest.fixture(scope="module")
def comparison(run, tmp_path_factory):
    base = tmp_path_factory.mktemp("compare")
    other = open_run(handmade.make_run(base / "other", prompts=_many(), seeds=(0, 1)))
    return build_comparison([other, run], base / "out")


@contextlib.contextmanager
def _serving(folder, policy=STRICT):
    class Handler(http.server.SimpleHTTPRequestHandler):
        def end_headers(self):
            self.send_header("Content-Security-Policy", policy)
            super().end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


PATIENCE = 30
"""Seconds until something that ought to happen counts as failed: enough for a machine that other work keeps busy."""


class Watched:
    """A page whose console, errors and requests are kept; `check` says that all were as they should be.

    A load that the browser itself breaks off, because its page is left while images still come, says nothing about
    the address. So `check` asks for each of those once more, by itself, and then it has to come.
    """

    def __init__(self, browser, origin, **options):
        settings = {"viewport": {"width": 1280, "height": 900}, "locale": "en-GB", **options}
        self.context = browser.new_context(**settings)
        self.context.set_default_timeout(PATIENCE * 1_000)
        self.page = self.context.new_page()
        self.origin = origin
        self.faults, self.requests, self.broken_off = [], [], set()
        self.page.on("console", lambda message: self.faults.append(message.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("requestfailed", self._failed)
        self.page.on("request", lambda request: self.requests.append(request.url))

    def open(self, name="index.html", fragment=""):
        self.page.goto(f"{self.origin}{name}{fragment}")
        ready(self.page)
        return self.page

    def _failed(self, request):
        if request.failure == "net::ERR_ABORTED":
            self.broken_off.add(request.url)
        else:
            self.faults.append(f"failed: {request.url}: {request.failure}")

    def check(self):
        again = self.context.new_page()
        for url in sorted(self.broken_off):
            again.goto(url)
            shown = "document.images.length ? document.images[0].naturalWidth > 0 : document.body.innerText !== ''"
            assert again.evaluate(shown), url  # an image, or a script or style sheet as text
        assert self.faults == []
        outside = [u for u in self.requests if not u.startswith((self.origin, "data:", "blob:"))]
        assert outside == []
        self.context.close()


@pytest.fixture
def visit(browser, run):
    """Opens the run's report from disk; on leaving, no console message, no failed request, none outside the folder."""
    watched = []

    def opener(fragment="", name="index.html", folder=run.folder, **options):
        watched.append(Watched(browser, f"file://{folder}/", **options))
        return watched[-1].open(name, fragment)

    yield opener
    for each in watched:
        each.check()


def until(page, expression):
    """Poll from outside: the page's policy forbids the evaluation that Playwright's own waiting would poll with."""
    deadline = time.monotonic() + PATIENCE
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        time.sleep(0.02)


def ready(page):
    """Deferred scripts have run when the page has loaded."""
    assert page.evaluate("window.Evalsuite.ready")


def shown(page):
    return page.locator("#gallery-count").inner_text()


def test_from_a_server_with_a_strict_policy(browser, run):
    with _serving(run.folder) as origin:
        watched = Watched(browser, origin)
        page = watched.open()
        assert shown(page) == "126 of 252 images"
        page.locator(".card img").first.wait_for()
        assert page.evaluate("[...document.images].every((image) => !image.complete || image.naturalWidth > 0)")
        watched.check()


def test_worst_first_with_the_references_left_out(visit):
    page = visit()
    assert shown(page) == "126 of 252 images"
    first = page.locator(".card").first
    assert "Missing" in first.inner_text()
    assert "out of memory" in first.inner_text()
    scores = [float(text) for text in page.locator(".card-score:not(.bad-text)").all_inner_texts()]
    assert scores == sorted(scores)


def test_filters_narrow_and_the_address_keeps_them(visit):
    page = visit()
    page.select_option("#filter-kind", "case")
    assert shown(page) == "2 of 252 images"
    assert "kind=case" in page.url
    page.fill("#filter-q", "grand Daily")
    page.select_option("#filter-model", "")
    assert shown(page) == "2 of 252 images"
    page.select_option("#filter-kind", "")
    assert shown(page) == "4 of 252 images"
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    ready(page)
    assert shown(page) == "4 of 252 images"
    assert page.input_value("#filter-q") == "grand Daily"
    page.get_by_role("button", name="Reset").click()
    assert shown(page) == "126 of 252 images"


def test_the_score_range_language_and_no_match(visit, run):
    page = visit("#from=0.9&to=0.95")
    real = [scoring.rates(score.result).character_accuracy for score in run.scores_of("klein")]
    assert shown(page) == f"{sum(0.9 <= accuracy <= 0.95 for accuracy in real)} of 252 images"
    page.select_option("#filter-language", "zh")
    assert shown(page) == "0 of 252 images"
    assert page.locator("#gallery-none").is_visible()


def test_the_lost_letter_is_shown_as_lost(visit):
    page = visit("#q=neon-001")
    lost = page.locator(".card").first.locator(".d-delete")
    assert lost.inner_text() == "L"
    assert lost.get_attribute("title") == "missing: L"
    style = lost.evaluate("(e) => { const s = getComputedStyle(e); return [s.textDecorationLine, s.color]; }")
    assert style == ["line-through", "rgb(179, 38, 30)"]
    page.locator(".card-open").first.click()
    aligned = page.locator("#viewer .string .pair.p-delete")
    assert aligned.locator(".target").inner_text() == "L"
    words = page.locator("#viewer .string .word")  # what a line break does not part
    assert ["".join(word.locator(".target").all_inner_texts()) for word in words.all()] == ["NIGHT", "NOODLES"]
    spoken = page.locator("#viewer .string .unseen").first.inner_text()
    assert spoken == "Target: NIGHT NOODLES. Read: NIGHT NOODES."


def test_each_kind_of_difference_has_its_own_colour_and_shape(visit):
    page = visit("#model=klein")
    looks = page.evaluate(
        """() => [...document.querySelectorAll("#legend > li > :first-child")].map((e) => {
            const s = getComputedStyle(e); return [e.className, s.color, s.textDecorationLine + s.textDecorationStyle];
        })"""
    )
    assert [look[0] for look in looks] == ["d-delete", "d-substitute", "d-insert", "d-case"]
    assert len({look[1] for look in looks}) == 4
    assert (
        len({look[2] for look in looks if look[0] != "d-substitute"}) == 3
    )  # the substitution's parts carry its shape
    page.goto(page.url.partition("#")[0] + "#q=shop-002")
    page.reload()
    ready(page)
    assert page.locator(".card .d-case").first.inner_text() == "PEN"
    assert page.locator(".card .d-extra").first.inner_text() == "Lorem"


def test_the_keyboard_walks_opens_steps_and_closes(visit):
    page = visit("#model=klein")
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.closest('li').getAttribute('aria-posinset')") == "2"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    dialog = page.locator("#viewer")
    assert dialog.is_visible()
    assert "3 of 126" in dialog.inner_text()
    page.keyboard.press("ArrowRight")
    assert "4 of 126" in dialog.inner_text()
    page.keyboard.press("k")
    assert "3 of 126" in dialog.inner_text()
    page.keyboard.press("b")
    assert dialog.locator(".boxes polygon").count() >= 1
    assert "boxes=1" in page.url
    page.keyboard.press("Escape")
    until(page, "!document.getElementById('viewer').open")
    # A dialog tells that it was closed in a task of its own; then the card that was last open takes the focus.
    until(page, "document.activeElement.closest('li')?.getAttribute('aria-posinset') === '3'")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "filter-q"


def test_an_open_image_can_be_linked_and_back_closes_it(visit, run):
    key = handmade.image_of(run.store, "neon-001", seed=1).stem
    page = visit(f"#image={key}")
    assert "neon-001 · klein · seed 1" in page.locator("#viewer-title").inner_text()
    assert (
        "evalsuite run --model klein --set 'steps=4 guidance=1.0' --suite signs.yaml --prompt neon-001 --seed 1"
        in page.locator(".command").inner_text()
    )
    assert page.locator(".prompt-text mark").inner_text() == "NIGHT NOODLES"
    page.get_by_role("button", name="Close").click()
    page.locator(".card-open").first.click()
    assert page.locator("#viewer").is_visible()
    page.go_back()
    until(page, "!document.getElementById('viewer').open")


def test_the_seed_strip_leads_to_the_other_seed(visit):
    page = visit("#q=neon-001&model=klein")
    page.locator(".card-open").first.click()
    strips = page.locator("#viewer .strip")
    assert strips.count() == 2  # the seeds, and the other models
    strips.first.locator("a").nth(1).click()
    assert "seed 1" in page.locator("#viewer-title").inner_text()


def test_only_cards_near_the_window_exist(visit):
    page = visit("#model=")
    assert shown(page) == "252 of 252 images"
    assert page.locator(".card").count() < 40
    page.evaluate("window.scrollTo(0, document.getElementById('grid').offsetTop + 12000)")
    until(page, "Number(document.querySelector('.card').getAttribute('aria-posinset')) > 40")
    assert page.locator(".card").count() < 60
    places = [int(p) for p in page.eval_on_selector_all(".card", "cards => cards.map(c => c.ariaPosInSet)")]
    assert places == sorted(places)


def test_languages_switch_and_are_remembered(visit):
    page = visit(locale="zh-CN")
    assert page.evaluate("document.documentElement.lang") == "zh-Hans"
    assert page.locator("#accuracy-title").inner_text() == "准确率"
    assert shown(page) == "252 张图片中的 126 张"
    assert "字符准确率" in page.locator("#plot-trade-off svg").inner_html()
    page.select_option("#language", "en")
    assert page.locator("#accuracy-title").inner_text() == "Accuracy"
    assert shown(page) == "126 of 252 images"
    page.reload()
    ready(page)
    assert page.locator("#accuracy-title").inner_text() == "Accuracy"
    other = visit("#lang=zh")
    assert other.locator("#accuracy-title").inner_text() == "准确率"


def test_the_theme_follows_the_system_and_can_be_chosen(visit):
    page = visit(color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.select_option("#theme", "light")
    light = page.evaluate(ground)
    assert dark == "rgb(22, 23, 26)"
    assert light == "rgb(252, 251, 249)"
    fill = page.evaluate("getComputedStyle(document.querySelector('#plot-trade-off text')).fill")
    assert fill != light
    page.select_option("#theme", "dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(29, 28, 26)"  # paper is light


def test_numbers_read_alike_on_both_sides(visit):
    page = visit()
    rates = [0.0, 1.0, 0.94871, 0.9995, 0.99996, -0.25, 0.5]
    assert page.evaluate("(values) => values.map(Evalsuite.rate)", rates) == [wording.rate(value) for value in rates]
    times = [0.0042, 0.4821, 12.44, 101.2, 125.2, 59.999]
    assert page.evaluate("(values) => values.map(Evalsuite.seconds)", times) == [
        wording.seconds(value) for value in times
    ]
    hidden = "a\x00b\u202ec\u2066d\u200be\ufefff\tg\nh 👩\u200d💻"
    assert page.evaluate("(value) => Evalsuite.visible(value)", hidden) == wording.visible(hidden)


def test_marks_are_kept_exported_applied_and_imported(visit, run, tmp_path):
    page = visit("#q=neon-001&model=klein")
    page.locator(".card-open").first.click()
    page.get_by_label("The OCR misread").check()
    assert page.locator(".mark .hint").is_visible()  # nothing corrected yet
    page.fill(".mark textarea", "NIGHT NOODLES")
    assert page.locator(".mark .hint").is_hidden()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.locator(".card-open").nth(1).click()
    page.get_by_label("The reading is right").check()
    page.keyboard.press("Escape")
    assert page.locator("#marks-count").inner_text() == "2 readings judged, 1 misread by the OCR"
    with page.expect_download() as download:
        page.click("#marks-export")
    path = tmp_path / "marks.json"
    download.value.save_as(path)

    errors = adjudications.apply(run, adjudications.load(path)).judgement.errors
    assert (errors.judged, errors.misread) == (2, 1)
    assert (errors.charged, errors.remaining) == (2, 1)

    page.select_option("#filter-kind", "marked")
    assert shown(page) == "2 of 252 images"
    other = visit()  # another browser profile: nothing is kept there
    assert other.locator("#marks-count").inner_text() == "No reading judged yet"
    assert other.locator("#marks-export").is_disabled()
    other.set_input_files("#marks-file", path)
    until(other, "document.getElementById('marks-note').textContent !== ''")
    assert other.locator("#marks-count").inner_text() == "2 readings judged, 1 misread by the OCR"
    assert other.locator("#marks-note").inner_text() == "2 marks taken over, 0 refused"


def test_a_sample_is_judged_by_the_keyboard_alone(browser, tmp_path):
    store = handmade.make_run(tmp_path / "run", prompts=_many()[:9], outcome=_outcome)
    asked = evalsuite.judge(store.folder, sample=4)
    with _serving(store.folder) as origin:
        watched = Watched(browser, origin)
        page = watched.page
        page.goto(origin + "index.html")
        page.click("#marks-sample")
        assert "1 of 4" in page.locator(".viewer-bar").inner_text()
        page.keyboard.press("n")
        page.keyboard.type("WHAT IT SAYS ")
        page.keyboard.press("Control+Enter")
        for _ in range(3):
            page.keyboard.press("y")
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Escape")
        assert page.locator("#marks-sample").inner_text() == "Judge the sample (4 of 4)"
        with page.expect_download() as download:
            page.click("#marks-export")
        download.value.save_as(tmp_path / "marks.json")
        watched.check()
        watched.context.close()
    done = evalsuite.judge(store.folder, marks=tmp_path / "marks.json")
    assert done.complete
    assert (done.correction.judged, done.correction.keys) == (4, asked.correction.keys)


def test_marks_of_another_run_are_refused(visit, tmp_path):
    page = visit()
    path = tmp_path / "marks.json"
    for content, message in (
        (json.dumps({"format": 1, "run": "0" * 64, "engine_digest": "0" * 64, "marks": []}), "another run"),
        ("no JSON", "holds no marks"),
    ):
        path.write_text(content)
        page.set_input_files("#marks-file", path)
        until(page, f"document.getElementById('marks-note').textContent.includes('{message}')")


def test_the_single_file_works_alone(visit, run, tmp_path):
    shutil.copy(run.folder / "report.html", tmp_path / "mail.html")
    page = visit(folder=tmp_path, name="mail.html", fragment="#q=neon-001")
    assert shown(page) == "2 of 252 images"
    page.locator(".card-open").first.click()
    image = page.locator("#viewer .fit img")
    image.wait_for()
    assert image.get_attribute("src").startswith("data:image/webp")
    assert page.evaluate("document.querySelector('#viewer img').complete")


def test_the_figures_read_without_javascript(browser, run):
    context = browser.new_context(java_script_enabled=False, color_scheme="dark")
    page = context.new_page()
    page.goto(f"file://{run.folder}/index.html")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 23, 26)"
    assert "0.9" in page.locator(".accuracy").inner_text()
    assert page.locator("#plot-trade-off svg").is_visible()
    assert page.locator("noscript .notice").is_visible()
    assert page.locator("#gallery").is_hidden()
    context.close()


def test_no_script_of_the_data_runs(browser, tmp_path):
    from_page_tests = importlib.util.spec_from_file_location(
        "page_tests", Path(__file__).parents[1] / "report" / "test_run_page.py"
    )
    module = importlib.util.module_from_spec(from_page_tests)
    from_page_tests.loader.exec_module(module)
    module.hostile_run(handmade, tmp_path / "run")
    build_report(open_run(tmp_path / "run"))
    watched = Watched(browser, f"file://{tmp_path}/run/")
    page = watched.open(fragment="#model=&boxes=1")
    for _ in range(24):
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        until(page, "document.getElementById('viewer').open")
        page.keyboard.press("Escape")
    assert page.evaluate("window.stolen") is None
    assert page.locator("#grid script, #grid img[onerror], #viewer script").count() == 0
    texts = page.evaluate("document.body.innerText")
    assert "‹U+202E›" in texts
    assert "\u202e" not in texts
    width = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1]
    watched.check()


def test_pairs_differ_slide_and_link(visit, comparison):
    page = visit(folder=comparison.parent)
    assert shown(page).startswith("126 of 126 pairs: 0 better,")
    deltas = page.locator(".delta").all_inner_texts()
    assert deltas[0] == "\u22121.000"  # the image that is missing
    page.get_by_role("button", name="Only what differs").click()
    only = int(shown(page).split()[0])
    assert 0 < only < 126
    assert "only=1" in page.url
    page.fill("#filter-q", "neon-001")
    assert shown(page) == "2 of 126 pairs: 0 better, 2 worse, 0 equal"
    assert page.locator(".glyph-badge").count() == 0  # nobody has looked at these runs' glyphs
    page.evaluate("""() => {
      const { items, page, pairs } = window.Evalsuite;
      const drawn = items.find((item) => item.model.name === pairs.state.b && item.prompt.id === "neon-001");
      page.glyphs = page.models.map((_, m) => (m === drawn.m ? { [drawn.key]: 2 } : {}));
      pairs.refresh();
    }""")
    assert page.locator(".pair-side:nth-child(2) .glyph-badge").all_inner_texts() == ["2 suspicious glyphs"]
    assert page.locator(".glyph-badge").count() == 1
    page.locator(".card-open").first.click()
    page.locator(".slider-stage").wait_for()
    clip = "document.querySelector('.slider-top').style.clipPath"
    assert page.evaluate(clip) == "inset(0px 0px 0px 50%)"
    page.focus(".slider-range")
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert page.evaluate(clip) == "inset(0px 0px 0px 60%)"
    box = page.locator(".slider-stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 30)
    page.mouse.up()
    assert abs(float(page.evaluate(clip).split()[-1].rstrip("%)")) - 25) < 2
    page.get_by_role("button", name="Side by side").click()
    assert page.locator("#viewer .beside img").count() == 2
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    ready(page)
    assert page.locator("#viewer .beside").is_visible()


def test_a_point_of_the_scatter_leads_to_its_pair(visit, comparison):
    page = visit(folder=comparison.parent)
    page.locator("#plot-scatter tbody a", has_text="neon-001").click()
    until(page, "document.getElementById('filter-q').value === 'neon-001'")
    assert shown(page).startswith("2 of 126 pairs")


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """A report and a comparison of a run whose three images of klein are changed, deleted and blank."""
    base = tmp_path_factory.mktemp("damaged")

    def outcome(spec, prompt, _seed):
        blank = spec.role == "model" and prompt.id == "menu-003"
        findings = (handmade.Finding(code="blank-image", message="nothing but white"),) if blank else ()
        return handmade.Outcome(lines=prompt.targets, findings=findings)

    again = handmade.prompt("neon-009", "signs", "neon", handmade.PROMPTS[0].text, handmade.PROMPTS[0].targets)
    prompts = (*handmade.PROMPTS, again)
    store = handmade.make_run(base / "run", prompts=prompts, outcome=outcome)
    handmade.image_of(store, "neon-001").write_bytes(b"another image")
    handmade.image_of(store, "shop-002").unlink()
    run = open_run(store)
    build_report(run)
    whole = open_run(handmade.make_run(base / "whole", prompts=prompts))
    build_comparison([whole, run], base / "out")
    return base


def test_an_image_that_is_not_there_says_why(visit, damaged):
    page = visit("#model=klein&sort=prompt", folder=damaged / "run")
    changed, deleted, blank, whole = page.locator(".card").all()
    assert changed.inner_text().count("Missing") == 2  # in the place of the picture and of the score
    assert "its image file has changed since it was drawn" in changed.inner_text()
    assert "File missing" in deleted.inner_text()
    assert "1.000" in deleted.inner_text()  # its reading counts
    assert "Counts as missing" in blank.inner_text()
    assert "the image is blank" in blank.inner_text()
    assert [card.locator("img").count() for card in (changed, deleted, blank, whole)] == [0, 0, 1, 1]
    dialog = page.locator("#viewer")
    changed.locator(".card-open").click()
    assert "There is no image: its image file has changed since it was drawn" in dialog.inner_text()
    assert "Judge the reading" not in dialog.inner_text()
    page.keyboard.press("ArrowRight")
    assert "There is no image: its image file is missing" in dialog.inner_text()
    assert "Judge the reading" not in dialog.inner_text()
    page.keyboard.press("ArrowRight")
    assert dialog.locator(".fit img").count() == 1
    assert dialog.locator("p.bad-text", has_text="the image is blank").is_visible()
    page.keyboard.press("Escape")
    page.select_option("#filter-kind", "missing")
    assert shown(page) == "3 of 8 images"
    page.select_option("#language", "zh")
    assert "文件缺失" in page.locator(".card").nth(1).inner_text()


def test_a_comparison_shows_what_is_there_and_says_what_is_not(visit, damaged):
    page = visit("#sort=prompt", folder=damaged / "out")
    changed, deleted, blank, whole = page.locator(".card").all()
    assert [card.locator("img").count() for card in (changed, deleted, blank, whole)] == [1, 1, 2, 2]
    assert "its image file has changed since it was drawn" in changed.inner_text()
    assert "File missing" in deleted.inner_text()
    assert changed.locator(".delta").inner_text() == "\u22121.000"
    assert deleted.locator(".delta").inner_text() == "0.000"
    deleted.locator(".card-open").click()
    assert page.locator("#viewer .beside img").count() == 1
    assert "File missing" in page.locator("#viewer .beside").inner_text()


def _axe():
    package = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    return (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


STYLES = [("light", "en", 1280), ("dark", "zh-CN", 1280), ("light", "zh-CN", 390), ("dark", "en", 390)]
"""Colour scheme, language and width: each two values of any two of them meet once."""


@contextlib.contextmanager
def styled(browser, scheme, locale, width):
    """A page in this style into which axe may be put; it closes behind itself."""
    context = browser.new_context(
        color_scheme=scheme, locale=locale, bypass_csp=True, viewport={"width": width, "height": 900}
    )
    context.set_default_timeout(PATIENCE * 1_000)
    yield context.new_page()
    context.close()


def axe_faults(page):
    """What axe finds on the page as it stands, with its details opened; minor remarks left out."""
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    if not page.evaluate("'axe' in window"):
        page.evaluate(_axe())
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return {
        f"{violation['impact']}: {violation['id']}": [node["target"] for node in violation["nodes"]][:5]
        for violation in found["violations"]
        if violation["impact"] != "minor"
    }


@pytest.mark.parametrize(("scheme", "locale", "width"), STYLES)
@pytest.mark.parametrize("kind", ["report", "comparison"])
def test_axe_finds_no_fault(browser, run, comparison, scheme, locale, width, kind):
    folder = comparison.parent if kind == "comparison" else run.folder
    with styled(browser, scheme, locale, width) as page:
        page.goto(f"file://{folder}/index.html")
        ready(page)
        assert page.evaluate("document.documentElement.lang") == ("en" if locale == "en" else "zh-Hans")
        assert axe_faults(page) == {}
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        until(page, "document.getElementById('viewer').open")
        assert axe_faults(page) == {}, "with an image open"


@pytest.mark.parametrize(("scheme", "locale", "width"), STYLES)
@pytest.mark.parametrize("folder", ["run", "out"])
def test_the_notices_of_missing_images_fit_every_style(browser, damaged, scheme, locale, width, folder):
    with styled(browser, scheme, locale, width) as page:
        page.goto(f"file://{damaged / folder}/index.html")
        assert axe_faults(page) == {}
        notice = page.locator("section.notice.bad").inner_text()
        assert ("Incomplete: 3 of" if locale == "en" else "不完整：") in notice
        assert "its image file has changed since it was drawn" in notice
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [390, 768, 1600])
def test_no_width_scrolls_sideways(visit, run, comparison, width):
    for folder in (run.folder, comparison.parent):
        page = visit(folder=folder, viewport={"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.locator(".card-open").first.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_the_answer_is_on_the_first_screen(visit, comparison, width, height):
    page = visit(viewport={"width": width, "height": height})
    said, figures = page.locator(".said").first.bounding_box(), page.locator(".answers tbody tr").first.bounding_box()
    assert 0 < said["y"] < figures["y"] < figures["y"] + figures["height"] < height
    page = visit(folder=comparison.parent, viewport={"width": width, "height": height})
    said = page.locator(".said").first.bounding_box()
    difference = page.locator("#differences tbody tr").first.bounding_box()
    assert 0 < said["y"] < difference["y"] < difference["y"] + difference["height"] < height


def test_on_a_narrow_screen_parts_fold_up_and_the_gallery_grows_by_portions(visit):
    page = visit(viewport={"width": 390, "height": 844})
    length = "document.documentElement.scrollHeight"
    assert page.evaluate("[...document.querySelectorAll('.fold')].every((fold) => !fold.open)")
    assert page.evaluate(length) < 12_000
    page.locator(".bar-sections a", has_text="Accuracy").click()
    assert page.locator("#accuracy .fold").evaluate("(fold) => fold.open")
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    wide = "[...document.querySelectorAll('.scroll')].filter((each) => each.scrollWidth > each.clientWidth + 1).length"
    assert page.evaluate(wide) == 0  # no table has to be moved sideways
    more = page.locator(".more")
    assert more.inner_text() == "Show 12 more (114 left)"
    more.click()
    assert more.inner_text() == "Show 12 more (102 left)"


def test_columns_sort_and_rows_download(visit, tmp_path):
    page = visit("#q=neon-001")
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    table = page.locator("#plot-category table, #plot-string-length table").first
    heading = table.locator("thead th").nth(1)
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    counts = [int(text) for text in table.locator("tbody tr td:nth-child(2)").all_inner_texts()]
    assert counts == sorted(counts)
    heading.get_by_role("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    with page.expect_download() as download:
        page.click("#rows")
    download.value.save_as(tmp_path / "images.csv")
    with (tmp_path / "images.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["prompt"], row["seed"], row["reading"]) for row in rows] == [
        ("neon-001", "0", "NIGHT NOODES"),
        ("neon-001", "1", "NIGHT NOODES"),
    ]


def test_an_image_is_enlarged_moved_copied_and_judged(visit):
    page = visit("#q=neon-001")
    page.locator(".card-open").first.click()
    transform = "document.querySelector('.fit').style.transform"
    assert page.evaluate(transform) == ""
    page.keyboard.press("+")
    assert "scale(1.5)" in page.evaluate(transform)
    box = page.locator(".frame").bounding_box()
    before = page.evaluate(transform)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 5, box["y"] + box["height"] / 2)
    page.mouse.up()
    assert page.evaluate(transform) != before
    page.keyboard.press("0")
    assert page.evaluate(transform) == ""
    copy = page.locator(".command .copy")
    copy.click()
    until(page, "document.querySelector('.command .copy').textContent === 'Copied'")
    page.keyboard.press("y")
    page.keyboard.press("Escape")
    until(page, "!document.getElementById('viewer').open")
    assert page.locator(".card").first.locator(".judged").inner_text() == "reading right"


def test_blanks_are_shown_as_they_were_read(visit):
    page = visit()
    read = """(target) => { const box = document.createElement("div");
        box.append(...Evalsuite.aligned(target, "en").filter(Boolean));
        return [...box.querySelectorAll(".read")].map((each) => each.textContent).join(""); }"""
    joined = {"target": "ROPE, TWINE", "edits": [{"kind": "equal", "target": "ROPE, TWINE", "read": "ROPE,TWINE"}]}
    assert page.evaluate(read, joined) == "ROPE,‿TWINE"
    inline = "(target) => Evalsuite.inline(target).textContent"
    assert page.evaluate(inline, joined) == "ROPE,TWINE"
    apart = {"target": "TWINE", "edits": [{"kind": "equal", "target": "TWINE", "read": "TW INE"}]}
    assert page.evaluate(read, apart) == "TW␣INE"
    broken = {"target": "A B", "edits": [{"kind": "equal", "target": "A B", "read": "A\nB"}]}
    assert page.evaluate(inline, broken) == "A B"


def test_paper_holds_the_worst_images_and_charts_as_wide_as_it_is(visit):
    page = visit()
    assert page.locator(".worst").is_hidden()
    page.emulate_media(media="print")
    assert page.locator("#gallery").is_hidden()
    assert page.locator(".worst li img").first.is_visible()
    assert page.evaluate("[...document.querySelectorAll('.worst img')].every((each) => each.naturalWidth > 0)")
    widths = page.evaluate(
        "[document.querySelector('#plot-trade-off .chart'), document.querySelector('main')].map((e) => e.clientWidth)"
    )
    assert widths[0] == widths[1]
    page.emulate_media(media="screen")


def test_reduced_motion_moves_nothing(visit):
    page = visit(reduced_motion="reduce")
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    assert page.evaluate("getComputedStyle(document.querySelector('.card')).transitionDuration") == "0s"
