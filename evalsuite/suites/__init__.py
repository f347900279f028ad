"""Prompt suites: what is drawn and read, with the strings that every image must show."""

from __future__ import annotations

from evalsuite.suites.load import load, load_all, load_file, own_suites
from evalsuite.suites.longtext_bench import is_published
from evalsuite.suites.suite import Suite, SuiteError, sample

__all__ = ["Suite", "SuiteError", "is_published", "load", "load_all", "load_file", "own_suites", "sample"]
