"""Which suites are a published benchmark's, unchanged, and how a suite is named on the command line."""

from __future__ import annotations

from pathlib import Path

from evalsuite.records import SuiteRef
from evalsuite.suites import benchmarks, longtext_bench, textedit
from evalsuite.suites.load import default_suites


def is_published(ref: SuiteRef) -> bool:
    """True for a suite of LongText-Bench or of another published benchmark, by name and digest."""
    return longtext_bench.is_published(ref) or benchmarks.is_published(ref)


def option_for(name: str, source: str) -> str | None:
    """What `--suite` takes for a suite with that source; None for one that is searched by default.

    >>> option_for("ui-en", "evalsuite:ui-en"), option_for("signage-ui-fr", "evalsuite:signage-ui-fr")
    (None, 'signage-ui-fr')
    >>> option_for("wegen-en", "/data/wegenbench_text_en.jsonl")
    'wegen-en:/data'
    """
    if source == f"evalsuite:{name}":
        return None if name in default_suites() else name
    if name in textedit.NAMES:
        return f"{name}:{source}"
    if name in longtext_bench.NAMES or name in benchmarks.names():
        if "://" in source:
            return name
        place = Path(source)
        return f"{name}:{place.parent if place.suffix else place}"
    return source
