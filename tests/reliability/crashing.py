"""Runs that are cut off at a chosen step of the write order, by SIGKILL or by a fault of the disk.

A step is one call that changes what is on disk (open for writing, write, fsync, rename, mkdir, truncate, unlink) by the
code that writes run folders. `Steps` counts them and, at the chosen one, does half of it (for a write) or nothing, and
then kills the process or raises the fault. As a program: one run with one kill.

    python crashing.py FOLDER --at STEP [--act SIGTERM] [--workers 2] [--overlap] [--devices 2]

`--act` is what happens at the step: a signal to the run itself, or `worker`: SIGKILL to one of its processes. The run
ends as the command line ends one: 130 with its message where it was stopped.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import json
import multiprocessing
import os
import pathlib
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from PIL import Image

from evalsuite import files
from evalsuite.cli.stopping import STOPPED, acknowledged, treat_termination_as_interrupt
from evalsuite.errors import ExitCode
from evalsuite.models.base import Drawing
from evalsuite.records import ModelSpec, OcrSpec, Prompt, SuiteRef, TextLine, digest
from evalsuite.report import build_report, store_summary
from evalsuite.runs import journal, rows
from evalsuite.runs.backends.devices import Devices
from evalsuite.runs.plan import plan_prompts
from evalsuite.runs.runner import execute
from evalsuite.runs.store import RunStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PROMPTS = tuple(
    Prompt(
        id=f"p-{number}", suite="s", language="en", category="c", length="short",
        text=f'A sign "OPEN {number}"', targets=(f"OPEN {number}",),
    )
    for number in range(3)
)  # fmt: skip


class Painter:
    """Draws 8×8 images whose colours follow from prompt and seed."""

    spec = ModelSpec(
        name="painter", kind="folder", role="model", source="painter", weights_digest="1" * 64, settings={"width": 8}
    )

    def __init__(self, *, uses_cpu: bool) -> None:
        self.uses_cpu = uses_cpu

    def placed(self, _device: str) -> Self:
        return self

    def check_weights(self) -> None:
        return None

    def notices(self, _prompts: Sequence[Prompt], _seeds: Sequence[int]) -> tuple[str, ...]:
        return ()

    def draw(self, requests: Sequence[tuple[Prompt, int]]) -> Iterator[Drawing]:
        for prompt, seed in requests:
            content = hashlib.sha256(f"{prompt.id} {seed}".encode()).digest() * 6
            yield Drawing(prompt, seed, image=Image.frombytes("RGB", (8, 8), content))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class Spelling:
    """Reads an image as the hash of its pixels."""

    spec = OcrSpec(name="spelling", weights_digest="2" * 64, settings={}, versions={})

    def read(self, image: Image.Image) -> tuple[TextLine, ...]:
        return (TextLine(text=hashlib.sha256(image.tobytes()).hexdigest()[:12]),)


def run_whole(
    folder: Path, *, workers: int = 1, overlap: bool = False, devices: int = 0, backend: Devices | None = None
) -> None:
    """Draw, read, score and report the three prompts, two images each; resumes. `backend` is used for `devices`."""
    if devices and backend is None:
        backend = Devices(("cpu",) * devices)
    plan = plan_prompts(
        refs=[SuiteRef(name="s", digest=digest(PROMPTS), prompts=len(PROMPTS), source="s")],
        prompts=PROMPTS,
        models=[Painter(uses_cpu=not overlap)],
        engine=Spelling(),
        profile="standard",
        samples=2,
        seed=0,
        name="crashing",
    )
    store, _ = RunStore.create_or_resume(folder, plan.manifest)
    run = execute(plan, store, workers=workers, backend=backend)
    store_summary(run)
    build_report(run)


TIMES = {"drawn_at", "read_at", "seconds", "timing", "memory", "seal"}
"""What no two runs have alike; where an image was drawn is in its timing."""


def rows_of(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of a run without their times, in the order of their keys, and its images' hashes."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        if path.name != journal.FILE:
            lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            plain = [{name: value for name, value in line.items() if name not in TIMES} for line in lines]
            found[path.name] = sorted(plain, key=lambda row: row["key"])
    found["images"] = [
        {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in sorted((folder / "images").iterdir())
    ]
    return found


def scratch_of(folder: Path) -> list[str]:
    """Temporary files that were left."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.tmp"))


class Steps:
    """Counts the steps, and acts at one of them."""

    def __init__(self, at: int, act: Callable[[], None]) -> None:
        self.at, self.act, self.done = at, act, 0
        self.goes_on = act is kill_worker  # the write that it happens at is done after it, and whole
        self.names: list[str] = []

    def meet(self, name: str, half: Callable[[], object] | None = None) -> None:
        self.names.append(name)
        if self.done == self.at:
            self.done += 1
            if half is not None and not self.goes_on:
                half()
            self.act()
        self.done += 1


class _Os:
    """The module `os` as the code that writes run folders sees it."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_CREAT:
            self._steps.meet(f"open {kind_of(Path(path))}")
        return os.open(path, flags, mode)

    def write(self, handle: int, content: bytes) -> int:
        self._steps.meet("write", lambda: os.write(handle, bytes(content)[: len(content) // 2]))
        return os.write(handle, content)

    def fsync(self, handle: int) -> None:
        self._steps.meet("fsync")
        os.fsync(handle)

    def ftruncate(self, handle: int, length: int) -> None:
        self._steps.meet("truncate")
        os.ftruncate(handle, length)


def kind_of(path: Path) -> str:
    """Which file of a run folder, without keys and process ids."""
    name = path.name.lstrip(".")
    return "an image" if name.split(".")[0].isalnum() and ".png" in name else name.split(".")[0]


@contextmanager
def steps_of(at: int, act: Callable[[], None]) -> Iterator[Steps]:
    """Let `act` happen at step number `at` (from 0) of what is written inside."""
    steps = Steps(at, act)
    kept = {name: getattr(pathlib.Path, name) for name in ("replace", "mkdir", "unlink")}
    modules = (files, rows, journal)

    def counted(name: str) -> Any:
        def call(self: Path, *arguments: Any, **named: Any) -> Any:
            steps.meet(f"{name} {kind_of(self)}")
            return kept[name](self, *arguments, **named)

        return call

    try:
        for module in modules:
            module.os = _Os(steps)  # type: ignore[attr-defined]
        for name in kept:
            setattr(pathlib.Path, name, counted(name))
        yield steps
    finally:
        for module in modules:
            module.os = os  # type: ignore[attr-defined]
        for name, method in kept.items():
            setattr(pathlib.Path, name, method)


def fault(number: int) -> Callable[[], None]:
    """What raises an error of the operating system."""

    def act() -> None:
        raise OSError(number, os.strerror(number))

    return act


FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.ENOENT)


def kill_worker() -> None:
    """SIGKILL to one process that this one has started, if there is any: the youngest that computes."""
    workers = [each for each in multiprocessing.active_children() if each.name.startswith("evalsuite")]
    if workers and workers[-1].pid is not None:
        os.kill(workers[-1].pid, signal.SIGKILL)
        sys.stdout.write("killed a worker\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--at", type=int, default=-1)
    parser.add_argument("--act", default="SIGKILL")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--overlap", action="store_true")
    parser.add_argument("--devices", type=int, default=0)
    asked = parser.parse_args()

    def send() -> None:
        os.kill(os.getpid(), signal.Signals[asked.act])

    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background job is started without
    treat_termination_as_interrupt()
    try:
        with (
            acknowledged(lambda _: None, lambda _: None),
            steps_of(asked.at, kill_worker if asked.act == "worker" else send) as steps,
        ):
            run_whole(asked.folder, workers=asked.workers, overlap=asked.overlap, devices=asked.devices)
    except KeyboardInterrupt:
        sys.stderr.write(f"{STOPPED}\n")
        sys.exit(int(ExitCode.INTERRUPTED))
    sys.stdout.write(f"{steps.done}\n")


if __name__ == "__main__":
    main()
