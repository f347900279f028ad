"""Finding the checkpoints of a training run in a folder, in the order of their training."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec

from evalsuite.errors import EvalsuiteError
from evalsuite.images import SUFFIXES
from evalsuite.models import Trained, holds_adapter, read_weights_file, step_of, transformer_files
from evalsuite.records import Record
from evalsuite.report.i18n import translate
from evalsuite.sweep.twins import same_tensors, twin_of

Kind = Literal["pipeline", "transformer", "lora", "images"]
Why = Literal["copy", "empty", "folder", "gguf", "link", "pickled", "state"]

_NOT_TEXT = "its name is no UTF-8, in which the results are stored; rename it"

_OTHER_FOLDERS = re.compile(
    r"^(samples?|validation(_images)?|logs?|tensorboard|wandb|cache|configs?|debug|tokenizer|optimizer|ema|backup)$"
    r"|[-_]state$|[-_]backup-\d+-\d+-\d+$|^\.",
    re.IGNORECASE,
)
"""Folders that trainers leave beside their checkpoints: samples, logs, caches, and states to go on training from."""

_OTHER_FILES = re.compile(
    r"^(optimizer|scheduler|lr_scheduler|scaler|random_states\w*|training_state|learnable_parameters)$", re.IGNORECASE
)
_UNREAD: dict[str, Why] = {
    ".bin": "pickled", ".ckpt": "pickled", ".pt": "pickled", ".pth": "pickled", ".gguf": "gguf",
}  # fmt: skip


class CheckpointError(EvalsuiteError):
    """Checkpoints that cannot be swept; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Found:
    """One checkpoint: what it is called, how far it was trained (None where nothing says), and how to load it.

    `path` is a whole pipeline's folder, the safetensors file of a transformer or an adapter, the folder of a sharded
    transformer, or a folder of images drawn elsewhere. `problem` is set, and nothing can be run, where it cannot be
    used. `step` counts steps, or epochs where the folder tells only epochs; `unit` says which.
    """

    name: str
    step: int | None
    kind: Kind
    path: Path
    problem: str | None = None
    unit: Literal["step", "epoch"] = "step"


class PassedOver(Record, frozen=True, kw_only=True):
    """Something in the folder that is no checkpoint of its own: why, and of what it is a copy or a link."""

    name: str
    why: Why
    of: str = ""

    @property
    def text(self) -> str:
        """The reason in words, for example `a copy of step-100 (EMA, or under other names)`."""
        return translate(f"sweep.passed.{self.why}", of=self.of)


@dataclass(frozen=True, slots=True)
class Survey:
    """What a folder holds: its checkpoints in order, and what else looks like one."""

    found: tuple[Found, ...]
    passed_over: tuple[PassedOver, ...]


def find(folder: Path) -> list[Found]:
    """The checkpoints of `survey`."""
    return list(survey(folder).found)


def survey(folder: Path) -> Survey:
    """The checkpoints directly in `folder`, those with a step first, in its order, then the others by name.

    Found are: safetensors files (adapter or transformer, told by their header), folders with one of either as
    training scripts leave them, whole pipelines (`model_index.json`), and folders of images. Passed over are the
    trainers' samples, logs and states, copies of a checkpoint (EMA beside the trained weights, `_comfy`, the last step
    saved twice), links into the same folder (`latest`), and weights that are not safetensors.

    Raises:
        CheckpointError: There is no such folder, its path is no UTF-8, two checkpoints have the same step, or some
            tell steps and some epochs, so that they have no order.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: there is no such folder of checkpoints")
    if as_text(folder) != str(folder):
        raise CheckpointError(f"{as_text(folder)}: {_NOT_TEXT}")
    found: dict[str, Found] = {}
    passed: list[PassedOver] = []
    paths = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    for path in paths:
        other = _other(path, paths)
        if other is not None:
            passed.append(other)
            continue
        name = path.stem if _is_safetensors(path) else path.name
        one = _look(path, path.name if name in found else name)
        if one is not None and as_text(path) != str(path):
            one = replace(one, name=as_text(Path(one.name)), problem=f"{as_text(path)}: {_NOT_TEXT}")
        if one is not None:
            found[one.name] = one
            passed += _beside(path) if path.is_dir() else []
        elif path.is_dir():
            passed.append(_passed(path, "empty"))
    kept, copies = _ordered(folder, list(found.values()))
    return Survey(tuple(kept), tuple(sorted((*passed, *copies), key=lambda each: each.name)))


def as_text(path: Path) -> str:
    r"""A path as text that can be stored: bytes that are no UTF-8, which file names may hold, become `\xff`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _is_safetensors(path: Path) -> bool:
    return path.suffix.lower() == ".safetensors"


def _other(path: Path, paths: Sequence[Path]) -> PassedOver | None:
    """What is no checkpoint, and why; None where it may be one."""
    if path.is_symlink() and Path(os.path.realpath(path)).parent == path.parent.resolve():
        return _passed(path, "link", Path(os.path.realpath(path)))
    if path.is_dir():
        if _OTHER_FOLDERS.search(path.name) and not (path / "model_index.json").is_file():
            return _passed(path, "folder")
        return _copy_of(path, [each for each in paths if each.is_dir()])
    unread = _UNREAD.get(path.suffix.lower())
    if unread is not None:
        return _passed(path, unread)
    if not _is_safetensors(path):
        return None
    if _OTHER_FILES.match(path.stem):
        return _passed(path, "state")
    return _copy_of(path, [each for each in paths if _is_safetensors(each)])


def _copy_of(path: Path, others: Sequence[Path]) -> PassedOver | None:
    twin = twin_of(path, others)
    return None if twin is None else _passed(path, "copy", twin)


def _passed(path: Path, why: Why, of: Path | None = None) -> PassedOver:
    return PassedOver(name=as_text(Path(path.name)), why=why, of="" if of is None else as_text(Path(of.name)))


def _ordered(folder: Path, found: list[Found]) -> tuple[list[Found], list[PassedOver]]:
    """The checkpoints in the order of their training, without those that are another one's copy."""
    told = [each for each in found if each.step is not None]
    by_unit = {each.unit: each for each in told}
    if len(by_unit) > 1:
        step, epoch = by_unit["step"], by_unit["epoch"]
        raise CheckpointError(
            f"{folder}: {step.name} tells its step ({step.step}), {epoch.name} its epoch ({epoch.step}), so they have "
            "no order. Sweep them in folders of their own."
        )
    kept: dict[int, Found] = {}
    copies: list[PassedOver] = []
    for each in sorted(told, key=lambda one: (one.problem is not None, -len(one.name), one.name)):
        first = kept.setdefault(each.step or 0, each)
        if first is each:
            continue
        if not same_tensors(first.path, each.path):
            names = " and ".join(sorted((first.name, each.name)))
            raise CheckpointError(
                f"{folder}: {names} are different files of one {each.unit}, {each.step}, so they have no order. Move "
                "one of them away."
            )
        copies.append(PassedOver(name=each.name, why="copy", of=first.name))
    order = sorted(kept.values(), key=lambda each: each.step or 0)
    return order + sorted((each for each in found if each.step is None), key=lambda each: each.name), copies


def _look(path: Path, name: str) -> Found | None:
    if path.is_file():
        return _weights(path, name, path.stem) if _is_safetensors(path) else None
    if (path / "model_index.json").is_file():
        return _told(Found(name, None, "pipeline", path), step_of(path.name))
    for inside in (path, path / "transformer"):
        files = _files_of_one(inside) if inside.is_dir() else []
        if len(files) == 1:
            return _weights(files[0], name, path.name)
        if files:
            return _shards(inside, name, path.name)
    if path.is_dir() and any(each.suffix.lower() in SUFFIXES for each in path.iterdir()):
        return _told(Found(name, None, "images", path), step_of(path.name))
    return None


def _files_of_one(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint's folder, without optimisers' and EMA's."""
    files = [path for path in sorted(folder.iterdir()) if _is_safetensors(path) and not _OTHER_FILES.match(path.stem)]
    return [path for path in files if twin_of(path, files) is None]


def _beside(checkpoint: Path) -> list[PassedOver]:
    """What lies beside the weights in a checkpoint's own folder: EMA and the like, and optimisers' states."""
    files = [path for path in sorted(checkpoint.iterdir()) if _is_safetensors(path)]
    others = [other for path in files if (other := _other(path, files)) is not None]
    return [msgspec.structs.replace(other, name=f"{as_text(Path(checkpoint.name))}/{other.name}") for other in others]


def _shards(folder: Path, name: str, called: str) -> Found:
    found = _told(Found(name, None, "transformer", folder), step_of(called))
    try:
        transformer_files(folder)
    except EvalsuiteError as error:
        return replace(found, problem=str(error))
    return found


def _weights(path: Path, name: str, called: str) -> Found:
    try:
        file = read_weights_file(path)
    except EvalsuiteError as error:
        return _told(Found(name, None, "transformer", path, str(error)), step_of(called))
    kind: Kind = "lora" if holds_adapter(file.tensors) else "transformer"
    return _told(Found(name, None, kind, path), step_of(called, file.metadata))


def _told(found: Found, trained: Trained | None) -> Found:
    return found if trained is None else replace(found, step=trained.number, unit=trained.unit)


def last_change(found: Found) -> float:
    """When a file of a checkpoint last changed, in seconds since the epoch; 0 where none is there any more."""
    return max((path.stat().st_mtime for path in _files(found)), default=0.0)


def settled(found: Found, seconds: float) -> bool:
    """Whether a checkpoint is written to its end: no file of it changed for `seconds`, and all weights are whole."""
    try:
        changed = last_change(found)
        for path in _files(found):
            if _is_safetensors(path):
                read_weights_file(path)
    except (EvalsuiteError, FileNotFoundError):  # still being written, or moved away just now
        return False
    return 0 < changed <= time.time() - seconds


def _files(found: Found) -> list[Path]:
    if found.path.is_dir():
        return [path for path in found.path.rglob("*") if path.is_file()]
    return [found.path] if found.path.is_file() else []
