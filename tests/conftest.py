"""Parts that tests of several rooms use."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

# No example has a time to keep to: the machine may be slow, or busy.
hypothesis.settings.register_profile("unhurried", parent=hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("unhurried")

# One thread a process, also in the processes that tests start: the networks are small.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def longtext_bench() -> Path:
    """The folder of the real LongText-Bench prompts and scorer cases; skips where it is not named."""
    named = os.environ.get("EVALSUITE_LONGTEXT_BENCH")
    if not named:
        pytest.skip("EVALSUITE_LONGTEXT_BENCH does not name the folder of LongText-Bench's prompts")
    return Path(named)
