"""What every parser is fuzzed with: any bytes end in a value or in one `EvalsuiteError`, and nothing else."""

from __future__ import annotations

import contextlib
import math
import shutil
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from evalsuite import wording
from evalsuite.chat_completion import completion_text
from evalsuite.claims.published import load as load_claims
from evalsuite.errors import EvalsuiteError
from evalsuite.files import parse_json
from evalsuite.gate.baseline import read_lock
from evalsuite.gate.policy import load_policy
from evalsuite.glyphs.marks import load_marks
from evalsuite.http_client import Limits, RefusedError, Reply, RetryError, ServerClient
from evalsuite.images import load_image
from evalsuite.load.api import load_result
from evalsuite.models.accounting import AccountingError
from evalsuite.models.adapters.contents import read_layers
from evalsuite.models.adapters.strength import read_strength
from evalsuite.models.checkpoints import open_checkpoint
from evalsuite.models.configurations import check_config
from evalsuite.models.folder import read_table
from evalsuite.models.gguf_file import read_gguf_file
from evalsuite.models.listed_folder import read_listed
from evalsuite.models.presets import load_custom
from evalsuite.models.servers.answers import image_of
from evalsuite.models.servers.workflow import load_workflow
from evalsuite.models.training_steps import step_of
from evalsuite.models.weights_file import TensorInfo, WeightsFile, read_weights_file
from evalsuite.ocr.base import OcrError
from evalsuite.ocr.textpecker import marked_lines
from evalsuite.ocr.weights import characters_of, user_folder
from evalsuite.records import Generation, Reading, TextLine
from evalsuite.runs import RunStore, adjudications
from evalsuite.runs.rows import RowFile
from evalsuite.runs.targets import read_targets
from evalsuite.scoring.normalize import PROFILES, normalize, profile_named
from evalsuite.scoring.reading_order import layout
from evalsuite.serving.requests import BadRequestError, parse_request
from evalsuite.suites import load_file
from evalsuite.suites.benchmarks import BENCHMARKS
from evalsuite.suites.longtext_bench import load as load_longtext
from evalsuite.view.votes import Ballot

if TYPE_CHECKING:
    from collections.abc import Callable

_place = Path(tempfile.mkdtemp(prefix="fuzzing-"))
Image.new("RGB", (8, 8)).save(_place / "a.png")
Image.new("RGB", (8, 8)).save(_place / "00000-a.png")
_client = ServerClient("http://127.0.0.1:1", key_variable="EVALSUITE_NO_KEY", limits=Limits(), fatal={})


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


def _header(content: bytes) -> None:
    """A safetensors file with these bytes as its header, and one with them alone."""
    path = _place / "w.safetensors"
    for whole in (struct.pack("<Q", len(content)) + content, content):
        path.write_bytes(whole)
        with contextlib.suppress(EvalsuiteError):
            read_weights_file(path)


def _adapter(content: bytes) -> None:
    """An adapter whose tensors have these lines for names, and PEFT's configuration beside it."""
    folder = _place / "adapter"
    folder.mkdir(exist_ok=True)
    weights = folder / "adapter_model.safetensors"
    (folder / "adapter_config.json").write_bytes(content)
    names = content.decode("utf-8", errors="replace").split("\n")
    info = TensorInfo("F32", (2, 2))
    for metadata in ({}, {"lora_adapter_metadata": names[0], "training_info": names[0]}):
        path = weights if not metadata else weights.with_name("other.safetensors")
        file = WeightsFile(path, dict.fromkeys(names, info), metadata, 8)
        with contextlib.suppress(EvalsuiteError):
            read_layers(file)
        with contextlib.suppress(EvalsuiteError):
            strength = read_strength(file, {"LoRA"}, decomposed=False)
            for rank, alpha in ((2, None), (None, 1.0), (None, None)):
                with contextlib.suppress(EvalsuiteError):
                    strength.of("layer.a", rank, alpha)
        step_of(names[-1], metadata)


def _benchmarks(suffix: str) -> Callable[[Path], None]:
    parts = [
        (benchmark, part) for benchmark in BENCHMARKS for part in benchmark.parts if part.files[0].endswith(suffix)
    ]

    def load(path: Path) -> None:
        for benchmark, part in parts:
            with contextlib.suppress(EvalsuiteError):
                benchmark.build(part, part.parse([path] * len(part.files)), str(path))

    return load


def _longtext(path: Path) -> None:
    shutil.copy(path, path.with_name("text_prompts.jsonl"))
    load_longtext(f"longtext-bench-en:{path.parent}")


def _answer(content: bytes) -> None:
    reply = Reply(content, "application/json", 0.1)
    for read in (
        lambda: completion_text(_client, reply, {}),
        lambda: image_of(_client, reply, (8, 8), {"seed": 1, "size": "8x8"}),
        lambda: marked_lines(content.decode("utf-8", errors="replace")),
    ):
        with contextlib.suppress(EvalsuiteError, RetryError, RefusedError, OcrError):
            read()
    with contextlib.suppress(BadRequestError):
        parse_request(content, "off")


def _config(content: bytes) -> None:
    with contextlib.suppress(EvalsuiteError, AccountingError):
        value = parse_json(content, "config.json")
        if isinstance(value, dict):
            check_config("here", value, 10)


def _engine(path: Path) -> None:
    (path.parent / "inference.onnx").write_bytes(b"")
    characters_of.__wrapped__(user_folder(path.parent))


def _library(name: str, load: Callable[[Path], object]) -> Callable[[bytes], None]:
    return _file(name, lambda path: load(path.parent))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "suite.yaml": _file("suite.yaml", load_file),
    "suite.jsonl": _file("suite.jsonl", load_file),
    "table.csv": _file("table.csv", read_table),
    "table.jsonl": _file("table.jsonl", read_table),
    "targets.csv": _file("targets.csv", lambda path: read_targets(_place, path)),
    "targets.jsonl": _file("targets.jsonl", lambda path: read_targets(_place, path)),
    "targets.txt": _file("targets.txt", lambda path: read_targets(_place, path)),
    "listed.jsonl": _file("listed.jsonl", lambda path: read_listed(path, [_place / "00000-a.png"])),
    "benchmark.json": _file("benchmark/b.json", _benchmarks(".json")),
    "benchmark.jsonl": _file("benchmark/b.jsonl", _benchmarks(".jsonl")),
    "benchmark.csv": _file("benchmark/b.csv", _benchmarks(".csv")),
    "longtext.jsonl": _file("longtext/given.jsonl", _longtext),
    "policy.toml": _file("policy.toml", load_policy),
    "model.toml": _file("model.toml", load_custom),
    "claims.toml": _file("claims.toml", load_claims),
    "workflow.json": _file("workflow.json", lambda path: load_workflow(str(path))),
    "engine.yml": _file("engine/inference.yml", _engine),
    "model_index.json": _library("checkpoint/model_index.json", open_checkpoint),
    "lock": _file("baseline.lock", read_lock),
    "marks.json": _file("marks.json", adjudications.load),
    "glyph marks": _file("glyphs.json", load_marks),
    "votes": _file("votes.jsonl", lambda path: Ballot(path).read()),
    "load": _library("load/load.json", load_result),
    "generations": _file("generations.jsonl", lambda path: list(RowFile(path, Generation).read())),
    "readings": _file("readings.jsonl", lambda path: list(RowFile(path, Reading).read())),
    "manifest": _file("run/manifest.json", lambda path: RunStore.open(path.parent)),
    "image": _file("b.image", load_image),
    "safetensors": _header,
    "gguf": _file("w.gguf", read_gguf_file),
    "adapter": _adapter,
    "config": _config,
    "answer": _answer,
    "normaliser": _normaliser,
    "reading order": _reading_order,
    "log": _log,
}
"""By the name of what is parsed."""
