"""What an image says: the OCR engines."""

from __future__ import annotations

from evalsuite.errors import EvalsuiteError
from evalsuite.ocr.base import OcrEngine, OcrError

__all__ = ["ENGINES", "OcrEngine", "OcrError", "resolve"]

ENGINES = {
    "paddle": "PP-OCRv6 small on ONNX Runtime, offline; paddle:DET_DIR,REC_DIR for other PP-OCR models",
    "paddle-openvino": "the same networks and weights on OpenVINO, faster on Intel's CPUs; an engine of its own digest",
    "paddle-cuda": "the same networks and weights on an NVIDIA GPU; an engine of its own digest",
    "rapidocr-v4": "PP-OCRv4 mobile, an older generation of the same family, as an auditor of paddle's readings",
    "tesseract": "Tesseract 5, a reader of another kind, for English; tesseract:lang=eng+chi_sim for other languages",
    "qwen2.5-vl": "Qwen2.5-VL-7B-Instruct as LongText-Bench asks it, from the hub cache; qwen2.5-vl:FOLDER for a "
    "local copy; qwen2.5-vl:server=URL,model=NAME for one behind an OpenAI-compatible server",
    "textpecker": "TextPecker, which marks malformed characters: textpecker:server=URL,model=NAME, such a server",
}
"""The OCR engines by name, with a line on each."""


def resolve(name: str) -> OcrEngine:
    """The OCR engine that a name such as `paddle` or `qwen2.5-vl:FOLDER,batch=8` stands for, not yet loaded.

    Raises:
        EvalsuiteError: for an unknown engine, or one whose weights are missing or whose libraries do not load.
    """
    from evalsuite.ocr.libraries import loading

    with loading(name.partition(":")[0]):
        return _resolve(name)


def _resolve(name: str) -> OcrEngine:
    engine, _, arguments = name.partition(":")
    if engine == "paddle":
        from evalsuite.ocr.paddle import PaddleReader

        return PaddleReader.parse(arguments)
    if engine == "paddle-openvino":
        from evalsuite.ocr.paddle import PaddleReader

        return PaddleReader.on_openvino(arguments)
    if engine == "paddle-cuda":
        from evalsuite.ocr.paddle_cuda import CudaReader

        return CudaReader.named(arguments)
    if engine == "rapidocr-v4":
        from evalsuite.ocr.paddle import PaddleReader

        return PaddleReader.rapidocr_v4(arguments)
    if engine == "tesseract":
        from evalsuite.ocr.tesseract import TesseractReader

        return TesseractReader.parse(arguments)
    if engine == "qwen2.5-vl":
        if any(piece.startswith("server=") for piece in arguments.split(",")):
            from evalsuite.ocr.served import ServedReader

            return ServedReader.parse(arguments)
        from evalsuite.ocr.vlm import QwenReader

        return QwenReader.parse(arguments)
    if engine == "textpecker":
        from evalsuite.ocr import textpecker

        return textpecker.parse(arguments)
    raise EvalsuiteError(f"unknown OCR engine {name!r}; known: {', '.join(ENGINES)}")
