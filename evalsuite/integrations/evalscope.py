"""EvalScope: a text-rendering benchmark and a metric. Import this module before `evalscope.run.run_task`.

The benchmark `text_rendering` takes a JSONL file of `prompt`, `targets` and, for images that exist already,
`image_path` (`write_dataset` makes one from a suite). It ends with an error where an image or the reader is broken.

The metric `evalsuite_text` is for EvalScope's other text-to-image benchmarks, such as `general_t2i`. It is given the
image and the prompt only, so it looks up the targets of a prompt in the suites named by its argument `suites`.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from evalscope.api.benchmark import BenchmarkMeta
from evalscope.api.metric import AggScore, Metric, Score
from evalscope.api.registry import register_benchmark, register_metric
from evalscope.benchmarks.text2image.general_t2i_adapter import GeneralT2IAdapter
from evalscope.constants import FileConstants, Tags

from evalsuite.errors import EvalsuiteError
from evalsuite.integrations.image_text import score_text
from evalsuite.integrations.prompt_lists import write_lines
from evalsuite.scoring import Counts, Rates, total

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evalsuite.integrations.image_text import ImageText
    from evalsuite.records import Prompt

METRIC = "evalsuite_text"
RATES = ("character_accuracy", "strict_accuracy", "exact_string_rate", "extra_ratio")
"""What is reported, in this order: the first is the headline."""

_COUNTS = "evalsuite_counts"
"""Where a score's metadata keeps the image's counts, so that they are summed before they are divided."""


class NoScoreError(BaseException):
    """An image that cannot be scored, where `evalsuite_text` is used by a benchmark that is not ours.

    Those catch every `Exception` of a metric and record the score 0, so that a broken reader looks like a bad model.
    This one is no `Exception`, so that it ends the evaluation.
    """


@register_metric(name=METRIC)
class TextRenderingMetric(Metric):  # type: ignore[misc]  # EvalScope ships no types
    """The character accuracy of one image, with the targets of its prompt from `suites`."""

    def __init__(self, suites: str | Sequence[str] = (), ocr: str = "paddle", profile: str = "standard") -> None:
        super().__init__()
        self._suites = (suites,) if isinstance(suites, str) else tuple(suites)
        self._ocr, self._profile = ocr, profile

    def __call__(self, prediction: str, reference: str) -> list[dict[str, float]]:
        """The rates of the image at the path `prediction` for the prompt `reference`, as the only item of a list.

        Raises:
            NoScoreError: The image is broken or blank, the reader failed, or no suite holds the prompt.
        """
        try:
            targets = _targets_of(reference, self._suites)
            found = score_text(prediction, targets, ocr=self._ocr, profile=self._profile)
        except Exception as error:  # whatever it is, EvalScope would make a 0 of it
            raise NoScoreError(str(error)) from error
        return [{"overall": found.character_accuracy}]

    def apply(self, predictions: list[str], references: list[str]) -> list[float]:
        """The character accuracies of many images."""
        return [self(image, prompt)[0]["overall"] for image, prompt in zip(predictions, references, strict=True)]


def _targets_of(prompt: str, suites: tuple[str, ...]) -> tuple[str, ...]:
    targets = _targets(suites).get(prompt)
    if targets is None:
        where = ", ".join(suites) or "any suite, as none is named (metric argument 'suites')"
        raise EvalsuiteError(f"the prompt {prompt[:80]!r} is not in {where}, so that its targets are not known")
    return targets


@functools.lru_cache(maxsize=8)
def _targets(suites: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    from evalsuite.suites import load

    return {prompt.text: prompt.targets for name in suites for suite in load(name) for prompt in suite.prompts}


@register_benchmark(
    BenchmarkMeta(
        name="text_rendering",
        pretty_name="Text rendering (evalsuite)",
        dataset_id="text_rendering",
        description="Character accuracy of the text in generated images, read by OCR. See evalsuite's docs.",
        tags=[Tags.TEXT_TO_IMAGE, Tags.CUSTOM],
        subset_list=["default"],
        metric_list=[METRIC],
        few_shot_num=0,
        train_split=None,
        eval_split="test",
    )
)
class TextRenderingAdapter(GeneralT2IAdapter):  # type: ignore[misc]
    """Scores each image against its record's `targets`; sums the counts of all before dividing."""

    def match_score(self, original_prediction: str, *, task_state: Any, **_: Any) -> Score:
        """The score of one image, with its counts.

        Raises:
            EvalsuiteError: The record has no targets, the image is broken or blank, or the reader failed.
        """
        record = task_state.metadata or {}
        image = record.get(FileConstants.IMAGE_PATH) or original_prediction
        if not image:
            raise EvalsuiteError(
                f"record {record.get(FileConstants.ID)!r}: no image was drawn, and image_path is empty"
            )
        targets = record.get("targets")
        if not isinstance(targets, list):
            raise EvalsuiteError(f"record {record.get(FileConstants.ID)!r}: field 'targets' is no list of strings")
        arguments = self.get_metric_args(METRIC)
        unknown = sorted(set(arguments) - {"ocr", "profile"})
        if unknown:
            raise EvalsuiteError(f"{METRIC}: unknown argument {unknown[0]!r}; ocr and profile are known")
        return _score(score_text(image, targets, **arguments))

    def aggregate_scores(self, sample_scores: list[Any]) -> list[AggScore]:
        """The rates over all images and over those of each category: counts summed, then divided."""
        groups: dict[tuple[tuple[str, str], ...], list[Any]] = {}
        for sample in sample_scores:
            groups.setdefault((("scope", "overall"),), []).append(sample)
            category = self._dimension_value((sample.sample_metadata or {}).get("category", ""))
            if category:
                groups.setdefault((("category", category),), []).append(sample)
        return [
            AggScore(
                metric_name=name,
                aggregation="micro_mean",
                dimensions=dict(where),
                score=value,
                num=len(samples),
                ids=[sample.sample_id for sample in samples],
            )
            for where, samples in groups.items()
            for name, value in _rates(samples).items()
        ]


def _score(found: ImageText) -> Score:
    values = {name: getattr(found.rates, name) for name in RATES}
    return Score(
        extracted_prediction="\n".join(line.text for line in found.lines),
        prediction=found.name,
        value=values,
        main_score_name=RATES[0],
        metadata={_COUNTS: msgspec.to_builtins(found.rates.counts)},
        explanation=found.told(),
    )


def _rates(samples: Iterable[Any]) -> dict[str, float]:
    counts = total(msgspec.convert(sample.score.metadata[_COUNTS], Counts) for sample in samples)
    return {name: getattr(Rates(counts=counts), name) for name in RATES}


def write_dataset(file: str | Path, prompts: Iterable[Prompt], images: Mapping[str, str | Path] | None = None) -> Path:
    """Write prompts as a JSONL file for the benchmark `text_rendering`; with `images`, image files by prompt id.

    Raises:
        EvalsuiteError: A prompt has no image among `images`.
    """
    rows = []
    for prompt in prompts:
        row = {
            FileConstants.ID: prompt.id,
            "prompt": prompt.text,
            "targets": list(prompt.targets),
            "category": prompt.category,
            "language": prompt.language,
        }
        if images is not None:
            if prompt.id not in images:
                raise EvalsuiteError(f"{prompt.id}: no image for this prompt; every prompt counts, so none is left out")
            row[FileConstants.IMAGE_PATH] = str(Path(images[prompt.id]).resolve())
        rows.append(json.dumps(row, ensure_ascii=False))
    return write_lines(file, rows)
