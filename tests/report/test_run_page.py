from __future__ import annotations

import html
import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import msgspec
import pytest

from evalsuite import hardware, scoring, wording
from evalsuite.errors import EvalsuiteError
from evalsuite.records import Environment, TextLine
from evalsuite.report import (
    ClaimRow,
    StandingRow,
    VerdictRow,
    build_report,
    pictures,
    shell,
    store_claims,
    store_verdict,
)
from evalsuite.report.run_page import SCRIPTS, STYLES
from evalsuite.runs import open_run

HOSTILE = (
    "</script><script>window.stolen=1</script>",
    '<img src=x onerror="window.stolen=1">',
    "\u202eREVERSED\u202c",
    "NUL\x00HERE",
    "{{ 7*7 }} {% raw %}",
    "' onmouseover='window.stolen=1",
    "&lt;b&gt; & &amp;",
    "long" * 25_000,
)


class Page(HTMLParser):
    """What a page holds: elements with attributes, its visible text, its data blocks."""

    def __init__(self, content):
        super().__init__(convert_charrefs=True)
        self.elements, self.text, self.data, self._inside = [], [], {}, None
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        self._inside = attributes.get("id") or tag if tag in ("script", "style") else None

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self._inside = None

    def handle_data(self, data):
        if self._inside is None:
            self.text.append(data)
        else:
            self.data[self._inside] = self.data.get(self._inside, "") + data

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


def built(folder, **options):
    return Page(build_report(open_run(folder, **options)).read_text(encoding="utf-8"))


FIELDS = [
    "model",
    "prompt",
    "seed",
    "key",
    "status",
    "full",
    "thumbnail",
    "size",
    "length",
    "edits",
    "extra",
    "targets",
    "extras",
    "errors",
    "timing",
    "findings",
    "detail",
    "revised",
    "exact_search",
    "sha",
    "lost",
]


def rows_of(page):
    """The rows of the gallery, by the names that `assets/data.js` gives their places."""
    return [dict(zip(FIELDS, row, strict=True)) for row in json.loads(page.data["gallery-data"])["rows"]]


def alert(page):
    """What the red notice says of missing images; the first screen names their number before it."""
    first, _, rest = page.words.partition("Incomplete: ")[2].partition("Incomplete: ")
    assert rest.startswith(first.partition(" Which?")[0])
    return "Incomplete: " + rest.partition(" Accuracy ")[0] + " "


def test_the_figures_read_without_javascript(handmade, tmp_path):
    handmade.make_run(tmp_path / "run", outcome=handmade.noodes, seeds=(0, 1))
    page = built(tmp_path / "run")
    assert "Text rendering report" in page.words
    assert re.search(r"0\.949 \[0\.\d{3}, 0\.\d{3}\] ", page.words)
    assert "95 % intervals over prompts, by the Bayesian bootstrap" in page.words
    assert "too few prompts for an interval" in page.words  # accuracy less extra text has no least value
    assert "OCR ceiling" in page.words
    assert "evalsuite-packing" in page.words
    assert "profile standard" in page.words
    assert "12 images: 3 prompts × 2 seeds × 2 models" in page.words
    assert "5 warm" in page.words
    assert "1 warm-up (2 s)" in page.words
    assert "3.0 GiB process" in page.words
    assert "Wrong" not in page.words  # the gallery alone is the browser's


def test_what_is_no_real_model_is_called_so(handmade, tmp_path):
    models = (
        handmade.model("flux2-klein-micro", "stand-in"),
        handmade.model("typeset", "reference"),
        handmade.model("typeset:errors=0.1", "reference", errors=0.1),
    )
    handmade.make_run(tmp_path / "run", models=models, outcome=handmade.noodes)
    page = built(tmp_path / "run")
    assert "flux2-klein-micro: a stand-in checkpoint, made small to exercise the suite." in page.words
    assert "typeset: not a model. The targets are set in real fonts, so that" in page.words
    assert "typeset:errors=0.1: not a model. The targets are set in real fonts with planted errors" in page.words
    chips = [attributes["class"] for tag, attributes in page.elements if "chip" in (attributes.get("class") or "")]
    assert chips.count("chip chip-stand-in") >= 3
    heading = re.search(r"<h1>(.*?)</h1>", (tmp_path / "run" / "index.html").read_text(), re.DOTALL)[1]
    assert "flux2-klein-micro" in heading
    assert "typeset" not in heading


def test_an_incomplete_run_says_so_with_names(handmade, tmp_path):
    def outcome(spec, prompt, _seed):
        if spec.role == "model" and prompt.id == "neon-001":
            return handmade.Outcome(error="out of memory")
        if spec.role == "model" and prompt.id == "menu-003":
            return handmade.Outcome(ocr_error="the engine crashed")
        return handmade.perfect(prompt)

    handmade.make_run(tmp_path / "run", outcome=outcome)
    page = built(tmp_path / "run")
    assert alert(page).startswith(
        "Incomplete: 2 of 6 images missing or unread 2 count as wholly wrong, so every rate below is a lower bound. "
        "An incomplete run cannot confirm a published figure, nor pass a gate unless "
        "the policy counts blank images and no others are missing. "
        "klein neon-001 seed 0: out of memory menu-003 seed 0: the engine crashed "
    )
    assert ("section", {"id": "missing", "class": "notice bad", "role": "alert"}) in page.elements
    assert "2 missing or unread" in page.words  # in the line of the model, too


def test_an_image_that_changed_counts_as_wholly_wrong(handmade, tmp_path):
    store = handmade.make_run(tmp_path / "run")
    path = handmade.image_of(store, "neon-001")
    path.write_bytes(handmade.image_of(store, "shop-002").read_bytes())
    page = built(tmp_path / "run")
    assert alert(page).startswith(
        "Incomplete: 1 of 6 images missing or unread 1 counts as wholly wrong, so every rate below is a lower bound. "
        "An incomplete run cannot confirm a published figure, nor pass a gate unless "
        "the policy counts blank images and no others are missing. "
        "klein neon-001 seed 0: its image file has changed since it was drawn "
    )
    assert "only the file is gone" not in page.words
    # Of the 39 characters, the 12 of NIGHT NOODLES are lost.
    assert "0.692" in page.words
    assert open_run(store).scores_of("klein")[0].result.targets[0].matched is False
    row = rows_of(page)[0]
    assert (row["status"], row["detail"]) == (1, "its image file has changed since it was drawn")
    # The page shows no image that is not the one that was drawn, and lets nobody judge it.
    assert (row["full"], row["thumbnail"], row["sha"]) == (None, None, None)


def test_the_reading_of_a_deleted_image_counts_but_nobody_can_check_it(handmade, tmp_path):
    store = handmade.make_run(tmp_path / "run", outcome=handmade.noodes)
    whole = open_run(store).summary
    handmade.image_of(store, "shop-002").unlink()
    page = built(tmp_path / "run")
    assert alert(page).startswith(
        "Incomplete: 1 of 6 images missing or unread Of 1 image only the file is gone: the stored reading still "
        "counts, but nobody can check it any more. "
        "An incomplete run cannot confirm a published figure, nor pass a gate unless "
        "the policy counts blank images and no others are missing. "
        "klein shop-002 seed 0: its image file is missing "
    )
    assert "wholly wrong" not in page.words
    klein = open_run(store).summary.models[0]
    assert [(each.missing, each.unscored) for each in klein.slices if each.value in ("all", "en", "zh")] == [
        (1, 0), (1, 0), (0, 0),
    ]  # fmt: skip
    assert [each.intervals for each in klein.slices] == [each.intervals for each in whole.models[0].slices]
    assert "0.949" in page.words
    rows = rows_of(page)
    assert [row["status"] for row in rows] == [0] * 6
    assert [row["lost"] for row in rows] == [None, "its image file is missing", None, None, None, None]
    assert (rows[1]["full"], rows[1]["thumbnail"], rows[1]["sha"]) == (None, None, None)


def test_without_a_reading_a_deleted_image_counts_as_wholly_wrong(handmade, tmp_path):
    def outcome(spec, prompt, _seed):
        unread = spec.role == "model" and prompt.id == "neon-001"
        return handmade.Outcome() if unread else handmade.perfect(prompt)

    store = handmade.make_run(tmp_path / "run", outcome=outcome)
    handmade.image_of(store, "neon-001").unlink()
    said = alert(built(tmp_path / "run"))
    assert "1 counts as wholly wrong" in said
    assert "klein neon-001 seed 0: its image file is missing" in said
    assert "only the file is gone" not in said


def test_blank_and_not_finite_images_are_missing(handmade, tmp_path):
    found = {"neon-001": "blank-image", "menu-003": "nan-image"}

    def outcome(spec, prompt, _seed):
        code = found.get(prompt.id) if spec.role == "model" else None
        findings = (handmade.Finding(code=code, message="nothing on it"),) if code else ()
        return handmade.Outcome(lines=prompt.targets, findings=findings)

    handmade.make_run(tmp_path / "run", outcome=outcome)
    page = built(tmp_path / "run")
    assert (
        "2 count as wholly wrong, so every rate below is a lower bound. "
        "An incomplete run cannot confirm a published figure, nor pass a gate unless "
        "the policy counts blank images and no others are missing. "
        "klein neon-001 seed 0: the image is blank menu-003 seed 0: the image holds values that are not finite "
    ) in alert(page)
    rows = rows_of(page)
    assert [row["status"] for row in rows] == [1, 0, 1, 0, 0, 0]
    assert all(row["full"] and row["thumbnail"] for row in rows)  # they are there to be looked at


def test_a_link_is_no_image_of_a_run(handmade, tmp_path):
    store = handmade.make_run(tmp_path / "run")
    path = handmade.image_of(store, "neon-001")
    path.rename(tmp_path / "elsewhere.png")
    path.symlink_to(tmp_path / "elsewhere.png")
    page = built(tmp_path / "run")
    assert "klein neon-001 seed 0: its image file cannot be read: is a link, which a run folder may not hold" in alert(
        page
    )
    assert (rows_of(page)[0]["full"], rows_of(page)[0]["thumbnail"]) == (None, None)


def test_a_text_under_two_ids_and_a_row_file_that_is_cut_off_are_noticed(handmade, tmp_path):
    again = handmade.prompt("neon-009", "signs", "neon", 'A  SIGN that says "NIGHT NOODLES".', ("NIGHT NOODLES",))
    store = handmade.make_run(tmp_path / "run", prompts=(*handmade.PROMPTS, again))
    page = built(tmp_path / "run")
    assert (
        "1 prompt repeats the text of another: neon-009 (as neon-001); intervals and gates count each text once."
        in page.words
    )
    assert "is cut off" not in page.words
    assert ("aside", {"class": "notice"}) in page.elements
    assert "4 (3 prompts)" in page.words
    path = store.readings(store.manifest.ocr).path
    path.write_bytes(path.read_bytes()[:-2])
    page = built(tmp_path / "run")
    assert f"The last row of {path.name} is cut off; its work counts as not done." in page.words
    assert "typeset neon-009 seed 0: not read" in alert(page)


def test_many_missing_images_are_counted_after_the_first_forty(handmade, tmp_path):
    prompts = [handmade.prompt(f"p-{n:03}", "signs", "neon", 'A "SIGN".', ("SIGN",)) for n in range(45)]
    handmade.make_run(
        tmp_path / "run", prompts=prompts, models=handmade.MODELS[:1], outcome=lambda *_: handmade.Outcome(error="no")
    )
    page = built(tmp_path / "run")
    names = ", ".join(f"p-{n:03} seed 0" for n in range(40))
    assert f"klein {names}: no and 5 more " in alert(page)  # once for all that have one reason
    assert "p-040 seed 0" not in page.words


def test_a_complete_run_says_nothing_of_it(handmade, tmp_path):
    handmade.make_run(tmp_path / "run")
    assert "Incomplete" not in built(tmp_path / "run").words


def hostile_run(handmade, folder):
    """Prompts, targets, readings, model names, findings and errors that try to break out of the page."""
    prompts = [
        handmade.prompt(f"h-{n}", "signs", text[:40].replace("\x00", ""), f'"{text[:80]}"', (text[:80],))
        for n, text in enumerate(HOSTILE)
    ]

    def outcome(spec, prompt, _seed):
        text = HOSTILE[int(prompt.id[2:])][:80]
        if prompt.id == "h-1" and spec.role == "model":
            return handmade.Outcome(error=text)
        finding = handmade.Finding(code="prompt-truncated", message=text)
        return handmade.Outcome(lines=(text + "x",), extra=(text[::-1],), findings=(finding,))

    models = (handmade.model(HOSTILE[0]), handmade.model(HOSTILE[1], "stand-in"), handmade.MODELS[1])
    environment = Environment(cpu=HOSTILE[0])
    store = handmade.make_run(folder, prompts=prompts, models=models, outcome=outcome, environment=environment)
    endless = TextLine(text=HOSTILE[-1])
    handmade.edit_readings(store, lambda row: msgspec.structs.replace(row, lines=(*row.lines, endless)))
    return store


def test_hostile_text_is_shown_as_text(handmade, tmp_path):
    hostile_run(handmade, tmp_path / "run")
    page = built(tmp_path / "run")
    own = {f"assets/{name}" for name in SCRIPTS}
    scripts = [attributes for tag, attributes in page.elements if tag == "script"]
    assert {attributes["src"].partition("?")[0] for attributes in scripts if "src" in attributes} == own
    assert all(attributes.get("type") == "application/json" for attributes in scripts if "src" not in attributes)
    assert not [attributes for _, attributes in page.elements for name in attributes if name.startswith("on")]
    pictures = [attributes["src"] for tag, attributes in page.elements if tag == "img"]
    assert all(re.fullmatch(r"assets/thumbs/[0-9a-f]{20}-384\.webp", picture) for picture in pictures)
    assert HOSTILE[0] in page.words
    content = (tmp_path / "run" / "index.html").read_text(encoding="utf-8")
    outside = re.sub(r'<script type="application/json".*?</script>', "", content, flags=re.DOTALL)
    assert not re.search("[\x00\u202e\u202c]", outside)
    assert "{{ 7*7 }}" in page.words
    data = json.loads(page.data["gallery-data"])
    assert data["prompts"][0][6] == [HOSTILE[0]]
    assert data["prompts"][3][6] == [HOSTILE[3]]
    longest = max(len(extra) for row in data["rows"] for _, extra in row[12])
    assert wording.MAX_TEXT < longest < wording.MAX_TEXT + 20


def test_no_element_carries_inline_style_or_handlers(handmade, tmp_path):
    handmade.make_run(tmp_path / "run", outcome=handmade.noodes)
    page = built(tmp_path / "run")
    for tag, attributes in page.elements:
        assert "style" not in attributes, (tag, attributes)
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
    assert not [tag for tag, _ in page.elements if tag == "style"]


def test_links_stay_in_the_folder(handmade, tmp_path):
    handmade.make_run(tmp_path / "run", outcome=handmade.noodes)
    page = built(tmp_path / "run")
    for _, attributes in page.elements:
        for name in ("src", "href"):
            address = attributes.get(name, "#")
            if address.startswith(("#", "data:,")):
                continue
            assert (tmp_path / "run" / address.partition("?")[0]).is_file(), address
    data = json.loads(page.data["gallery-data"])
    for row in data["rows"]:
        for address in (row[5], row[6]):
            assert (tmp_path / "run" / address.partition("?")[0]).is_file(), address


def test_only_missing_and_cut_thumbnails_are_made(handmade, tmp_path):
    handmade.make_run(tmp_path / "run")
    built(tmp_path / "run")
    thumbs = tmp_path / "run" / "assets" / "thumbs"
    before = {path.name: path.stat().st_mtime_ns for path in thumbs.iterdir()}
    assert len(before) == 6
    (thumbs / min(before)).unlink()
    cut = thumbs / max(before)
    cut.write_bytes(cut.read_bytes()[:-1])
    built(tmp_path / "run")
    after = {path.name: path.stat().st_mtime_ns for path in thumbs.iterdir()}
    assert set(after) == set(before)
    assert sum(after[name] != before[name] for name in before) == 2
    whole = cut.read_bytes()
    assert int.from_bytes(whole[4:8], "little") + 8 == len(whole)


def test_a_damaged_image_has_no_thumbnail_and_stops_nothing(handmade, tmp_path):
    store = handmade.make_run(tmp_path / "run")
    row = next(iter(open_run(store).generations.values()))
    store.image_path(row).write_bytes(b"not a png")
    assert [row["thumbnail"] for row in rows_of(built(tmp_path / "run"))].count(None) == 1


def test_an_image_that_was_drawn_so_but_cannot_be_decoded_has_no_thumbnail(handmade, tmp_path):
    store = handmade.make_run(tmp_path / "run")
    path = handmade.image_of(store, "neon-001")
    path.write_bytes(b"not a png")
    sha = sha256(b"not a png").hexdigest()
    rows = store.generations.read()
    store.generations.replace(
        [msgspec.structs.replace(row, sha256=sha) if row.image == f"images/{path.name}" else row for row in rows]
    )
    handmade.edit_readings(
        store, lambda row: msgspec.structs.replace(row, image_sha256=sha) if row.key == path.stem else row
    )
    page = built(tmp_path / "run")
    assert "Incomplete" not in page.words
    rows = rows_of(page)
    assert rows[0]["full"] is not None
    assert [row["thumbnail"] for row in rows].count(None) == 1


def test_a_single_file_needs_nothing_beside_it(handmade, tmp_path):
    handmade.make_run(tmp_path / "run", outcome=handmade.noodes)
    path = build_report(open_run(tmp_path / "run"), single_file=True)
    assert path.name == "report.html"
    page = Page(path.read_text(encoding="utf-8"))
    assert not [attributes for tag, attributes in page.elements if tag in ("link", "script") and attributes.get("src")]
    data = json.loads(page.data["gallery-data"])
    assert all(row[5] is None and row[6].startswith("data:image/webp;base64,") for row in data["rows"])
    policy = next(a["content"] for tag, a in page.elements if tag == "meta" and a.get("http-equiv"))
    content = path.read_text(encoding="utf-8")
    for name, part in re.findall(r"<(script|style)>(.*?)</\1>", content, re.DOTALL):
        digest = b64encode(sha256(part.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy, name
    assert not (tmp_path / "run" / "assets").exists()


def test_a_single_file_holds_the_worst_within_its_cap_and_says_so(handmade, tmp_path, monkeypatch):
    handmade.make_run(tmp_path / "run", outcome=handmade.noodes)
    monkeypatch.setattr(pictures, "SINGLE_FILE_BYTES", 1_000)
    page = Page(build_report(open_run(tmp_path / "run"), single_file=True).read_text(encoding="utf-8"))
    data = json.loads(page.data["gallery-data"])
    kept = [data["prompts"][row[1]][0] for row in data["rows"]]
    assert 0 < len(kept) < 6
    assert "menu-003" in kept  # the worst: 5 of 6 characters
    assert f"This file holds the worst {len(kept)} of 6 images" in page.words


def test_our_own_files_cannot_end_their_element():
    for name in (*SCRIPTS, *STYLES):
        content = shell._asset(name).decode()
        assert "</script" not in content.lower()
        assert "</style" not in content.lower()
        assert "innerHTML" not in content
        assert "<!--" not in content


def test_other_rows_can_be_shown(handmade, tmp_path):
    handmade.make_run(tmp_path / "run", outcome=handmade.noodes)
    standard = built(tmp_path / "run")
    assert "profile standard" in standard.words
    page = built(tmp_path / "run", scorer=scoring.scorer_spec("strict"))
    assert "profile strict" in page.words
    # By the strict profile spaces are characters and case counts, so that the 10 of `Open Daily` are not found at all.
    assert "0.949" in standard.words
    assert f"{1 - 12 / 42:.3f}" in page.words


def test_a_run_that_was_stopped_before_scoring_is_shown_with_its_scores_and_nothing_else_is_written(handmade, tmp_path):
    store = handmade.make_run(tmp_path / "run", outcome=handmade.noodes, scored=False)
    page = built(tmp_path / "run")
    assert "0.949" in page.words
    assert not store.scores(handmade.OCR, store.manifest.scorer).path.exists()


def test_edited_scores_change_nothing_and_edited_readings_do(handmade, tmp_path):
    store = handmade.make_run(tmp_path / "run", outcome=handmade.noodes)
    before = build_report(open_run(store)).read_bytes()
    file = store.scores(handmade.OCR, store.manifest.scorer)
    rows = file.read()
    perfect = rows[3].result
    assert rows[3].model == "typeset"
    file.replace([msgspec.structs.replace(rows[0], result=perfect), *rows[1:]])
    assert build_report(open_run(store)).read_bytes() == before
    file.path.write_bytes(b"no rows")
    assert build_report(open_run(store)).read_bytes() == before

    def right(row):
        lines = [msgspec.structs.replace(line, text=line.text.replace("NOODES", "NOODLES")) for line in row.lines]
        return msgspec.structs.replace(row, lines=tuple(lines))

    handmade.edit_readings(store, right)
    assert "0.974" in built(tmp_path / "run").words  # one of 39 characters is wrong


def test_no_run_and_no_room_to_write_are_one_clear_line(handmade, tmp_path):
    with pytest.raises(EvalsuiteError, match="no run here"):
        build_report(open_run(tmp_path))
    handmade.make_run(tmp_path / "run")
    (tmp_path / "run" / "index.html").mkdir()
    with pytest.raises(EvalsuiteError, match=r"index\.html: cannot be written: Is a directory$"):
        build_report(open_run(tmp_path / "run"))


def test_verdicts_and_claims_stand_above_the_figures(handmade, tmp_path):
    handmade.make_run(tmp_path / "run")
    verdict = VerdictRow(
        outcome="FAIL",
        question="1",
        title="klein against klein-1",
        text="Character accuracy fell by <b>0.02</b>.",
        columns=("Gate", "Δ"),
        gates=(("all", "−0.020"),),
    )
    claim = ClaimRow(
        outcome="not comparable",
        claim="ERNIE-Image 0.9733",
        published="0.9733",
        measured=None,
        interval=None,
        ceiling=None,
        protocol="longtext",
        text="the reader differs",
        source="README",
    )
    published = StandingRow(rank=1, model="ERNIE", role=None, figures=(("en", "0.98"),), interval=None, source="README")
    own = StandingRow(
        rank=2, model="klein", role="stand-in", figures=(("en", "0.91"),), interval="[0.90, 0.92]", source="", note="n"
    )
    run = open_run(tmp_path / "run")
    store_verdict(run, verdict)
    store_claims(run, [claim], [published, own])
    page = built(tmp_path / "run")
    words = page.words
    assert words.index("Verdicts") < words.index("Published figures") < words.index("Character accuracy is 1 −")
    assert "Fail klein against klein-1 Character accuracy fell by <b>0.02</b>." in words
    assert "Not comparable the reader differs" in words
    assert "1 ERNIE 0.98 README 2 klein stand-in this run 0.91 [0.90, 0.92] n" in words


def test_conclusions_are_kept_and_left_out_once_the_rows_have_changed(handmade, tmp_path):
    store = handmade.make_run(tmp_path / "run", outcome=handmade.noodes)

    def verdict(question, title):
        return VerdictRow(outcome="PASS", question=question, title=title, text="")

    def claim(name):
        return ClaimRow(
            outcome="inconclusive", claim=name, published="1", measured=None, interval=None, ceiling=None,
            protocol="", text="", source="",
        )  # fmt: skip

    store_verdict(open_run(store), verdict("1", "first answer"))
    store_verdict(open_run(store), verdict("2", "other gate"))
    store_verdict(open_run(store), verdict("1", "second answer"))
    store_claims(open_run(store), [claim("old check")], [])
    store_claims(open_run(store), [claim("new check")], [])
    words = built(tmp_path / "run").words
    assert "second answer" in words
    assert "other gate" in words
    assert "new check" in words
    assert "first answer" not in words
    assert "old check" not in words
    assert "is left out:" not in words
    # A row that stands there twice is the same evidence. Another reading is not: nothing above rests on it.
    path = store.readings(handmade.OCR).path
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(keepends=True)[0])
    assert "second answer" in built(tmp_path / "run").words
    path.write_bytes(path.read_bytes().replace(b"NIGHT NOODES", b"NIGHT NOODLES"))
    words = built(tmp_path / "run").words
    assert "second answer" not in words
    assert "new check" not in words
    assert "A gate’s verdict is left out" in words
    assert "A check of published figures is left out" in words
    store_verdict(open_run(store), verdict("3", "new gate"))
    words = built(tmp_path / "run").words
    assert "new gate" in words
    assert "other gate" not in words
    assert "A gate’s verdict is left out" not in words
    (tmp_path / "run" / "conclusions.json").write_text("{")
    with pytest.raises(EvalsuiteError, match=r"conclusions.json: cannot be read .* run the gate or"):
        build_report(open_run(tmp_path / "run"))


@pytest.mark.parametrize("damage", ["changed", "deleted"])
def test_conclusions_are_left_out_while_an_image_that_they_rest_on_is_not_there(handmade, tmp_path, damage):
    store = handmade.make_run(tmp_path / "run")
    store_verdict(open_run(store), VerdictRow(outcome="PASS", question="1", title="it passed", text=""))
    assert "it passed" in built(tmp_path / "run").words
    path = handmade.image_of(store, "neon-001")
    content = path.read_bytes()
    path.unlink()
    if damage == "changed":
        path.write_bytes(content[:-1])
    words = built(tmp_path / "run").words
    assert "it passed" not in words
    assert "A gate’s verdict is left out" in words
    path.write_bytes(content)
    assert "it passed" in built(tmp_path / "run").words


def test_the_page_is_deterministic(handmade, tmp_path):
    handmade.make_run(tmp_path / "run", outcome=handmade.noodes)
    first = build_report(open_run(tmp_path / "run")).read_bytes()
    assert build_report(open_run(tmp_path / "run")).read_bytes() == first


def test_the_machine_is_named_or_said_to_be_unknown(handmade, tmp_path):
    here = hardware.describe()
    handmade.make_run(tmp_path / "known", environment=here)
    page = build_report(open_run(tmp_path / "known"))
    assert hardware.line(here) in html.unescape(page.read_text(encoding="utf-8"))
    handmade.make_run(tmp_path / "unknown", environment=Environment())
    assert "The machine is not recorded in this run." in built(tmp_path / "unknown").words
