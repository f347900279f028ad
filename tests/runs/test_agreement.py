"""A second reader beside the first: what they read alike, and what a person should look at."""

from __future__ import annotations

import msgspec
import pytest

from evalsuite.report import build_report
from evalsuite.runs import open_run
from evalsuite.runs.agreement import agreements


@pytest.fixture
def store(handmade, tmp_path):
    """The first reader finds NOODES and 今日持价 (see `noodes`); the second NOODLES, 今日特价, and loses 半价."""
    store = handmade.make_run(tmp_path / "run", outcome=handmade.noodes)
    other = msgspec.structs.replace(store.manifest.ocr, name="second", weights_digest="e" * 64)
    lines = {"NIGHT NOODES": "NIGHT  NOODLES", "今日持价": "今日特价"}

    def read(row):
        kept = [line for line in row.lines if line.text != "半价" or not row.key.startswith(klein[-1][:4])]
        changed = [msgspec.structs.replace(line, text=lines.get(line.text, line.text)) for line in kept]
        return msgspec.structs.replace(row, engine="second", engine_digest=other.digest, lines=tuple(changed))

    klein = [key for key, request in store.requests.items() if request.model == "klein"]
    store.remember_engine(other)
    store.readings(other).replace([read(row) for row in store.readings(store.manifest.ocr).read()])
    return store


def test_what_two_readers_read_alike(store):
    (found,) = agreements(open_run(store))
    assert (found.first, found.second, found.unread) == ("paddle", "second", 0)
    shares = {(row.model, row.language): (row.share.estimate, row.strings) for row in found.figures}
    assert shares == {
        ("klein", "en"): (pytest.approx(2 / 3), 3),  # `Open Daily` in capitals is read alike
        ("klein", "zh"): (0.0, 2),
        ("typeset", "en"): (1.0, 3),
        ("typeset", "zh"): (1.0, 2),
    }
    told = [(row.target, row.first, row.second) for row in found.differing]
    assert [target for target, _, _ in told] == ["NIGHT NOODLES", "今日特价", "半价"]
    assert told[2][1:] == ("半价", None)


def test_the_page_shows_it_and_the_score_does_not(store):
    run = open_run(store)
    before = run.summary
    page = build_report(run).read_text(encoding="utf-8").partition('<script type="application/json"')[0]
    assert "Where two readers differ" in page
    assert f"#image={agreements(run)[0].differing[0].key}" in page
    assert open_run(store).summary == before


def test_one_reader_alone_agrees_with_nobody(handmade, tmp_path):
    run = open_run(handmade.make_run(tmp_path / "run"))
    assert agreements(run) == ()
    page = build_report(run).read_text(encoding="utf-8").partition('<script type="application/json"')[0]
    assert "Where two readers differ" not in page
