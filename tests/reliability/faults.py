"""Refusals of the disk at every step of the write order, then the same run again.

    python faults.py STATE.jsonl [--every 1]

STATE gets one line per fault and is gone on with when it is there.
"""

from __future__ import annotations

import argparse
import errno
import json
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import crashing
import kills

from evalsuite.errors import EvalsuiteError


def one(step: int, number: int, place: Path, whole: dict[str, Any]) -> dict[str, Any]:
    """Let one step fail and run again; what came of it."""
    folder = place / f"{number}-{step}"
    with crashing.steps_of(step, crashing.fault(number)) as seen:
        try:
            crashing.run_whole(folder)
            ended = "to the end"  # the log, a temporary file: what no run ends for
        except EvalsuiteError as error:
            ended = type(error).__name__ if "\n" not in str(error) else "more than one line"
        except Exception as error:  # noqa: BLE001 - counted
            ended = f"traceback: {type(error).__name__}"
    found = {
        "fault": errno.errorcode[number],
        "step": step,
        "name": seen.names[step] if step < len(seen.names) else "",
        "ended": ended,
        "scratch": crashing.scratch_of(folder),
    }
    crashing.run_whole(folder)
    found["equal"] = crashing.rows_of(folder) == whole
    shutil.rmtree(folder)
    return found


def is_right(found: dict[str, Any]) -> bool:
    """One clear error or none, nothing left behind, and the run after it equal to an uninterrupted one."""
    return found["ended"] in ("WriteError", "to the end") and not found["scratch"] and found["equal"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("state", type=Path)
    parser.add_argument("--every", type=int, default=1)
    asked = parser.parse_args()
    done = [json.loads(line) for line in asked.state.read_text().splitlines()] if asked.state.exists() else []
    seen = {(each["fault"], each["step"]) for each in done}
    with tempfile.TemporaryDirectory() as place, asked.state.open("a", encoding="utf-8") as state:
        count, whole = kills.steps_in("one", Path(place))
        for number in crashing.FAULTS:
            for step in range(0, count, asked.every):
                if (errno.errorcode[number], step) not in seen:
                    done.append(one(step, number, Path(place), whole))
                    state.write(json.dumps(done[-1]) + "\n")
                    state.flush()
    for fault in dict.fromkeys(each["fault"] for each in done):
        own = [each for each in done if each["fault"] == fault]
        ends = ", ".join(f"{end} {count}" for end, count in Counter(each["ended"] for each in own).items())
        sys.stdout.write(f"{fault}: {len(own)} steps; ended {ends}; right {sum(map(is_right, own))}\n")
    if not all(map(is_right, done)):
        sys.exit(1)


if __name__ == "__main__":
    main()
