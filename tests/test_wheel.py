"""The wheel, installed in an environment of its own, works outside the repository."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
import runs_by_hand

pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed")
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_types_data_and_licences(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"evalsuite/py.typed", "evalsuite/data/suites/signage-en.yaml", "evalsuite/data/gates/default.toml"} <= names
    (notice,) = [name for name in names if name.endswith("/NOTICE")]
    assert ".dist-info/" in notice
    metadata = zipfile.ZipFile(wheel).read(next(name for name in names if name.endswith("/METADATA"))).decode()
    assert "License-Expression: Apache-2.0" in metadata
    assert "Author: The evalsuite authors" in metadata


def test_the_wheel_runs_outside_the_repository(wheel, tmp_path):
    place = tmp_path / "env"
    venv.create(place, with_pip=False)
    python = place / "bin" / "python"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(python),
            "install",
            "--quiet",
            "--no-deps",
            "--no-index",
            str(wheel),
        ],
        check=True,
        capture_output=True,
    )
    # What evalsuite depends on comes from this environment, behind the new one's own packages.
    (site,) = place.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
    run = runs_by_hand.make_run(tmp_path / "run").folder

    def told(*arguments: str) -> str:
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(arguments, cwd=tmp_path, env=clean, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    command = str(place / "bin" / "evalsuite")
    where = told(str(python), "-c", "import evalsuite; print(evalsuite.__file__)")
    assert Path(where.strip()).is_relative_to(site)
    assert "Does this text-to-image checkpoint still draw text correctly" in told(command, "--help")
    assert "signage-en" in told(command, "suites", "list")
    assert "index.html" in told(command, "report", str(run))  # by the templates and scripts in the wheel
    assert (run / "index.html").is_file()
