"""PP-OCR's networks on a GPU by PyTorch, with what is cheaper there than to move: the first step and the last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evalsuite.ocr.torch_network import TorchNetwork, exact_float32

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

Array = np.ndarray[Any, Any]


class Computation:
    """What a network and the steps round it make of an array, on a device.

    Args:
        compute: From the input, a tensor on the device, to the answers.
        device: PyTorch's name of the device.
    """

    def __init__(self, compute: Callable[[Any], tuple[Any, ...]], device: str) -> None:
        self._compute, self._device = compute, device

    def __call__(self, x: Array) -> list[Array]:
        """The answers to an input."""
        import torch

        with torch.inference_mode(), exact_float32():
            answers = self._compute(torch.from_numpy(np.ascontiguousarray(x)).to(self._device))
            return [answer.cpu().numpy() for answer in answers]


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
