"""A person's judgement of a random sample: what is drawn, what counts, and when figures are withheld."""

from __future__ import annotations

import json
from collections import Counter

import msgspec
import pytest
from typer.testing import CliRunner

import evalsuite
from evalsuite.cli.main import app
from evalsuite.errors import IncompleteError
from evalsuite.records import digest
from evalsuite.runs import open_run
from evalsuite.runs.adjudications import AdjudicationError, Adjudications, Mark
from evalsuite.runs.judged_sample import SampleError, draw, read_sample

LETTERS = "ABCDEFGHIJ"


@pytest.fixture
def store(handmade, tmp_path):
    """Klein draws 20 English and 10 Chinese prompts of ten characters with two seeds; one in English is read wrong."""
    prompts = [
        handmade.prompt(
            f"p-{n:02d}", "signs" if n < 20 else "signs-zh", "a", f"{LETTERS[:8]}{n:02d}", (f"{LETTERS[:8]}{n:02d}",)
        )
        for n in range(30)
    ]

    def outcome(spec, prompt, _seed):
        wrong = spec.role == "model" and prompt.id == "p-03"
        return handmade.Outcome(lines=("ABCDEFGH",) if wrong else prompt.targets)

    return handmade.make_run(tmp_path / "run", prompts=prompts, seeds=(0, 1), outcome=outcome, size=handmade.SPECK)


def judged(store, keys, misread=()):
    """Marks on these images: the reading is right, but for those where a person reads the whole string."""
    run = open_run(store)
    rows = []
    for key in keys:
        request = run.requests[key]
        wrong = request.prompt in misread
        rows.append(
            Mark(
                key=key,
                model=request.model,
                prompt=request.prompt,
                seed=request.seed,
                image_sha256=run.generations[key].sha256,
                verdict="ocr-misread" if wrong else "model-misdrew",
                reading=run.prompts[request.prompt].targets if wrong else None,
                marked_at="2026-05-05T00:00:00Z",
            )
        )
    return Adjudications(format=1, run=digest(store.manifest), engine_digest=run.ocr.digest, marks=tuple(rows))


def kept(tmp_path, marks):
    path = tmp_path / "marks.json"
    path.write_bytes(msgspec.json.encode(marks))
    return path


def test_the_sample_is_stratified_and_takes_a_prompt_once_before_any_twice(store):
    run = open_run(store)
    keys = draw(run, 24, 0)
    chosen = [run.requests[key] for key in keys]
    assert {each.model for each in chosen} == {"klein"}  # the reference is not judged
    # 40 English and 20 Chinese images: two to one.
    assert Counter(run.prompts[each.prompt].language for each in chosen) == {"en": 16, "zh": 8}
    assert max(Counter(each.prompt for each in chosen).values()) == 1
    assert {each.seed for each in chosen} == {0, 1}
    assert draw(run, 24, 0) == keys
    assert draw(run, 24, 1) != keys
    assert draw(run, 40, 0)[:24] == keys  # a larger sample begins with the smaller
    assert len(set(draw(run, 500, 0))) == 60  # all there are


def test_a_sample_is_drawn_once(store):
    first = evalsuite.judge(store.folder, sample=12, seed=7, report=False)
    assert (first.correction.judged, len(first.correction.keys), first.complete) == (0, 12, False)
    assert "12 of the 12 sampled images are not judged" in first.correction.withheld
    again = evalsuite.judge(store.folder, report=False)
    assert again.correction.keys == first.correction.keys
    with pytest.raises(SampleError, match="a sample with seed 7 was drawn already"):
        evalsuite.judge(store.folder, seed=8, report=False)
    with pytest.raises(SampleError, match="12 images were drawn already"):
        evalsuite.judge(store.folder, sample=4, report=False)
    larger = evalsuite.judge(store.folder, sample=20, report=False)
    assert larger.correction.keys[:12] == first.correction.keys


def test_a_sample_that_was_chosen_is_not_believed(store):
    evalsuite.judge(store.folder, sample=12, report=False)
    (path,) = store.folder.glob("judged-sample.*.json")
    stored = json.loads(path.read_bytes())
    stored["keys"][0], stored["keys"][1] = stored["keys"][1], stored["keys"][0]
    path.write_text(json.dumps(stored))
    with pytest.raises(SampleError, match="not the images that seed 0 gives"):
        read_sample(open_run(store))
    withheld = open_run(store).correction
    assert (withheld.figures, withheld.keys) == ((), ())
    assert "not the images" in withheld.withheld


def test_the_correction_by_hand(store, tmp_path):
    """All 60 images judged: the two of p-03, read as ABCDEFGH, say ABCDEFGH03. The person's mean is 1."""
    keys = evalsuite.judge(store.folder, sample=60, report=False).correction.keys
    result = evalsuite.judge(store.folder, marks=kept(tmp_path, judged(store, keys, {"p-03"})))
    assert result.complete
    found = {each.language: each for each in result.correction.figures}
    assert found[None].read.estimate == pytest.approx(1 - 4 / 600)
    assert found[None].corrected.estimate == pytest.approx(1.0)
    assert found["zh"].corrected.estimate == 1.0
    assert found[None].misread_images.estimate == pytest.approx(2 / 60)
    assert found["en"].misread_strings.estimate == pytest.approx(2 / 40)
    # The uncorrected figure is as it was, and both are in the rows for scripts and on the page.
    figure = next(row for row in evalsuite.report(store.folder).figures if row.model == "klein" and not row.language)
    assert figure.accuracy.estimate == pytest.approx(1 - 4 / 600)
    assert figure.corrected == found[None].corrected
    page = (store.folder / "index.html").read_text(encoding="utf-8").partition('<script type="application/json"')[0]
    assert "Corrected by a random sample" in page
    assert '<a href="#sample">' in page
    assert "klein 0.993 [" in repr(result)
    assert result._repr_html_().count("<tr>") == 4


def test_marks_beyond_the_sample_do_not_count(store, tmp_path):
    keys = set(evalsuite.judge(store.folder, sample=12, report=False).correction.keys)
    others = [key for key, request in store.requests.items() if request.model == "klein" and key not in keys]
    result = evalsuite.judge(store.folder, marks=kept(tmp_path, judged(store, others)), report=False)
    assert result.correction.judged == 0
    assert not result.correction.figures


def test_marks_come_in_parts_and_a_half_judged_sample_has_no_figures(store, tmp_path):
    keys = evalsuite.judge(store.folder, sample=12, report=False).correction.keys
    half = evalsuite.judge(store.folder, marks=kept(tmp_path, judged(store, keys[:6])), report=False)
    assert (half.correction.judged, half.correction.figures) == (6, ())
    assert "6 of the 12" in half.correction.withheld
    done = CliRunner().invoke(
        app, ["judge", str(store.folder), "--marks", str(kept(tmp_path, judged(store, keys[6:])))]
    )
    assert done.exit_code == 0, done.output
    assert "12 of 12 sampled images judged (seed 0)" in done.output
    assert "klein" in done.output


def test_the_terminal_says_what_is_not_judged(store, tmp_path):
    asked = CliRunner().invoke(app, ["judge", str(store.folder), "--sample", "12"])
    assert asked.exit_code == 0
    assert "0 of 12 sampled images judged" in asked.output
    keys = read_sample(open_run(store)).keys
    part = CliRunner().invoke(
        app, ["judge", str(store.folder), "--marks", str(kept(tmp_path, judged(store, keys[:6])))]
    )
    assert part.exit_code == 12
    with pytest.raises(SampleError, match="at least 4 images"):
        draw(open_run(store), 3, 0)


def test_an_incomplete_run_and_changed_images_have_no_corrected_figures(store, tmp_path):
    keys = evalsuite.judge(store.folder, sample=12, report=False).correction.keys
    marks = judged(store, keys)
    evalsuite.judge(store.folder, marks=kept(tmp_path, marks), report=False)
    assert open_run(store).correction.figures
    (store.folder / f"images/{keys[0]}.png").unlink()
    assert "1 images are missing or unread" in open_run(store).correction.withheld
    with pytest.raises(IncompleteError, match="no sample stands for it"):
        evalsuite.judge(store.folder)


def test_marks_of_another_run_are_refused(store, tmp_path):
    keys = evalsuite.judge(store.folder, sample=12, report=False).correction.keys
    foreign = msgspec.structs.replace(judged(store, keys), run="0" * 64)
    with pytest.raises(AdjudicationError, match="another run"):
        evalsuite.judge(store.folder, marks=kept(tmp_path, foreign))
    assert not list(store.folder.glob("judged-marks.*"))
