"""Prompt suites: what is drawn and read, with the strings that every image must show."""

from __future__ import annotations

from evalsuite.suites.benchmarks import BENCHMARKS
from evalsuite.suites.load import load, load_all, load_file, own_suites
from evalsuite.suites.published import is_published
from evalsuite.suites.suite import Suite, SuiteError, sample

__all__ = [
    "BENCHMARKS",
    "Suite",
    "SuiteError",
    "is_published",
    "load",
    "load_all",
    "load_file",
    "own_suites",
    "sample",
    "shipped_benchmarks",
]


def shipped_benchmarks() -> tuple[str, ...]:
    """Names of the published benchmarks that ship with evalsuite."""
    return tuple(each.name for each in BENCHMARKS if each.ships)
