"""Run folders to HTML: what a person sees."""

from __future__ import annotations

from evalsuite.report.build import build
from evalsuite.report.compare import compare
from evalsuite.report.conclusions import ClaimRow, VerdictRow
from evalsuite.report.summary import ModelSummary, Slice, Summary, summarise
from evalsuite.report.timing import PhaseSummary, Spread, TimingSummary

__all__ = [
    "ClaimRow",
    "ModelSummary",
    "PhaseSummary",
    "Slice",
    "Spread",
    "Summary",
    "TimingSummary",
    "VerdictRow",
    "build",
    "compare",
    "summarise",
]
