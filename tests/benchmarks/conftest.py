"""The full-size benchmark as a command, on small copies and one thread."""

from __future__ import annotations

import msgspec
import pytest
from typer.testing import CliRunner


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def run_shallow():
    """Runs `full_size --shallow` with arguments and the measurements named by `only`; says how it ended."""
    from benchmarks.full_size.__main__ import app

    def run(*arguments, only=()):
        chosen = [argument for name in only for argument in ("--only", name)]
        return CliRunner().invoke(app, ["--shallow", *map(str, arguments), *chosen])

    return run


@pytest.fixture(scope="session")
def read_results():
    """The results in a file."""
    from benchmarks.full_size.rows import Results

    return lambda path: msgspec.json.decode(path.read_bytes(), type=Results)
