"""SIGKILL at every step of the write order, then the same run again: `nox -s soak` runs all, the tests run a few.

    python kills.py STATE.jsonl [--every 1] [--modes one,two,devices,term,int,worker]

STATE gets one line per kill and is gone on with when it is there. Mode `one` reads in the run's own process, `two` in
two OCR workers while it draws. The others draw in two processes (`--devices cpu:2`) and read in two more: `devices` is
killed itself, `term` and `int` are stopped by SIGTERM and by Ctrl-C, and of `worker` one process is killed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parent))
import crashing

from evalsuite.errors import ExitCode
from evalsuite.runs import journal

_DEVICES = {"devices": 2, "workers": 2}
MODES: dict[str, dict[str, Any]] = {
    "one": {},
    "two": {"workers": 2, "overlap": True},
    "devices": _DEVICES,
    "term": {**_DEVICES, "act": "SIGTERM"},
    "int": {**_DEVICES, "act": "SIGINT"},
    "worker": {**_DEVICES, "act": "worker"},
}
ORPHAN_SECONDS = 30.0


def kill_at(step: int, mode: str, folder: Path) -> dict[str, Any]:
    """Kill a run at one step and look at what is left; `folder` must not exist."""
    options = MODES[mode]
    command = [sys.executable, crashing.__file__, str(folder), "--at", str(step)]
    for name in ("workers", "devices", "act"):
        command += [f"--{name}", str(options[name])] if name in options else []
    command += ["--overlap"] if options.get("overlap") else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as child:
        said, told = child.communicate(timeout=300)
    act = options.get("act", "SIGKILL")
    wanted = {"SIGKILL": -signal.SIGKILL, "worker": 0}.get(act, int(ExitCode.INTERRUPTED))
    return {
        "mode": mode,
        "step": step,
        "killed": b"killed a worker" in said if act == "worker" else child.returncode == wanted,
        "ended": child.returncode,
        "traceback": b"Traceback" in told,
        "warned": told.decode(errors="replace")[-300:] if b"leaked" in told else "",
        "orphans": len(left_of(child.pid)),
    }


def left_of(session: int) -> list[int]:
    """Processes of a session that are alive after they had time to end."""
    until = time.monotonic() + ORPHAN_SECONDS
    while alive := [each for each in psutil.pids() if session_of(each) == session]:
        if time.monotonic() > until:
            return alive
        time.sleep(0.05)
    return []


def session_of(process: int) -> int | None:
    try:
        if psutil.Process(process).status() == psutil.STATUS_ZOMBIE:
            return None
        return os.getsid(process)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return None


def resumed(folder: Path, mode: str, whole: dict[str, Any]) -> dict[str, Any]:
    """Run again, and compare with the uninterrupted run."""
    finished = {row["key"] for row in whole_lines(folder / "generations.jsonl")}
    crashing.run_whole(folder, overlap=bool(MODES[mode].get("overlap")))
    after = crashing.rows_of(folder)
    again = Counter(row["key"] for row in after["generations.jsonl"])
    return {
        "equal": after == whole,
        "scratch": crashing.scratch_of(folder),
        "drawn_twice": sum(again[key] > 1 for key in finished),
    }


def whole_lines(path: Path) -> list[dict[str, Any]]:
    content = path.read_bytes() if path.exists() else b""
    return [json.loads(line) for line in content.splitlines(keepends=True) if line.endswith(b"\n")]


def one(step: int, mode: str, place: Path, whole: dict[str, Any]) -> dict[str, Any]:
    """One kill and the run after it, in a folder of its own."""
    folder = place / f"{mode}-{step}"
    shutil.rmtree(folder, ignore_errors=True)
    found = kill_at(step, mode, folder)
    # A log line may be torn too, and stays so: the log is no evidence.
    rows = [path for path in folder.glob("*.jsonl") if path.name != journal.FILE]
    found["torn"] = sum(bool(content) and not content.endswith(b"\n") for content in map(Path.read_bytes, rows))
    found.update(resumed_safely(folder, mode, whole))
    shutil.rmtree(folder, ignore_errors=True)
    return found


def resumed_safely(folder: Path, mode: str, whole: dict[str, Any]) -> dict[str, Any]:
    try:
        return resumed(folder, mode, whole)
    except Exception as error:  # noqa: BLE001 - counted
        return {"equal": False, "scratch": [], "drawn_twice": 0, "failure": f"{type(error).__name__}: {error}"}


def steps_in(mode: str, place: Path) -> tuple[int, dict[str, Any]]:
    """How many steps an uninterrupted run has, and its rows."""
    folder = place / f"whole-{mode}"
    with crashing.steps_of(-1, lambda: None) as steps:
        crashing.run_whole(folder, overlap=bool(MODES[mode].get("overlap")))
    return steps.done, crashing.rows_of(folder)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("state", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--modes", default=",".join(MODES))
    asked = parser.parse_args()
    done = [json.loads(line) for line in asked.state.read_text().splitlines()] if asked.state.exists() else []
    seen = {(each["mode"], each["step"]) for each in done}
    with tempfile.TemporaryDirectory() as place, asked.state.open("a", encoding="utf-8") as state:
        for mode in asked.modes.split(","):
            count, whole = steps_in(mode, Path(place))
            for step in range(0, count, asked.every):
                if (mode, step) not in seen:
                    found = one(step, mode, Path(place), whole)
                    done.append(found)
                    state.write(json.dumps(found) + "\n")
                    state.flush()
    sys.stdout.write(summary(done))
    if not all(map(is_right, done)):
        sys.exit(1)


def is_right(found: dict[str, Any]) -> bool:
    """The rows are the whole run's, and nothing is left: no process, traceback, warning or temporary file."""
    left = ("orphans", "traceback", "scratch", "warned")
    return bool(found["equal"]) and not any(found.get(each) for each in left)


def summary(done: list[dict[str, Any]]) -> str:
    """The counts, one line per mode."""
    lines = []
    for mode in dict.fromkeys(each["mode"] for each in done):
        own = [each for each in done if each["mode"] == mode]
        lines.append(
            f"{mode}: {sum(each['killed'] for each in own)} kills at {len(own)} steps; rows equal to the whole "
            f"run's {sum(each['equal'] for each in own)}; drawn twice {sum(each['drawn_twice'] for each in own)};"
            f" torn rows {sum(each['torn'] for each in own)}; orphans {sum(each['orphans'] for each in own)}; "
            f"tracebacks {sum(each['traceback'] for each in own)}; "
            f"scratch files left {sum(len(each['scratch']) for each in own)}\n"
        )
    return "".join(lines)


if __name__ == "__main__":
    main()
