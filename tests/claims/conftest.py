"""The fixture of all tests of claims: it writes the run folder of a plan."""

from __future__ import annotations

from pathlib import Path

import pytest
from claims_by_hand import TOKENS, Plan, joined, prompt_of
from runs_by_hand import Outcome, make_run, model

from evalsuite.records import Environment, Gpu, ModelSpec, Prompt, digest
from evalsuite.suites import longtext_bench


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a plan's run folder, with its prompts standing for those of the benchmark."""

    def make(plan: Plan, *, published_prompts: bool = True) -> Path:
        prompts = {
            language: [prompt_of(language, n) for n in range(len(rows))] for language, rows in plan.matched.items()
        }
        if published_prompts:
            found = {f"longtext-bench-{language}": digest(tuple(rows)) for language, rows in prompts.items()}
            monkeypatch.setattr(longtext_bench, "DIGESTS", found)
        spec = ModelSpec(
            name="candidate", kind=plan.kind, role=plan.role, source=plan.source, pipeline="ErnieImagePipeline",
            weights_digest="w", settings=plan.settings, runtime=plan.runtime,
        )  # fmt: skip
        numbers = iter(range(10**6))

        def outcome(model: ModelSpec, prompt: Prompt, seed: int) -> Outcome:
            index, n = next(numbers), int(prompt.id.rpartition("-")[2])
            count = TOKENS - (n == 0) if model.is_ceiling else plan.matched[prompt.language][n, seed]
            return Outcome(
                lines=(joined(prompt.language, int(count)),) if index >= plan.missing else None,
                seconds=plan.seconds * (1 + 0.01 * (index % 5)),
                warmup=index == 0,
                memory=plan.memory,
            )

        return make_run(
            tmp_path / f"run-{len(list(tmp_path.iterdir()))}",
            prompts=[prompt for rows in prompts.values() for prompt in rows],
            models=(spec, model("typeset", "reference")) if plan.ceiling else (spec,),
            seeds=tuple(range(next(iter(plan.matched.values())).shape[1])),
            outcome=outcome,
            ocr=plan.reader,
            environment=Environment(cpu="a processor", gpus=tuple(Gpu(name=name) for name in plan.gpus)),
            scored=False,
        ).folder

    return make
