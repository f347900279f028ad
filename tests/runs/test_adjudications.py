from __future__ import annotations

import hashlib
from fractions import Fraction

import msgspec
import pytest
from scipy.stats import beta

import evalsuite
from evalsuite import scoring
from evalsuite.records import digest
from evalsuite.report import build_report
from evalsuite.runs import adjudications, open_run
from evalsuite.runs.adjudications import AdjudicationError, Adjudications, Mark


@pytest.fixture
def store(handmade, tmp_path):
    return handmade.make_run(tmp_path / "run", outcome=handmade.noodes)


def mark(store, prompt, verdict, reading=None, **changes):
    row = next(row for row in open_run(store).generations.values() if (row.model, row.prompt) == ("klein", prompt))
    fields = {
        "key": row.key,
        "model": row.model,
        "prompt": row.prompt,
        "seed": row.seed,
        "image_sha256": row.sha256,
        "verdict": verdict,
        "reading": reading,
        "marked_at": "2026-05-05T00:00:00Z",
    }
    return Mark(**{**fields, **changes})


def marks(store, *listed, **changes):
    fields = {"format": 1, "run": digest(store.manifest), "engine_digest": store.manifest.ocr.digest, "marks": listed}
    return Adjudications(**{**fields, **changes})


def apply(store, found):
    return adjudications.apply(open_run(store), found)


def test_a_corrected_reading_is_scored_and_the_rest_is_untouched(store):
    listed = [mark(store, "neon-001", "ocr-misread", ("NIGHT NOODLES",)), mark(store, "menu-003", "model-misdrew")]
    applied = apply(store, marks(store, *listed))
    plain = open_run(store)
    before = scoring.rates(row.result for row in plain.scores_of("klein")).character_accuracy
    after = scoring.rates(row.result for row in applied.scores_of("klein")).character_accuracy
    assert before == float(Fraction(37, 39))
    assert after == float(Fraction(38, 39))
    changed = [new.prompt for new, old in zip(applied.scores, plain.scores, strict=True) if new.result != old.result]
    assert changed == ["neon-001"]
    assert {row.scorer for row in applied.scores} == {applied.scorer}
    assert applied.scorer.name.startswith("evalsuite-packing+adjudicated-")
    assert applied.scorer != store.manifest.scorer


def test_the_ocrs_error_rate_and_its_exact_interval(store):
    listed = [mark(store, "neon-001", "ocr-misread", ("NIGHT NOODLES",)), mark(store, "menu-003", "model-misdrew")]
    errors = apply(store, marks(store, *listed)).judgement.errors
    assert (errors.judged, errors.misread, errors.rate) == (2, 1, 0.5)
    # Clopper-Pearson from the beta distribution, independently of binomtest.
    assert errors.low == pytest.approx(beta.ppf(0.025, 1, 2))
    assert errors.high == pytest.approx(beta.ppf(0.975, 2, 1))
    assert (errors.charged, errors.remaining) == (2, 1)


def test_no_marks_are_no_rate(store):
    errors = apply(store, marks(store)).judgement.errors
    assert (errors.judged, errors.rate, errors.low) == (0, None, None)


def test_a_file_goes_and_comes_back(store, tmp_path):
    found = marks(store, mark(store, "neon-001", "ocr-misread", ("NIGHT NOODLES",)))
    path = tmp_path / "marks.json"
    path.write_bytes(msgspec.json.encode(found))
    assert adjudications.load(path) == found


def test_the_report_shows_the_marks(store):
    applied = apply(store, marks(store, mark(store, "neon-001", "ocr-misread", ("NIGHT NOODLES",))))
    content = build_report(applied).read_text(encoding="utf-8")
    assert "Corrected by a person" in content
    assert "1 of 1 judged image" in content
    assert "1 by the OCR’s readings, 0 after the corrections" in content
    assert "0.974" in content
    plain = build_report(open_run(store)).read_text(encoding="utf-8")
    assert "Corrected by a person" not in plain.partition("<script")[0]


def test_scoring_with_marks_keeps_them_in_the_run_folder(store, tmp_path):
    found = marks(store, mark(store, "neon-001", "ocr-misread", ("NIGHT NOODLES",)))
    path = tmp_path / "marks.json"
    path.write_bytes(msgspec.json.encode(found))
    result = evalsuite.rescore(store.folder, adjudications=path)
    assert result.run.scorer.name.startswith("evalsuite-packing+adjudicated-")
    (kept,) = store.folder.glob("adjudications.*.json")
    assert adjudications.load(kept) == found
    assert len(list(store.folder.glob("scores.*adjudicated*.jsonl"))) == 1


def test_a_reading_of_an_image_drawn_again_since_cannot_stand(store):
    """The drift of two rules: the mark named the new bytes, the reading was of the old ones."""
    judged = mark(store, "neon-001", "model-misdrew")
    rows = store.generations.read()
    path = store.image_path(rows[0])
    path.write_bytes(path.read_bytes() + b"drawn again")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    store.generations.replace([msgspec.structs.replace(rows[0], sha256=sha256), *rows[1:]])
    with pytest.raises(AdjudicationError, match="has changed since"):
        apply(store, marks(store, judged))
    with pytest.raises(AdjudicationError, match="no reading that could stand"):
        apply(store, marks(store, mark(store, "neon-001", "model-misdrew")))


def test_an_unread_image_can_be_read_by_a_person(handmade, tmp_path):
    def outcome(spec, prompt, _seed):
        broken = spec.role == "model" and prompt.id == "neon-001"
        return handmade.Outcome(ocr_error="crashed") if broken else handmade.perfect(prompt)

    store = handmade.make_run(tmp_path / "run", outcome=outcome)
    applied = apply(store, marks(store, mark(store, "neon-001", "ocr-misread", ("NIGHT NOODLES",))))
    assert {row.status for row in applied.scores} == {"scored"}
    with pytest.raises(AdjudicationError, match="no reading that could stand"):
        apply(store, marks(store, mark(store, "neon-001", "model-misdrew")))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": "f" * 24}, "no such image"),
        ({"seed": 7}, "no such image"),
        ({"image_sha256": "0" * 64}, "has changed since"),
        ({"reading": None}, "but not what it says"),
        ({"reading": ("NIGHT NOODES",)}, "what the OCR read"),
        ({"reading": ("x" * 4001,)}, "4000 characters at most"),
    ],
)
def test_marks_that_do_not_fit_are_refused_and_nothing_is_written(store, changes, message):
    before = sorted(path.name for path in store.folder.iterdir())
    listed = mark(store, "neon-001", "ocr-misread", **{"reading": ("NIGHT NOODLES",), **changes})
    with pytest.raises(AdjudicationError, match=message):
        apply(store, marks(store, listed))
    assert sorted(path.name for path in store.folder.iterdir()) == before


def test_marks_of_another_run_or_reader_or_given_twice_are_refused(store):
    one = mark(store, "neon-001", "ocr-misread", ("NIGHT NOODLES",))
    with pytest.raises(AdjudicationError, match="another run"):
        apply(store, marks(store, one, run="0" * 64))
    with pytest.raises(AdjudicationError, match="another OCR"):
        apply(store, marks(store, one, engine_digest="0" * 64))
    with pytest.raises(AdjudicationError, match="marked twice"):
        apply(store, marks(store, one, one))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no marks exported"),
        (b"[]", "no marks exported"),
        (b"\xff\xfe", "no marks exported"),
        (b'{"format": 1, "run": "", "engine_digest": "", "marks": [{"key": 5}]}', "no marks exported"),
        (b'{"format": 2, "run": "", "engine_digest": "", "marks": []}', "format 2"),
    ],
)
def test_broken_files_are_one_clear_line(tmp_path, content, message):
    path = tmp_path / "marks.json"
    path.write_bytes(content)
    with pytest.raises(AdjudicationError, match=message):
        adjudications.load(path)
    with pytest.raises(AdjudicationError, match="no such file of marks"):
        adjudications.load(tmp_path / "absent.json")


def test_the_same_marks_in_another_order_are_the_same_measurement(store):
    one = mark(store, "neon-001", "ocr-misread", ("NIGHT NOODLES",))
    two = mark(store, "menu-003", "model-misdrew")
    scorer = store.manifest.scorer
    assert adjudications.scorer_for(scorer, [one, two]) == adjudications.scorer_for(scorer, [two, one])
    assert adjudications.scorer_for(scorer, [one]) != adjudications.scorer_for(scorer, [two])


@pytest.mark.parametrize(
    ("finding", "why"),
    [("blank-image", "the image is blank"), ("nan-image", "the image holds values that are not finite")],
)
@pytest.mark.parametrize("verdict", ["ocr-misread", "model-misdrew"])
def test_an_image_that_came_to_nothing_cannot_be_judged_away(handmade, tmp_path, finding, why, verdict):
    def outcome(spec, prompt, _seed):
        empty = spec.name == "klein" and prompt.id == "neon-001"
        return handmade.Outcome(lines=(), findings=(handmade.Finding(code=finding, message="."),) if empty else ())

    store = handmade.make_run(tmp_path / "run", outcome=outcome)
    reading = ("NIGHT NOODLES",) if verdict == "ocr-misread" else None
    with pytest.raises(AdjudicationError, match=f"mark of neon-001 seed 0 by klein: {why}; there is nothing to read"):
        apply(store, marks(store, mark(store, "neon-001", verdict, reading)))
