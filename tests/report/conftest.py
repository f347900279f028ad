from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location("handmade", Path(__file__).with_name("handmade.py"))
_MODULE = importlib.util.module_from_spec(_SPEC)


@pytest.fixture(scope="session")
def handmade():
    """Runs made by hand; see handmade.py."""
    import sys

    if "handmade" not in sys.modules:
        sys.modules["handmade"] = _MODULE
        _SPEC.loader.exec_module(_MODULE)
    return sys.modules["handmade"]
