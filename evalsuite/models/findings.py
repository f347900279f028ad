"""What silently spoils an evaluation, found and named: cut prompts, altered targets, blank or broken images.

Each check yields `Finding`s for one image. Codes: `prompt-truncated`, `target-lost-in-enhancement`,
`target-altered-in-enhancement`, `guidance-ignored`, `nan-image`, `blank-image`, `size-rounded`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rapidfuzz import fuzz

from evalsuite.images import is_blank
from evalsuite.models.phases import denoiser_of
from evalsuite.records import Finding

if TYPE_CHECKING:
    from PIL.Image import Image

"""An image whose every channel spans no more than this many of 256 levels shows nothing."""

_ALTERED_SIMILARITY = 80.0
"""Percent likeness from which a passage of the rewritten prompt counts as the altered target."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """One text as one tokenizer took it: `cut` is where it was cut off (offset in characters), None if whole."""

    tokenizer: str
    text: str
    limit: int
    tokens: int
    cut: int | None


@contextmanager
def watch_tokenizers(pipeline: Any, encodings: list[Encoding]) -> Iterator[None]:
    """Note in `encodings` every text that the pipeline's tokenizers take, and where they cut it.

    A tokenizer truncates without a word. While watched, it says how many tokens the whole text has and where
    the last one that it kept ends, whatever the pipeline wraps around the prompt.
    """
    watched = []
    for name, part in pipeline.components.items():
        if name.startswith("tokenizer") and callable(part):
            tokenizer = getattr(part, "tokenizer", part)  # of a processor, what it wraps
            kind = type(tokenizer)
            # A call is looked up on the class, so the object gets a class of its own that watches.
            tokenizer.__class__ = type(kind.__name__, (kind,), {"__call__": _watching(kind, name, encodings)})
            watched.append((tokenizer, kind))
    try:
        yield
    finally:
        for part, kind in watched:
            part.__class__ = kind


def _watching(kind: Any, name: str, encodings: list[Encoding]) -> Any:
    def call(self: Any, text: Any = None, *args: Any, **kwargs: Any) -> Any:
        result = kind.__call__(self, text, *args, **kwargs)
        if kwargs.get("truncation"):
            limit = int(kwargs.get("max_length") or self.model_max_length)
            texts = [text] if isinstance(text, str) else list(text)
            lengths = _lengths(result, len(texts))
            special = kwargs.get("add_special_tokens", True)
            encodings.extend(
                Encoding(name, item, limit, length, None)
                if length < limit
                else _measure(kind, self, name, item, limit, special=special)
                for item, length in zip(texts, lengths, strict=True)
            )
        return result

    return call


def _lengths(result: Any, texts: int) -> list[int]:
    """Tokens of each text without the padding; the ids may be tensors or lists, for one text or for several."""
    rows = result["attention_mask"] if "attention_mask" in result else result["input_ids"]
    rows = rows.tolist() if hasattr(rows, "tolist") else rows
    if texts == 1 and not (rows and isinstance(rows[0], list)):
        rows = [rows]
    return [sum(row) if "attention_mask" in result else len(row) for row in rows]


def _measure(kind: Any, tokenizer: Any, name: str, text: str, limit: int, *, special: bool) -> Encoding:
    """The length of a text that fills the limit, and where it was cut if it is longer."""

    def encode(**options: Any) -> Any:
        return kind.__call__(tokenizer, text, add_special_tokens=special, **options)

    tokens = len(encode()["input_ids"])
    if tokens <= limit:
        return Encoding(name, text, limit, tokens, None)
    if not getattr(tokenizer, "is_fast", False):
        kept = encode(truncation=True, max_length=limit)["input_ids"]
        return Encoding(name, text, limit, tokens, len(tokenizer.decode(kept, skip_special_tokens=True)))
    kept = encode(truncation=True, max_length=limit, return_offsets_mapping=True)
    return Encoding(name, text, limit, tokens, max((end for _, end in kept["offset_mapping"]), default=0))


def truncation_findings(prompt: str, targets: Sequence[str], encodings: Sequence[Encoding]) -> Iterator[Finding]:
    """Whether the prompt was cut, and which targets no encoder saw whole.

    Args:
        prompt: The text given to the encoders: the rewritten prompt where there is one.
        targets: The target strings of the prompt.
        encodings: What the tokenizers took for the whole batch.
    """
    mine: dict[str, Encoding] = {}
    # The shortest text that holds the prompt is the prompt's own: another's may hold it as a part.
    for item in sorted(encodings, key=lambda item: len(item.text), reverse=True):
        if prompt in item.text:
            mine[item.tokenizer] = item
    cut = [item for item in mine.values() if item.cut is not None]
    if not cut:
        return
    lost = [target for target in targets if all(_lost(target, prompt, item) for item in mine.values())]
    worst = min(cut, key=lambda item: item.limit)
    names = f"; these fell off: {', '.join(repr(target) for target in lost)}" if lost else "; no target fell off"
    yield Finding(
        code="prompt-truncated",
        message=f"the prompt takes {worst.tokens} tokens of {worst.tokenizer} and was cut at {worst.limit}{names}",
        targets=tuple(lost),
    )


def _lost(target: str, prompt: str, encoding: Encoding) -> bool:
    """Whether no occurrence of the target in the prompt lies wholly before the cut."""
    if encoding.cut is None:
        return False
    first = encoding.text.find(prompt)
    at = encoding.text.find(target, first)
    return at < 0 or at + len(target) > encoding.cut


def enhancement_findings(targets: Sequence[str], revised: str) -> Iterator[Finding]:
    """Targets that the prompt enhancer dropped or altered. White space is compared as a single space.

    A target counts as altered, not dropped, where a passage of the rewritten prompt is at least 80 % alike
    (`rapidfuzz.fuzz.partial_ratio`, letter case ignored).
    """
    text = _one_space(revised)
    for target in targets:
        wanted = _one_space(target)
        if wanted in text:
            continue
        near = fuzz.partial_ratio_alignment(wanted.casefold(), text.casefold(), score_cutoff=_ALTERED_SIMILARITY)
        if near is not None and len(text.casefold()) == len(text):
            passage = text[near.dest_start : near.dest_end]
            yield Finding(
                code="target-altered-in-enhancement",
                message=f"the prompt enhancer turned {target!r} into {passage!r}",
                targets=(target,),
            )
        else:
            yield Finding(
                code="target-lost-in-enhancement",
                message=f"the prompt enhancer dropped {target!r}",
                targets=(target,),
            )


def _one_space(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def guidance_findings(pipeline: Any, guidance: float | None) -> Iterator[Finding]:
    """Whether a guidance scale above 1 had no effect, asked of the pipeline after its call.

    A pipeline applies it as classifier-free guidance (`do_classifier_free_guidance`) or feeds it to a
    transformer with guidance embeddings; a distilled model does neither.
    """
    if guidance is None or guidance <= 1:
        return
    if getattr(pipeline, "do_classifier_free_guidance", False):
        return
    config = getattr(denoiser_of(pipeline), "config", {})
    if config.get("guidance_embeds") or config.get("time_cond_proj_dim"):
        return
    if not hasattr(pipeline, "do_classifier_free_guidance") and "guidance_embeds" not in config:
        return  # a pipeline that tells neither: nothing is known
    yield Finding(
        code="guidance-ignored",
        message=f"guidance {guidance:g} has no effect: this distilled model draws without guidance",
    )


def image_findings(image: Image, size: tuple[int, int], *, finite: bool) -> Iterator[Finding]:
    """Whether a drawn image is broken, blank, or of another size than asked for.

    Args:
        image: The image.
        size: Width and height in pixels that were asked for.
        finite: Whether all values that the autoencoder gave were finite.
    """
    if not finite:
        yield Finding(code="nan-image", message="the decoder gave values that are not finite (NaN or infinite)")
    if is_blank(image):
        colour = image.convert("RGB").getpixel((0, 0))
        yield Finding(code="blank-image", message=f"the image is one even colour, RGB {colour}")
    if image.size != size:
        yield Finding(
            code="size-rounded",
            message=f"{size[0]}x{size[1]} was asked for, {image.width}x{image.height} was drawn",
        )


class FiniteWatch:
    """Watches the autoencoder for values that are not finite, without waiting for the device.

    `note` takes a decoded batch (B, …) and leaves a flag for each image on its device; `take` reads them.
    """

    def __init__(self) -> None:
        self._flags: list[Any] = []

    def watch(self, decode: Callable[..., Any]) -> Callable[..., Any]:
        """An autoencoder's `decode` that notes what it gives."""

        @functools.wraps(decode)
        def watched(*args: Any, **kwargs: Any) -> Any:
            decoded = decode(*args, **kwargs)
            self.note(decoded)
            return decoded

        return watched

    def note(self, decoded: Any) -> None:
        """Note which images of a decoded batch are finite throughout."""
        import torch

        sample = decoded[0] if isinstance(decoded, tuple) else getattr(decoded, "sample", decoded)
        if isinstance(sample, torch.Tensor):
            # One reduction instead of a mask of the image's size: NaN and infinity survive a sum of zeros.
            self._flags.append(torch.isfinite((sample * 0).flatten(1).sum(1)))

    def take(self, images: int) -> list[bool]:
        """Whether each of `images` images is finite, in order, and forget. True where nothing was seen."""
        found = [bool(flag) for flags in self._flags for flag in flags.tolist()]
        self._flags.clear()
        return found if len(found) == images else [True] * images if not found else [all(found)] * images
