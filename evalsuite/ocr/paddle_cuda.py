"""The reader `paddle-cuda`: `paddle` with its networks computed on an NVIDIA GPU, in float32, by PyTorch."""

from __future__ import annotations

import importlib.util

from evalsuite.errors import EvalsuiteError
from evalsuite.extras import install_command
from evalsuite.ocr.paddle import PaddleReader, require_paddleocr
from evalsuite.ocr.weights import PP_OCRV6_SMALL, OcrUnavailableError, bundled_folders

MOST_PROCESSES = 14
"""As far as it was measured that more processes read faster."""
PROCESS_BYTES = 2_500_000_000
"""GPU memory that a process is reckoned with."""


class CudaReader(PaddleReader):
    """See `PaddleReader`; a `GpuEngine`.

    Args:
        device: PyTorch's name of the device. Tests, which find no GPU, name the CPU.
    """

    def __init__(self, device: str = "cuda") -> None:
        super().__init__(*bundled_folders(PP_OCRV6_SMALL), name="paddle-cuda", runtime="torch", device=device)

    @classmethod
    def named(cls, arguments: str = "") -> CudaReader:
        """The reader that `paddle-cuda` names.

        Raises:
            OcrUnavailableError: when PaddleOCR, its weights, PyTorch with CUDA or the GPU are missing.
            EvalsuiteError: when there are arguments.
        """
        if arguments:
            raise EvalsuiteError(f"paddle-cuda:{arguments}: this reader takes no arguments")
        require_paddleocr()
        _require_cuda()
        return cls()

    def most_processes(self) -> int:
        """As many as the GPU has 2.5 GB of free memory for now, 14 at most."""
        import torch

        free, _ = torch.cuda.mem_get_info()
        return max(1, min(MOST_PROCESSES, int(free) // PROCESS_BYTES))


def _require_cuda() -> None:
    """Raise an `OcrUnavailableError` that says what to install, or what is not there, where no GPU can be used."""
    if any(importlib.util.find_spec(name) is None for name in ("torch", "onnx")):
        raise OcrUnavailableError(f"paddle-cuda needs PyTorch and onnx; run: {install_command('cuda-ocr')}")
    import torch

    if torch.version.cuda is None or not torch.cuda.is_available():
        raise OcrUnavailableError(
            f"paddle-cuda needs an NVIDIA GPU that PyTorch can use, and PyTorch {torch.__version__} finds none; read "
            "with --ocr paddle, or see 'evalsuite doctor' for the driver"
        )
