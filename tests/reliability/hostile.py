"""Hostile files under every command that reads one: each ends in good order, in time, and on one clean line.

    python hostile.py [--part PART] [--every EVERY] [--state STATE.jsonl]

A place is a command with a file or folder in it; a content is what is put there. Reading is by a small stand-in, so
that only the parsers work. `trials.py` says what the options do. `damage.py` does the same to finished runs, `checkpoints.py` to checkpoints.
"""

# ruff: noqa: E501 - tables of what is tried
from __future__ import annotations

import os
import shutil
import stat
import struct
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
import crashing
import trials

from evalsuite import ocr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

SECONDS = 30
SUITE = "suite: s\nlanguage: en\nprompts:\n  - {id: a, text: 'A \"B\"', targets: [B], category: c}\n"
LINE = b'{"id": "a", "language": "en", "category": "c", "length": "short", "text": "A \\"B\\"", "targets": ["B"]}\n'

SMALL = ["--set", "size=64x64 steps=1 precision=fp32"]
SWEPT = ["-s", "GOOD.yaml", "--ocr", "spelling", "--no-ceiling", "--out"]

PLACES: dict[str, list[str]] = {
    **{f"suite{suffix}": ["suites", "validate", f"FILE{suffix}"]
       for suffix in (".yaml", ".yml", ".YAML", ".jsonl", ".JSONL", ".json", ".txt", ".csv", ".toml", "")},
    "suite shown.yaml": ["suites", "show", "FILE.yaml"],
    "suite shown.jsonl": ["suites", "show", "FILE.jsonl", "--json"],
    "suite of a run.yaml": ["run", "-m", "folder:IMAGES", "-s", "FILE.yaml", "--ocr", "spelling", "--no-ceiling", "-o", "OUT/run", "-q"],
    "suite under load.jsonl": ["load", "-m", "server:http://127.0.0.1:1", "-s", "FILE.jsonl", "--out", "OUT/load"],
    "benchmark.jsonl": ["suites", "validate", "longtext-bench-en:DIR/text_prompts.jsonl"],
    **{f"benchmark {name}": ["suites", "validate", f"{name}:DIR/{file}"]
       for name, file in (("lex-bench-easy", "lex_bench_easy.json"), ("unigenbench-en", "test_prompts_en.csv"),
                          ("wegen-en", "wegenbench_text_en.jsonl"), ("oneig-en", "text_content.csv"),
                          ("gentexteval-en", "GenTextEval_en.jsonl"), ("strict-en-20", "en.json"),
                          ("textatlas-styledtextsynth", "styledtextsynth.json"))},
    **{f"targets{suffix}": ["score", "IMAGES", "--targets", f"FILE{suffix}", "--ocr", "spelling", "-o", "OUT/run", "-q"]
       for suffix in (".txt", ".csv", ".CSV", ".jsonl", ".json", "")},
    **{f"table{suffix}": ["run", "-m", f"folder:FILE{suffix}", "-s", "GOOD.yaml", "--ocr", "spelling", "--no-ceiling",
                          "-o", "OUT/run", "-q"]
       for suffix in (".csv", ".jsonl", ".CSV", "")},
    **{f"list{suffix}": ["run", "-m", f"folder:IMAGES,prompts=FILE{suffix}", "-s", "GOOD.yaml", "--ocr", "spelling",
                         "--no-ceiling", "-o", "OUT/run", "-q"] for suffix in (".jsonl", ".txt", ".csv")},
    "model.toml": ["run", "-m", "FILE.toml", "-s", "GOOD.yaml", "--ocr", "spelling", "--no-ceiling", "-o", "OUT/run", "-q"],
    "model swept.toml": ["sweep", "IMAGES", "-m", "FILE.toml", *SWEPT, "OUT/sweep"],
    "workflow.json": ["run", "-m", "comfyui:http://127.0.0.1:1,workflow=FILE.json", "-s", "GOOD.yaml", "--no-ceiling", "--ocr",
                      "spelling", "-o", "OUT/run", "-q"],
    "policy of a gate.toml": ["gate", "--baseline", "RUN", "--candidate", "RUN", "--policy", "FILE.toml"],
    "policy of a plan.toml": ["plan", "--baseline", "RUN", "--policy", "FILE.toml"],
    "policy of a sweep.toml": ["sweep", "IMAGES", "--policy", "FILE.toml", *SWEPT, "OUT/sweep"],
    "lock of a gate": ["gate", "--candidate", "RUN", "--lock", "FILE"],
    "lock shown": ["baseline", "show", "--lock", "FILE"],
    "lock promoted": ["baseline", "promote", "RUN", "--reason", "r", "--lock", "FILE"],
    "lock acknowledged": ["baseline", "acknowledge", "all/ned", "--candidate", "RUN", "--reason", "r", "--lock", "FILE"],
    "adjudications.json": ["score", "RUN", "--adjudications", "FILE.json", "--ocr", "spelling", "-q"],
    "judged.json": ["judge", "RUN", "--marks", "FILE.json"],
    "glyph marks.json": ["glyphs", "RUN", "--marks", "FILE.json"],
    "lora.safetensors": ["run", "-m", "STANDIN", *SMALL, "--lora", "FILE.safetensors", "-s", "GOOD.yaml", "--no-ceiling", "--ocr", "spelling",
                         "-o", "OUT/run", "-q"],
    **{f"transformer{suffix}": ["run", "-m", "STANDIN", *SMALL, "--transformer", f"FILE{suffix}", "-s", "GOOD.yaml", "--no-ceiling", "--ocr",
                                "spelling", "-o", "OUT/run", "-q"]
       for suffix in (".safetensors", ".gguf", ".bin")},
    "swept.safetensors": ["sweep", "DIR/step-1.safetensors", "-m", "STANDIN", *SMALL, *SWEPT, "OUT/sweep"],
    "result of a sweep": ["sweep", "IMAGES", *SWEPT, "DIR/sweep.json"],
    "load.json": ["report", "DIR/load.json"],
    "engine.yml": ["run", "-m", "folder:IMAGES", "-s", "GOOD.yaml", "--ocr", "paddle:ENGINE,DIR/inference.yml", "-o",
                   "OUT/run", "-q"],
    "reader's config": ["run", "-m", "folder:IMAGES", "-s", "GOOD.yaml", "--ocr", "qwen2.5-vl:DIR/config.json", "-o",
                        "OUT/run", "-q"],
    "checkpoint's index": ["run", "-m", "DIR/model_index.json", "-s", "GOOD.yaml", "--no-ceiling", "-o", "OUT/run", "-q"],
    "image.png": ["run", "-m", "folder:DIR/a_0.png", "-s", "GOOD.yaml", "--ocr", "spelling", "--no-ceiling", "-o",
                  "OUT/run", "-q"],
    "image.WebP": ["run", "-m", "folder:DIR/a_0.WebP", "-s", "GOOD.yaml", "--ocr", "spelling", "--no-ceiling", "-o",
                   "OUT/run", "-q"],
}  # fmt: skip
"""Commands. `FILE` becomes the hostile file with the suffix after it, `DIR/NAME` a folder that holds it as NAME."""


def text(content: str | bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content if isinstance(content, bytes) else content.encode()) and None


def _link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _sparse(size: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with path.open("wb") as file:
            file.truncate(size)

    return make


def _header(header: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def nested(depth: int) -> str:
    return '{"a": ' * depth + "1" + "}" * depth


CONTENTS: dict[str, Callable[[Path], object]] = {
    "empty": text(b""), "a byte-order mark": text(b"\xef\xbb\xbf"), "a NUL": text(b"\0"), "NULs": text(b"\0" * 5000),
    "UTF-16": text(SUITE.encode("utf-16")), "UTF-32": text(SUITE.encode("utf-32")), "latin-1": text(b"suite: \xe9\n"),
    "no UTF-8": text(b'{"a": "\xff\xfe"}\n'), "an encoded surrogate": text(b'"\xed\xa0\x80"'),
    "lists without end": text("[" * 100_000), "objects without end": text('{"a":' * 100_000),
    "lists in a table": text("x = " + "[" * 100_000), "50 lists": text("[" * 50 + "]" * 50),
    "lists, 900 deep": text("[" * 900 + "]" * 900), "objects, 900 deep": text(nested(900)),
    "tables, 900 deep": text("a = " + "{a=" * 900 + "1" + "}" * 900), "settings, 450 deep": text(
        'name = "x"\nbase = "flux2-klein-4b"\n[settings]\nsteps = ' + "[" * 450 + "1" + "]" * 450),
    "flow maps, 900 deep": text("suite: " + "{a: " * 900 + "1" + "}" * 900),
    "dashes, 3,000 deep": text("suite:\n" + "- " * 3000 + "a\n"), "dotted keys": text(".".join("a" * 5000) + " = 1\n"),
    "a number of 10,000 digits": text('{"a": ' + "9" * 10_000 + "}"), "1e400": text('{"a": 1e400, "seed": 1e400}'),
    "-0 and NaN": text('{"a": [NaN, -0.0, Infinity]}'), "null": text("null"), "true": text("true"), "[]": text("[]"),
    "{}": text("{}"), "a number": text("1"), "a text": text('"x"'), "a list of all": text('[1, null, {}, "a", [[]]]'),
    "a field twice": text('{"a": 1, "a": 2}'), "an unknown field": text('{"nobody": 1}\n'),
    "half a pair": text('{"a": "\\ud800", "id": "\\udfff", "image": "\\ud800"}'), "prototype": text('{"__proto__": 1}'),
    "an empty key": text('{"": 1}'), "a suite": text(SUITE), "lines of a suite": text(LINE),
    "many lines": text(LINE * 25_000), "a suite of emptiness": text("suite: s\nprompts: []\n"),
    "YAML: tags": text("suite: !!python/object/apply:os.system ['touch pwned']\n"),
    "YAML: aliases": text("a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n"), "YAML: merge": text("<<: {suite: s}\n"),
    "YAML: documents": text(SUITE + "---\n" + SUITE), "YAML: directive": text("%YAML 9.9\n---\na: 1\n"),
    "YAML: date": text("suite: 2001-02-30\n"), "YAML: binary": text("suite: !!binary '@@'\n"),
    "YAML: omap": text("suite: !!omap [a]\n"), "YAML: pairs": text("suite: !!pairs [[a]]\n"),
    "YAML: sexagesimal": text("suite: 1:59:59\nlanguage: 1_0\n"), "YAML: tab": text("suite:\t- a\n\t- b\n"),
    "YAML: inf": text("suite: .inf\nprompts: .nan\n"), "YAML: null key": text("~: a\n"),
    "YAML: bool names": text("suite: yes\nlanguage: no\nprompts:\n  - {id: on, text: off, targets: [null]}\n"),
    "YAML: one key, long": text("a" * 200_000 + ": b\n"), "YAML: long text": text(SUITE.replace("'A", "'" + "A" * 30_000)),
    "TOML: date": text("name = 2001-02-30\n"), "TOML: times": text('name = 07:32:00\nbase = "x"\nformat = 1\n'),
    "TOML: a key twice": text("a = 1\na = 2\n"), "TOML: a table twice": text("[a]\n[a]\n"),
    "TOML: large": text("format = 99999999999999999999999999\n"), "TOML: nan": text("margin = nan\nalpha = -inf\n"),
    "TOML: policy of lists": text('name = "x"\ngates = [[[1]]]\n[speed]\np50 = "a"\n'),
    "TOML: model of lists": text('name = ["x"]\nbase = 3\nlora = "a"\nsettings = [1]\n'),
    "TOML: a model's folder": text('name = "x"\nsource = "\\u0000"\n'), "TOML: a model up": text(
        'name = "x"\nbase = "flux2-klein-4b"\nlora = ["../../../../etc/passwd"]\ntransformer = "/dev/zero"\n'),
    "TOML: an escape as name": text('name = "\\u001b[31m::error::"\nbase = "flux2-klein-4b"\n'),
    "CSV": text("image,prompt,target\na_0.png,a,B\n"), "CSV: CR alone": text("image,prompt\ra_0.png,a\r"),
    "CSV: one column": text("image\n"), "CSV: no header": text("a_0.png,a\n"), "CSV: empty header": text(",,\na,b,c\n"),
    "CSV: open quote": text('image,prompt\n"a_0.png,a\n'), "CSV: quote inside": text('image,prompt\na"b,"c"d\n'),
    "CSV: long cell": text("image,prompt,target\na_0.png,a," + "x" * 200_000 + "\n"),
    "CSV: many columns": text(",".join(f"c{number}" for number in range(20_000)) + "\n"),
    "CSV: NUL in a name": text("image,prompt,target\n\0,a,B\n"), "CSV: up": text("image,prompt,target\n../x.png,a,B\n"),
    "CSV: long name": text(f"image,prompt,target\n{'n' * 5000},a,B\n"), "CSV: semicolons": text("image;prompt\na;b\n"),
    "CSV: a folder": text("image,prompt,target\n.,a,B\n"), "CSV: digits": text("image,prompt,seed\na_0.png,a,²\n"),
    "CSV: a large seed": text(f"image,prompt,seed\na_0.png,a,{'9' * 5000}\n"), "CSV: formula": text("image,=1+1\na,b\n"),
    "JSON: image a list": text('{"image": ["a"], "targets": [["x"]], "prompt": {"a": 1}, "seed": []}\n'),
    "JSON: index": text('{"_class_name": "Flux2KleinPipeline", "vae": [["diffusers"], {}]}'),
    "JSON: index up": text('{"_class_name": "Flux2KleinPipeline", "..": ["diffusers", "A"]}'),
    "JSON: index of code": text('{"_class_name": ["pipeline", "Evil"]}'),
    "JSON: a reader": text('{"model_type": "qwen2_5_vl", "num_hidden_layers": 1e9}'),
    "JSON: a reader, deeper": text('{"model_type": "qwen2_5_vl", "vision_config": {"depth": 1000000000}}'),
    "JSON: editor's workflow": text('{"nodes": [], "links": []}'),
    "JSON: a node": text('{"1": {"class_type": "KSampler", "inputs": {"batch_size": [1], "seed": {"a": []}}}}'),
    "JSON: a circle": text('{"1": {"class_type": "KSampler", "inputs": {"positive": ["1", 0], "seed": ["1", 0]}}}'),
    "JSON: marks": text('{"format": 1, "run": "x", "engine_digest": "y", "marks": [{"key": 1}]}'),
    "JSON: other format": text('{"format": 999999999999999999999}'), "JSON: text as format": text('{"format": "1"}'),
    "header: a list": text(_header(b"[]")), "header: numbers": text(_header(b'{"a": 1, "__metadata__": "x"}')),
    "header: 1e400": text(_header(b'{"a": {"dtype": "F32", "shape": [1e400], "data_offsets": [0, 4]}}', b"1234")),
    "header: below zero": text(_header(b'{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, -4]}}')),
    "header: metadata": text(_header(b'{"__metadata__": [1]}')), "header: lying": text(struct.pack("<Q", 2**62) + b"{}"),
    "header: deep": text(_header(b"{" + b'"a":{' * 900 + b"}" * 901)), "header: nothing": text(_header(b"{}")),
    "header: git-lfs": text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
    "GGUF: cut": text(b"GGUF\x03\0\0\0"), "GGUF: counts": text(b"GGUF\x03\0\0\0" + b"\xff" * 64),
    "GGUF: many": text(b"GGUF\x03\0\0\0" + struct.pack("<QQ", 2**40, 2**40) + b"\0" * 64),
    "GGUF: nothing": text(b"GGUF\x03\0\0\0" + b"\0" * 16), "a pickle": text(b"\x80\x04\x95\x00cos\nsystem\n(S'touch pwned'\ntR."),
    "a zip": text(b"PK\x03\x04" + b"\0" * 100), "a PNG's begin": text(b"\x89PNG\r\n\x1a\n" + b"\xff" * 100),
    "a JPEG's begin": text(b"\xff\xd8\xff\xe0" + b"\0" * 100), "a GIF": text(b"GIF89a" + b"\0" * 20),
    "an SVG": text("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"), "a WebP": text(b"RIFF\xff\xff\xff\xffWEBPVP8L"),
    "65 MiB": _sparse(65 * 2**20), "300 MiB": _sparse(300 * 2**20), "a pipe": os.mkfifo, "a folder": Path.mkdir,
    "a socket's place": lambda path: os.mknod(path, stat.S_IFSOCK | 0o600), "/dev/zero": _link("/dev/zero"),
    "/dev/full": _link("/dev/full"), "/dev/tty": _link("/dev/tty"), "a link to nothing": _link("/nothing/there"),
    "a link to itself": lambda path: path.symlink_to(path.name), "/etc/passwd": _link("/etc/passwd"),
    "/proc/self/mem": _link("/proc/self/mem"), "/proc/self/environ": _link("/proc/self/environ"),
    "/sys": _link("/sys/kernel"), "nothing": lambda _: None,
}  # fmt: skip
"""What is put in a place, by name."""

NAMES = {
    "a newline": "x\n::error::y", "an escape": "x\x1b[31m", "no UTF-8": os.fsdecode(b"x\xff"), "a long name": "n" * 240,
    "too long a name": "n" * 300, "a quote": "x'\"", "a comma": "x,y=1", "markup": "[red]x[/red]:x:", "a dash": "-x",
    "spaces": "  x  ", "a tilde": "~nobody-of-this-name", "right to left": "x\u202ey", "a colon": "x:y", "a percent": "x%s{0}",
}  # fmt: skip
"""Names that a file may have, or that only somebody types."""


class Room:
    """A place on disk with a finished run, a suite, images and an engine's folder, in which commands are tried."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run = folder / "whole"
        crashing.run_whole(self.run)
        (folder / "good.yaml").write_text(SUITE)
        for name in ("images", "engine"):
            (folder / name).mkdir()
        Image.effect_noise((32, 32), 50).convert("RGB").save(folder / "images" / "a_0.png")
        (folder / "engine" / "inference.onnx").write_bytes(b"")
        (folder / "engine" / "inference.yml").write_text("Global: {model_name: PP-OCRv5_mobile_det}\n")

    def fill(self, command: list[str], make: Callable[[Path], object], name: str = "hostile") -> list[str]:
        """The command's arguments, with a fresh hostile file in its place."""
        place = self.folder / "place"
        shutil.rmtree(place, ignore_errors=True)
        (place / "inner").mkdir(parents=True)
        (place / "out").mkdir()
        shutil.copytree(self.run, place / "inner" / "run")
        return [self._filled(each, make, place, name) for each in command]

    def _filled(self, word: str, make: Callable[[Path], object], place: Path, name: str) -> str:
        if "DIR/" in word:
            head, _, file = word.partition("DIR/")
            folder = place / "inner" / "folder"
            folder.mkdir()
            if file == "inference.yml":
                (folder / "inference.onnx").write_bytes(b"")
            if file == "load.json":
                shutil.copytree(self.run, folder, dirs_exist_ok=True)
            make(folder / file)
            return f"{head}{folder}"
        if "FILE" in word:
            head, _, suffix = word.partition("FILE")
            path = place / "inner" / f"{name}{suffix}"
            make(path)
            return f"{head}{path}"
        known = {"GOOD.yaml": "good.yaml", "IMAGES": "images", "RUN": "place/inner/run", "OUT/": "place/out/",
                 "ENGINE": "engine"}  # fmt: skip
        word = "flux2-klein-micro" if word == "STANDIN" else word
        for mark, inside in known.items():
            word = word.replace(mark, f"{self.folder}/{inside}")
        return word

    def escaped(self) -> list[str]:
        """What a command left beside its own place."""
        place = self.folder / "place"
        beside = {each.name for each in place.iterdir()} - {"inner", "out"}
        known = {"whole", "good.yaml", "images", "engine", "place"}
        return sorted(beside | ({each.name for each in self.folder.iterdir()} - known))


REAL = ocr._resolve


def resolve(name: str) -> object:
    """The stand-in for `spelling`; other engines are what they are."""
    return crashing.Spelling() if name == "spelling" else REAL(name)


def try_place(
    place: str, room: Room, contents: Iterable[str] = CONTENTS, names: Iterable[str] = NAMES
) -> trials.Endings:
    """How the command of a place ends with each content in it, and with a suite under each name."""
    tried = {content: (CONTENTS[content], "hostile") for content in contents}
    tried |= {f"named {name}": (CONTENTS["a suite"], NAMES[name]) for name in names}
    found = {}
    for content, (make, name) in tried.items():
        try:
            arguments = room.fill(PLACES[place], make, name)
        except (OSError, ValueError):
            arguments = room.fill(PLACES[place], lambda _: None, name)  # nothing can bear this name
        ending = trials.ending_of(arguments, SECONDS)
        found[content] = f"ESCAPE {room.escaped()}" if room.escaped() else ending
    return found


def all_trials(place: Path) -> Iterator[tuple[str, Callable[[], trials.Endings]]]:
    """Every place by name."""
    os.chdir(place)
    room = Room(place)
    for name in PLACES:
        yield name, lambda name=name: try_place(name, room)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, mock.patch("evalsuite.ocr._resolve", resolve):
        trials.main(all_trials, Path(folder))
