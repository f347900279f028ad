"""What every parser is fuzzed with: any bytes end in a value or in one `EvalsuiteError`, and nothing else."""

from __future__ import annotations

import contextlib
import math
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from evalsuite import wording
from evalsuite.errors import EvalsuiteError
from evalsuite.gate.baseline import read_lock
from evalsuite.gate.policy import load_policy
from evalsuite.images import load_image
from evalsuite.models.folder import read_table
from evalsuite.models.presets import load_custom
from evalsuite.records import Generation, Reading, TextLine
from evalsuite.runs import RunStore, adjudications
from evalsuite.runs.rows import RowFile
from evalsuite.runs.targets import read_targets
from evalsuite.scoring.normalize import PROFILES, normalize, profile_named
from evalsuite.scoring.reading_order import layout
from evalsuite.suites import load_file

if TYPE_CHECKING:
    from collections.abc import Callable

_place = Path(tempfile.mkdtemp(prefix="fuzzing-"))
Image.new("RGB", (8, 8)).save(_place / "a.png")


def _file(name: str, load: Callable[[Path], object]) -> Callable[[bytes], None]:
    path = _place / name
    path.parent.mkdir(parents=True, exist_ok=True)

    def target(content: bytes) -> None:
        path.write_bytes(content)
        with contextlib.suppress(EvalsuiteError):
            load(path)

    return target


def _normaliser(content: bytes) -> None:
    text = content.decode("utf-8", errors="replace")
    for name in PROFILES:
        normalize(text, profile_named(name))


def _reading_order(content: bytes) -> None:
    """Lines from bytes: four corners of two half floats and a letter each."""
    lines = []
    for start in range(0, min(len(content), 17 * 40) - 16, 17):
        numbers = struct.unpack_from("<8e", content, start)
        if all(map(math.isfinite, numbers)):
            polygon = tuple(zip(numbers[::2], numbers[1::2], strict=True))
            lines.append(TextLine(text=chr(content[start + 16] + 32), polygon=polygon))
    assert sorted(layout(lines).order) == list(range(len(lines)))


def _log(content: bytes) -> None:
    shown = wording.for_log(content.decode("utf-8", errors="surrogateescape"))
    assert not any(line.lstrip().startswith("::") for line in shown.split("\n"))
    assert "##[" not in shown
    assert not any(ord(sign) < 32 and sign not in "\t\n" for sign in shown)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "suite.yaml": _file("suite.yaml", load_file),
    "suite.jsonl": _file("suite.jsonl", load_file),
    "table.csv": _file("table.csv", read_table),
    "table.jsonl": _file("table.jsonl", read_table),
    "targets.csv": _file("targets.csv", lambda path: read_targets(_place, path)),
    "targets.txt": _file("targets.txt", lambda path: read_targets(_place, path)),
    "policy.toml": _file("policy.toml", load_policy),
    "model.toml": _file("model.toml", load_custom),
    "lock": _file("baseline.lock", read_lock),
    "marks.json": _file("marks.json", adjudications.load),
    "generations": _file("generations.jsonl", lambda path: RowFile(path, Generation).read()),
    "readings": _file("readings.jsonl", lambda path: RowFile(path, Reading).read()),
    "manifest": _file("run/manifest.json", lambda path: RunStore.open(path.parent)),
    "image": _file("b.image", load_image),
    "normaliser": _normaliser,
    "reading order": _reading_order,
    "log": _log,
}
