"""A finished run, damaged in one way after another, and every command that takes a stored run on a fresh copy.

    python damage.py [--part PART] [--every EVERY] [--state STATE.jsonl]

Each command must end in good order within `SECONDS`: a value, or one `EvalsuiteError`. `trials.py` says what the options
do.
"""

# ruff: noqa: E501 - tables of what is tried
from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from starlette.testclient import TestClient

sys.path.insert(0, str(Path(__file__).parent))
import crashing
import trials

from evalsuite.view.app import make_app
from evalsuite.view.library import Library

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    **{f"{name}: {called}": (lambda run, name=name, put=put: put(_free(run, name))) for name in (
        "summary.json", "conclusions.json", "load.json", "log.jsonl", "content.jsonl", "stop.json", "index.html",
        "report.html", "assets", "assets/thumbs", ".lock", "JUDGED", "MARKS", "GLYPHS", "GLYPH-MARKS", "ocr.x-00000000.json",
    ) for called, put in {
        "deep": lambda path: _write(path, DEEP), "deep inside": lambda path: _write(path, b'{"a":' * 50_000),
        "900 deep": lambda path: _write(path, b'{"a":' * 900 + b"1" + b"}" * 900), "a list": lambda path: _write(path, b"[]"),
        "of another kind": lambda path: _write(path, b'{"format": 1, "keys": 3}\n'), "a pipe": os.mkfifo,
        "a folder": Path.mkdir, "a link": lambda path: path.symlink_to("/etc/passwd"), "no UTF-8": lambda path: _write(
            path, b'{"format": "\xff"}\n'), "/dev/zero": lambda path: path.symlink_to("/dev/zero"),
    }.items()},
    **{f"{what}: {place} {depth} deep": (lambda run, what=what, place=place, depth=depth: bytes_of(
        what, lambda content: _deep_in(content, place, depth))(run))
       for what, place in (("manifest", "settings"), ("manifest", "runtime"), ("manifest", "environment"),
                           ("generations", "findings"), ("readings", "findings"), ("scores", "targets"))
       for depth in (90, 450, 900, 5000)},
    **{f"manifest: {field} of every model = {value!r}"[:70]: manifest_of(
        lambda manifest, field=field, value=value: [model.update({field: value}) for model in manifest["models"]])
       for field in ("name", "kind", "role", "source", "settings", "weights_digest", "runtime", "adapters")
       for value in ("", "x/../../y", "\x1b[31m\n::error::", "a" * 100_000, None, 1, [], {"size": "1x1", "steps": 1e308})},
    **{f"manifest: {field} of every prompt = {value!r}"[:70]: manifest_of(
        lambda manifest, field=field, value=value: [prompt.update({field: value}) for prompt in manifest["prompts"]])
       for field in ("id", "suite", "language", "category", "length", "text", "targets")
       for value in ("", "../x", "\x1b]0;x\x07\n##[error]", "\u202e", "a" * 100_000, [], ["x"] * 5000, [1])},
    **{f"manifest: {field} = {value!r}"[:70]: manifest_of(
        lambda manifest, field=field, value=value: manifest.update({field: value}))
       for field in ("name", "seeds", "profile", "created_at", "shard", "suites", "ocr", "scorer", "environment", "samples")
       for value in ("", "\x1b[2J", -1, 10**30, 1e308, [], [-1], [2**64], [[0]], {}, {"name": "x"}, None)},
    **{f"generations: {field} = {value!r}"[:70]: row_of("generations", **{field: value})
       for field in ("key", "model", "prompt", "seed", "image", "sha256", "width", "height", "error", "drawn_at", "timing",
                     "memory", "findings")
       for value in ("", "../x", "\x1b[31m", -1, 10**30, 1e308, None, [], {}, [{"code": "\x1b", "message": "::error::"}])},
    **{f"readings: {field} = {value!r}"[:70]: row_of("readings", **{field: value})
       for field in ("key", "image_sha256", "engine", "engine_digest", "lines", "seconds", "findings", "error", "read_at")
       for value in ("", "../x", "\x1b[31m", -1, 1e308, None, [], {}, [{"text": "x", "polygon": [[1e308, -1e308]] * 4}],
                     [{"text": "x", "polygon": []}], [{"text": "", "confidence": 2}], [{"text": "\n"}] * 2000)},
}  # fmt: skip


def _free(run: Path, name: str) -> Path:
    """The path of a derived file, with nothing there; names in capitals stand for those that hold digests."""
    from evalsuite.glyphs import marks, sample, seen
    from evalsuite.runs import judged_sample, open_run

    opened = open_run(run)
    known = {"JUDGED": lambda: judged_sample.path_of(opened, "sample"), "MARKS": lambda: judged_sample.path_of(opened, "marks"),
             "GLYPHS": lambda: seen.rows_of(opened).path, "GLYPH-MARKS": lambda: marks.path_of(opened),
             "GLYPH-SAMPLE": lambda: sample.path_of(opened)}  # fmt: skip
    path = known[name]() if name in known else run / name
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    return path


def _deep_in(content: bytes, place: str, depth: int) -> bytes:
    """The first field of that name, with lists in each other in its place."""
    before, name, after = content.partition(f'"{place}"'.encode())
    if not name:
        return content[:-2] + f', "{place}": '.encode() + b"[" * depth + b"]" * depth + b"}\n"
    value, end = json.JSONDecoder().raw_decode(after.decode().lstrip(" :\n"))
    del value
    rest = after.decode().lstrip(" :\n")[end:]
    return before + name + b": " + b"[" * depth + b"]" * depth + rest.encode()


COMMANDS: dict[str, list[str]] = {
    "report": ["report", "RUN"],
    "export": ["export", "RUN", "--to", "csv", "--out", "OUT/images.csv"],
    "dataset": ["export", "RUN", "--to", "dataset", "--out", "OUT/dataset"],
    "verify": ["verify", "RUN"],
    "claims": ["claims", "RUN", "--claim", "ernie-image-longtext", "--ocr", "spelling"],
    "compare": ["compare", "GOOD", "RUN", "--out", "OUT/compare"],
    "judge": ["judge", "RUN", "--sample", "3"],
    "score": ["score", "RUN", "--ocr", "spelling", "-q"],
    "single": ["report", "RUN", "--single-file", "--out", "OUT/page"],
    "markdown": ["export", "RUN", "--to", "markdown", "--out", "OUT/run.md"],
    "parquet": ["export", "RUN", "--to", "parquet", "--out", "OUT/run.parquet"],
    "card": ["export", "RUN", "--to", "model-card", "--out", "OUT/card.md"],
    "labels": ["export", "RUN", "--to", "glyphs", "--out", "OUT/labels"],
    "gate": ["gate", "--baseline", "GOOD", "--candidate", "RUN"],
    "baseline": ["gate", "--baseline", "RUN", "--candidate", "GOOD", "--json"],
    "plan": ["plan", "--baseline", "RUN"],
    "promote": ["baseline", "promote", "RUN", "--reason", "r", "--bootstrap", "--lock", "OUT/lock"],
    "merge": ["merge", "OUT/merged", "RUN", "-q"],
    "glyphs": ["glyphs", "RUN"],
    "view": [],
}
"""Commands by name; `view` asks for the pages that the local server shows."""


def try_command(command: list[str], run: Path, good: Path, out: Path) -> str:
    """How a command, or the pages of `view`, end on a damaged run."""
    names = {"RUN": str(run), "GOOD": str(good)}
    if command:
        return trials.ending_of([names.get(each, each.replace("OUT/", f"{out}/")) for each in command], SECONDS)
    try:
        with trials.within(SECONDS):
            return view(run)
    except trials.Hang:
        return "HANG"
    except Exception as error:  # noqa: BLE001 - counted
        return f"CRASH {type(error).__name__}: {error}"[:300]


def view(run: Path) -> str:
    """The pages of the local server about a run, and how they end: `done` for whatever is no server's error."""
    library = Library(run.parent)
    client = TestClient(
        make_app(library, port=80, ballot=None, order_seed=0, token=None), base_url="http://127.0.0.1:80"
    )
    with client:
        for entry in library.entries():
            for address in (
                "/",
                "/stamp",
                f"/run/{entry}",
                f"/live/{entry}",
                f"/live/{entry}/now.json",
                f"/compare?run={entry}",
                "/history",
            ):
                reply = client.get(address)
                if reply.status_code >= 500:
                    return f"CRASH {address}: {reply.status_code} {reply.text[:100]}"
        client.get("/")
    return "done"


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


def all_trials(place: Path) -> Iterator[tuple[str, Callable[[], trials.Endings]]]:
    """Every damage by name, on copies of one finished run."""
    whole = place / "whole"
    crashing.run_whole(whole)
    for name in DAMAGES:
        yield name, lambda name=name: try_damage(name, whole, place / "place")


if __name__ == "__main__":
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch("evalsuite.ocr._resolve", return_value=crashing.Spelling()),
    ):
        trials.main(all_trials, Path(folder))
