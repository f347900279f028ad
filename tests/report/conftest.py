from __future__ import annotations

import handmade as module
import pytest


@pytest.fixture(scope="session")
def handmade():
    """Runs made by hand; see handmade.py."""
    return module
