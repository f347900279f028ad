"""A finished run, damaged in one way after another, and every command that takes a stored run on a fresh copy.

    python damage.py [PART]     all kinds, or those whose names hold PART; prints what crashed, hung or wrote elsewhere

Each command must end in good order within `SECONDS`: a value, or one `EvalsuiteError`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))
import crashing

from evalsuite.cli.main import app
from evalsuite.errors import EvalsuiteError

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 60
ROWS = ("generations", "readings", "scores")


def file_of(run: Path, what: str) -> Path:
    """The manifest, or the one file of rows of a kind."""
    return run / "manifest.json" if what == "manifest" else next(iter(sorted(run.glob(f"{what}*.jsonl"))))


def bytes_of(what: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda run: _write(file_of(run, what), change(file_of(run, what).read_bytes()))


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def lines_of(what: str, change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Path], None]:
    return bytes_of(what, lambda content: b"".join(change(content.splitlines(keepends=True))))


def row_of(what: str, **changes: Any) -> Callable[[Path], None]:
    """The first row with other values."""

    def edit(lines: list[bytes]) -> list[bytes]:
        return [json.dumps({**json.loads(lines[0]), **changes}).encode() + b"\n", *lines[1:]]

    return lines_of(what, edit)


def manifest_of(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def edit(content: bytes) -> bytes:
        value = json.loads(content)
        change(value)
        return json.dumps(value).encode()

    return bytes_of("manifest", edit)


def image_of(change: Callable[[Path], object]) -> Callable[[Path], None]:
    return lambda run: change(min((run / "images").glob("*.png"))) and None


def _link(path: Path, target: str) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.symlink_to(target)


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DEEP = b"[" * 100_000

DAMAGES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda _: None,
    **{f"{what}: {name}": lines_of(what, change) for what in ROWS for name, change in {
        "torn last line": lambda lines: [*lines[:-1], lines[-1][:20]],
        "garbage middle line": lambda lines: [lines[0], b"\xff{nothing\n", *lines[1:]],
        "a row doubled": lambda lines: [*lines, lines[0]],
        "a row removed": lambda lines: lines[1:],
        "emptied": lambda _: [],
        "a deep row": lambda lines: [DEEP + b"\n", *lines],
        "a row of 40 MB": lambda lines: [b'{"key": "' + b"x" * 40_000_000 + b'"}\n', *lines],
        "CRLF": lambda lines: [line.rstrip(b"\n") + b"\r\n" for line in lines],
        "a byte-order mark": lambda lines: [b"\xef\xbb\xbf" + lines[0], *lines[1:]],
        "an unknown field": lambda lines: [b'{"nobody": 1, ' + lines[0][1:], *lines[1:]],
        "a field twice": lambda lines: [b'{"key": "x", ' + lines[0][1:], *lines[1:]],
        "NUL bytes": lambda lines: [b"\0" * 100 + b"\n", *lines],
        "half a surrogate pair": lambda lines: [b'{"prompt": "\\ud800", ' + lines[0][1:], *lines[1:]],
        "a number of 10,000 digits": lambda lines: [b'{"seed": ' + b"9" * 10_000 + b", " + lines[0][1:], *lines[1:]],
    }.items()},
    **{f"{what}: deleted": (lambda run, what=what: file_of(run, what).unlink()) for what in (*ROWS, "manifest")},
    **{f"{what}: a pipe": (lambda run, what=what: _fifo(file_of(run, what))) for what in (*ROWS, "manifest")},
    **{f"{what}: a link": (lambda run, what=what: _link(file_of(run, what), "/etc/passwd")) for what in ROWS},
    "generations: seed is text": row_of("generations", seed="x"),
    "generations: image outside": row_of("generations", image="../../etc/passwd"),
    "generations: image of no name": row_of("generations", image=None),
    "generations: another hash": row_of("generations", sha256="0" * 64),
    "generations: time below zero": row_of("generations", timing={"total": -1.0}),
    "generations: time without bounds": row_of("generations", timing={"total": 1e308}),
    "generations: time NaN": bytes_of("generations", lambda content: content.replace(b'"seed":0', b'"seed":NaN')),
    "readings: lines an object": row_of("readings", lines={}),
    "readings: other text": row_of("readings", lines=[{"text": "anything"}]),
    "readings: 20 MB of text": row_of("readings", lines=[{"text": "x" * 20_000_000}]),
    "readings: another engine": row_of("readings", engine="x", engine_digest="0" * 64),
    "readings: confidence NaN": row_of("readings", lines=[{"text": "x", "confidence": float("nan")}]),
    "readings: escape sequences": row_of("readings", lines=[{"text": "\x1b]0;pwn\x07\n::error::x"}]),
    "scores: counts out of range": row_of("scores", deletions=999, length=3),
    "scores: counts below zero": row_of("scores", substitutions=-5),
    "manifest: empty": bytes_of("manifest", lambda _: b""),
    "manifest: cut": bytes_of("manifest", lambda content: content[: len(content) // 2]),
    "manifest: deep": bytes_of("manifest", lambda _: DEEP),
    "manifest: a list": bytes_of("manifest", lambda _: b"[]"),
    "manifest: format 99": manifest_of(lambda value: value.update(format=99)),
    "manifest: seeds doubled": manifest_of(lambda value: value.update(seeds=[0, 0])),
    "manifest: no seeds": manifest_of(lambda value: value.update(seeds=[])),
    "manifest: no prompts": manifest_of(lambda value: value.update(prompts=[])),
    "manifest: a prompt twice": manifest_of(lambda value: value["prompts"].append(value["prompts"][0])),
    "manifest: a prompt removed": manifest_of(lambda value: value["prompts"].pop()),
    "manifest: another target": manifest_of(lambda value: value["prompts"][0].update(targets=["OTHER"])),
    "manifest: an empty target": manifest_of(lambda value: value["prompts"][0].update(targets=[""])),
    "manifest: no models": manifest_of(lambda value: value.update(models=[])),
    "manifest: no suites": manifest_of(lambda value: value.update(suites=[])),
    "manifest: profile a path": manifest_of(lambda value: value.update(profile="../../x")),
    "manifest: engine a path": manifest_of(lambda value: value["ocr"].update(name="x/../../../OUTSIDE")),
    "manifest: other weights of the engine": manifest_of(lambda value: value["ocr"].update(weights_digest="9" * 64)),
    "manifest: a model in escapes": manifest_of(lambda value: value["models"][0].update(name="\x1b[31m\n::error::")),
    "image: cut": image_of(lambda path: path.write_bytes(path.read_bytes()[:60])),
    "image: emptied": image_of(lambda path: path.write_bytes(b"")),
    "image: deleted": image_of(Path.unlink),
    "image: a link": image_of(lambda path: _link(path, "/etc/passwd")),
    "image: a pipe": image_of(_fifo),
    "image: a bomb's header": image_of(
        lambda path: path.write_bytes(path.read_bytes()[:16] + b"\x7f\xff\xff\xff" * 2 + path.read_bytes()[24:])
    ),
    "images: deleted": lambda run: shutil.rmtree(run / "images"),
    "images: a link": lambda run: _link(run / "images", "/etc"),
    "summary: deep": lambda run: _write(run / "summary.json", DEEP),
    "conclusions: deep": lambda run: _write(run / "conclusions.json", DEEP),
    "judgement: deep": lambda run: _write(run / "judgement.json", DEEP),
    "load: deep": lambda run: _write(run / "load.json", DEEP),
    "load: a pipe": lambda run: os.mkfifo(run / "load.json"),
    "log: deep": lambda run: _write(run / "log.jsonl", DEEP),
}  # fmt: skip

COMMANDS: dict[str, list[str]] = {
    "report": ["report", "RUN"],
    "export": ["export", "RUN", "--to", "csv", "--out", "OUT/images.csv"],
    "dataset": ["export", "RUN", "--to", "dataset", "--out", "OUT/dataset"],
    "verify": ["verify", "RUN"],
    "claims": ["claims", "RUN", "--claim", "ernie-image-longtext", "--ocr", "spelling"],
    "compare": ["compare", "GOOD", "RUN", "--out", "OUT/compare"],
    "judge": ["judge", "RUN", "--sample", "3"],
}


class Hang(BaseException):
    """A command takes longer than it may."""


def _hang(*_: object) -> None:
    raise Hang


def try_command(command: list[str], run: Path, good: Path, out: Path) -> str:
    """How a command ends: `done`, `error`, or `CRASH`, `HANG` with what was raised."""
    names = {"RUN": str(run), "GOOD": str(good)}
    arguments = [names.get(each, each.replace("OUT/", f"{out}/")) for each in command]
    signal.signal(signal.SIGALRM, _hang)
    signal.alarm(SECONDS)
    try:
        raised = CliRunner().invoke(app, arguments).exception
    except Hang:
        return "HANG"
    finally:
        signal.alarm(0)
    if raised is None or isinstance(raised, SystemExit):
        return "done"
    return "error" if isinstance(raised, EvalsuiteError) else f"CRASH {type(raised).__name__}: {raised}"[:200]


def try_damage(name: str, whole: Path, place: Path) -> dict[str, str]:
    """How each command ends on a fresh copy with one damage, and `ESCAPE` where it wrote beside the run."""
    found = {}
    for command, arguments in COMMANDS.items():
        shutil.rmtree(place, ignore_errors=True)
        run, out = place / "inner" / "run", place / "out"
        shutil.copytree(whole, run)
        out.mkdir()
        DAMAGES[name](run)
        found[command] = try_command(arguments, run, whole, out)
        beside = [path.name for folder in (place, place / "inner") for path in folder.iterdir()]
        if set(beside) != {"inner", "out", "run"}:
            found[command] = f"ESCAPE {sorted(beside)}"
    shutil.rmtree(place, ignore_errors=True)
    return found


def main() -> None:
    part = sys.argv[1] if len(sys.argv) > 1 else ""
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        crashing.run_whole(whole)
        for name in (each for each in DAMAGES if part in each):
            for command, ending in try_damage(name, whole, Path(folder) / "place").items():
                counts[ending.partition(" ")[0]] += 1
                if ending not in ("done", "error"):
                    sys.stdout.write(f"{name}: {command}: {ending}\n")
    sys.stdout.write(f"{sum(part in each for each in DAMAGES)} kinds of damage; {dict(counts)}\n")
    sys.exit(any(kind not in ("done", "error") for kind in counts))


if __name__ == "__main__":
    main()
