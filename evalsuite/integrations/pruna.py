"""Pruna: the metric `evalsuite_text`, for its Long Text Bench and other prompts with target strings.

Import this module, then name the metric, or make one with other settings:

    from evalsuite.integrations.pruna import TextRenderingMetric
    task = Task([TextRenderingMetric(ocr="paddle")], datamodule=PrunaDataModule.from_string("LongTextBench"))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from pruna.evaluation.metrics.metric_stateful import StatefulMetric
from pruna.evaluation.metrics.registry import MetricRegistry
from pruna.evaluation.metrics.result import MetricResult
from pruna.evaluation.metrics.utils import SINGLE, get_call_type_for_single_metric, metric_data_processor

from evalsuite import scoring
from evalsuite.errors import EvalsuiteError
from evalsuite.integrations.image_text import score_text

if TYPE_CHECKING:
    from evalsuite.integrations.image_text import ImageText, Picture

METRIC = "evalsuite_text"


@MetricRegistry.register(METRIC)
class TextRenderingMetric(StatefulMetric):  # type: ignore[misc]  # Pruna ships no types
    """Character accuracy of the text in drawn images: the errors of all images summed, then divided.

    Args:
        ocr: An engine's name as `--ocr` takes it.
        profile: `standard`, `lenient` or `strict`.
        targets: The field of Pruna's auxiliary columns that holds the list of strings an image must show. It is
            `text_content` in Pruna's LongTextBench. A batch may also hold the lists themselves.
        call_type: `single`; the metric compares no two models.
        device: For Pruna; the reader runs on the CPU.

    Raises:
        EvalsuiteError: An image is broken or blank, the reader failed, a prompt has no targets, or nothing was scored.
            A failure is never a low score: Pruna's evaluation ends with it.
    """

    default_call_type = "y_gt"
    higher_is_better = True
    metric_name = METRIC

    def __init__(
        self,
        *,
        ocr: str = "paddle",
        profile: str = "standard",
        targets: str = "text_content",
        call_type: str = SINGLE,
        device: str | torch.device | None = None,
    ) -> None:
        super().__init__(device=device)
        if call_type != SINGLE:
            raise EvalsuiteError(f"{METRIC}: call_type {call_type!r}; only {SINGLE!r} has a meaning")
        self.call_type = get_call_type_for_single_metric(call_type, self.default_call_type)
        self._ocr, self._profile, self._field = ocr, profile, targets
        self.add_state("images", [])

    def update(self, x: Any, gt: Any, outputs: Any) -> None:
        """Read and score one batch: `outputs` are B × 3 × H × W (uint8, or floats in [0, 1]) or a list of pictures."""
        outputs, gt = metric_data_processor(x, gt, outputs, self.call_type)
        pictures = _pictures(outputs)
        if not isinstance(gt, Sequence) or isinstance(gt, str) or len(gt) != len(pictures):
            raise EvalsuiteError(f"{METRIC}: {len(pictures)} images, but {_count(gt)} of targets in the batch")
        first = len(self.images)
        scored = [
            score_text(
                picture, self._targets(row), ocr=self._ocr, profile=self._profile, name=f"image {first + number}"
            )
            for number, (picture, row) in enumerate(zip(pictures, gt, strict=True), start=1)
        ]
        self.images.extend(scored)

    def compute(self) -> MetricResult:
        """The character accuracy over all images so far; `params` holds the counts and the other rates."""
        found: list[ImageText] = self.images
        if not found:
            raise EvalsuiteError(f"{METRIC}: no image was scored, so there is no accuracy")
        rates = scoring.rates(each.score for each in found)
        params = {
            "ocr": self._ocr,
            "profile": self._profile,
            "images": len(found),
            "characters": rates.counts.length,
            "errors": rates.counts.edits,
            "strict_accuracy": rates.strict_accuracy,
            "exact_string_rate": rates.exact_string_rate,
        }
        return MetricResult(self.metric_name, params, rates.character_accuracy, higher_is_better=True)

    def _targets(self, row: Any) -> list[str]:
        if isinstance(row, Mapping):
            if self._field not in row:
                known = ", ".join(map(str, row)) or "none"
                raise EvalsuiteError(
                    f"{METRIC}: no field {self._field!r} beside the prompt (targets=…); there: {known}"
                )
            row = row[self._field]
        if isinstance(row, str):
            return [row]
        if isinstance(row, Sequence) and all(isinstance(target, str) for target in row):
            return list(row)
        raise EvalsuiteError(f"{METRIC}: targets are a string or a list of strings, not {type(row).__name__}")


def _count(gt: Any) -> str:
    return str(len(gt)) if isinstance(gt, Sequence) and not isinstance(gt, str) else f"a {type(gt).__name__}"


def _pictures(outputs: Any) -> list[Picture]:
    if not isinstance(outputs, torch.Tensor):
        return list(outputs)
    batch = outputs.detach().cpu()
    if batch.ndim == 3:
        batch = batch.unsqueeze(0)
    if batch.ndim != 4 or batch.shape[1] != 3:
        raise EvalsuiteError(f"{METRIC}: images are B × 3 × H × W, not {tuple(batch.shape)}")
    if batch.is_floating_point():
        batch = batch.float()  # NumPy has no bfloat16
    return [picture.permute(1, 2, 0).numpy() for picture in batch]
