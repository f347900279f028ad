"""A pipeline's prompt enhancer, run before the drawing under a seed for each text, several texts at a time.

With `mode="image"` every image has its own rewritten prompt, by the image's seed; with `mode="prompt"` all seeds of a
prompt share one, by a seed made from the prompt's text. `batch=1` runs the pipeline's own method, text by text.
"""

from __future__ import annotations

import hashlib
import inspect
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from evalsuite.errors import EvalsuiteError
from evalsuite.models.conditioning import seeded
from evalsuite.models.phases import wrapped
from evalsuite.models.text_writer import Sampling, Text, check_model, write_texts
from evalsuite.records import Prompt

ENHANCER_METHODS = ("_enhance_prompt_with_pe",)
"""Methods by which pipelines rewrite a prompt (ErnieImagePipeline); diffusers has no public name for it."""

AHEAD = 8
"""Batches of texts that are written before the images that need them: full batches, and little lost by an end."""

_KEPT = 10_000
"""Rewritten prompts that are kept."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A rewritten prompt, and the seconds of writing it that each of its images bears."""

    text: str
    seconds: float


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What decides a text."""

    prompt: str
    seed: int
    size: tuple[int, int]


class _CaughtError(Exception):
    """Carries what the pipeline would have had its language model do out of the pipeline's method."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self.tokens = asked.pop("input_ids")
        self.asked = {key: value for key, value in asked.items() if key not in ("attention_mask", "token_type_ids")}


class PromptEnhancer:
    """Rewrites the prompts of requests, as many at a time as are asked for.

    Args:
        pipeline: A pipeline with an enhancer.
        mode: `image` or `prompt`.
        device: Where its generators are.
        batch: Texts written at a time.
        clock: Runs a function, and gives with its result the seconds that it took.

    Raises:
        EvalsuiteError: The pipeline has an enhancer that this version of diffusers runs in an unknown way.
    """

    def __init__(
        self,
        pipeline: Any,
        mode: str,
        device: str,
        *,
        batch: int,
        clock: Callable[[Callable[[], Any]], tuple[Any, float]],
    ) -> None:
        names = [name for name in ENHANCER_METHODS if hasattr(pipeline, name)]
        takes = inspect.signature(getattr(pipeline, names[0])).parameters if names else {}
        if not {"prompt", "device", "width", "height"} <= set(takes):
            import diffusers

            raise EvalsuiteError(
                f"enhance={mode}: {type(pipeline).__name__} of diffusers {diffusers.__version__} has none of "
                f"{', '.join(ENHANCER_METHODS)} as it is known. Set enhance=off, or install a diffusers release that "
                "has."
            )
        self._pipeline, self._name, self._mode, self._device = pipeline, names[0], mode, device
        self._batch, self._clock = batch, clock
        self._known: OrderedDict[_Wanted, Rewritten] = OrderedDict()
        self._ahead: list[tuple[Prompt, int]] = []
        self._warm = False

    def check(self) -> None:
        """Make sure that its texts can be written in batches, if they are to be.

        Raises:
            EvalsuiteError: They cannot: the message says why.
        """
        if self._batch > 1:
            check_model(self._pipeline.pe)
            self._call(_Wanted("a sign", 0, (1024, 1024)))

    def foresee(self, requests: Sequence[tuple[Prompt, int]]) -> None:
        """Say what will be drawn, in order: its prompts are rewritten in batches with those asked for."""
        self._ahead = list(requests)

    def rewrite(self, requests: Sequence[tuple[Prompt, int]], size: tuple[int, int]) -> list[Rewritten]:
        """The rewritten prompt of each request, for images of a size (width, height).

        Whatever the enhancer raises, this raises; what failed is tried anew when it is asked for again.
        """
        wanted = [self._wanted(prompt, seed, size) for prompt, seed in requests]
        missing = [each for each in dict.fromkeys(wanted) if each not in self._known]
        if missing and self._batch == 1:
            for each in missing:
                text, seconds = self._clock(partial(self._alone, each))
                self._keep([(each, text, 1)], seconds)
        elif missing:
            try:
                self._write(self._window(missing, size), missing)
            except Exception:
                # What failed may be somebody else's text: from now on each batch answers for its own.
                if not self._ahead:
                    raise
                self._ahead = []
                self._write(missing, missing)
        return [self._known[each] for each in wanted]

    def _wanted(self, prompt: Prompt, seed: int, size: tuple[int, int]) -> _Wanted:
        if self._mode == "prompt":
            seed = int.from_bytes(hashlib.sha256(prompt.text.encode()).digest()[:4], "big")
        return _Wanted(prompt.text, seed, size)

    def _window(self, missing: Sequence[_Wanted], size: tuple[int, int]) -> list[_Wanted]:
        """What is missing now, and what will be next, in the order of the requests to come."""
        ahead = [self._wanted(prompt, seed, size) for prompt, seed in self._ahead]
        start = next((place for place, each in enumerate(ahead) if each in missing), len(ahead))
        following = [each for each in ahead[start:] if each not in self._known]
        return list(dict.fromkeys([*missing, *following]))[: max(len(missing), AHEAD * self._batch)]

    def _write(self, window: Sequence[_Wanted], needed: Sequence[_Wanted]) -> None:
        """Write a window's texts in batches. One whose prompt cannot be read is left for its own turn."""
        calls: dict[_Wanted, tuple[Any, Sampling]] = {}
        for each in window:
            try:
                calls[each] = self._call(each)
            except Exception:
                if each in needed:
                    raise
        samplings = {sampling for _, sampling in calls.values()}
        if len(samplings) != 1:
            raise EvalsuiteError("the prompt enhancer writes each prompt in another way. Set enhance_batch=1")
        (sampling,) = samplings
        prompts = {each: tokens for each, (tokens, _) in calls.items()}
        if not self._warm:
            # The first pass through the model, which waits for kernels to load, is no text's time.
            self._written(dict(list(prompts.items())[:1]), replace(sampling, least=0, most=2))
            self._warm = True
        self._keep(*self._clock(lambda: self._written(prompts, sampling)))

    def _written(self, prompts: dict[_Wanted, Any], sampling: Sampling) -> list[tuple[_Wanted, str, int]]:
        import torch

        texts = [
            Text(each, tokens, torch.Generator(tokens.device).manual_seed(each.seed))
            for each, tokens in prompts.items()
        ]
        return [
            (text.name, self._decoded(text), len(text.tokens))
            for text in write_texts(self._pipeline.pe, texts, sampling, self._batch)
        ]

    def _call(self, wanted: _Wanted) -> tuple[Any, Sampling]:
        """What the pipeline would have its language model do: the tokens (T,) of the prompt, and how to go on."""

        def caught(**asked: Any) -> Any:
            raise _CaughtError(asked)

        with wrapped(self._pipeline.pe, "generate", lambda _: caught):
            try:
                self._run(wanted)
            except _CaughtError as call:
                return call.tokens[0], Sampling.of(self._pipeline.pe, call.asked)
        raise EvalsuiteError("the prompt enhancer answers without its language model. Set enhance_batch=1")

    def _decoded(self, text: Text) -> str:
        """The text as the pipeline makes it of these tokens."""

        def done(*, input_ids: Any, **_: Any) -> Any:
            import torch

            return torch.cat([input_ids, torch.tensor([text.tokens], device=input_ids.device)], dim=1)

        with wrapped(self._pipeline.pe, "generate", lambda _: done):
            return self._run(text.name)

    def _alone(self, wanted: _Wanted) -> str:
        with seeded(wanted.seed, self._device):
            return self._run(wanted)

    def _run(self, wanted: _Wanted) -> str:
        width, height = wanted.size
        device = getattr(self._pipeline, "_execution_device", self._device)
        return str(getattr(self._pipeline, self._name)(wanted.prompt, device, width=width, height=height))

    def _keep(self, written: Sequence[tuple[_Wanted, str, int]], seconds: float) -> None:
        """Keep texts with their tokens. A text costs by its tokens; the images that are foreseen for it share that."""
        tokens = sum(count for _, _, count in written)
        images = Counter(self._wanted(prompt, seed, written[0][0].size) for prompt, seed in self._ahead)
        for each, text, count in written:
            self._known[each] = Rewritten(text, seconds * count / tokens / max(1, images[each]))
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
