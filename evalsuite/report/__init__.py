"""Run folders to HTML: what a person sees."""

from __future__ import annotations

from evalsuite.report.comparison_page import build_comparison
from evalsuite.report.conclusions import ClaimRow, StandingRow, VerdictRow, keep_claims, keep_verdict
from evalsuite.report.run_page import build_report
from evalsuite.report.verdicts import verdict_row
from evalsuite.runs.summary import ModelSummary, Slice, Summary, summarise
from evalsuite.runs.timing import PhaseSummary, Spread, TimingSummary

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
    "build_comparison",
    "build_report",
    "keep_claims",
    "keep_verdict",
    "summarise",
    "verdict_row",
]
