"""What a run must be for a published figure to be held against it; every way in which it is not is named."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from evalsuite.claims.verdict import Difference
from evalsuite.ocr.vlm_folder import NAME as READER
from evalsuite.ocr.vlm_folder import REPOSITORY
from evalsuite.records import Json, digest
from evalsuite.runs.machines import timing_differences
from evalsuite.suites import longtext_bench

if TYPE_CHECKING:
    from evalsuite.claims.published import Claim, ScoreClaim, SpeedClaim
    from evalsuite.records import Environment, Manifest, ModelSpec, OcrSpec

_SERVED_MODEL = re.compile(r"(^|/)qwen2\.5-vl-7b-instruct$", re.IGNORECASE)
_SIZE = {"hidden_size": 3584, "layers": 28}
"""Qwen2.5-VL-7B, by its config.json."""


def speaks_to(spec: ModelSpec, claim: Claim) -> bool:
    """Whether a model of a run is the one that a claim is about: its repository, and its variant."""
    return claim.repository is not None and spec.source == claim.repository and not any(_variant(spec, claim))


def _variant(spec: ModelSpec, claim: Claim) -> Iterator[Difference]:
    wanted = claim.variant.get("enhance")
    if wanted is not None and wanted != spec.enhanced:
        with_it, drawn = ("with", "without") if wanted else ("without", "with")
        yield Difference(kind="settings", text=f"published {with_it} the prompt enhancer, drawn {drawn} it")


def model_differences(spec: ModelSpec, claim: Claim, *, vouched: bool) -> Iterator[Difference]:
    """Role and settings. With `vouched`, settings that the run does not know are taken to be the claim's."""
    if spec.role == "reference":
        yield Difference(kind="model", text=f"{spec.name} is no model but the typeset reference")
        return
    if spec.role == "stand-in":
        yield Difference(kind="model", text=f"{spec.name} is a stand-in checkpoint, which says nothing about the model")
    if spec.is_served:
        if not vouched:
            yield Difference(
                kind="model",
                text=f"what {spec.name} runs cannot be seen from here; --trust-settings takes your word for it",
            )
    elif spec.kind != "diffusion":
        if not vouched and (claim.settings or claim.variant):
            yield Difference(
                kind="settings",
                text=f"with what settings {spec.name} was drawn is not known; --trust-settings takes your word for it",
            )
        return
    yield from _variant(spec, claim)
    for key, wanted in claim.settings.items():
        found = spec.settings.get(key)
        if not _same(found, wanted):
            told = "not known" if found is None else f"{found:g}" if isinstance(found, float) else found
            stated = f"{wanted:g}" if isinstance(wanted, float) else wanted
            yield Difference(kind="settings", text=f"{key} is {told}, published with {stated}")


def _same(found: Json, wanted: Json) -> bool:
    if isinstance(found, int | float) and isinstance(wanted, int | float):
        return abs(found - wanted) < 1e-9
    return bool(found == wanted)


def prompt_differences(manifest: Manifest) -> Iterator[Difference]:
    """Whether the run holds all prompts of LongText-Bench, unchanged, in both languages."""
    for name, wanted in longtext_bench.DIGESTS.items():
        prompts = tuple(prompt for prompt in manifest.prompts if prompt.suite == name)
        if not prompts:
            yield Difference(kind="prompts", text=f"the run has no prompts of {name}")
        elif digest(prompts) != wanted:
            count = f"{len(prompts)} of its 160 prompts" if len(prompts) < 160 else "other prompts"
            yield Difference(kind="prompts", text=f"the run has {count} for {name}")


def reader_differences(ocr: OcrSpec) -> Iterator[Difference]:
    """Whether the images were read as the benchmark reads them: Qwen2.5-VL-7B-Instruct, its question, its settings."""

    def differ(text: str) -> Difference:
        return Difference(kind="reader", text=text)

    if ocr.name not in (READER, f"{READER}-served"):
        yield differ(
            f"the images were read by {ocr.name}, published figures by Qwen2.5-VL-7B-Instruct (--ocr {READER})"
        )
        return
    settings = ocr.settings
    if ocr.name == READER:
        if not str(settings.get("model", "")).startswith(REPOSITORY) and any(
            settings.get(key) != value for key, value in _SIZE.items()
        ):
            yield differ(f"the reader's checkpoint is not of the size of {REPOSITORY}")
        if settings.get("precision") != "bf16":
            yield differ(f"the reader ran in {settings.get('precision')}, published in bf16")
    elif not _SERVED_MODEL.search(str(settings.get("model", ""))):
        yield differ(f"the server was asked for {settings.get('model')!r}, not {REPOSITORY}")
    from evalsuite.ocr.vlm import MAX_NEW_TOKENS, PROMPT

    if settings.get("prompt") != PROMPT or settings.get("max_new_tokens") != MAX_NEW_TOKENS:
        yield differ("the reader was asked another question, or for another number of tokens")
    generation = settings.get("generation") or {}
    cold = not generation.get("do_sample") or generation.get("temperature", 1.0) <= 1e-3 or generation.get("top_k") == 1
    if not cold or generation.get("repetition_penalty") != 1.05:
        yield differ("the reader's generation settings are not those of the published checkpoint")


def score_differences(
    manifest: Manifest, spec: ModelSpec, claim: ScoreClaim, ocr: OcrSpec, missing: int, *, vouched: bool
) -> tuple[Difference, ...]:
    """All that keeps a model's score from being held against a published one."""
    found = [*model_differences(spec, claim, vouched=vouched), *prompt_differences(manifest), *reader_differences(ocr)]
    if missing:
        found.insert(0, Difference(kind="completeness", text=f"{missing} images are missing or unread"))
    return tuple(found)


def served_differences(spec: ModelSpec, claim: SpeedClaim, *, vouched: bool) -> Iterator[Difference]:
    """All that keeps a served model's throughput from being held against a published one."""
    if spec.source != claim.repository:
        yield Difference(kind="model", text=f"the server draws with {spec.source}, published for {claim.repository}")
    yield from model_differences(spec, claim, vouched=vouched)
    if claim.serving is not None and not vouched:
        text = f"measured through {claim.serving}; what serves here is not known"
        yield Difference(kind="settings", text=text)
    told = str(spec.runtime.get("server hardware", ""))
    if claim.gpu is not None and claim.gpu.lower() not in told.lower():
        text = f"published on {claim.gpu}, drawn on {told or 'hardware that the server does not tell'}"
        yield Difference(kind="hardware", text=text)


def speed_differences(
    environments: Sequence[Environment], spec: ModelSpec, claim: SpeedClaim, *, vouched: bool
) -> tuple[Difference, ...]:
    """All that keeps a model's speed or memory from being held against a published figure."""
    found = list(model_differences(spec, claim, vouched=vouched))
    if claim.serving is not None and not (vouched and spec.is_served):
        found.append(
            Difference(
                kind="settings", text=f"measured through {claim.serving}, drawn here by {spec.pipeline or spec.kind}"
            )
        )
    if spec.runtime.get("offload", "none") != "none":
        found.append(Difference(kind="settings", text=f"drawn with offload={spec.runtime['offload']}"))
    found += [
        Difference(kind="hardware", text=f"drawn on machines that differ: {text}")
        for text in timing_differences(environments)
    ]
    names = [gpu.name for gpu in environments[0].gpus]
    if spec.is_served:  # a GPU of this machine is not the one that drew
        names = [str(spec.runtime["server hardware"])] if "server hardware" in spec.runtime else []
    if claim.gpu is not None and not any(claim.gpu.lower() in name.lower() for name in names):
        unknown = "hardware of a server that does not tell it" if spec.is_served else "no GPU"
        text = f"published on {claim.gpu}, drawn on {', '.join(names) or unknown}"
        found.append(Difference(kind="hardware", text=text))
    elif not names and not spec.is_served:
        found.append(Difference(kind="hardware", text="drawn without a GPU"))
    return tuple(found)
