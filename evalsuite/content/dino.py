"""DINO distance: how unlike two pictures are as a whole, 1 - cos of a DINO checkpoint's class tokens.

The similarity of DreamBooth (Ruiz et al., CVPR 2023), which compares what is shown rather than pixels, by a checkpoint
in a local folder as transformers saves it: DINO (ViT), DINOv2 or DINOv3. The text of both pictures is painted over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalsuite.content.lpips import GREY
from evalsuite.digests import files_digest
from evalsuite.errors import EvalsuiteError
from evalsuite.extras import install_command
from evalsuite.files import read_json_object

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

NEEDED = ("config.json", "model.safetensors", "preprocessor_config.json")
FAMILIES = ("vit", "dinov2", "dinov2_with_registers", "dinov3_vit")


class DinoRuler:
    """Compares pictures by a DINO checkpoint, on the CPU. `digest` covers every file that it reads."""

    def __init__(self, folder: Path) -> None:
        """Load the checkpoint.

        Raises:
            EvalsuiteError: A part of the checkpoint is missing, or it is no DINO.
        """
        lost = [name for name in NEEDED if not (folder / name).is_file()]
        if lost:
            raise EvalsuiteError(f"dino:{folder}: no {', '.join(lost)}; a DINO checkpoint has {', '.join(NEEDED)}")
        family = read_json_object(folder / "config.json").get("model_type")
        if family not in FAMILIES:
            raise EvalsuiteError(f"dino:{folder}: model_type {family!r}; one of {', '.join(FAMILIES)} is a DINO's")
        try:
            from transformers import AutoImageProcessor, AutoModel
        except ImportError as error:
            raise EvalsuiteError(f"dino: needs transformers and torch; run: {install_command('models')}") from error
        more = {"add_pooling_layer": False} if family == "vit" else {}
        try:
            self._model, told = AutoModel.from_pretrained(
                folder, use_safetensors=True, local_files_only=True, output_loading_info=True, **more
            )
            self._images: Any = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError) as error:
            raise EvalsuiteError(f"dino:{folder}: not a DINO checkpoint: {error}") from error
        # A checkpoint may bring a pooling layer, which the class token does not go through.
        wrong = [
            name
            for what in ("missing_keys", "mismatched_keys", "unexpected_keys")
            for name in told[what]
            if not str(name).startswith("pooler.")
        ]
        if wrong:
            raise EvalsuiteError(f"dino:{folder}: the weights do not fit: {wrong[0]} and {len(wrong) - 1} more")
        self._model.eval()
        self.name = f"DINO ({folder.name})"
        self.digest = files_digest({name: folder / name for name in NEEDED})

    def distance(
        self, before: NDArray[np.uint8], after: NDArray[np.uint8], text: NDArray[np.bool_], keep: NDArray[np.bool_]
    ) -> float | None:
        """1 - cos, in [0, 2], of two RGB pictures (H, W, 3) whose `text` (H, W) is painted over; `keep` is not used.

        Raises:
            EvalsuiteError: The checkpoint gives no number.
        """
        del keep
        import torch
        from PIL import Image

        pictures = []
        for pixels in (before, after):
            painted = pixels.copy()
            painted[text] = GREY
            pictures.append(Image.fromarray(painted))
        with torch.inference_mode():
            tokens = self._model(**self._images(images=pictures, return_tensors="pt")).last_hidden_state[:, 0].double()
        cosine = float(torch.nn.functional.cosine_similarity(tokens[0], tokens[1], dim=0))
        if cosine != cosine:
            raise EvalsuiteError(f"{self.name}: gives no number; its weights are not sound")
        # Rounding of equal pictures' tokens is no distance.
        return round(1 - min(1.0, max(-1.0, cosine)), 9) + 0.0
