"""VQAScore: how likely Qwen2.5-VL says that a picture shows what its prompt asks for.

The probability of the answer "Yes" to "Does this figure show "…"? Please answer yes or no." (Lin et al., Evaluating
Text-to-Visual Generation with Image-to-Text Generation, ECCV 2024), by the classes that the reader `qwen2.5-vl` uses.
The published scores are by CLIP-FlanT5 and cannot be compared with these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.digests import files_digest
from evalsuite.errors import EvalsuiteError
from evalsuite.images import ImageError, to_rgb
from evalsuite.ocr.vlm_folder import open_folder
from evalsuite.ocr.vlm_model import load_vlm

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image

QUESTION = 'Does this figure show "{}"? Please answer yes or no.'
ANSWER = "Yes"


class VqaScorer:
    """A Qwen2.5-VL checkpoint that judges one picture at a time, in bfloat16 on a GPU and float32 elsewhere."""

    def __init__(self, folder: Path) -> None:
        """Load the checkpoint.

        Raises:
            EvalsuiteError: A part of it is missing, it is no Qwen2.5-VL, or transformers is missing.
        """
        found = open_folder(folder, f"folder {folder.name}")
        try:
            import torch

            self._loaded = load_vlm(found, "auto", "bf16" if torch.cuda.is_available() else "fp32")
        except ImportError as error:
            raise EvalsuiteError("vqa: needs transformers and torch: install evalsuite[models]") from error
        self.name = f"VQAScore ({folder.name})"
        self.digest = files_digest(found.files())

    def score(self, image: Image, prompt: str) -> tuple[float, bool]:
        """The probability of "Yes", in [0, 1]; a prompt is never cut.

        Raises:
            EvalsuiteError: The model fails, or gives no number.
        """
        try:
            found = self._loaded.probability(to_rgb(image), QUESTION.format(prompt), ANSWER)
        except (RuntimeError, ValueError, ImageError) as error:  # CUDA out of memory is a RuntimeError
            raise EvalsuiteError(
                f"{self.name}: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
            ) from error
        if not 0 <= found <= 1 + 1e-9:
            raise EvalsuiteError(f"{self.name}: gives no number; its weights are not sound")
        return min(1.0, found), False
