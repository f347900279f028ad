"""How fast prompts are rewritten in batches, and what a batch changes, with ERNIE-Image's enhancer at full size.

    python -m benchmarks.enhancer --out enhancer.json           (a GPU of 24 GB or more; about two minutes)
    python -m benchmarks.enhancer --shallow --out small.json    (any CPU: the same code on a small copy in float32)

Random weights would end a text anywhere, so every text has a fixed number of tokens. They also make thousands of
tokens almost equally likely: rounding tips a draw far more often than with a trained model, which is sure of most.

Batch 1 is the pipeline's own method (`generate`). The texts of each batch size are compared, token by token, with those
of batch 1, and with those of the same size among other texts and in another order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import msgspec
import typer

from benchmarks.full_size.architectures import build_component
from benchmarks.full_size.parts import FAMILIES, built_in
from evalsuite import hardware, suites
from evalsuite.files import write_atomically
from evalsuite.models.enhancer import ENHANCER_METHODS, PromptEnhancer
from evalsuite.models.phases import PhaseRecorder, clock_for
from evalsuite.models.pipeline_setup import compute_dtype, resolve_device
from evalsuite.records import Prompt
from training.random_checkpoints import ENHANCER_TEMPLATE, offline_tokenizer

app = typer.Typer(add_completion=False)

Requests = Sequence[tuple[Prompt, int]]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One batch size: seconds for so many texts of so many tokens, and how many are those of another way.

    `as_alone` are texts equal to batch 1, of the `compared` there, and `same_tokens` the mean number of tokens before
    the first that differs; `among_others`, `compared_among` and `same_tokens_among` the same where the batch holds
    other texts, in another order.
    """

    batch: int
    texts: int
    tokens: int
    seconds: float
    tokens_per_second: float
    ratio: float | None = None
    as_alone: int | None = None
    compared: int | None = None
    same_tokens: float | None = None
    among_others: int | None = None
    compared_among: int | None = None
    same_tokens_among: float | None = None
    peak_bytes: int | None = None


class Numbered:
    """A tokenizer that writes the numbers of tokens: a random model's are mostly none that the tokenizer knows."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def __call__(self, *given: Any, **named: Any) -> Any:
        """The tokenizer's own tokens."""
        return self._tokenizer(*given, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def decode(self, tokens: Any, **_: Any) -> str:
        """The numbers, apart by blanks."""
        return " ".join(map(str, tokens.tolist()))


class Bench:
    """An enhancer without a pipeline around it."""

    def __init__(self, *, shallow: bool, tokens: int) -> None:
        import torch
        from diffusers import ErnieImagePipeline

        self.device = resolve_device("auto")
        changes = FAMILIES["ernie-image"].small["pe"] if shallow else {}
        dtype = compute_dtype(built_in(self.device, shallow=shallow))
        torch.manual_seed(0)
        model = build_component("ernie-image", "pe", device=self.device, dtype=dtype, **changes)
        model.generation_config.min_new_tokens = tokens
        tokenizer = offline_tokenizer(chat_template=ENHANCER_TEMPLATE, limit=tokens)
        tokenizer = Numbered(tokenizer)
        self._parts = SimpleNamespace(pe=model, pe_tokenizer=tokenizer, _execution_device=torch.device(self.device))
        name = ENHANCER_METHODS[0]
        setattr(self._parts, name, getattr(ErnieImagePipeline, name).__get__(self._parts))

    def write(self, requests: Requests, batch: int) -> tuple[dict[str, str], float, int | None]:
        """Texts by their prompt's id, the seconds that they took, and the peak of allocated GPU memory."""
        import torch

        cuda = self.device.startswith("cuda")
        if cuda:
            torch.cuda.reset_peak_memory_stats()
        recorder = PhaseRecorder(self._parts, clock_for(self.device))
        enhancer = PromptEnhancer(self._parts, "image", self.device, batch=batch, clock=recorder.seconds_of)
        enhancer.foresee(requests)
        written = enhancer.rewrite(requests, (1024, 1024))
        texts = {prompt.id: each.text for (prompt, _), each in zip(requests, written, strict=True)}
        peak = torch.cuda.max_memory_allocated() if cuda else None
        return texts, sum(each.seconds for each in written), peak


def compared(texts: Mapping[str, str], others: Mapping[str, str]) -> tuple[int, int, float]:
    """How many texts are equal, of how many, and the mean number of tokens before the first difference."""
    pairs = [(texts[name].split(), others[name].split()) for name in texts.keys() & others.keys()]
    same = [
        next((at for at, (one, other) in enumerate(zip(*pair, strict=True)) if one != other), len(pair[0]))
        for pair in pairs
    ]
    return sum(one == other for one, other in pairs), len(pairs), sum(same) / len(same)


@app.command()
def main(
    out: Annotated[Path, typer.Option(help="Where the JSON goes.")],
    tokens: Annotated[int, typer.Option(min=2, help="Tokens of each text.")] = 128,
    batch: Annotated[list[int] | None, typer.Option(help="A batch size beside 1; may be repeated.")] = None,
    shallow: Annotated[bool, typer.Option("--shallow", help="A small copy, for a CPU.")] = False,
) -> None:
    """Write texts at each batch size; print and keep the figures."""
    bench = Bench(shallow=shallow, tokens=tokens)
    prompts = [prompt for name in ("signage-en", "ui-en", "longtext-style-en") for prompt in _prompts(name)]
    requests = [
        (msgspec.structs.replace(prompts[number % len(prompts)], id=str(number)), number) for number in range(256)
    ]
    alone_of = requests[:4]
    bench.write(requests[:1], 1)  # the first call of all waits for kernels to load
    alone, seconds, peak = bench.write(alone_of, 1)
    speed = len(alone_of) * tokens / seconds
    rows = [Row(batch=1, texts=4, tokens=tokens, seconds=seconds, tokens_per_second=speed, ratio=1.0, peak_bytes=peak)]
    for size in batch or [8, 16, 32, 64]:
        several = requests[: 2 * size]
        texts, seconds, peak = bench.write(several, size)
        others = [*reversed(requests[: 3 * size // 2]), *requests[2 * size : 3 * size]]
        among, _, _ = bench.write(others, size)
        rate = len(several) * tokens / seconds
        (equal, of, same), (equal_among, of_among, same_among) = compared(alone, texts), compared(texts, among)
        rows.append(
            Row(
                batch=size,
                texts=len(several),
                tokens=tokens,
                seconds=seconds,
                tokens_per_second=rate,
                ratio=rate / speed,
                as_alone=equal,
                compared=of,
                same_tokens=same,
                among_others=equal_among,
                compared_among=of_among,
                same_tokens_among=same_among,
                peak_bytes=peak,
            )
        )
        print(rows[-1])
    line = hardware.line(hardware.describe(accelerator=True)) or ""
    print(line)
    for row in rows:
        print(msgspec.json.encode(row).decode())
    content = msgspec.json.encode({"line": line, "shallow": shallow, "rows": rows})
    write_atomically(out, msgspec.json.format(content, indent=1))


def _prompts(name: str) -> list[Prompt]:
    return [prompt for suite in suites.load(name) for prompt in suite.prompts]


if __name__ == "__main__":
    app()
