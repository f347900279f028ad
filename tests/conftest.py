"""Parts that tests of several rooms use."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest
import runs_by_hand

# No example has a time to keep to: the machine may be slow, or busy.
hypothesis.settings.register_profile("unhurried", parent=hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("unhurried")

# One thread a process, also in the processes that tests start: the networks are small.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that two processes that take file by file end at about the same time."""
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(scope="session")
def longtext_bench() -> Path:
    """The folder of the real LongText-Bench prompts and scorer cases; skips where it is not named."""
    named = os.environ.get("EVALSUITE_LONGTEXT_BENCH")
    if not named:
        pytest.skip("EVALSUITE_LONGTEXT_BENCH does not name the folder of LongText-Bench's prompts")
    return Path(named)


@pytest.fixture(scope="session")
def real_images() -> Path:
    """The folder of released pictures with what a person reads in them (truth.json); skips where it is not named."""
    named = os.environ.get("EVALSUITE_REAL_IMAGES")
    if not named:
        pytest.skip("EVALSUITE_REAL_IMAGES does not name the folder of released pictures and their truth.json")
    return Path(named)


@pytest.fixture(scope="session")
def handmade():
    """Runs made by hand; see runs_by_hand.py."""
    return runs_by_hand


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory) -> Path:
    """Random checkpoints of the real architectures, made once a session."""
    torch = pytest.importorskip("torch")
    from training.random_checkpoints import build_random_checkpoint

    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("checkpoints")
    build_random_checkpoint(root / "klein", "flux2-klein")
    build_random_checkpoint(root / "klein-base", "flux2-klein-base", seed=1)
    build_random_checkpoint(root / "ernie", "ernie-image")
    build_random_checkpoint(root / "ernie-no-pe", "ernie-image", enhancer=False)
    return root
