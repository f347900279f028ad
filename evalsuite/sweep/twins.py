"""Copies of a checkpoint that trainers leave beside it: EMA weights, ComfyUI's names, the last step twice."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from evalsuite.errors import EvalsuiteError
from evalsuite.models import read_weights_file

_COPY = re.compile(r"(^|[-_.])(ema|comfy|comfyui)(?=[-_.]|$)", re.IGNORECASE)
_TRAINED = ("pytorch_lora_weights", "adapter_model", "lora", "model", "diffusion_pytorch_model")
"""What the trained weights are called in a folder whose EMA is `ema_model` (SimpleTuner)."""


def twin_of(path: Path, others: Sequence[Path]) -> Path | None:
    """The checkpoint that a file is the EMA or ComfyUI copy of, by their names; None where it stands for itself."""
    if not _COPY.search(path.stem):
        return None
    plain = _COPY.sub("", path.stem).strip("-_.")
    names = {plain, *_TRAINED} if path.stem.lower() == "ema_model" else {plain}
    return next((each for each in others if each != path and each.stem in names), None)


def same_tensors(first: Path, second: Path) -> bool:
    """Whether two files hold the same tensors with the same bytes, whatever their metadata say."""
    if not (first.is_file() and second.is_file()):
        return False
    try:
        headers = [read_weights_file(path) for path in (first, second)]
    except EvalsuiteError:
        return False
    if headers[0].tensors != headers[1].tensors or list(headers[0].tensors) != list(headers[1].tensors):
        return False
    digests = set()
    for header in headers:
        with header.path.open("rb") as file:
            file.seek(header.start)
            digests.add(hashlib.file_digest(file, "sha256").digest())
    return len(digests) == 1
