"""Qwen2.5-VL in memory: what it answers to an image and a question, and how likely an answer is."""

from __future__ import annotations

import importlib.metadata
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalsuite.chat_templates import check_chat_templates
from evalsuite.errors import EvalsuiteError
from evalsuite.files import read_json_object, read_text
from evalsuite.ocr.vlm_folder import NAME
from evalsuite.ocr.weights import OcrUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PIL.Image import Image

    from evalsuite.ocr.vlm_folder import VlmFolder

PRECISIONS = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
_IMAGE_TOKEN = "<|image_pad|>"  # noqa: S105 - a token of the vocabulary


@dataclass(frozen=True, slots=True)
class LoadedVlm:
    """The model with what turns images into its inputs and its outputs into text.

    transformers' own processor class is not used: it asks for the video processor, which needs torchvision.
    """

    model: Any
    tokenizer: Any
    images: Any
    template: str

    def question(self, text: str) -> str:
        """What the model is given before it answers: one image and a text, in its chat template.

        Raises:
            ValueError: The template, or the text, has another number of places for an image than one.
        """
        asked = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}],
            chat_template=self.template,
            tokenize=False,
            add_generation_prompt=True,
        )
        if asked.count(_IMAGE_TOKEN) != 1:
            raise ValueError(f"its chat template has {asked.count(_IMAGE_TOKEN)} places for an image, not 1")
        return str(asked)

    def generate(self, images: list[Image], text: str, *, limit: int, seed: int) -> list[str | None]:
        """The answer for each image, or None where the model had not come to its end within `limit` tokens."""
        import torch

        moved = self._inputs(images, self.question(text))
        device = self.model.device
        devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), torch.inference_mode():
            torch.manual_seed(seed)
            tokens = self.model.generate(**moved, max_new_tokens=limit)
        answers = tokens[:, moved["input_ids"].shape[1] :]
        texts = self.tokenizer.batch_decode(answers, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        ends = self.model.generation_config.eos_token_id
        ending = torch.isin(answers, torch.tensor(ends, device=answers.device)).any(dim=1).tolist()
        return [text if whole else None for text, whole in zip(texts, ending, strict=True)]

    def probability(self, image: Image, text: str, answer: str) -> float:
        """The probability, in [0, 1], that the model's answer to `text` begins with `answer`."""
        import torch

        wanted = self.tokenizer(answer, add_special_tokens=False)["input_ids"]
        inputs = self._inputs([image], self.question(text), wanted)
        with torch.inference_mode():
            logits = self.model(**inputs).logits[0, -len(wanted) - 1 : -1].double()
        chances = torch.log_softmax(logits, dim=-1)[torch.arange(len(wanted)), torch.tensor(wanted)]
        return float(chances.sum().exp())

    def _inputs(self, images: list[Image], question: str, answer: Sequence[int] = ()) -> dict[str, Any]:
        import torch

        pixels = self.images(images=images, return_tensors="pt")
        grids = pixels["image_grid_thw"]
        merged = self.images.merge_size**2
        texts = [question.replace(_IMAGE_TOKEN, _IMAGE_TOKEN * (int(grid.prod()) // merged)) for grid in grids]
        inputs = dict(self.tokenizer(texts, padding=True, padding_side="left", return_tensors="pt"))
        if answer:
            said = torch.tensor([list(answer)])
            inputs["input_ids"] = torch.cat([inputs["input_ids"], said], dim=1)
            inputs["attention_mask"] = torch.cat([inputs["attention_mask"], torch.ones_like(said)], dim=1)
        inputs |= {"pixel_values": pixels["pixel_values"], "image_grid_thw": grids}
        if "mm_token_type_ids" in inspect.signature(self.model.forward).parameters:
            pad = self.tokenizer.convert_tokens_to_ids(_IMAGE_TOKEN)
            inputs["mm_token_type_ids"] = (inputs["input_ids"] == pad).int()
        device = self.model.device
        return {
            key: value.to(device, self.model.dtype) if key == "pixel_values" else value.to(device)
            for key, value in inputs.items()
        }


def load_vlm(folder: VlmFolder, device: str, precision: str) -> LoadedVlm:
    """Load a checkpoint that `vlm_folder` has checked.

    Raises:
        OcrUnavailableError: transformers is too old.
        EvalsuiteError: The checkpoint cannot be loaded.
    """
    import torch
    from transformers import AutoTokenizer, Qwen2_5_VLForConditionalGeneration
    from transformers.utils import logging

    logging.disable_progress_bar()
    check_chat_templates(folder.path)
    try:
        from transformers import Qwen2VLImageProcessorPil
    except ImportError as error:
        found = importlib.metadata.version("transformers")
        raise OcrUnavailableError(f"{NAME} needs transformers 5.4 or newer, not {found}") from error
    try:
        model, told = Qwen2_5_VLForConditionalGeneration.from_pretrained(
            folder.path,
            dtype=getattr(torch, PRECISIONS[precision]),
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
        )
        tokenizer = AutoTokenizer.from_pretrained(folder.path, local_files_only=True)
        images = Qwen2VLImageProcessorPil.from_pretrained(folder.path, local_files_only=True)
        template = _chat_template(folder.path, tokenizer)
        model = model.to(_device(device)).eval()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise EvalsuiteError(f"{folder.path}: cannot be loaded as Qwen2.5-VL: {error}") from error
    lost = [name for what in ("missing_keys", "mismatched_keys") for name in told[what]]
    if lost:  # they would be drawn by lot
        raise EvalsuiteError(f"{folder.path}: the weights lack {lost[0]} and {len(lost) - 1} more")
    loaded = LoadedVlm(model, tokenizer, images, template)
    try:
        loaded.question("")
    except ValueError as error:
        raise EvalsuiteError(f"{folder.path}: {error}") from error
    return loaded


def _chat_template(folder: Path, tokenizer: Any) -> str:
    """The template that knows images: beside the tokenizer in older checkpoints, whose own one is for text alone."""
    jinja, older = folder / "chat_template.jinja", folder / "chat_template.json"
    if jinja.is_file():
        return read_text(jinja)
    if older.is_file():
        return str(read_json_object(older)["chat_template"])
    if not tokenizer.chat_template:
        raise ValueError("it has no chat template (chat_template.jinja or chat_template.json)")
    return str(tokenizer.chat_template)


def _device(name: str) -> str:
    import torch

    if name != "auto":
        return name
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
