"""A sample of glyphs on a run made by hand: how it is drawn, and what its marks make of the share."""

from __future__ import annotations

from collections import Counter

import pytest
from runs_by_hand import make_run, model, prompt

from evalsuite.glyphs.corrected import correction_of
from evalsuite.glyphs.counts import Place
from evalsuite.glyphs.marks import GlyphMark, GlyphMarks, keep_marks
from evalsuite.glyphs.sample import draw_glyphs, take_sample
from evalsuite.glyphs.seen import SeenGlyph, SeenImage
from evalsuite.records import digest
from evalsuite.runs import open_run
from evalsuite.runs.judged_sample import SampleError

GLYPHS = 10
SUSPICIOUS = {("p000", 0), ("p001", 0), ("p002", 0), ("p003", 0)}
MALFORMED = {("p000", 0), ("p001", 0), ("p007", 5)}


@pytest.fixture
def run(tmp_path):
    prompts = [
        prompt(f"p{place:03d}", "signs-en", "sign", f"{place}: ABCDEFGHIJKL", ("ABCDEFGHIJKL",)) for place in range(8)
    ]
    return open_run(make_run(tmp_path / "run", prompts=prompts, models=[model("one")]))


def seen_of(run):
    """Ten glyphs in each image that the verifier can tell of, and one that it cannot."""
    rows = {}
    for key, request in run.requests.items():
        told = [
            SeenGlyph(
                line=0, index=place, sight="suspicious" if (request.prompt, place) in SUSPICIOUS else "sound", doubt=0
            )
            for place in range(GLYPHS)
        ]
        rows[key] = SeenImage(
            key=key, image_sha256="", reading="", verifier="",
            glyphs=(*told, SeenGlyph(line=0, index=GLYPHS, sight="lettering", doubt=0.0)),
        )  # fmt: skip
    return rows


def mark(run, places):
    marks = []
    for place in places:
        request, reading = run.requests[place.key], run.readings[place.key]
        marks.append(
            GlyphMark(
                key=place.key, model=request.model, prompt=request.prompt, seed=request.seed,
                image_sha256=reading.image_sha256, line=0, index=place.index, marked_at="",
                character=reading.lines[0].text[place.index],
                verdict="malformed" if (request.prompt, place.index) in MALFORMED else "sound",
            )
        )  # fmt: skip
    keep_marks(run, GlyphMarks(format=1, run=digest(run.manifest), engine_digest=run.ocr.digest, marks=tuple(marks)))


def test_the_sample_follows_from_its_seed_and_a_larger_one_begins_with_it(run):
    seen = seen_of(run)
    first = draw_glyphs(run, seen, 20, 0)
    assert draw_glyphs(run, seen, 40, 0)[:20] == first
    assert draw_glyphs(run, seen, 20, 1) != first
    everything = draw_glyphs(run, seen, 1_000, 0)
    assert len(set(everything)) == len(everything) == 8 * GLYPHS
    assert all(place.index < GLYPHS for place in everything)
    with pytest.raises(SampleError, match="at least 2 glyphs"):
        draw_glyphs(run, seen, 1, 0)


def test_every_glyph_is_as_likely_as_any_other_whatever_was_seen_of_it(run):
    seen = seen_of(run)
    drawn = Counter(place for seed in range(200) for place in draw_glyphs(run, seen, 20, seed))
    expected = 200 * 20 / 80
    assert sum((count - expected) ** 2 / (expected * 60 / 80) for count in drawn.values()) < 125  # χ², 79 degrees
    prompts = {key: request.prompt for key, request in run.requests.items()}
    doubted = sum(count for place, count in drawn.items() if (prompts[place.key], place.index) in SUSPICIOUS)
    assert abs(doubted / 4 - expected) < 3 * (expected * 60 / 80 / 4) ** 0.5


def test_where_all_glyphs_are_marked_the_share_is_the_persons(run):
    seen = seen_of(run)
    sample = take_sample(run, seen, 80, None)
    places = [Place(*each) for each in sample.places]
    mark(run, places[:-1])
    assert "1 of the 80 sampled glyphs are not marked" in correction_of(run, seen).withheld
    mark(run, places[-1:])
    (figure,) = correction_of(run, seen).figures
    assert (figure.language, figure.glyphs, figure.marked) == (None, 80, 80)
    assert (figure.found, figure.missed, figure.false_alarms, figure.others) == (2, 1, 2, 0)
    assert figure.suspicious.estimate == pytest.approx(4 / 80)
    assert figure.malformed.estimate == pytest.approx(3 / 80)
    assert figure.malformed.method == "prediction-powered"


def test_a_part_of_the_glyphs_moves_the_share_by_what_it_shows(run):
    """t + λ (R - r) of the sample at hand, between the person's share and the verifier's."""
    seen = seen_of(run)
    places = [Place(*each) for each in take_sample(run, seen, 40, 3).places]
    mark(run, places)
    (figure,) = correction_of(run, seen).figures
    assert figure.marked == 40
    assert figure.malformed.low < 3 / 80 < figure.malformed.high
    assert figure.malformed.high - figure.malformed.low > figure.suspicious.high - figure.suspicious.low


def test_an_image_that_nobody_looked_at_withholds_the_figures(run):
    seen = seen_of(run)
    places = [Place(*each) for each in take_sample(run, seen, 80, None).places]
    mark(run, places)
    missing = dict(list(seen.items())[1:])
    assert "these are not the glyphs that seed 0 gives" in correction_of(run, missing).withheld
