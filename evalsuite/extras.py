"""The optional parts of the installation: which are here, and the one command that brings those that are not.

The command fits how evalsuite was installed: from a checkout, from a wheel, or from an index.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from evalsuite.errors import EvalsuiteError

if TYPE_CHECKING:
    from collections.abc import Iterable

EXTRAS = {
    "ocr": ("onnxruntime", "paddleocr", "paddlex"),
    "openvino": ("openvino",),
    "cuda-ocr": ("onnx", "torch"),
    "tesseract": ("tesserocr",),
    "fonts": (
        "justmytype_intl_cjk",
        "justmytype_western_core",
        "font_amatic_sc",
        "font_fredoka_one",
        "font_intuitive",
    ),
    "models": ("accelerate", "diffusers", "peft", "torch", "transformers"),
    "datasets": ("datasets",),
    "content": ("skimage",),
    "server": ("httpx2", "tenacity"),
    "serve": ("starlette", "uvicorn"),
    "ray": ("ray",),
    "wandb": ("wandb",),
    "mlflow": ("mlflow",),
    "tensorboard": ("tensorboard",),
}
"""The extras of pyproject.toml with the modules that are looked for."""

WEIGHTS_OF_OCR = "pip install --no-deps 'rapidocr>=3.10,<4'"
"""The wheel with the weights of `ocr`. With its own dependencies it would lay a second OpenCV over that of PaddleX."""


def install_command(*extras: str) -> str:
    """What installs these extras here, in one line."""
    wanted = ",".join(sorted(set(extras), key=list(EXTRAS).index))
    command = f"pip install {_requirement(wanted)}"
    return f"{command} && {WEIGHTS_OF_OCR}" if "ocr" in extras else command


def _requirement(extras: str) -> str:
    root = Path(__file__).parents[1]
    if (root / "pyproject.toml").is_file():
        place = "." if root == Path.cwd() else str(root)
        return f"-e {shlex.quote(f'{place}[{extras}]')}"
    try:
        told = importlib.metadata.distribution("evalsuite").read_text("direct_url.json")
        url = json.loads(told)["url"] if told else None
    except (importlib.metadata.PackageNotFoundError, ValueError, KeyError, TypeError):
        url = None
    # PEP 610: what was not installed by its name from an index says where it came from.
    return shlex.quote(f"evalsuite[{extras}] @ {url}" if isinstance(url, str) else f"evalsuite[{extras}]")


def missing_extras(extras: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Of these extras, those that are not whole here, each with the modules that are missing."""
    found = {extra: tuple(name for name in EXTRAS[extra] if _is_missing(name)) for extra in dict.fromkeys(extras)}
    return {extra: names for extra, names in found.items() if names}


def _is_missing(module: str) -> bool:
    return importlib.util.find_spec(module) is None


def require(extras: Iterable[str], what: str, kind: type[EvalsuiteError] = EvalsuiteError) -> None:
    """See that these extras are installed; all that are missing are told at once, with the command that brings them.

    Raises:
        EvalsuiteError: of that `kind`; `what` needs them.
    """
    lost = missing_extras(extras)
    if lost:
        told = "; ".join(f"{extra} ({', '.join(names)})" for extra, names in lost.items())
        raise kind(f"{what} needs what is not installed: {told}; run: {install_command(*lost)}")


def extras_of_run(models: Iterable[str], ocr: str, *, references: bool) -> list[str]:
    """The extras that drawing with these models and reading with that engine takes.

    Args:
        models: As `--model` takes them.
        ocr: As `--ocr` takes it.
        references: Whether the typeset reference is drawn too.
    """
    wanted = {_MODELS.get(name.partition(":")[0], "models") for name in models}
    engine, _, arguments = ocr.partition(":")
    wanted |= {"server"} if engine == "qwen2.5-vl" and "server=" in arguments else set(_READERS.get(engine, ()))
    if references:
        wanted.add("fonts")
    return [extra for extra in EXTRAS if extra in wanted]


_MODELS = {"typeset": "fonts", "editor": "fonts", "source": "", "folder": "", "server": "server", "comfyui": "server"}
_READERS = {
    "paddle": ("ocr",),
    "paddle-openvino": ("ocr", "openvino"),
    "paddle-cuda": ("ocr", "cuda-ocr"),
    "rapidocr-v4": ("ocr",),
    "tesseract": ("tesseract",),
    "qwen2.5-vl": ("models",),
}
