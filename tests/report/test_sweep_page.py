"""The page of a sweep, from runs made by hand."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import unquote

import msgspec
import pytest

from evalsuite import hardware
from evalsuite.errors import EvalsuiteError
from evalsuite.gate.verdict import GateResult, RunRef, Verdict
from evalsuite.records import Environment
from evalsuite.report import build_report
from evalsuite.report.reasons import message
from evalsuite.report.sweep_page import Baseline, Checkpoint, Swept, build_sweep
from evalsuite.runs import open_run
from evalsuite.wording import with_ends

SIDE = RunRef(folder="a", digest="0", model="a", role="model", model_digest="0", created_at="2026-05-04T00:00:00")
GATE = GateResult(
    name="all/character_accuracy", against="baseline", slice="all", metric="character_accuracy", average="macro",
    decision="FAIL", prompts=3, differing=2, samples=1, baseline=1.0, candidate=0.949, delta=-0.051, lower=-0.08,
    upper=-0.034, margin=0.02, standard_error=0.01, method="Gaffke", p_pass=1.0, p_fail=0.0, p_fail_holm=0.0,
    minimum_detectable_effect=0.01, resolution_floor=0.005, note="",
)  # fmt: skip
FAIL = Verdict(
    outcome="FAIL", exit_code=10, decided_at="2026", evalsuite="0", policy="default", policy_digest="0", alpha=0.05,
    level=0.05, look=1, samples=1, candidate=SIDE, baseline=SIDE, gates=(GATE,),
)  # fmt: skip
WHY = (
    "Character accuracy, mean over prompts: all prompts: −0.051, at best −0.034, beyond the margin of "
    "0.020. 1 of 1 gate failed."
)
MISSING = msgspec.structs.replace(FAIL, outcome="INCOMPLETE", gates=(), missing=("candidate: neon-001 seed 0",))
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "a\" onclick='alert(1)'",
    "\u202eREVERSED %2e%2e #top?",
    "{{ 7*7 }}",
)


class Made:
    """Runs in the folder of a sweep, and the checkpoints that they are of."""

    def __init__(self, handmade, out):
        self.handmade, self.out = handmade, out

    def checkpoint(self, name, step, outcome=None, *, role="model", verdict=None, cpu="one", pages=False):
        store = self.handmade.make_run(
            self.out / "runs" / name,
            models=(self.handmade.model(f"base+{name}", role),),
            outcome=outcome,
            environment=Environment(cpu=cpu),
        )
        run = open_run(store)
        if pages:
            build_report(run)
        return Checkpoint(name, step, f"runs/{name}", None, run, verdict)

    def reference(self, outcome=None):
        run = open_run(self.handmade.make_run(self.out / "ceiling", models=(self.handmade.MODELS[1],), outcome=outcome))
        build_report(run)
        return run


@pytest.fixture
def made(handmade, tmp_path):
    return Made(handmade, tmp_path / "out")


class Elements(HTMLParser):
    """The elements of a page with the names of their attributes."""

    def __init__(self, content):
        super().__init__()
        self.found = []
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, [name for name, _ in attrs]))


def swept(checkpoints, **more):
    first = next((each for each in checkpoints if each.summary is not None), None)
    baseline = Baseline(first.name, first.summary.role, first.folder) if first else None
    return Swept(**{
        "folder": "/training/klein", "model": "flux2-klein-4b", "policy": "default", "policy_digest": "abcdef0123",
        "baseline": baseline, "checkpoints": checkpoints, **more,
    })  # fmt: skip


def words(content):
    content = re.sub(r"<script.*?</script>|<svg.*?</svg>", "", content, flags=re.DOTALL)
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", content).split()))


def alert(content):
    """What the red notice says."""
    return words(re.search(r'<section class="notice bad" role="alert">.*?</section>', content, re.DOTALL)[0])


def lines(content):
    """The table of checkpoints, line by line."""
    body = re.search(r'<table class="checkpoints">.*?</table>', content, re.DOTALL)[0]
    return [words(line) for line in re.findall(r"<tr.*?</tr>", body, re.DOTALL)]


def both(intervals):
    """The two rates as they read in the table."""
    return " ".join(with_ends(intervals[name]) for name in ("character_accuracy", "exact_string_rate"))


def test_what_was_passed_over_is_named_with_its_reason_and_epochs_are_called_epochs(made):
    passed = [
        ("style_comfy.safetensors", message("sweep.passed.copy", of="style.safetensors")),
        (HOSTILE[0], message("sweep.passed.folder", of="")),
    ]
    found = swept([made.checkpoint("epoch-1", 1)], unit="epoch", passed_over=passed)
    content = build_sweep(found, made.out).read_text(encoding="utf-8")
    told = words(re.search(r'<details class="passed-over">.*?</details>', content, re.DOTALL)[0])
    assert told == (
        "Passed over: 2 files and folders "
        "style_comfy.safetensors a copy of style.safetensors: EMA weights, other names, "
        f"or the same tensors {HOSTILE[0]} a trainer’s folder of samples, logs or states"
    )
    assert 'data-i18n="sweep.passed.copy"' in content
    assert HOSTILE[0] not in content
    assert lines(content)[0].startswith("Checkpoint Training epoch Character accuracy")
    assert "Training step" not in words(content)


def test_the_table_holds_exact_figures_and_verdicts(made):
    handmade = made.handmade
    whole = made.checkpoint("step-100", 100)
    worse = made.checkpoint("step-2000", 2000, handmade.noodes, verdict=FAIL)
    broken = Checkpoint("step-3000", 3000, "runs/step-3000", "/training/klein/step-3000: is cut short")
    content = build_sweep(swept([whole, worse, broken], reference=made.reference()), made.out).read_text(
        encoding="utf-8"
    )
    # noodes: an L of 33 English characters and one of 6 Chinese ones are wrong, and with them 2 of 5 strings.
    overall = worse.summary.overall.intervals
    assert overall["character_accuracy"].estimate == pytest.approx(37 / 39)
    assert overall["exact_string_rate"].estimate == pytest.approx(3 / 5)
    perfect = whole.summary.overall.intervals
    head, *rows = lines(content)
    assert head == "Checkpoint Training step Character accuracy Strings exact Median Verdict"
    assert rows == [
        f"step-100 100 {both(perfect)} 0.5 s Baseline What the others are gated against.",
        f"step-2000 2,000 {both(overall)} 0.6 s Fail {WHY}",
        "step-3000 3,000 – – – Could not be run step-3000: is cut short",
        f"OCR ceiling typeset reference (not a model) – {both(perfect)} – –",
    ]
    assert "0.949" in rows[1]
    by_language = {each.value: each.intervals["character_accuracy"] for each in worse.summary.by("language")}
    assert by_language["en"].estimate == pytest.approx(32 / 33)
    assert by_language["zh"].estimate == pytest.approx(5 / 6)
    numbers = words(re.search(r'<figure id="plot-sweep">.*?</figure>', content, re.DOTALL)[0])
    assert (
        f"step-2000 2,000 {with_ends(overall['character_accuracy'])} {with_ends(by_language['en'])} "
        f"{with_ends(by_language['zh'])} Fail"
    ) in numbers
    assert 'id="plot-sweep-latency"' in content


def test_the_head_says_what_was_swept(made):
    content = build_sweep(swept([made.checkpoint("step-100", 100)], waiting=("step-300",)), made.out).read_text()
    text = words(content)
    for part in (
        "evalsuite · Sweep of checkpoints klein",
        "Folder /training/klein",
        "Base model flux2-klein-4b",
        "Baseline step-100",
        "Gate’s policy default abcdef01",
        "signs: 2 of 2 prompts signs-zh: 1 of 1 prompts",
        "3 per checkpoint: 3 prompts × 1 seed",
        "OCR paddle",
        "Not written to the end yet, and not run: step-300.",
        "profile standard",
        "OCR ceiling – not measured not measured",
    ):
        assert part in text
    assert "Incomplete" not in text
    assert "stand-in" not in text


def test_what_is_incomplete_is_named_in_red(made):
    def outcome(_spec, prompt, _seed):
        if prompt.id == "neon-001":
            return made.handmade.Outcome(error="out of memory")
        return made.handmade.perfect(prompt)

    checkpoints = [
        made.checkpoint("step-1", 1),
        made.checkpoint("step-2", 2, outcome, verdict=MISSING),
        Checkpoint("step-3", 3, "runs/step-3", "no safetensors file"),
    ]
    content = build_sweep(swept(checkpoints), made.out).read_text(encoding="utf-8")
    assert alert(content) == (
        "Incomplete: 2 of 3 checkpoints "
        "1 image counts as wholly wrong, so the rates of its checkpoint are lower bounds. "
        "An incomplete checkpoint cannot pass its gate, unless "
        "the policy counts blank images and no others are missing. "
        "step-3 Could not be run : no safetensors file step-2 neon-001 seed 0: out of memory"
    )
    assert "Incomplete 1 thing is missing, first: candidate: neon-001 seed 0." in lines(content)[2]


def test_changed_and_deleted_images_make_a_checkpoint_incomplete(made):
    for name, step in (("step-1", 1), ("step-2", 2), ("step-3", 3)):
        made.checkpoint(name, step)
    stores = {name: open_run(made.out / "runs" / name).store for name in ("step-1", "step-2", "step-3")}
    made.handmade.image_of(stores["step-2"], "neon-001", "base+step-2").write_bytes(b"another image")
    made.handmade.image_of(stores["step-3"], "shop-002", "base+step-3").unlink()
    checkpoints = [Checkpoint(name, int(name[-1]), f"runs/{name}", None, open_run(stores[name])) for name in stores]
    content = build_sweep(swept(checkpoints), made.out).read_text(encoding="utf-8")
    assert alert(content) == (
        "Incomplete: 2 of 3 checkpoints "
        "1 image counts as wholly wrong, so the rates of its checkpoint are lower bounds. "
        "Of 1 image only the file is gone: the stored reading still counts, but nobody can check it any more. "
        "An incomplete checkpoint cannot pass its gate, unless "
        "the policy counts blank images and no others are missing. "
        "step-2 neon-001 seed 0: its image file has changed since it was drawn "
        "step-3 shop-002 seed 0: its image file is missing"
    )
    whole, changed, deleted = lines(content)[1:4]
    assert (whole.count("Baseline"), changed.count("Incomplete"), deleted.count("Incomplete")) == (1, 1, 1)
    assert "0.692" in changed
    assert "1.000" in deleted


def test_an_incomplete_reference_is_no_ceiling_and_counts_as_no_checkpoint(made):
    def outcome(_spec, prompt, _seed):
        failed = prompt.id == "menu-003"
        return made.handmade.Outcome(error="no such glyph") if failed else made.handmade.perfect(prompt)

    checkpoints = [made.checkpoint("step-1", 1)]
    content = build_sweep(swept(checkpoints, reference=made.reference(outcome)), made.out).read_text(encoding="utf-8")
    assert alert(content).startswith("Incomplete: the OCR ceiling ")
    assert alert(content).endswith(" typeset menu-003 seed 0: no such glyph")
    assert "OCR ceiling – not measured not measured" in lines(content)[2]


def test_a_stand_in_says_so_wherever_it_stands(made):
    checkpoints = [made.checkpoint(f"worn-{step}", step, role="stand-in") for step in (1, 2)]
    content = build_sweep(swept(checkpoints), made.out).read_text(encoding="utf-8")
    text = words(content)
    assert "Base model flux2-klein-4b stand-in" in text
    assert "Baseline worn-1 stand-in" in text
    assert "worn-1, worn-2: stand-in checkpoints, made small to exercise the suite." in text
    assert text.count("worn-2 (stand-in)") == 2  # the tables of both charts
    assert [line.split(" ")[1] for line in lines(content)[1:3]] == ["stand-in", "stand-in"]


def test_a_baseline_from_elsewhere_is_named_with_its_role(made):
    page = build_sweep(
        swept([made.checkpoint("step-1", 1, verdict=FAIL)], baseline=Baseline("old (/runs/old)", "stand-in", None)),
        made.out,
    )
    text = words(page.read_text(encoding="utf-8"))
    assert "Baseline old (/runs/old) stand-in" in text
    assert "old (/runs/old): a stand-in checkpoint" in text


def test_timings_of_other_machines_are_not_put_side_by_side(made):
    checkpoints = [made.checkpoint("step-1", 1, cpu="one"), made.checkpoint("step-2", 2, cpu="two")]
    content = build_sweep(swept(checkpoints), made.out).read_text(encoding="utf-8")
    assert 'id="plot-sweep-latency"' not in content
    assert lines(content)[0] == "Checkpoint Training step Character accuracy Strings exact Verdict"
    assert "their timings are not compared" in words(content)


def test_machines_that_differ_are_said_to(made, monkeypatch):
    checkpoints = [made.checkpoint("step-1", 1, cpu="one"), made.checkpoint("step-2", 2, cpu="two")]
    monkeypatch.setattr(hardware, "line", lambda environment: environment.cpu)
    content = build_sweep(swept(checkpoints), made.out).read_text(encoding="utf-8")
    assert "Hardware not the same for all checkpoints" in words(content)
    same = build_sweep(swept(checkpoints[:1]), made.out).read_text(encoding="utf-8")
    assert "Hardware one" in words(same)


def test_nothing_that_could_be_run_is_still_a_page(made):
    (made.out).mkdir()
    content = build_sweep(swept([Checkpoint("a", None, "runs/a", "broken")]), made.out).read_text(encoding="utf-8")
    assert lines(content)[1] == "a – – – Could not be run broken"
    assert "none yet: no checkpoint is complete" in words(content)
    assert "<figure" not in content


def test_hostile_names_are_text_and_their_links_lead_to_their_runs(made):
    checkpoints = [
        replace(made.checkpoint(name, None, pages=True), verdict=None if place == 0 else FAIL)
        for place, name in enumerate(HOSTILE)
    ]
    checkpoints.append(Checkpoint("</script><b>", None, "runs/x", "</script><script>alert(1)</script>"))
    page = build_sweep(swept(checkpoints, folder="/a/</title><b>", waiting=("<i>late</i>",)), made.out)
    content = page.read_text(encoding="utf-8")
    outside = re.sub(r'<script type="application/json".*?</script>', "", content, flags=re.DOTALL)
    assert re.findall(r"<script[^>]*>", outside) == re.findall(r'<script src="assets/\w+\.js\?v=\w+" defer>', outside)
    seen = Elements(outside).found
    assert not {tag for tag, _ in seen} & {"img", "i", "b"}
    assert not [name for _, names in seen for name in names if name.startswith("on")]
    assert "{{ 7*7 }}" in words(content)
    assert "\u202e" not in content
    for name in (HOSTILE[0], HOSTILE[1], HOSTILE[2], "‹U+202E›REVERSED %2e%2e #top?", HOSTILE[4], "</script><b>"):
        assert name in words(content)
    links = re.findall(r'href="(runs/[^"]*)"', content)
    assert len(links) == len(HOSTILE) + 1  # the baseline's twice
    assert all((made.out / unquote(html.unescape(link))).is_file() for link in links)


def test_links_stay_in_the_folder_and_lead_somewhere(made):
    checkpoints = [made.checkpoint(f"step-{step}", step, pages=True) for step in (1, 2)]
    content = build_sweep(swept(checkpoints, reference=made.reference()), made.out).read_text(encoding="utf-8")
    for address in re.findall(r'(?:href|src)="([^"]*)"', content):
        if not address.startswith(("#", "data:,")):
            assert (made.out / address.partition("?")[0]).is_file(), address
    assert not re.search(r"\sstyle=|<style", content)
    assert "script-src &#39;self&#39; file:;" in content


def test_an_unwritable_folder_is_one_clear_line(made):
    made.out.mkdir()
    (made.out / "index.html").mkdir()
    with pytest.raises(EvalsuiteError, match=r"index\.html: cannot be written: Is a directory$"):
        build_sweep(swept([Checkpoint("a", None, "runs/a", "broken")]), made.out)
    assert [path.name for path in made.out.iterdir() if path.name.endswith(".tmp")] == []
