"""Hostile checkpoints and adapters: a stand-in with one thing changed, resolved, loaded and drawn with.

    python checkpoints.py [--part PART] [--every EVERY] [--state STATE.jsonl]

Each ends in an image, in a failed image, or in one `EvalsuiteError`, within `SECONDS` and `MEMORY` of address space.
`trials.py` says what the options do.
"""

# ruff: noqa: E501 - tables of what is tried
from __future__ import annotations

import json
import os
import resource
import shutil
import struct
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))
import trials

from evalsuite.datafiles import data_dir
from evalsuite.errors import EvalsuiteError
from evalsuite.models import ModelOptions, resolve
from evalsuite.records import Prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS = 60
MEMORY = 16 * 2**30
SETTINGS = {"size": "64x64", "precision": "fp32", "steps": 1, "device": "cpu"}
PROMPT = Prompt(id="p", suite="s", language="en", category="c", length="short", text='A sign "OPEN"', targets=("OPEN",))
CONFIGS = ("model_index.json", "scheduler/scheduler_config.json", "text_encoder/config.json", "transformer/config.json",
           "vae/config.json", "tokenizer/tokenizer_config.json", "text_encoder/generation_config.json")  # fmt: skip
FILES = (*CONFIGS, "tokenizer/tokenizer.json", "tokenizer/chat_template.jinja", "text_encoder/model.safetensors",
         "transformer/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors")  # fmt: skip

VALUES: dict[str, Any] = {
    "a billion": 10**9, "10^30": 10**30, "-1": -1, "0": 0, "a text": "x", "nothing": None, "lists": [[1]], "an object":
    {"a": 1}, "1e400": float("inf"), "a list of a billion": [10**9],
}  # fmt: skip
"""What a field of a configuration is set to."""

PLACED: dict[str, Callable[[Path], object]] = {
    "missing": lambda _: None, "empty": Path.touch, "a pipe": os.mkfifo, "a folder": Path.mkdir,
    "/dev/zero": lambda path: path.symlink_to("/dev/zero"), "/etc/passwd": lambda path: path.symlink_to("/etc/passwd"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "junk": lambda path: path.write_bytes(b"\x80\xff" * 500), "NULs": lambda path: path.write_bytes(b"\0" * 1000),
    "deep": lambda path: path.write_bytes(b'{"a":' * 100_000), "900 deep": lambda path: path.write_text(
        '{"a": ' * 900 + "1" + "}" * 900), "a list": lambda path: path.write_text("[]"),
    "UTF-16": lambda path: path.write_bytes('{"a": 1}'.encode("utf-16")), "half a pair": lambda path: path.write_text(
        '{"_class_name": "\\ud800"}'), "a git-lfs pointer": lambda path: path.write_text("version https://git-lfs\n"),
}  # fmt: skip
"""What takes the place of a file."""

TEMPLATES = {
    "a class walk": "{{ ''.__class__.__mro__[1].__subclasses__() }}", "globals": "{{ lipsum.__globals__ }}",
    "a wide range": "{% for a in range(10**12) %}{% endfor %}", "much text": "{{ 'a' * 10**10 }}",
    "loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "a power": "{{ 9**9**9 }}", "a large product": "{{ (10**5000) ** 5000 }}", "padding": "{{ 'a'.ljust(10**10) }}",
    "a format": "{{ '%9999999999d' % 1 }}", "a join": "{{ (['a' * 10**6] * 10**5)|join }}", "center": "{{ 'a'|center(10**10) }}",
    "indent": "{{ ('a\\n' * 10**6)|indent(10**4) }}", "recursion": "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
    "brackets": "{{ " + "(" * 5000 + ")" * 5000 + " }}", "broken": "{% if %}", "raises": "{{ raise_exception('x') }}",
    "long": "x" * 200_000, "larger than may be": "{# " + "x" * 2**20 + " #}", "nothing": "", "no prompt": "x",
    "only for long": "{% if messages[0]['content']|length > 40 %}{{ 'a' * 10**10 }}{% endif %}",
    "only for two": "{% if messages|length > 1 %}{{ 'a' * 10**10 }}{% endif %}{{ messages[0]['content'] }}",
    "cycler": "{% set c = cycler(*range(99999)) %}{% for a in range(99999) %}{{ c.next() }}{% endfor %}",
    "a namespace": "{% set ns = namespace(a=['x']) %}{% for a in range(60) %}{% set ns.a = ns.a + ns.a %}{% endfor %}",
    "tojson": "{{ (range(99999)|list)|tojson * 10000 }}", "a slice": "{{ 'a' * 10**9 }}"[:-1] + "|length }}",
}  # fmt: skip


def changes() -> Iterator[tuple[str, Callable[[Path], object]]]:
    """Every change by name; each gets the folder of a fresh copy."""
    source = data_dir() / "standins" / "flux2-klein-micro"
    for file in CONFIGS:
        for field in json.loads((source / file).read_text()):
            for called, value in VALUES.items():
                yield f"{file}: {field} = {called}", _set(file, field, value)
    for file in FILES:
        for called, make in PLACED.items():
            yield f"{file}: {called}", _place(file, make)
    for called, template in TEMPLATES.items():
        yield (
            f"template: {called}",
            lambda folder, template=template: (folder / "tokenizer" / "chat_template.jinja").write_text(template),
        )
        yield f"template in the tokenizer: {called}", _set("tokenizer/tokenizer_config.json", "chat_template", template)
    listed = [{"name": "default", "template": "{{ 'a' * 10**10 }}"}]
    yield "template: listed", _set("tokenizer/tokenizer_config.json", "chat_template", listed)
    yield "template: named", _set("tokenizer/tokenizer_config.json", "chat_template", {"default": "{{ 'a' * 10**10 }}"})
    for part in ("transformer", "vae", "text_encoder"):
        for name in ("num_hidden_layers", "num_layers", "depth", "layers_per_block", "num_res_blocks", "n_layers"):
            yield f"{part}: {name} added", _set(f"{part}/config.json", name, 10**9)
        yield f"{part}: code of its own", _set(f"{part}/config.json", "auto_map", {"AutoModel": "evil.Evil"})
    for name in ("scheduler", "tokenizer", "vae", "transformer", "text_encoder"):
        yield f"{name}: a link", lambda folder, name=name: _linked(folder / name)
        yield f"{name}: a file", lambda folder, name=name: (shutil.rmtree(folder / name), (folder / name).touch())


def _set(file: str, field: str, value: object) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        found = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps({**found, field: value}).replace("Infinity", "1e400"))

    return change


def _place(file: str, make: Callable[[Path], object]) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        (folder / file).unlink()
        make(folder / file)

    return change


def _linked(path: Path) -> None:
    shutil.rmtree(path)
    path.symlink_to("/etc")


def adapters(place: Path) -> Iterator[tuple[str, str]]:
    """Adapters by name: PEFT's configuration with a field changed, beside weights of one layer."""
    layer = "transformer.single_transformer_blocks.0.attn.to_out"
    names = [f"{layer}.lora_A.weight", f"{layer}.lora_B.weight"]
    header = json.dumps({name: {"dtype": "F32", "shape": [1, 1], "data_offsets": [4 * place, 4 * place + 4]}
                         for place, name in enumerate(names)}).encode()  # fmt: skip
    fields = ("r", "lora_alpha", "alpha_pattern", "rank_pattern", "peft_type", "use_rslora", "use_dora", "init_lora_weights",
              "layer_replication", "modules_to_save", "target_modules")  # fmt: skip
    for number, (field, called) in enumerate((field, called) for field in fields for called in VALUES):
        folder = place / f"adapter-{number}"
        folder.mkdir()
        (folder / "adapter_model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 8)
        config = {"peft_type": "LORA", "r": 1, "lora_alpha": 1, field: VALUES[called]}
        (folder / "adapter_config.json").write_text(json.dumps(config).replace("Infinity", "1e400"))
        yield f"adapter: {field} = {called}", str(folder / "adapter_model.safetensors")


def draw(folder: Path, *lora: str) -> str:
    """How a checkpoint ends: `drawn`, `failed`, `error`, or `CRASH`, `HANG` with what was raised."""
    try:
        with trials.within(SECONDS), resolve(str(folder), options=ModelOptions(SETTINGS, lora)) as model:
            return "failed" if next(iter(model.draw([(PROMPT, 0)]))).error else "drawn"
    except EvalsuiteError as error:
        return "error" if len(str(error)) < trials.LONGEST else f"CRASH a message of {len(str(error))} characters"
    except trials.Hang:
        return "HANG"
    except BaseException as error:  # noqa: BLE001 - counted
        return f"CRASH {type(error).__name__}: {error}"[:300]


def all_trials(place: Path) -> Iterator[tuple[str, Callable[[], trials.Endings]]]:
    """Every change and adapter by name."""
    source = data_dir() / "standins" / "flux2-klein-micro"

    def changed(change: Callable[[Path], object]) -> trials.Endings:
        folder = place / "checkpoint"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(source, folder)
        change(folder)
        return {"draw": draw(folder)}

    for name, change in changes():
        yield name, lambda change=change: changed(change)
    for name, path in adapters(place):
        yield name, lambda path=path: {"draw": draw(source, path)}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with tempfile.TemporaryDirectory() as folder:
        trials.main(all_trials, Path(folder))
