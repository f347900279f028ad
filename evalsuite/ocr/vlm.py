"""Qwen2.5-VL as a reader, as LongText-Bench and OneIG-Bench use it, through transformers.

The prompt, the limit of new tokens, bfloat16, and the generation settings of the checkpoint are those of
`textbench/evaluate_text_reward.py` of X-Omni-Team/X-Omni at 2b8237b; that the published figures read one image
at a time is why `batch` is 1 unless asked otherwise (padding changes the last bits of bfloat16). The image
enters as there: sides rounded to multiples of 28 pixels, bicubic.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from evalsuite.digests import files_digest
from evalsuite.errors import EvalsuiteError
from evalsuite.extras import install_command
from evalsuite.images import ImageError, to_rgb
from evalsuite.ocr.base import OcrError
from evalsuite.ocr.libraries import loading
from evalsuite.ocr.many import Answer, Source, lines_of
from evalsuite.ocr.options import parse_options, whole_number
from evalsuite.ocr.vlm_folder import NAME, VlmFolder, cached_folder, open_folder
from evalsuite.ocr.vlm_model import PRECISIONS, LoadedVlm, load_vlm
from evalsuite.ocr.weights import OcrUnavailableError
from evalsuite.records import Json, OcrSpec, TextLine

if TYPE_CHECKING:
    from PIL.Image import Image

PROMPT = (
    "Recognize the text in the image, only reply with the text content, but avoid repeating previously mentioned "
    "content. If no text is recognized, please reply with 'No text recognized'."
)
"""What LongText-Bench and OneIG-Bench ask, word for word."""
MAX_NEW_TOKENS = 1024
"""LongText-Bench's limit. What a model had more to say than this is no reading of the image, but a failed one."""


def cut_reason(tokens: int) -> str:
    """Why an answer that was cut at a limit of tokens is a failed reading, here and behind a server."""
    return f"the answer is cut at {tokens} tokens"


class QwenReader:
    """Reads an image by asking Qwen2.5-VL for its text. No places, no confidences.

    The model loads on the first read. Sampling, where the checkpoint's generation settings ask for it, is seeded
    anew for every batch, so that a reading depends on nothing that was read before.
    """

    def __init__(
        self, folder: VlmFolder, *, batch: int = 1, device: str = "auto", precision: str = "bf16", seed: int = 0
    ) -> None:
        self._folder = folder
        self._batch = batch
        self._device = device
        self._precision = precision
        self._seed = seed
        self._loaded: LoadedVlm | None = None
        text = folder.config.get("text_config", folder.config)
        settings: dict[str, Json] = {
            "model": folder.origin,
            "hidden_size": text.get("hidden_size"),
            "layers": text.get("num_hidden_layers"),
            "prompt": PROMPT,
            "max_new_tokens": MAX_NEW_TOKENS,
            "generation": dict(sorted(folder.generation.items())),
            "precision": precision,
            "batch": batch,
        }
        if folder.generation.get("do_sample"):
            settings["seed"] = seed
        self._spec = OcrSpec(
            name=NAME,
            weights_digest=files_digest(folder.files()),
            settings=settings,
            versions={name: importlib.metadata.version(name) for name in ("torch", "transformers")},
        )

    @classmethod
    def parse(cls, arguments: str = "") -> Self:
        """The reader for `qwen2.5-vl[:FOLDER][,batch=N][,device=D][,precision=bf16|fp16|fp32][,seed=N]`.

        Without a folder it is Qwen2.5-VL-7B-Instruct from the hub cache, at the pinned revision.

        Raises:
            OcrUnavailableError: when transformers, torch or the weights are missing.
            EvalsuiteError: for an unknown option or a folder that holds something else.
        """
        for library in ("torch", "transformers"):
            if importlib.util.find_spec(library) is None:
                raise OcrUnavailableError(f"{NAME} needs {library}; run: {install_command('models')}")
        first, _, rest = arguments.partition(",")
        folder, given = ("", arguments) if "=" in first else (first, rest)
        options = parse_options(NAME, given, {"batch": "1", "device": "auto", "precision": "bf16", "seed": "0"})
        if options["precision"] not in PRECISIONS:
            raise EvalsuiteError(f"{NAME}: precision={options['precision']}: one of {', '.join(PRECISIONS)}")
        batch, seed = whole_number(NAME, options, "batch", 1, 256), whole_number(NAME, options, "seed", 0, 2**32 - 1)
        found = open_folder(Path(folder).expanduser(), f"folder {Path(folder).name}") if folder else cached_folder()
        return cls(found, batch=batch, device=options["device"], precision=options["precision"], seed=seed)

    @property
    def spec(self) -> OcrSpec:
        """Checkpoint, weights digest, prompt, generation settings and library versions."""
        return self._spec

    def read(self, image: Image) -> tuple[TextLine, ...]:
        """The text lines of an image, without places.

        Raises:
            OcrError: when the image cannot be taken in, the model fails, or its answer is cut.
        """
        try:
            rgb = to_rgb(image)
        except ImageError as error:
            raise OcrError(str(error)) from error
        answer = _answer_of(self._texts([rgb])[0])
        if answer.error is not None:
            raise OcrError(answer.error)
        return answer.lines

    def read_many(self, sources: Sequence[Source]) -> Iterator[tuple[int, Answer]]:
        """The answers in order, `batch` images at a time. See `ManyReader`.

        Where a batch fails, its images are read one by one, so that one bad image spoils no other.
        """
        for start in range(0, len(sources), self._batch):
            opened: dict[int, Image] = {}
            for index in range(start, min(start + self._batch, len(sources))):
                try:
                    opened[index] = to_rgb(sources[index]())
                except ImageError as error:
                    yield index, Answer(error=str(error))
            if opened:
                yield from self._read_batch(opened)

    def _read_batch(self, images: dict[int, Image]) -> Iterator[tuple[int, Answer]]:
        started = time.perf_counter()
        try:
            texts = self._texts(list(images.values()))
        except OcrError as error:
            if len(images) == 1:
                yield next(iter(images)), Answer(error=str(error), seconds=time.perf_counter() - started)
                return
            for index, image in images.items():
                yield from self._read_batch({index: image})
            return
        seconds = (time.perf_counter() - started) / len(images)
        for index, text in zip(images, texts, strict=True):
            yield index, replace(_answer_of(text), seconds=seconds)

    def _texts(self, images: list[Image]) -> list[str | None]:
        if self._loaded is None:
            with loading(NAME):
                self._loaded = load_vlm(self._folder, self._device, self._precision)
        try:
            texts = self._loaded.generate(images, PROMPT, limit=MAX_NEW_TOKENS, seed=self._seed)
        except (RuntimeError, ValueError) as error:  # CUDA out of memory is a RuntimeError
            raise OcrError(
                f"Qwen2.5-VL failed: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
            ) from error
        if len(texts) != len(images):
            raise OcrError(f"Qwen2.5-VL gave {len(texts)} answers for {len(images)} images")
        return texts


def _answer_of(text: str | None) -> Answer:
    return Answer(error=f"Qwen2.5-VL: {cut_reason(MAX_NEW_TOKENS)}") if text is None else Answer(lines_of(text))
