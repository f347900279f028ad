"""Run folders to HTML: what a person sees."""

from __future__ import annotations

from evalsuite.report.comparison_page import build_comparison
from evalsuite.report.conclusions import ClaimRow, StandingRow, VerdictRow, store_claims, store_verdict
from evalsuite.report.run_page import build_report
from evalsuite.report.summary_file import RunSummary, run_summary, store_summary
from evalsuite.report.verdicts import verdict_row

__all__ = [
    "ClaimRow",
    "RunSummary",
    "StandingRow",
    "VerdictRow",
    "build_comparison",
    "build_report",
    "run_summary",
    "store_claims",
    "store_summary",
    "store_verdict",
    "verdict_row",
]
