"""Run folders to HTML: what a person sees."""

from __future__ import annotations

from evalsuite.report.build import build
from evalsuite.report.compare import compare
from evalsuite.report.conclusions import ClaimRow, StandingRow, VerdictRow, keep_claims, keep_verdict
from evalsuite.report.summary import ModelSummary, Slice, Summary, summarise
from evalsuite.report.timing import PhaseSummary, Spread, TimingSummary
from evalsuite.report.verdicts import verdict_row

__all__ = [
    "ClaimRow",
    "ModelSummary",
    "PhaseSummary",
    "Slice",
    "Spread",
    "StandingRow",
    "Summary",
    "TimingSummary",
    "VerdictRow",
    "build",
    "compare",
    "keep_claims",
    "keep_verdict",
    "summarise",
    "verdict_row",
]
