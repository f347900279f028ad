"""PaddleOCR's detection and recognition modules, called apart, on ONNX Runtime or another runtime.

Its pipeline runs detection once, at one size, and gives each line's text alone; here a picture is looked at
at several sizes, and each character's probability and place are kept. So the modules' own steps (scaling of
values, network, boxes from the network's map) are called one by one. The versions of PaddleOCR and PaddleX are
pinned, and what the steps need is checked when they are loaded.
"""

from __future__ import annotations

import importlib
import logging
import math
import os
import sys
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import yaml

from evalsuite.ocr.arcs import seen_arcs
from evalsuite.ocr.base import OcrError
from evalsuite.ocr.detection import Box, working_size
from evalsuite.ocr.geometry import Quad
from evalsuite.ocr.libraries import loading
from evalsuite.ocr.recognition import LINE_HEIGHT, Character, Pixels, decode, decode_best
from evalsuite.ocr.weights import ModelFolder, OcrUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evalsuite.ocr.torch_runtime import Computation

_DOWNLOADER = "modelscope"


Runtime = Literal["onnxruntime", "openvino", "torch"]
"""What computes the networks; `torch` does on the device that is named, the others on the CPU."""

SHORTEST = 320
"""Pixels that PP-OCR's recognition pads shorter lines to, so that these can share a batch as they are."""
TOGETHER = 8
"""Lines of that width in one batch of `torch`. Places that no line takes stay black: the kernels are chosen by the
shape of a batch, so that what a line says does not depend on how many others there are."""


class Detector:
    """A PP-OCR text detection module: boxes round the lines of a picture, at a working size."""

    def __init__(
        self,
        folder: ModelFolder,
        *,
        threads: int,
        settings: dict[str, float],
        runtime: Runtime = "onnxruntime",
        device: str = "cpu",
    ) -> None:
        self._predictor = _load("TextDetection", folder, threads, runtime, ("Normalize", "ToCHW", "ToBatch"))
        self._settings = settings
        self._computed: Computation | None = None
        if runtime == "torch":
            from evalsuite.ocr.torch_runtime import detection

            with loading("paddle-cuda"):
                scale = self._predictor.pre_tfs["Normalize"]
                self._computed = detection(folder.path / "inference.onnx", device, scale.alpha, scale.beta)

    def boxes(self, pixels: Pixels, long_side: int, size: int) -> list[Box]:
        """The boxes and arcs found with the long side brought to `long_side` pixels, in pixels of the picture.

        Args:
            pixels: Blue first.
            long_side: Of the working size.
            size: The number under which the boxes know this working size.

        Raises:
            OcrError: when PaddleOCR fails or answers with something that cannot be boxes.
        """
        height, width = pixels.shape[:2]
        across, down = working_size(width, height, long_side)
        answer = _run(self._map, pixels, across, down)
        if answer.shape != (1, 1, down, across) or not np.isfinite(answer).all():
            raise OcrError(f"the detection network answered with shape {answer.shape}, or with numbers that are none")
        shape = [height, width, down / height, across / width]
        found, scores = _run(self._predictor.post_op, [answer], [shape], **self._settings)
        quads = np.asarray(found[0], dtype=float).reshape(-1, 4, 2)
        boxes = []
        for corners, score in zip(quads.tolist(), scores[0], strict=True):
            a, b, c, d = ((x, y) for x, y in corners)
            quad = Quad((a, b, c, d))
            if quad.area:
                scale = across / width if quad.runs_down else down / height
                boxes.append(Box(quad, float(score), size, quad.height * scale))
        ratio = width / across, height / down
        for arc, mean in _run(seen_arcs, answer[0, 0], ratio, **self._settings):
            boxes.append(Box(arc.quad, mean, size, arc.height / math.sqrt(ratio[0] * ratio[1]), arc))
        return boxes

    def _map(self, pixels: Pixels, across: int, down: int) -> np.ndarray[Any, Any]:
        import cv2

        height, width = pixels.shape[:2]
        # Averaged where it shrinks, or thin strokes fall between the pixels that are looked at.
        method = cv2.INTER_AREA if across * down < width * height else cv2.INTER_LINEAR
        batch: Any = [cv2.resize(pixels, (across, down), interpolation=method)]
        if self._computed is not None:
            return self._computed(batch[0])[0]
        for step in ("Normalize", "ToCHW", "ToBatch"):
            batch = self._predictor.pre_tfs[step](imgs=batch)
        return np.asarray(self._predictor.runner(x=batch)[0])


class Recogniser:
    """A PP-OCR text recognition module: the characters of upright lines."""

    def __init__(
        self, folder: ModelFolder, *, threads: int, runtime: Runtime = "onnxruntime", device: str = "cpu"
    ) -> None:
        self._predictor = _load("TextRecognition", folder, threads, runtime, ("ReisizeNorm", "ToBatch"))
        self._alphabet: list[str] = _run(lambda: list(self._predictor.post_op.character))
        self._computed: Computation | None = None
        if runtime == "torch":
            from evalsuite.ocr.torch_runtime import recognition

            with loading("paddle-cuda"):
                self._computed = recognition(folder.path / "inference.onnx", device, len(self._alphabet))

    def characters(self, lines: Sequence[Pixels]) -> list[tuple[Character, ...]]:
        """The characters of lines of text, blue first; no characters for an empty picture.

        Raises:
            OcrError: when PaddleOCR fails or answers with something that cannot be a text.
        """
        if self._computed is None:
            return [self._one(line) if line.size else () for line in lines]
        return self._together(lines, self._computed)

    def _one(self, line: Pixels) -> tuple[Character, ...]:
        answer, used = _run(self._answer, line)
        return decode(answer, self._alphabet, used)

    def _together(self, lines: Sequence[Pixels], computed: Computation) -> list[tuple[Character, ...]]:
        found: list[tuple[Character, ...]] = [()] * len(lines)
        scaled = {index: _run(self._scaled, line) for index, line in enumerate(lines) if line.size}
        short = [index for index, (line, _) in scaled.items() if line.shape[2] == SHORTEST]
        batches = [short[start : start + TOGETHER] for start in range(0, len(short), TOGETHER)]
        batches += [[index] for index, (line, _) in scaled.items() if line.shape[2] != SHORTEST]
        for batch in batches:
            shape = scaled[batch[0]][0].shape
            together = np.zeros((TOGETHER if shape[2] == SHORTEST else 1, *shape), dtype=np.float32)
            for row, index in enumerate(batch):
                together[row] = scaled[index][0]
            classes, probabilities = _run(computed, together)
            for row, index in enumerate(batch):
                found[index] = decode_best(classes[row], probabilities[row], self._alphabet, scaled[index][1])
        return found

    def _scaled(self, line: Pixels) -> tuple[np.ndarray[Any, Any], float]:
        """A line as the network takes it, 3 × height × width, and the part of that width that it fills."""
        scaled = self._predictor.pre_tfs["ReisizeNorm"](imgs=[line])[0]
        return scaled, min(1.0, LINE_HEIGHT * line.shape[1] / line.shape[0] / scaled.shape[2])

    def _answer(self, line: Pixels) -> tuple[np.ndarray[Any, Any], float]:
        scaled, used = self._scaled(line)
        # One line at a time: batches pad lines to a common width, which changes the text of their neighbours.
        answer = np.asarray(self._predictor.runner(x=self._predictor.pre_tfs["ToBatch"](imgs=[scaled]))[0])
        return answer[0], used


def _load(module: str, folder: ModelFolder, threads: int, runtime: Runtime, steps: tuple[str, ...]) -> Any:
    # Set before the import: PaddleX reads both when it is imported, and looks for model hosts otherwise.
    os.environ.setdefault("PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK", "True")
    for name in ("paddlex", "ppocr"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with loading("paddle"):
        with _model_hosts_deferred():
            import paddleocr

        for name in ("paddlex", "ppocr"):
            logging.getLogger(name).setLevel(logging.ERROR)
        with _yaml_in_c():
            made = getattr(paddleocr, module)(
                model_name=folder.name,
                model_dir=str(folder.path),
                engine="onnxruntime",
                engine_config={"intra_op_num_threads": threads, "inter_op_num_threads": 1},
                device="cpu",
            )
        predictor = made.paddlex_predictor
    if not all(hasattr(predictor, part) for part in ("pre_tfs", "runner", "post_op")) or any(
        step not in predictor.pre_tfs for step in steps
    ):
        raise OcrUnavailableError(
            f"the installed PaddleX prepares {module} in another way than evalsuite knows; install the versions that "
            "it knows: pip install 'paddleocr>=3.7,<3.8' 'paddlex>=3.7,<3.8'"
        )
    if runtime == "openvino":
        from evalsuite.ocr.openvino_runtime import OpenVinoRunner

        with loading("paddle-openvino"):
            predictor.runner = OpenVinoRunner(folder.path / "inference.onnx", threads=threads)
    return predictor


class _Deferred(ModuleType):
    """Stands for a package until one of its names is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or sys.modules.get(self.__name__) is self:
            raise AttributeError(name)
        return getattr(importlib.import_module(self.__name__), name)


@contextmanager
def _model_hosts_deferred() -> Iterator[None]:
    """Import PaddleX in this block without `modelscope`, which it imports to download models.

    That package imports torch, transformers and peft: 4 s and 340 MB for every OCR process, for downloads that never
    happen here. PaddleX gets a module in its place that becomes the real one where it is used later.
    """
    if _DOWNLOADER in sys.modules:
        yield
        return
    sys.modules[_DOWNLOADER] = _Deferred(_DOWNLOADER)
    try:
        yield
    finally:
        del sys.modules[_DOWNLOADER]


@contextmanager
def _yaml_in_c() -> Iterator[None]:
    """Let PaddleX read a model's configuration in this block by the same loader in C, where PyYAML has it.

    Its 18,000 characters take 0.4 s in Python, in every OCR process, and 0.05 s in C.
    """
    loader = yaml.FullLoader
    yaml.FullLoader = getattr(yaml, "CFullLoader", loader)  # type: ignore[misc]
    try:
        yield
    finally:
        yaml.FullLoader = loader  # type: ignore[misc]


def _run(step: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    try:
        return step(*arguments, **named)
    except Exception as error:
        raise OcrError(f"PaddleOCR failed: {type(error).__name__}: {error}") from error
