"""PP-OCR's networks on OpenVINO in place of ONNX Runtime: the same weights in float32, by kernels for Intel's CPUs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from evalsuite.ocr.weights import OcrUnavailableError

PRECISION = "f32"
"""What is computed in, said explicitly: OpenVINO would take bfloat16 where the CPU has it, and read otherwise there."""


class OpenVinoRunner:
    """Runs one network, given as an ONNX file, as PaddleX's own runner does: a list of inputs, a list of outputs.

    Args:
        weights: The ONNX file, with one input and one output.
        threads: Threads that compute.
    """

    def __init__(self, weights: Path, *, threads: int) -> None:
        import openvino

        core = openvino.Core()
        options = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": PRECISION,
            # Threads would be bound to the machine's first cores: several processes, all to the same ones.
            "ENABLE_CPU_PINNING": False,
        }
        compiled = core.compile_model(core.read_model(str(weights)), "CPU", options)
        if (len(compiled.inputs), len(compiled.outputs)) != (1, 1):
            raise OcrUnavailableError(f"{weights}: has several inputs or outputs, which no network of PP-OCR has")
        self._request = compiled.create_infer_request()

    def __call__(self, x: list[Any]) -> list[Any]:
        """The network's answer to a batch, which stays as it is when the next comes."""
        self._request.infer({0: np.ascontiguousarray(x[0])}, share_inputs=True)
        return [self._request.get_output_tensor(0).data.copy()]


def require_openvino() -> None:
    """Raise an `OcrUnavailableError` that says what to install where OpenVINO is missing."""
    if importlib.util.find_spec("openvino") is None:
        raise OcrUnavailableError("paddle-openvino needs OpenVINO; run: pip install 'evalsuite[openvino]'")
