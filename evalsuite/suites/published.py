"""Which suites are a published benchmark's, unchanged."""

from __future__ import annotations

from evalsuite.records import SuiteRef
from evalsuite.suites import benchmarks, longtext_bench


def is_published(ref: SuiteRef) -> bool:
    """True for a suite of LongText-Bench or of another published benchmark, by name and digest."""
    return longtext_bench.is_published(ref) or benchmarks.is_published(ref)
