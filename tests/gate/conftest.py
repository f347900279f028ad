"""Run folders written row by row, as a run writes them, with any scores and timings one wants to gate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from evalsuite import scoring
from evalsuite.records import (
    Generation,
    Manifest,
    Memory,
    ModelSpec,
    OcrSpec,
    Prompt,
    Reading,
    Request,
    Score,
    SuiteRef,
    TargetScore,
    Timing,
    digest,
)
from evalsuite.runs.store import FORMAT, RunStore

LENGTH = 100
SHA = "0" * 64
AT = "2026-01-01T00:00:00+00:00"
ENVIRONMENT = {"cpu": "a processor", "gpus": [{"name": "a GPU", "memory": 1, "power_limit": 300.0}]}


def make_prompts(n: int, *, languages: tuple[str, ...] = ("en", "zh"), targets: tuple[str, ...] = ("x" * LENGTH,)):
    return tuple(
        Prompt(
            id=f"p{i:03d}",
            suite="small",
            language=languages[i % len(languages)],
            category=f"c{i % 3}",
            length="short",
            text=f"{i}: " + " ".join(targets),
            targets=targets,
        )
        for i in range(n)
    )


def target_score(text: str, lost: int) -> TargetScore:
    return TargetScore(
        target=text, length=len(text), matched=lost < len(text), substitutions=0, insertions=0, deletions=lost,
        case_errors=0, exact=lost == 0,
    )  # fmt: skip


def nothing_lost(_i: int, _seed: int) -> int:
    return 0


class RunMaker:
    """Writes runs below one folder. `lost(i, seed)` says how many of a prompt's 100 characters are lost."""

    def __init__(self, root: Path) -> None:
        self.root = root

    prompts = staticmethod(make_prompts)

    def __call__(
        self,
        name: str,
        lost: Callable[[int, int], int] = nothing_lost,
        *,
        prompts: tuple[Prompt, ...] | int = 200,
        seeds: tuple[int, ...] = (0, 1),
        models: tuple[str, ...] | None = None,
        weights: str | None = None,
        seconds: Callable[[str, int, int], float] | None = None,
        memory: Callable[[int, int], int] | None = None,
        interleave: bool = False,
        suite_digest: str = "a" * 64,
        ocr_weights: str = "b" * 64,
        profile: str = "standard",
        scorer: dict[str, str] | None = None,
        settings: dict[str, object] | None = None,
        environment: dict[str, object] | None = None,
    ) -> Path:
        prompts = make_prompts(prompts) if isinstance(prompts, int) else prompts
        specs = tuple(
            ModelSpec(
                name=model, kind="diffusion", role="model", source=model, weights_digest=weights or digest(model),
                settings=settings or {"steps": 4},
            )
            for model in models or (name,)
        )  # fmt: skip
        ocr = OcrSpec(name="paddle", weights_digest=ocr_weights)
        spec = scoring.scorer_spec(profile)
        if scorer:
            spec = msgspec.structs.replace(spec, **scorer)
        manifest = Manifest(
            format=FORMAT, name=name, created_at=AT, suites=(SuiteRef(
                name="small", digest=suite_digest, prompts=len(prompts), source="small.yaml"),),
            prompts=prompts, models=specs, seeds=seeds, ocr=ocr, scorer=spec,
            environment=ENVIRONMENT if environment is None else environment,
        )  # fmt: skip
        folder = self.root / name
        store, _ = RunStore.create_or_resume(folder, manifest)
        order = list(manifest.requests)
        if interleave:
            place = {model.name: index for index, model in enumerate(specs)}
            slots = {(prompt.id, seed): number for number, (prompt, seed) in enumerate(
                (prompt, seed) for prompt in prompts for seed in seeds)}  # fmt: skip

            def turn(request: Request):
                slot = slots[request.prompt, request.seed]
                return slot, place[request.model] if slot % 2 == 0 else -place[request.model]

            order.sort(key=turn)
        index = {prompt.id: i for i, prompt in enumerate(prompts)}
        generations, readings, scores = [], [], []
        for number, request in enumerate(order):
            i = index[request.prompt]
            timing = None
            if seconds is not None:
                timing = Timing(total=seconds(request.model, i, request.seed), warmup=number == 0)
            generations.append(Generation(
                key=request.key, model=request.model, prompt=request.prompt, seed=request.seed,
                image=f"images/{request.key}.png", sha256=SHA, timing=timing,
                memory=Memory(allocated=memory(i, request.seed)) if memory else None, drawn_at=AT,
            ))  # fmt: skip
            readings.append(Reading(
                key=request.key, image_sha256=SHA, engine="paddle", engine_digest=ocr.digest, read_at=AT
            ))  # fmt: skip
            scores.append(Score(
                key=request.key, model=request.model, prompt=request.prompt, seed=request.seed, engine="paddle",
                engine_digest=ocr.digest, scorer=spec, status="scored",
                targets=tuple(target_score(text, min(len(text), lost(i, request.seed))) for text in prompts[i].targets),
            ))  # fmt: skip
        store.generations.replace(generations)
        store.readings(ocr).replace(readings)
        store.scores(ocr, spec).replace(scores)
        return folder


@pytest.fixture
def make_run(tmp_path) -> RunMaker:
    return RunMaker(tmp_path)


POLICY = """\
format = 1
name = "team"
samples = 2
[[gates]]
slice = "all"
margin = 0.05
[[gates]]
slice = "language=*"
margin = 0.05
"""


@pytest.fixture
def policy_file(tmp_path) -> Path:
    path = tmp_path / "team.toml"
    path.write_text(POLICY, encoding="utf-8")
    return path
