"""The scorer measures what was planted; `benchmarks/planted_truth.py` is the long form."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks._readings import LONGTEXT_BENCH, Damage, pages
from benchmarks.planted_truth import ALL, PLAIN, TOLERANCE, measure

EXTRAS_ONLY = Damage(extras=2, repeated=0.2, shuffle=True)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("how", [PLAIN, ALL, EXTRAS_ONLY], ids=["as drawn", "shuffled", "extras"])
def test_own_suites(monkeypatch: pytest.MonkeyPatch, language: str, how: Damage) -> None:
    monkeypatch.delenv(LONGTEXT_BENCH, raising=False)
    everything = pages()[0]
    untouched = measure(everything[::2], language, how, 1)
    assert float(untouched["deviation"] or 0) == pytest.approx(0, abs=TOLERANCE)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("rate", [0.02, 0.1])
def test_longtext_bench(monkeypatch: pytest.MonkeyPatch, longtext_bench: Path, language: str, rate: float) -> None:
    monkeypatch.setenv(LONGTEXT_BENCH, str(longtext_bench))
    everything = pages()[0]
    assert len(everything) == 320
    row = measure(everything, language, Damage(errors=rate, split=0.4, merge=0.3, extras=2, shuffle=True), 1)
    # The part that is the scorer's own; the rest is what two neighbouring edits save.
    assert float(row["by_alignment"] or 0) == pytest.approx(0, abs=TOLERANCE)
    assert row["not_proven"] == 0
