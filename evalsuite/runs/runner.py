"""The pipeline of a run: draw what is not drawn, read what is not read, score everything.

Each stage looks at what the folder holds and does the rest, so that a run stopped anywhere goes on where it
was, and a finished one does nothing. Drawing overlaps with OCR unless both would share the CPU, since that
would falsify the timings.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from evalsuite import ocr, scoring
from evalsuite.records import Finding, Generation, Request, Score
from evalsuite.runs.reading import ReadingPool, default_workers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from PIL.Image import Image

    from evalsuite.models.base import Drawing, ImageModel
    from evalsuite.records import OcrSpec, Prompt, Reading, ScorerSpec
    from evalsuite.runs.plan import Plan
    from evalsuite.runs.rows import RowWriter
    from evalsuite.runs.store import RunStore

Stage = Literal["plan", "draw", "read", "score"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage has come: `done` of `total`, and the item that was just finished; of `plan`, a notice."""

    stage: Stage
    done: int
    total: int
    item: str = ""


Watcher = Callable[[Progress], None]


def _ignore(_: Progress) -> None:
    """The watcher of a caller that does not watch."""


def execute(
    plan: Plan,
    store: RunStore,
    ocr_name: str,
    *,
    workers: int | None = None,
    interleave: Sequence[str] = (),
    watch: Watcher = _ignore,
) -> list[Score]:
    """Carry out a plan in its folder: draw, read, score. Resumes by itself; returns the score rows.

    The models named by `interleave` are loaded together and draw in turns, so that whatever the machine does
    meanwhile meets them alike and their timings can be compared.

    Raises:
        EvalsuiteError: for what the user can mend; everything finished until then is kept.
    """
    with store.writing():
        store.prepare()
        pool_size = default_workers() if workers is None else workers
        with ReadingPool(ocr_name, pool_size) as pool, store.readings(plan.manifest.ocr).writer() as readings:
            reader = _Reader(store, plan.manifest.ocr, pool, readings, watch)
            _draw(plan, store, reader, watch, interleave)
            reader.finish()
        return rescore(store, plan.manifest.ocr, plan.manifest.scorer, watch=watch)


def read_again(store: RunStore, ocr_name: str, *, workers: int | None = None, watch: Watcher = _ignore) -> OcrSpec:
    """Read the stored images with another engine, or finish reading; nothing is drawn."""
    spec = ocr.resolve(ocr_name).spec
    with store.writing():
        store.remember_reader(spec)
        pool_size = default_workers() if workers is None else workers
        with ReadingPool(ocr_name, pool_size) as pool, store.readings(spec).writer() as readings:
            reader = _Reader(store, spec, pool, readings, watch)
            reader.expect(store.drawn().values())
            reader.finish()
    return spec


class _Reader:
    """Sends images to the pool and writes the readings that come back; skips what is read already."""

    def __init__(
        self, store: RunStore, spec: OcrSpec, pool: ReadingPool, writer: RowWriter[Reading], watch: Watcher
    ) -> None:
        self._store, self._pool, self._writer, self._watch = store, pool, writer, watch
        self._read = {(row.key, row.image_sha256) for row in store.readings(spec).read() if row.error is None}
        self._total = self._done = 0

    def expect(self, generations: Iterable[Generation]) -> None:
        """Queue images that are not read yet."""
        for generation in generations:
            if generation.sha256 and (generation.key, generation.sha256) not in self._read:
                self._total += 1
                self._pool.submit(generation.key, self._store.image_path(generation), generation.sha256)

    def poll(self) -> None:
        """Write what is ready, without waiting."""
        self._take(block=False)

    def finish(self) -> None:
        """Wait for everything that was queued."""
        self._watch(Progress("read", self._done, self._total))
        self._take(block=True)

    def _take(self, *, block: bool) -> None:
        for reading in self._pool.harvest(block=block):
            self._writer.append(reading)
            self._done += 1
            self._watch(Progress("read", self._done, self._total, reading.key))


def _draw(plan: Plan, store: RunStore, reader: _Reader, watch: Watcher, interleave: Sequence[str]) -> None:
    drawn = store.drawn()
    prompts = {prompt.id: prompt for prompt in plan.manifest.prompts}
    requests = plan.manifest.requests
    done = sum(request.key in drawn for request in requests)
    watch(Progress("draw", done, len(requests)))
    with store.generations.writer() as writer:
        for models in _groups(plan.models, interleave):
            names = {model.spec.name for model in models}
            uses_cpu = any(model.uses_cpu for model in models)
            own = [request for request in requests if request.model in names]
            if not uses_cpu:
                reader.expect(drawn[request.key] for request in own if request.key in drawn)
            missing = [request for request in own if request.key not in drawn]
            for generation in _draw_models(models, missing, prompts, store):
                writer.append(generation)
                done += generation.error is None
                watch(Progress("draw", done, len(requests), f"{generation.model} {generation.prompt}"))
                if generation.error is None:
                    drawn[generation.key] = generation
                    if not uses_cpu:
                        reader.expect([generation])
                        reader.poll()
            if uses_cpu:
                reader.expect(drawn[request.key] for request in own if request.key in drawn)
                reader.finish()


def _groups(models: Sequence[ImageModel], interleave: Sequence[str]) -> Iterable[list[ImageModel]]:
    """The models that are loaded together: those to interleave first, each other by itself."""
    together = [model for model in models if model.spec.name in interleave]
    if together:
        yield together
    yield from ([model] for model in models if model.spec.name not in interleave)


def _draw_models(
    models: Sequence[ImageModel], missing: Sequence[Request], prompts: Mapping[str, Prompt], store: RunStore
) -> Iterable[Generation]:
    waiting = [(model, own) for model in models if (own := [r for r in missing if r.model == model.spec.name])]
    with ExitStack() as stack:
        for model, _ in waiting:
            stack.enter_context(model)
        for model, part in _turns(waiting):
            drawings = model.draw([(prompts[request.prompt], request.seed) for request in part])
            for request, drawing in zip(part, drawings, strict=True):
                if (drawing.prompt.id, drawing.seed) != (request.prompt, request.seed):
                    raise RuntimeError(
                        f"{model.spec.name} answered {drawing.prompt.id} when {request.prompt} was asked for"
                    )
                yield _keep(request, drawing, store)


def _turns(
    waiting: Sequence[tuple[ImageModel, Sequence[Request]]],
) -> Iterable[tuple[ImageModel, Sequence[Request]]]:
    """Who draws what next: one model all of its own, several a batch each in turn.

    The order turns round every time (A B, B A, …), so that a steady drift of the machine favours nobody.
    """
    if len(waiting) == 1:
        yield from waiting
        return
    size = max((int(model.spec.runtime.get("batch", 1)) for model, _ in waiting), default=1)
    longest = max((len(own) for _, own in waiting), default=0)
    for number, start in enumerate(range(0, longest, size)):
        for model, own in waiting if number % 2 == 0 else reversed(waiting):
            if own[start : start + size]:
                yield model, own[start : start + size]


def _keep(request: Request, drawing: Drawing, store: RunStore) -> Generation:
    """The row of a drawing; its image is safely on disk first."""
    row = Generation(
        key=request.key,
        model=request.model,
        prompt=request.prompt,
        seed=request.seed,
        timing=drawing.timing,
        memory=drawing.memory,
        revised_prompt=drawing.revised_prompt,
        findings=drawing.findings,
        error=drawing.error,
        drawn_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    if drawing.image is None:
        return row
    name, sha256 = store.save_image(request.key, drawing.image)
    findings = drawing.findings
    if _is_blank(drawing.image) and not any(finding.code == "blank-image" for finding in findings):
        findings += (Finding(code="blank-image", message="every pixel of the image is the same"),)
    return msgspec.structs.replace(
        row, image=name, sha256=sha256, width=drawing.image.width, height=drawing.image.height, findings=findings
    )


def _is_blank(image: Image) -> bool:
    colours = image.getcolors(maxcolors=1)
    return colours is not None and len(colours) == 1


def rescore(store: RunStore, spec: OcrSpec, scorer: ScorerSpec, *, watch: Watcher = _ignore) -> list[Score]:
    """Score every request of the manifest from its stored reading and write the derived score file.

    An image that is missing, or whose OCR failed, is scored as unread (all of its targets unmatched) with
    the reason in `detail`, so that it lowers the score and marks the run incomplete.
    """
    generations = store.last_generations()
    # Failures do not replace a reading that succeeded for the same bytes.
    read = store.readings(spec).read()
    readings = {(row.key, row.image_sha256): row for row in read if row.error is None}
    failures = {(row.key, row.image_sha256): row for row in read if row.error is not None}
    prompts = {prompt.id: prompt for prompt in store.manifest.prompts}
    requests = store.manifest.requests
    rows = []
    for done, request in enumerate(requests, start=1):
        generation = generations.get(request.key)
        slot = (request.key, generation.sha256 or "") if generation else (request.key, "")
        rows.append(
            _score(request, prompts[request.prompt], generation, readings.get(slot) or failures.get(slot), spec, scorer)
        )
        if done % 50 == 0 or done == len(requests):
            watch(Progress("score", done, len(requests)))
    store.scores(spec, scorer).replace(rows)
    return rows


def _score(
    request: Request,
    prompt: Prompt,
    generation: Generation | None,
    reading: Reading | None,
    spec: OcrSpec,
    scorer: ScorerSpec,
) -> Score:
    status: Literal["scored", "missing", "unreadable"] = "scored"
    detail = None
    if generation is None or generation.error is not None:
        status, detail = "missing", generation.error if generation else "not drawn"
    elif reading is None or reading.error is not None:
        status, detail = "unreadable", reading.error if reading else "not read"
    if reading is not None and status == "scored":
        result = scoring.score_image(prompt.targets, reading.lines, scorer.profile)
    else:
        result = scoring.ImageScore(targets=scoring.unread_targets(prompt.targets, scorer.profile))
    return Score(
        key=request.key,
        model=request.model,
        prompt=request.prompt,
        seed=request.seed,
        engine=spec.name,
        engine_digest=spec.digest,
        scorer=scorer,
        status=status,
        targets=result.targets,
        extras=result.extras,
        errors=result.errors,
        exact_search=result.exact_search,
        detail=detail,
    )
