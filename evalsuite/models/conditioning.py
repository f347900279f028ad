"""From prompts to embeddings: a language model under its images' seeds, and prompts that are encoded once."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from evalsuite.errors import EvalsuiteError
from evalsuite.models.phases import PRIOR_METHOD, wrapped

_KEPT_PROMPTS = 16
"""Prompts whose embeddings are kept. A run asks for a prompt's seeds one after another."""


class SeededPrior:
    """Runs GLM-Image's language model once for each image, under that image's seed.

    The pipeline would seed torch's global generator with the first image's seed and sample the tokens of the whole
    batch from it, so that an image would depend on those beside it.
    """

    def __init__(self, pipeline: Any, device: str) -> None:
        self._pipeline, self._device = pipeline, device
        self._seeds: list[int] = []

    @contextmanager
    def attach(self) -> Iterator[None]:
        """Put this in the place of the pipeline's method until the block ends."""
        with wrapped(self._pipeline, PRIOR_METHOD, self._wrap):
            yield

    def expect(self, seeds: Sequence[int]) -> None:
        """Say which seeds the next call of the pipeline draws, in the order of its prompts."""
        self._seeds = list(seeds)

    def _wrap(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def generate(*, prompt: str | list[str], **kwargs: Any) -> Any:
            import torch

            prompts = [prompt] if isinstance(prompt, str) else prompt
            tokens = []
            for seed, text in zip(self._seeds, prompts, strict=True):
                with seeded(seed, self._device):
                    tokens.append(method(prompt=[text], **{**kwargs, "generator": None})[0])
            return torch.cat(tokens), None, None  # the rest is of source images, which no request has

        return generate


@contextmanager
def seeded(seed: int, device: str) -> Iterator[None]:
    """Torch's global generators under a seed; when the block ends, their states are put back."""
    import torch

    # Seeding reaches every GPU, so every GPU's state is put back.
    devices = range(torch.cuda.device_count()) if device.startswith("cuda") else []
    metal = torch.mps.get_rng_state() if device == "mps" else None
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        try:
            yield
        finally:
            if metal is not None:
                torch.mps.set_rng_state(metal)


class PromptCache:
    """Encodes each prompt once and reuses it for its other seeds (`encode_once`).

    Prompts of a batch are encoded one by one where their encodings can be put together again: lists, and
    tensors that have a row per prompt. Elsewhere a batch is reused as a whole.
    """

    def __init__(self, pipeline: Any) -> None:
        if not hasattr(pipeline, "encode_prompt"):
            raise EvalsuiteError(f"encode_once=true: {type(pipeline).__name__} has no encode_prompt")
        self._pipeline = pipeline
        self._known: OrderedDict[Any, Any] = OrderedDict()

    @contextmanager
    def attach(self) -> Iterator[None]:
        """Put this in the place of the pipeline's `encode_prompt` until the block ends."""
        with wrapped(self._pipeline, "encode_prompt", self._wrap):
            yield
        self._known.clear()

    def _wrap(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def encode(*args: Any, **kwargs: Any) -> Any:
            if "prompt" in kwargs:
                prompts, rest = kwargs["prompt"], {key: value for key, value in kwargs.items() if key != "prompt"}
            elif args:
                prompts, args, rest = args[0], args[1:], kwargs
            else:
                return method(**kwargs)
            if any(key.endswith("prompt_embeds") and value is not None for key, value in rest.items()):
                return method(prompts, *args, **rest)
            several = [prompts] if isinstance(prompts, str) else list(prompts or [])
            if not several:
                return method(prompts, *args, **rest)
            if any(isinstance(value, list) for value in rest.values()):  # goes with the prompts of this batch
                return self._once(several, method, args, rest)
            parts = [self._once([prompt], method, args, rest) for prompt in several]
            joined = _join(parts)
            return joined if joined is not None else self._once(several, method, args, rest)

        return encode

    def _once(self, prompts: list[str], method: Callable[..., Any], args: Any, rest: Any) -> Any:
        key = (tuple(prompts), repr(args), repr(sorted(rest.items(), key=lambda item: item[0])))
        if key in self._known:
            self._known.move_to_end(key)
        else:
            _remember(self._known, key, method(prompts, *args, **rest))
        return self._known[key]


def _remember(known: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    known[key] = value
    if len(known) > _KEPT_PROMPTS:
        known.popitem(last=False)


def _join(parts: list[Any]) -> Any:
    """Encodings of single prompts as one of the batch; None where they cannot be put together."""
    import torch

    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    if first is None:
        return None if any(part is not None for part in parts) else _Nothing
    if isinstance(first, tuple):
        columns = [_join(list(column)) for column in zip(*parts, strict=True)]
        if any(column is None for column in columns):
            return None
        return tuple(None if column is _Nothing else column for column in columns)
    if isinstance(first, list):
        return [item for part in parts for item in part]
    if isinstance(first, torch.Tensor):
        same = all(part.shape == first.shape for part in parts)
        return torch.cat(parts) if same and first.ndim > 1 and first.shape[0] == 1 else None
    return None


class _Nothing:
    """Stands for an encoding that is None for every prompt."""
