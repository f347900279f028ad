"""The examples in docstrings are true."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "module",
    [
        "evalsuite.scoring",
        "evalsuite.scoring.folding",
        "evalsuite.scoring.packing",
        "evalsuite.scoring.pattern_index",
        "evalsuite.scoring.protocols.longtext",
    ],
)
def test_the_examples_of_a_module_hold(module):
    failed, attempted = doctest.testmod(importlib.import_module(module))
    assert attempted > 0
    assert failed == 0
