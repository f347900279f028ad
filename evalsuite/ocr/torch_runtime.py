"""PP-OCR's networks on a GPU by PyTorch, with what is cheaper there than to move: the first step and the last.

A network of some 400 small operations is bound by the time to start them, one after the other. Where a shape comes
again (the same working size, the same batch of lines), its operations are recorded once as a CUDA graph, and started
together from then on. For one thread.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from evalsuite.ocr.torch_network import TorchNetwork, exact_float32

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

Array = np.ndarray[Any, Any]

RECORDED_FROM = 3
"""A shape is recorded when it comes for the third time."""
MOST_RECORDED = 8
"""Shapes that are recorded of a network; others are started operation by operation."""
LARGEST_RECORDED = 3 * 1536 * 1536
"""Values of an input, at most; a graph keeps the memory of all that happens in it, some 300 bytes a pixel."""


class Computation:
    """What a network and the steps round it make of an array, on a device.

    Args:
        compute: From the input, a tensor on the device, to the answers.
        device: PyTorch's name of the device.
    """

    def __init__(self, compute: Callable[[Any], tuple[Any, ...]], device: str) -> None:
        self._compute, self._device = compute, device
        self._seen: Counter[tuple[int, ...]] = Counter()
        self._recorded: dict[tuple[int, ...], _Recorded] = {}

    def __call__(self, x: Array) -> list[Array]:
        """The answers to an input, as arrays of their own."""
        import torch

        x = np.ascontiguousarray(x)
        with torch.inference_mode(), exact_float32():
            recorded = self._recorded.get(x.shape) or self._record(x)
            if recorded is not None:
                return recorded(x)
            return [answer.cpu().numpy() for answer in self._compute(torch.from_numpy(x).to(self._device))]

    def _record(self, x: Array) -> _Recorded | None:
        self._seen[x.shape] += 1
        if (
            not self._device.startswith("cuda")
            or self._seen[x.shape] < RECORDED_FROM
            or len(self._recorded) >= MOST_RECORDED
            or x.size > LARGEST_RECORDED
        ):
            return None
        self._recorded[x.shape] = _Recorded(self._compute, x, self._device)
        return self._recorded[x.shape]


class _Recorded:
    """A computation on one shape, as a CUDA graph with its buffers."""

    def __init__(self, compute: Callable[[Any], tuple[Any, ...]], x: Array, device: str) -> None:
        import torch

        self._sent = torch.empty(x.shape, dtype=torch.from_numpy(x).dtype, pin_memory=True)
        self._input = torch.zeros_like(self._sent, device=device)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._answers = compute(self._input)
        self._received = [torch.empty(each.shape, dtype=each.dtype, pin_memory=True) for each in self._answers]

    def __call__(self, x: Array) -> list[Array]:
        import torch

        self._sent.numpy()[...] = x
        self._input.copy_(self._sent, non_blocking=True)
        self._graph.replay()
        for kept, answer in zip(self._received, self._answers, strict=True):
            kept.copy_(answer, non_blocking=True)
        torch.cuda.current_stream().synchronize()
        return [kept.numpy().copy() for kept in self._received]


def detection(weights: Path, device: str, alpha: Sequence[float], beta: Sequence[float]) -> Computation:
    """The detection network from a picture, uint8, height × width × 3, to its map, 1 × 1 × height × width.

    Args:
        weights: The ONNX file.
        device: PyTorch's name of the device.
        alpha: What each channel's values are multiplied by.
        beta: What is then added.

    Raises:
        OcrUnavailableError: The file is none of PP-OCR's.
    """
    import torch

    network = TorchNetwork(weights, device)
    scale, shift = (torch.tensor(list(each), dtype=torch.float32, device=device) for each in (alpha, beta))

    def compute(picture: Any) -> tuple[Any, ...]:
        values = picture.float() * scale  # two steps, as PaddleX takes them on the CPU, for the same rounding
        values = values + shift
        return (network(values.permute(2, 0, 1)[None].contiguous()),)

    return Computation(compute, device)


def recognition(weights: Path, device: str, classes: int) -> Computation:
    """The recognition network from lines, n × 3 × height × width, to classes and probabilities, n × steps each.

    Only the most probable class of each step leaves the device: all of them are 3 MB a line.

    Args:
        weights: The ONNX file.
        device: PyTorch's name of the device.
        classes: How many the alphabet has.

    Raises:
        OcrUnavailableError: The file is none of PP-OCR's.
    """
    network = TorchNetwork(weights, device)

    def compute(lines: Any) -> tuple[Any, ...]:
        answer = network(lines)
        if answer.ndim != 3 or answer.shape[2] != classes:
            raise ValueError(f"the network answered with shape {tuple(answer.shape)} for {classes} classes")
        probabilities, chosen = answer.max(dim=2)
        return chosen, probabilities

    return Computation(compute, device)
