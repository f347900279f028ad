"""Runs about which claims are made, constructed row by row, so that every outcome has its cause."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from evalsuite.claims import ClaimVerdict, check_claims, published_reader
from evalsuite.ocr.vlm import PROMPT
from evalsuite.records import Memory, OcrSpec, Prompt
from evalsuite.runs import RunStore, open_run

TOKENS = 50
QWEN = {
    "model": "Qwen/Qwen2.5-VL-7B-Instruct@cc594898137f460bfe9f0759e9844b3ce807cfb5",
    "prompt": PROMPT,
    "max_new_tokens": 1024,
    "generation": {"do_sample": True, "temperature": 1e-6, "repetition_penalty": 1.05},
    "precision": "bf16",
}
PADDLE = OcrSpec(name="paddle", weights_digest="p", settings={})


def words(language: str) -> list[str]:
    return [f"w{n}" for n in range(TOKENS)] if language == "en" else [chr(0x4E00 + n) for n in range(TOKENS)]


def joined(language: str, count: int) -> str:
    return (" " if language == "en" else "").join(words(language)[:count])


@dataclass
class Plan:
    """A run to be written. `matched` gives, for a language, the tokens read in each image (prompts × seeds)."""

    matched: dict[str, np.ndarray]
    source: str = "baidu/ERNIE-Image"
    settings: dict = field(default_factory=lambda: {"steps": 50, "guidance": 4.0, "enhance": "image"})
    kind: str = "diffusion"
    role: str = "model"
    reader: OcrSpec = field(default_factory=lambda: OcrSpec(name="qwen2.5-vl", weights_digest="q", settings=QWEN))
    gpus: tuple[str, ...] = ("NVIDIA H200",)
    seconds: float = 20.0
    memory: Memory | None = None
    runtime: dict = field(default_factory=dict)
    missing: int = 0
    ceiling: bool = True


def prompt_of(language: str, n: int) -> Prompt:
    target = joined(language, TOKENS)
    return Prompt(
        id=f"longtext-bench-{language}-{n:04d}", suite=f"longtext-bench-{language}", language=language,
        category="sign", length="long", text=f"{n}: {target}", targets=(target,),
    )  # fmt: skip


def check(folder: Path, ids=(), *, ocr: OcrSpec | None = None, **options):
    """The verdicts on a stored run, read as the command reads it."""
    store = RunStore.open(folder)
    run = open_run(store, ocr or published_reader(store))
    return check_claims(run, ids, **options).verdicts


def standings_of(folder: Path):
    store = RunStore.open(folder)
    return check_claims(open_run(store, published_reader(store))).standings


def rows(mean: float, prompts: int, seeds: int = 4, *, between: float = 0.6, within: float = 0.6, seed: int = 0):
    """Matched tokens with the given mean share, spread between prompts and between images, in tokens."""
    rng = np.random.default_rng(seed)
    offsets = rng.normal(0, between, (prompts, 1)) + rng.normal(0, within, (prompts, seeds))
    return np.clip(np.rint(mean * TOKENS + offsets - offsets.mean()), 0, TOKENS).astype(int)


def one(folder: Path, claim: str = "ernie-image-longtext", **options) -> ClaimVerdict:
    (verdict,) = check(folder, [claim], **options)
    return verdict


GOOD = {"en": rows(0.966, 40), "zh": rows(0.96, 40, seed=1)}

# A file of claims of one's own.
HEAD = """\
[longtext-bench]
protocol = "longtext"
samples = 4
tolerance = 0.016
labs_differ = 0.008
[sources.s]
title = "S"
"""
SCORE = '[[scores]]\nid = "a"\nmodel = "A"\nsource = "s"\nen = 0.5\nzh = 0.7\n'
