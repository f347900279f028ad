"""Runs measured beside their text: rows that are kept, figures, the page, the table, the comparison and the gate."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import sys

import msgspec
import numpy as np
import pytest
from PIL import Image
from runs_by_hand import MODELS, Outcome, check, make_run, open_side, perfect, prompt
from typer.testing import CliRunner

import evalsuite
from evalsuite.cli.main import app
from evalsuite.content import measured
from evalsuite.content.measuring import measure_pairs, measure_pictures, read_pairs, read_pictures
from evalsuite.content.rows import pairs_of, pictures_of
from evalsuite.errors import EvalsuiteError, NotComparableError
from evalsuite.export.tables import to_csv
from evalsuite.gate import load_policy
from evalsuite.gate.content import compare_content
from evalsuite.gate.draw import refuse_unscored
from evalsuite.gate.policy import PolicyError
from evalsuite.runs import open_run
from evalsuite.runs.rows import DamagedRunError

pytest.importorskip("skimage", reason="scikit-image is not installed (evalsuite[content])")

POLICY = """\
format = 1
name = "content"
samples = 1
[[gates]]
margin = 0.2
metric = "{metric}"
"""
PROMPTS = tuple(prompt(f"p{place:02d}", "signs", "sign", f"{place}: OPEN", ("OPEN",)) for place in range(40))


def repaint(store, change):
    """Change the pixels of a run's images below the text, and give rows and readings the new hashes."""
    hashes = {}
    rows = []
    for row in store.generations.read():
        path = store.folder / row.image
        pixels = np.array(Image.open(path))
        pixels[24:] = change(row.prompt, pixels[24:].shape)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        path.write_bytes(buffer.getvalue())
        hashes[row.key] = hashlib.sha256(buffer.getvalue()).hexdigest()
        rows.append(msgspec.structs.replace(row, sha256=hashes[row.key]))
    store.generations.replace(rows)
    readings = store.readings(store.manifest.ocr)
    readings.replace([_read_anew(row, hashes[row.key]) for row in readings.read()])
    return store


def _read_anew(row, sha256):
    """The reading of another picture: a reader is never equally sure twice."""
    sure = round(0.9 + int(sha256[:6], 16) / 0xFFFFFF * 0.1, 6)
    lines = tuple(msgspec.structs.replace(line, confidence=sure) for line in row.lines)
    return msgspec.structs.replace(row, image_sha256=sha256, lines=lines)


def scene(seed):
    """A picture of its own for every prompt."""
    return lambda ident, shape: np.random.default_rng([seed, int(ident[1:])]).integers(0, 256, shape, dtype=np.uint8)


def flat(_, shape):
    return np.full(shape, 200, dtype=np.uint8)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("content")

    def made(name, change, text):
        def outcome(spec, each, _):
            return perfect(each) if spec.role == "reference" else Outcome(lines=(text,))

        klein = msgspec.structs.replace(MODELS[0], weights_digest=f"{name:0>64}")
        store = make_run(folder / name, prompts=PROMPTS, models=(klein,), outcome=outcome, scored=False)
        return repaint(store, change).folder

    return {
        "before": made("before", scene(0), "OPEN"),
        "same": made("same", scene(0), "OPEM"),
        "other": made("other", scene(1), "OPEN"),
        "flat": made("flat", flat, "OPEN"),
    }


def policy_of(tmp_path, metric, **more):
    path = tmp_path / "content.toml"
    text = POLICY.format(metric=metric) + "".join(f"{name} = {value!r}\n" for name, value in more.items())
    path.write_text(text.replace("'", '"'))
    return load_policy(path)


def test_a_run_beside_its_baseline(runs):
    result = evalsuite.content(runs["same"], runs["before"], report=False)
    (picture,), (pair,) = result.found.pictures, result.found.pairs
    assert (picture.images, picture.untold, result.found.agreements) == (40, 0, ())
    assert (pair.similarity.estimate, pair.psnr, pair.against) == (1.0, "∞", "before · klein")
    assert "similarity 1" in repr(result)
    lost = evalsuite.content(runs["flat"], runs["before"], report=False).found
    assert lost.pictures[0].share.estimate < picture.share.estimate - 0.5
    assert lost.pairs[0].similarity.estimate < 0.5


def test_kept_rows_are_believed_only_for_the_images_and_readings_that_they_are_of(runs):
    evalsuite.content(runs["other"], runs["before"], report=False)
    run = open_run(runs["other"])
    pairs, pictures = pairs_of(run.folder), pictures_of(run.folder)
    kept, singles = pairs.read(), pictures.read()
    assert len(read_pairs(run)) == len(read_pictures(run)) == 40
    pairs.replace([msgspec.structs.replace(kept[0], image_sha256="0" * 64), *kept[1:]])
    pictures.replace([msgspec.structs.replace(singles[0], reading="0" * 16), *singles[1:]])
    assert len(read_pairs(run)) == len(read_pictures(run)) == 39
    pairs.replace([msgspec.structs.replace(kept[0], ssim=1.5), *kept[1:]])
    assert len(read_pairs(run)) == 39
    # what another hand wrote is shown, and no verdict rests on it
    pairs.replace([msgspec.structs.replace(row, ssim=1.0) for row in kept])
    before = open_run(runs["before"])
    shown = measure_pairs(run, "klein", before, "klein")
    counted = measure_pairs(run, "klein", before, "klein", only_sealed=True)
    assert {row.ssim for row in shown.values()} == {1.0}
    assert max(row.ssim for row in counted.values()) < 0.9
    pairs.path.write_text("{}\n")
    with pytest.raises(DamagedRunError, match=r"content\.pairs\.jsonl:1: not a PairRow row"):
        measured(run)
    pairs.replace(kept)
    pictures.replace(singles)


def test_a_second_measurement_opens_no_image(runs, monkeypatch):
    evalsuite.content(runs["same"], runs["before"], report=False)
    monkeypatch.setattr(sys.modules["evalsuite.content.measuring"], "load_image", None)
    assert len(measure_pictures(open_run(runs["same"]))) == 40
    evalsuite.content(runs["same"], runs["before"], report=False)


@pytest.mark.parametrize(
    ("metric", "candidate", "outcome"),
    [
        ("content_similarity", "same", "PASS"),
        ("content_similarity", "other", "FAIL"),
        ("content_similarity", "flat", "FAIL"),
        ("content_share", "same", "PASS"),
        ("content_share", "other", "PASS"),
        ("content_share", "flat", "FAIL"),
    ],
)
def test_the_gate_on_planted_changes(runs, tmp_path, metric, candidate, outcome):
    verdict = check(runs["before"], runs[candidate], policy=policy_of(tmp_path, metric))
    (gate,) = verdict.gates
    assert (verdict.outcome, gate.name, gate.prompts) == (outcome, f"all/{metric}", 40)
    if metric == "content_similarity":
        assert gate.baseline == 1.0
        assert gate.delta == pytest.approx(gate.candidate - 1)


def test_the_values_that_the_gate_compares_are_those_of_the_rows(runs):
    before, after = open_side(runs["before"]), open_side(runs["other"])
    found = compare_content("content_share", before, after, before.manifest.prompts[:3])
    rows = measure_pictures(before.run)
    keys = [score.key for score in before.run.scores[:3]]
    assert list(found.baseline) == [rows[key].share for key in keys]


def test_images_that_cannot_be_compared_are_told_and_too_many_are_incomplete(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["evalsuite.content.measures"], "LEAST_OUTSIDE", 0.9)
    verdict = check(runs["before"], runs["same"], policy=policy_of(tmp_path, "content_share"))
    assert (verdict.outcome, verdict.exit_code) == ("INCOMPLETE", 12)
    assert "content_share: only 0 of 40 images in all can be compared" in verdict.missing[0]


@pytest.mark.parametrize(
    ("more", "said"), [({"average": "micro"}, "write macro"), ({"min_accuracy": 0.5}, "has no floor")]
)
def test_what_the_policy_cannot_ask_of_it(tmp_path, more, said):
    with pytest.raises(PolicyError, match=said):
        policy_of(tmp_path, "content_share", **more)


def test_it_is_not_gated_while_drawing(tmp_path):
    with pytest.raises(EvalsuiteError, match="gates content_similarity, which takes a complete run"):
        refuse_unscored(policy_of(tmp_path, "content_similarity"), "which takes a complete run")


def test_other_prompts_are_refused(runs, tmp_path):
    other = make_run(tmp_path / "few", prompts=PROMPTS[:3], models=MODELS[:1])
    with pytest.raises(NotComparableError, match="cannot be compared"):
        evalsuite.content(other.folder, runs["before"])
    with pytest.raises(EvalsuiteError, match="holds no model besides klein"):
        evalsuite.content(other.folder, other.folder)
    with pytest.raises(EvalsuiteError, match="holds no model 'x'"):
        evalsuite.content(runs["same"], runs["before"], baseline_model="x")


def test_the_command_shows_the_tables_and_the_page_has_both(runs):
    result = CliRunner().invoke(
        app, ["content", str(runs["same"]), "--baseline", str(runs["before"])], env={"COLUMNS": "160"}
    )
    assert result.exit_code == 0, result.output
    assert re.search(r"klein +en +before · klein +40 +1\.000", result.output)
    page = (runs["same"] / "index.html").read_text(encoding="utf-8")
    section = page[page.index('<section id="content"') :].partition("</section>")[0]
    assert "before · klein" in section
    assert ">∞<" in section


def test_a_comparison_shows_what_is_kept_and_the_table_has_its_columns(runs, tmp_path):
    evalsuite.content(runs["before"], report=False)
    evalsuite.content(runs["same"], runs["before"], report=False)
    result = CliRunner().invoke(
        app, ["compare", str(runs["before"]), str(runs["same"]), "--out", str(tmp_path)], env={"COLUMNS": "160"}
    )
    assert result.exit_code == 0, result.output
    assert "Pictures outside the text, beside klein · before" in result.output
    assert '<section id="content"' in (tmp_path / "index.html").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(to_csv(open_run(runs["same"])))))
    assert {row["content_similarity"] for row in rows} == {"1.0"}
    assert {(row["content_psnr"], row["content_against"], row["clip_score"]) for row in rows} == {
        ("", "before · klein", "")
    }


def test_a_run_that_nobody_measured_shows_nothing(tmp_path):
    run = open_run(make_run(tmp_path / "plain").folder)
    assert measured(run) is None
    assert {row["content_share"] for row in csv.DictReader(io.StringIO(to_csv(run)))} == {""}
