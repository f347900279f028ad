"""A language model that writes several texts at a time, each from its own random numbers.

transformers' `generate` samples a whole batch from one generator and shifts every text by the padding of the longest,
so that a text would depend on those beside it. Here each text has

* its own generator, from which it draws the numbers that `generate` would draw for it alone,
* its own slot of the key-value cache, which it fills from the start, and its own positions,
* a slot-wise forward pass of fixed shape: `slots` rows, whether they are all taken or not.

So what a batch changes is rounding alone: kernels for another shape add in another order. In float32 on a CPU a text
is the same to the last bit whatever stands beside it. In bfloat16 rounding tips a draw now and then, and the text goes
on otherwise from there. As soon as a text ends, the next takes its slot. Where a long text makes the cache grow, the
others look at more keys, of weight 0.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evalsuite.errors import EvalsuiteError

CACHE_STEP = 512
"""Tokens by which the cache grows."""

_TAKEN = frozenset(
    ("temperature", "top_k", "top_p", "do_sample", "max_new_tokens", "min_new_tokens", "eos_token_id", "use_cache")
)
"""What is done of a generation's configuration."""

_WITHOUT_EFFECT = frozenset(
    (
        "_from_model_config", "transformers_version", "bos_token_id", "pad_token_id", "max_length", "output_attentions",
        "output_hidden_states", "output_scores", "return_dict_in_generate", "trust_remote_code",
    )
)  # fmt: skip
"""What changes no text of a single sequence; `max_new_tokens`, which is needed, goes before a `max_length`."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn, as `generate` would: temperature, then the k likeliest, then those of mass p.

    `do_sample=False` takes the likeliest. A text ends with a token of `ends`, which it keeps, but not before `least`
    tokens; or with `most` tokens.
    """

    do_sample: bool
    temperature: float
    top_k: int
    top_p: float
    ends: tuple[int, ...]
    least: int
    most: int

    @classmethod
    def of(cls, model: Any, asked: Mapping[str, Any]) -> Sampling:
        """What `model.generate(**asked)` would do: of the arguments, the model's own configuration, the defaults.

        Raises:
            EvalsuiteError: They hold something that is not done here.
        """
        own = {key: value for key, value in model.generation_config.to_diff_dict().items() if value is not None}
        wanted = {**own, **{key: value for key, value in asked.items() if value is not None}}
        strange = sorted(set(wanted) - _TAKEN - _WITHOUT_EFFECT)
        if strange or "max_new_tokens" not in wanted:
            what = f"{', '.join(strange)} cannot be had for" if strange else "there is no max_new_tokens for"
            raise EvalsuiteError(f"the prompt enhancer: {what} texts written in batches. Set enhance_batch=1")
        ends = wanted.get("eos_token_id", ())
        return cls(
            do_sample=bool(wanted.get("do_sample", False)),
            temperature=float(wanted.get("temperature", 1.0)),
            top_k=int(wanted.get("top_k", 50)),
            top_p=float(wanted.get("top_p", 1.0)),
            ends=tuple(ends) if isinstance(ends, list | tuple) else (int(ends),),
            least=int(wanted.get("min_new_tokens", 0)),
            most=int(wanted["max_new_tokens"]),
        )

    def scores(self, logits: Any, written: Sequence[int]) -> Any:
        """The logits (B, V) in float32 after all that comes before drawing; `written` tokens by row so far."""
        from transformers.generation.logits_process import (
            TemperatureLogitsWarper,
            TopKLogitsWarper,
            TopPLogitsWarper,
        )

        early = [row for row, count in enumerate(written) if count < self.least]
        if early and self.ends:
            for end in self.ends:
                logits[early, end] = -float("inf")
        if not self.do_sample:
            return logits
        if self.temperature != 1.0:
            logits = TemperatureLogitsWarper(self.temperature)(None, logits)
        if self.top_k:
            logits = TopKLogitsWarper(self.top_k)(None, logits)
        if self.top_p < 1.0:
            logits = TopPLogitsWarper(self.top_p)(None, logits)
        return logits


@dataclass(slots=True)
class Text:
    """One text to be written: the tokens of its prompt (T,), and where its random numbers come from.

    `tokens` are those written so far; `name` is the caller's.
    """

    name: Any
    prompt: Any
    generator: Any
    tokens: list[int] = field(default_factory=list)


class _Slots:
    """The keys and values of all layers, one slot a text: what the model's layers take for their cache.

    In place of a cache of transformers', which has all texts at one position.
    """

    is_compileable = False

    def __init__(self, slots: int, device: Any) -> None:
        import torch

        self._rows = torch.arange(slots, device=device)
        self._at = torch.zeros(slots, dtype=torch.long, device=device)
        self._layers: list[tuple[Any, ...]] = []
        self.ends = [0] * slots
        self.length = 0

    def advance(self) -> Any:
        """The place (B,) that every slot's newest token takes; there is room for it."""
        import torch

        self.grow(max(self.ends) + 1)
        self._at = torch.tensor(self.ends, device=self._rows.device)
        return self._at

    def fill(self, slot: int, cache: Any) -> None:
        """Put a text's prompt into a slot, as transformers' own cache holds it."""
        layers = [(layer.keys[0], layer.values[0]) for layer in cache.layers]
        tokens = layers[0][0].shape[1]
        self.grow(tokens + 1, layers)
        for (keys, values), (new_keys, new_values) in zip(self._layers, layers, strict=True):
            keys[slot, :, :tokens], values[slot, :, :tokens] = new_keys, new_values
        self.ends[slot] = tokens

    def grow(self, tokens: int, like: Sequence[tuple[Any, Any]] | None = None) -> None:
        """Have room for so many tokens in every slot."""
        import torch

        if tokens <= self.length:
            return
        longer = -(-tokens // CACHE_STEP) * CACHE_STEP
        if like is not None and not self._layers:
            self._layers = [
                tuple(each.new_zeros(len(self.ends), each.shape[0], longer, each.shape[2]) for each in pair)
                for pair in like
            ]
        else:
            # Layer by layer, so that never more than one is there twice.
            for number, pair in enumerate(self._layers):
                room = longer - self.length
                self._layers[number] = tuple(torch.nn.functional.pad(each, (0, 0, 0, room)) for each in pair)
        self.length = longer

    def update(self, keys: Any, values: Any, layer: int, *_: Any, **__: Any) -> tuple[Any, Any]:
        """Take the keys and values (B, H, 1, D) of every slot's newest token; give all there are."""
        kept_keys, kept_values = self._layers[layer]
        kept_keys[self._rows, :, self._at] = keys[:, :, 0]
        kept_values[self._rows, :, self._at] = values[:, :, 0]
        return kept_keys, kept_values

    def get_seq_length(self, layer_idx: int = 0) -> int:  # noqa: ARG002 - transformers asks so
        """Tokens that every slot has room for."""
        return self.length

    def get_mask_sizes(self, query_length: Any, layer_idx: int = 0) -> tuple[int, int]:  # noqa: ARG002
        """Length and offset of the keys."""
        return self.length, 0


def check_model(model: Any) -> None:
    """Make sure that a model can write in slots.

    Raises:
        EvalsuiteError: It computes attention by something that takes no mask of this kind.
    """
    attention = getattr(model.config, "_attn_implementation", "sdpa")
    window = getattr(model.config, "sliding_window", None)
    if attention not in ("sdpa", "eager") or window is not None:
        what = f"a sliding window of {window} tokens" if window is not None else f"attention by {attention}"
        raise EvalsuiteError(f"the prompt enhancer has {what}, which batches do not take. Set enhance_batch=1")


def write_texts(model: Any, texts: Sequence[Text], sampling: Sampling, slots: int) -> Iterator[Text]:
    """Write all texts, `slots` at a time, and yield each as it ends.

    Args:
        model: A causal language model of transformers' on its device, with `sdpa` or `eager` attention.
        texts: What to write; their prompts and generators are on the model's device.
        sampling: How.
        slots: Texts written at a time.

    Raises:
        ArithmeticError: The model gives probabilities that are no numbers.
    """
    import torch

    waiting = deque(texts)
    places: list[Text | None] = [None] * slots
    with torch.inference_mode():
        if not waiting:
            return
        device = waiting[0].prompt.device
        cache = _Slots(slots, device)
        newest = torch.zeros(slots, dtype=torch.long, device=device)
        while True:
            for slot in range(slots):
                while places[slot] is None and waiting:
                    text = waiting.popleft()
                    token = _begin(model, text, sampling, cache, slot)
                    if _ended(text, sampling):
                        yield text
                    else:
                        places[slot] = text
                        newest[slot] = token
            if all(text is None for text in places):
                return
            logits = _step(model, newest, cache)
            newest = _draw(logits, places, sampling)
            for slot, (token, written) in enumerate(zip(newest.tolist(), list(places), strict=True)):
                if written is not None:
                    _write(written, token)
                    cache.ends[slot] += 1
                    if _ended(written, sampling):
                        places[slot] = None
                        cache.ends[slot] = 0  # an empty slot writes over its first token until it is taken
                        yield written


def _begin(model: Any, text: Text, sampling: Sampling, cache: _Slots, slot: int) -> Any:
    """Read a text's prompt, by itself, into a slot; draw its first token."""
    answer = model(input_ids=text.prompt[None], use_cache=True, logits_to_keep=1)
    cache.fill(slot, answer.past_key_values)
    token = _draw(answer.logits[:, -1], [text], sampling)[0]
    _write(text, int(token))
    return token


def _write(text: Text, token: int) -> None:
    if token < 0:
        raise ArithmeticError("the language model gave probabilities that are no numbers")
    text.tokens.append(token)


def _step(model: Any, newest: Any, cache: _Slots) -> Any:
    """The logits (B, V) after every slot's newest token."""
    import torch

    at = cache.advance()
    places = torch.arange(cache.length, device=newest.device)
    hidden = torch.finfo(model.dtype).min
    mask = torch.zeros(len(newest), 1, 1, cache.length, dtype=model.dtype, device=newest.device)
    mask.masked_fill_((places > at[:, None])[:, None, None], hidden)
    answer = model(
        input_ids=newest[:, None],
        attention_mask=mask,
        position_ids=at[:, None],
        past_key_values=cache,
        use_cache=True,
    )
    return answer.logits[:, -1]


def _draw(logits: Any, texts: Sequence[Text | None], sampling: Sampling) -> Any:
    """The next token of each row (B,); -1 where its probabilities are no numbers.

    As `torch.multinomial` draws one sample: the largest of the probabilities, each over an exponential of its own.
    """
    import torch

    written = [sampling.least if text is None else len(text.tokens) for text in texts]
    scores = sampling.scores(logits.to(torch.float32, copy=True), written)
    broken = scores.isnan().any(-1)
    if not sampling.do_sample:
        return scores.argmax(-1).masked_fill(broken, -1)
    odds = torch.ones_like(scores)
    for row, text in enumerate(texts):
        if text is not None:
            odds[row].exponential_(1, generator=text.generator)
    return (scores.softmax(-1) / odds).argmax(-1).masked_fill(broken, -1)


def _ended(text: Text, sampling: Sampling) -> bool:
    count = len(text.tokens)
    return count >= sampling.most or (count >= sampling.least and text.tokens[-1] in sampling.ends)
