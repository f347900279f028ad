"""The stages of a run: draw what is not drawn, read what is not read, score everything.

Each stage looks at what the folder holds and does the rest, so that a run stopped anywhere goes on where it
was, and a finished one does nothing. Drawing overlaps with writing and OCR (`runs.pipeline`) unless they would share
the CPU, since that would falsify the timings.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from evalsuite.models.base import Foreseeing
from evalsuite.runs.drawn import drawings_of
from evalsuite.runs.evidence import read_evidence
from evalsuite.runs.opened import open_run
from evalsuite.runs.pipeline import Pipeline
from evalsuite.runs.progress import Progress, Stage, Watcher, ignore
from evalsuite.runs.sources import hand_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from evalsuite.models.base import ImageModel
    from evalsuite.ocr.base import OcrEngine
    from evalsuite.records import Generation, OcrSpec, Reading, Request, ScorerSpec
    from evalsuite.runs.backends import Backend
    from evalsuite.runs.evidence import Evidence
    from evalsuite.runs.opened import OpenRun
    from evalsuite.runs.plan import Plan
    from evalsuite.runs.store import RunStore


Waiting = tuple["ImageModel", "Sequence[Request]"]
"""A model, and what it is to draw."""


def execute(
    plan: Plan,
    store: RunStore,
    *,
    workers: int | None = None,
    interleave: Sequence[str] = (),
    backend: Backend | None = None,
    watch: Watcher = ignore,
) -> OpenRun:
    """Carry out a plan in its folder: draw, read, score. Resumes by itself; returns the finished run.

    The models named by `interleave` are loaded together and draw in turns, so that whatever the machine does
    meanwhile meets them alike and their timings can be compared. A `backend` draws, and reads, in other processes.

    Raises:
        EvalsuiteError: for what the user can fix; everything finished until then is kept.
    """
    with store.writing():
        store.prepare()
        plan.sources.put(store)
        hand_out(plan.models, store)
        evidence = read_evidence(store, plan.engine.spec)
        stage: Stage = "take" if all(model.spec.kind == "folder" for model in plan.models) else "draw"
        session = _Session(evidence, watch, stage)
        with ExitStack() as stack:
            pool = stack.enter_context(backend).pool(plan.engine, workers) if backend is not None else None
            pipeline = stack.enter_context(
                Pipeline(store, plan.engine, workers=workers, pool=pool, on_kept=session.kept, on_read=session.read)
            )
            watch(Progress(stage, len(evidence.drawn), len(store.own_requests)))
            for models in _groups(plan.models, interleave):
                session.draw(models, pipeline, backend)
            session.read_all(pipeline)
        return finish(store, evidence.ocr, watch=watch)


def read_again(store: RunStore, engine: OcrEngine, *, workers: int | None = None, watch: Watcher = ignore) -> None:
    """Read the stored images with another engine, or finish reading; nothing is drawn."""
    with store.writing():
        store.remember_engine(engine.spec)
        session = _Session(read_evidence(store, engine.spec), watch)
        with Pipeline(store, engine, workers=workers, on_kept=session.kept, on_read=session.read) as pipeline:
            session.queue(store.requests.values(), pipeline)
            session.read_all(pipeline)


def finish(store: RunStore, ocr: OcrSpec, scorer: ScorerSpec | None = None, *, watch: Watcher = ignore) -> OpenRun:
    """Open a run under its lock and keep the scores. The lock must be held."""
    run = open_run(store, ocr, scorer, watch=watch)
    run.keep_scores()
    store.log.event("scored", images=len(run.scores), missing=len(run.missing))
    return run


class _Session:
    """One go at a folder: what is there, what is missing, and how far it has come."""

    def __init__(self, evidence: Evidence, watch: Watcher, stage: Stage = "draw") -> None:
        self._watch, self._stage = watch, stage
        self._request_of = evidence.store.requests
        self._requests = list(evidence.store.own_requests.values())
        self._store, self._prompts = evidence.store, evidence.store.prompts
        self._drawn = dict(evidence.drawn)
        self._read_already = {(key, reading.image_sha256) for key, reading in evidence.readings.items()}
        self._images_done = len(self._drawn)
        self._to_read = self._read = 0

    def draw(self, models: Sequence[ImageModel], pipeline: Pipeline, backend: Backend | None) -> None:
        """Draw what is missing of models that are loaded together, and have it read."""
        names = {model.spec.name for model in models}
        elsewhere = backend if backend is not None and all(map(backend.takes, models)) else None
        beside = not any(elsewhere.uses_cpu(model) if elsewhere else model.uses_cpu for model in models)
        own = [request for request in self._requests if request.model in names]
        missing = [request for request in own if request.key not in self._drawn]
        if not missing:
            self.queue(own, pipeline)
            return
        if beside:
            pipeline.start_reading(len(missing))
            self.queue(own, pipeline)
        else:
            pipeline.settle()  # what other models' images still ask of the CPU
            # One process is enough to prove that OCR works; the others start when all is drawn.
            pipeline.start_reading(1)
            pipeline.prove_reading()
        waiting = [(model, todo) for model in models if (todo := [r for r in missing if r.model == model.spec.name])]
        if elsewhere is not None:
            self._draw_elsewhere(waiting, pipeline, elsewhere, beside=beside)
        else:
            self._draw_here(waiting, pipeline, beside=beside)
        if not beside:
            self.queue(own, pipeline)
            pipeline.settle()

    def _draw_here(self, waiting: Sequence[Waiting], pipeline: Pipeline, *, beside: bool) -> None:
        with ExitStack() as stack:
            for model, todo in waiting:
                stack.enter_context(loading(model, self._watch))
                if isinstance(model, Foreseeing):
                    model.foresee([(self._prompts[request.prompt], request.seed) for request in todo])
            pipeline.prove_reading()
            for model, part in _turns(waiting):
                for request, drawing in drawings_of(model, part, self._prompts):
                    pipeline.put(request, drawing, beside=beside)
            # Before the weights are given back, for which Python looks through all its objects and stops all threads.
            pipeline.wait_written()

    def _draw_elsewhere(
        self, waiting: Sequence[Waiting], pipeline: Pipeline, backend: Backend, *, beside: bool
    ) -> None:
        for model, part in waiting:
            for drawn in backend.draw(model, part, self._store):
                pipeline.prove_reading()  # known by now: processes that draw take longer to start
                pipeline.put_drawn(drawn, beside=beside)

    def queue(self, requests: Iterable[Request], pipeline: Pipeline) -> None:
        """Have those images read that are drawn and not read yet."""
        rows = [row for request in requests if (row := self._drawn.get(request.key)) and not self._is_read(row)]
        self._to_read += len(rows)
        pipeline.read(rows)

    def read_all(self, pipeline: Pipeline) -> None:
        """Wait for everything that was queued."""
        self._watch(Progress("read", self._read, self._to_read))
        pipeline.settle()

    def kept(self, row: Generation) -> None:
        """Count a drawing that is on disk."""
        if row.error is None:
            self._images_done += 1
            self._to_read += 1
        self._watch(Progress(self._stage, self._images_done, len(self._requests), f"{row.model} {row.prompt}"))

    def read(self, row: Reading) -> None:
        """Count a reading that is on disk."""
        self._read += 1
        request = self._request_of[row.key]
        self._watch(Progress("read", self._read, self._to_read, f"{request.model} {request.prompt}"))

    def _is_read(self, row: Generation) -> bool:
        return not row.sha256 or (row.key, row.sha256) in self._read_already


def _groups(models: Sequence[ImageModel], interleave: Sequence[str]) -> Iterable[list[ImageModel]]:
    """The models that are loaded together: those to interleave first, each other by itself."""
    together = [model for model in models if model.spec.name in interleave]
    if together:
        yield together
    yield from ([model] for model in models if model.spec.name not in interleave)


@contextmanager
def loading(model: ImageModel, watch: Watcher) -> Iterator[ImageModel]:
    """A model, loaded while this is open; that its weights are brought in is told, where it has any."""
    told = model.spec.kind == "diffusion"
    if told:
        watch(Progress("load", 0, 1, model.spec.name))
    with model as loaded:
        if told:
            watch(Progress("load", 1, 1, model.spec.name))
        yield loaded


def _turns(waiting: Sequence[Waiting]) -> Iterable[Waiting]:
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
