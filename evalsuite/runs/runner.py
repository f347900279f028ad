"""The pipeline of a run: draw what is not drawn, read what is not read, score everything.

Each stage looks at what the folder holds and does the rest, so that a run stopped anywhere goes on where it
was, and a finished one does nothing. Drawing overlaps with OCR unless both would share the CPU, since that
would falsify the timings.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from evalsuite.runs.drawn import encode
from evalsuite.runs.evidence import read_evidence
from evalsuite.runs.opened import open_run
from evalsuite.runs.progress import Progress, Watcher, ignore
from evalsuite.runs.reading import ReadingPool, default_workers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evalsuite.models.base import ImageModel
    from evalsuite.ocr.base import OcrEngine
    from evalsuite.records import Generation, OcrSpec, Reading, Request, ScorerSpec
    from evalsuite.runs.evidence import Evidence
    from evalsuite.runs.opened import OpenRun
    from evalsuite.runs.plan import Plan
    from evalsuite.runs.rows import RowWriter
    from evalsuite.runs.store import RunStore


def execute(
    plan: Plan,
    store: RunStore,
    *,
    workers: int | None = None,
    interleave: Sequence[str] = (),
    watch: Watcher = ignore,
) -> OpenRun:
    """Carry out a plan in its folder: draw, read, score. Resumes by itself; returns the finished run.

    The models named by `interleave` are loaded together and draw in turns, so that whatever the machine does
    meanwhile meets them alike and their timings can be compared.

    Raises:
        EvalsuiteError: for what the user can fix; everything finished until then is kept.
    """
    with store.writing():
        store.prepare()
        evidence = read_evidence(store, plan.engine.spec)
        pool_size = default_workers() if workers is None else workers
        with ReadingPool(plan.engine, pool_size) as pool, store.readings(evidence.ocr).writer() as readings:
            reader = _Reader(evidence, pool, readings, watch)
            _draw(plan, evidence, reader, watch, interleave)
            reader.finish()
        return finish(store, evidence.ocr, watch=watch)


def read_again(store: RunStore, engine: OcrEngine, *, workers: int | None = None, watch: Watcher = ignore) -> None:
    """Read the stored images with another engine, or finish reading; nothing is drawn."""
    with store.writing():
        store.remember_engine(engine.spec)
        evidence = read_evidence(store, engine.spec)
        pool_size = default_workers() if workers is None else workers
        with ReadingPool(engine, pool_size) as pool, store.readings(engine.spec).writer() as readings:
            reader = _Reader(evidence, pool, readings, watch)
            reader.expect(evidence.drawn.values())
            reader.finish()


def finish(store: RunStore, ocr: OcrSpec, scorer: ScorerSpec | None = None, *, watch: Watcher = ignore) -> OpenRun:
    """Open a run under its lock and keep the scores. The lock must be held."""
    run = open_run(store, ocr, scorer, watch=watch)
    run.keep_scores()
    store.log.event("scored", images=len(run.scores), missing=len(run.missing))
    return run


def log_drawn(store: RunStore, row: Generation) -> None:
    """Tell the log of a generation that was written."""
    total = row.timing.total if row.timing is not None else None
    store.log.event(
        "drawn", key=row.key, model=row.model, prompt=row.prompt, seed=row.seed, seconds=total, error=row.error
    )


def log_read(store: RunStore, row: Reading) -> None:
    """Tell the log of a reading that was written."""
    store.log.event("read", key=row.key, engine=row.engine, lines=len(row.lines), seconds=row.seconds, error=row.error)


class _Reader:
    """Sends images to the pool and writes the readings that come back; skips what is read already."""

    def __init__(self, evidence: Evidence, pool: ReadingPool, writer: RowWriter[Reading], watch: Watcher) -> None:
        self._store, self._pool, self._writer, self._watch = evidence.store, pool, writer, watch
        self._read = {(key, reading.image_sha256) for key, reading in evidence.readings.items()}
        self._total = self._done = 0

    def expect(self, generations: Iterable[Generation]) -> None:
        """Queue images that are not read yet."""
        for generation in generations:
            if generation.sha256 and (generation.key, generation.sha256) not in self._read:
                self._total += 1
                self._pool.submit(generation.key, self._store.image_path(generation))

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
            log_read(self._store, reading)
            self._done += 1
            self._watch(Progress("read", self._done, self._total, reading.key))


def _draw(plan: Plan, evidence: Evidence, reader: _Reader, watch: Watcher, interleave: Sequence[str]) -> None:
    store = evidence.store
    drawn = dict(evidence.drawn)
    requests = list(store.requests.values())
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
            for generation in _draw_models(models, missing, store):
                writer.append(generation)
                log_drawn(store, generation)
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


def _draw_models(models: Sequence[ImageModel], missing: Sequence[Request], store: RunStore) -> Iterable[Generation]:
    waiting = [(model, own) for model in models if (own := [r for r in missing if r.model == model.spec.name])]
    with ExitStack() as stack:
        for model, _ in waiting:
            stack.enter_context(model)
        for model, part in _turns(waiting):
            yield from draw_part(model, part, store)


def draw_part(model: ImageModel, part: Sequence[Request], store: RunStore) -> Iterable[Generation]:
    """The rows of what a loaded model draws for these requests; each image is safely on disk first."""
    drawings = model.draw([(store.prompts[request.prompt], request.seed) for request in part])
    for request, drawing in zip(part, drawings, strict=True):
        if (drawing.prompt.id, drawing.seed) != (request.prompt, request.seed):
            raise RuntimeError(f"{model.spec.name} answered {drawing.prompt.id} when {request.prompt} was asked for")
        yield store.keep(encode(request, drawing))


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
