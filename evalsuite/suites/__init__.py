"""Prompt suites: what is drawn and read, with the strings that every image must show."""

from __future__ import annotations

from evalsuite.suites.benchmarks import BENCHMARKS
from evalsuite.suites.load import default_suites, edit_suites, load, load_all, load_file, own_suites
from evalsuite.suites.published import is_published, option_for
from evalsuite.suites.suite import Suite, SuiteError, sample

__all__ = [
    "BENCHMARKS",
    "Suite",
    "SuiteError",
    "default_suites",
    "edit_suites",
    "is_published",
    "load",
    "load_all",
    "load_file",
    "option_for",
    "own_suites",
    "sample",
    "shipped_benchmarks",
]


def shipped_benchmarks() -> tuple[str, ...]:
    """Names of the published benchmarks that ship with evalsuite."""
    return tuple(each.name for each in BENCHMARKS if each.ships)
