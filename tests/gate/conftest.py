"""Run folders with any losses and timings one wants to gate, read by hand and scored by the real scorer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from runs_by_hand import SPECK, Outcome
from runs_by_hand import make_run as write_run

from evalsuite.records import Environment, Finding, Gpu, Memory, ModelSpec, OcrSpec, Prompt, Request, SuiteRef, digest

LENGTH = 100
ENVIRONMENT = Environment(cpu="a processor", gpus=(Gpu(name="a GPU", memory=1, power_limit=300.0),))
TARGET = "".join(map(chr, (*range(0x61, 0x7B), *range(0x430, 0x450), *range(0x561, 0x587), *range(0x3B1, 0x3B5))))
"""A hundred different small letters, so that what is left of it can be of nothing else."""


def make_prompts(n: int, *, languages: tuple[str, ...] = ("en", "zh"), targets: tuple[str, ...] = (TARGET,)):
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


def nothing_lost(_i: int, _seed: int) -> int:
    return 0


class RunMaker:
    """Writes runs below one folder. `lost(i, seed)` says how many of a prompt's 100 characters are lost.

    `failed` gives the finding of images that came to nothing.
    """

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
        suite: SuiteRef | None = None,
        ocr_weights: str = "b" * 64,
        profile: str = "standard",
        settings: dict[str, object] | None = None,
        environment: Environment = ENVIRONMENT,
        failed: Mapping[tuple[int, int], str] | None = None,
    ) -> Path:
        prompts = make_prompts(prompts) if isinstance(prompts, int) else prompts
        specs = tuple(
            ModelSpec(
                name=model, kind="diffusion", role="model", source=model, weights_digest=weights or digest(model),
                settings=settings or {"steps": 4},
            )
            for model in models or (name,)
        )  # fmt: skip
        index = {prompt.id: i for i, prompt in enumerate(prompts)}
        place = {model.name: number for number, model in enumerate(specs)}
        first = []

        def outcome(model: ModelSpec, prompt: Prompt, seed: int) -> Outcome:
            i = index[prompt.id]
            finding = (failed or {}).get((i, seed))
            if finding is not None:
                return Outcome(lines=(), findings=(Finding(code=finding, message="nothing"),))
            kept = [text[: len(text) - min(len(text), lost(i, seed))] for text in prompt.targets]
            first.append(True)
            return Outcome(
                lines=tuple(text for text in kept if text),
                seconds=seconds(model.name, i, seed) if seconds else None,
                warmup=seconds is not None and len(first) == 1,
                memory=Memory(allocated=memory(i, seed)) if memory else None,
            )

        def in_turns(request: Request) -> tuple[int, int]:
            slot = index[request.prompt] * len(seeds) + seeds.index(request.seed)
            return slot, place[request.model] if slot % 2 == 0 else -place[request.model]

        return write_run(
            self.root / name,
            prompts=prompts,
            models=specs,
            seeds=seeds,
            outcome=outcome,
            profile=profile,
            environment=environment,
            ocr=OcrSpec(name="paddle", weights_digest=ocr_weights),
            suites={suite.name: suite} if suite else None,
            order=in_turns if interleave else None,
            size=SPECK,
        ).folder


@pytest.fixture
def make_run(tmp_path) -> RunMaker:
    return RunMaker(tmp_path)


@pytest.fixture(scope="module")
def make_shared_run(tmp_path_factory) -> RunMaker:
    """For runs that all tests of a module look at and none changes."""
    return RunMaker(tmp_path_factory.mktemp("shared"))


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
