"""Drawing a run only until a gate's verdict: image by image, each read and scored before many more are drawn.

What decides is a `Decider` (`gate.sequential`); here the folder is filled with the images that it asks for, in its
order, as in any other run. A run that was stopped goes on: the decider is told of what is there before anything is
drawn. An image that cannot be drawn or read, or is blank, counts as wholly wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from evalsuite import scoring
from evalsuite.records import ImageScore
from evalsuite.runs.drawn import drawings_of
from evalsuite.runs.evidence import read_evidence, why_failed
from evalsuite.runs.opened import score_evidence
from evalsuite.runs.pipeline import Pipeline
from evalsuite.runs.progress import Progress, Watcher, ignore
from evalsuite.runs.reading import default_workers
from evalsuite.runs.runner import finish, loading

if TYPE_CHECKING:
    from evalsuite.models.base import ImageModel
    from evalsuite.records import Generation, Reading, Request
    from evalsuite.runs.evidence import Evidence
    from evalsuite.runs.opened import OpenRun
    from evalsuite.runs.plan import Plan
    from evalsuite.runs.store import RunStore
    from evalsuite.scoring import Counts

Slot = tuple[str, int]
"""A prompt's id and a seed."""


class Decider(Protocol):
    """What says which images are wanted next, and when enough are there."""

    @property
    def next_slots(self) -> tuple[Slot, ...]:
        """The images still wanted, in their order; none once it is decided."""
        ...

    def observe(self, slot: Slot, counts: Counts) -> None:
        """Take what was counted in one image, in any order."""
        ...


def draw_until(
    plan: Plan, store: RunStore, decider: Decider, *, workers: int | None = None, watch: Watcher = ignore
) -> OpenRun:
    """Draw, read and score the images of the plan's one model that the decider asks for. Resumes by itself.

    Reading overlaps with drawing unless both would share the CPU; so a few images more may be drawn than decide.

    Raises:
        EvalsuiteError: for what the user can fix; everything finished until then is kept.
    """
    (model,) = plan.models
    with store.writing():
        store.prepare()
        evidence = read_evidence(store, plan.engine.spec)
        session = _Session(evidence, plan, decider, watch)
        pool_size = default_workers(plan.engine) if workers is None else workers
        with Pipeline(store, plan.engine, workers=pool_size, on_kept=session.kept, on_read=session.read) as pipeline:
            session.tell_what_is_there(pipeline)
            if decider.next_slots:
                session.draw(model, pipeline, pool_size)
            pipeline.settle()
        return finish(store, evidence.ocr, watch=watch)


class _Session:
    """One go at a folder: what was drawn, what is being read, and what the decider knows."""

    def __init__(self, evidence: Evidence, plan: Plan, decider: Decider, watch: Watcher) -> None:
        self._evidence, self._store = evidence, evidence.store
        self._profile = plan.manifest.scorer.profile
        self._decider, self._watch = decider, watch
        self._request: dict[Slot, Request] = {(each.prompt, each.seed): each for each in self._store.requests.values()}
        self._slot = {each.key: slot for slot, each in self._request.items()}
        self._rows: dict[Slot, Generation] = {}
        self._asked: set[Slot] = set()
        self._done = 0

    def tell_what_is_there(self, pipeline: Pipeline) -> None:
        """Feed the decider with every image that is drawn and read; read what is only drawn.

        What failed to be drawn or read is no image: it is drawn, or read, again.
        """
        evidence, drawn = self._evidence, self._evidence.drawn
        unread = []
        for score in score_evidence(evidence, scoring.scorer_spec(self._profile)):
            row = drawn.get(score.key)
            if row is None:
                continue
            slot = (score.prompt, score.seed)
            self._rows[slot] = row
            if score.key in evidence.readings:
                self._decider.observe(slot, scoring.count(score.result))
                self._done += 1
            else:
                unread.append(row)
        self._asked = set(self._rows)
        self._watch(Progress("draw", len(self._rows), len(self._request)))
        pipeline.read(unread)
        pipeline.settle()

    def draw(self, model: ImageModel, pipeline: Pipeline, workers: int) -> None:
        """Draw what the decider asks for until it asks for nothing more."""
        batch = int(model.spec.runtime.get("batch", 1))
        # Where drawing and reading take turns, every OCR process gets an image.
        size = max(batch, workers) if model.uses_cpu else batch
        ahead = max(2 * batch, 2 * workers)
        beside = not model.uses_cpu
        pipeline.start_reading(workers if beside else 1)
        if not beside:
            pipeline.prove_reading()
        with loading(model, self._watch):
            pipeline.prove_reading()
            while wanted := self._decider.next_slots:
                part = [self._request[slot] for slot in wanted if slot not in self._asked][:size]
                self._asked |= {(request.prompt, request.seed) for request in part}
                for request, drawing in drawings_of(model, part, self._store.prompts):
                    pipeline.put(request, drawing, beside=beside)
                if beside and part:
                    pipeline.settle(at_most=ahead)
                else:
                    pipeline.settle()

    def kept(self, row: Generation) -> None:
        """Take an image that is on disk; of one that could not be drawn, tell the decider."""
        slot = self._slot[row.key]
        self._rows[slot] = row
        if row.error is not None:
            self._observe(slot, self._nothing(slot))
        self._watch(Progress("draw", len(self._rows), len(self._request), f"{row.model} {row.prompt}"))

    def read(self, reading: Reading) -> None:
        """Take a reading that is on disk, and tell the decider of it."""
        slot = self._slot[reading.key]
        if reading.error is None and why_failed(self._rows[slot]) is None:
            result = scoring.score_image(self._targets(slot), reading.lines, self._profile)
            self._observe(slot, scoring.count(result))
        else:
            self._observe(slot, self._nothing(slot))
        row = self._rows[slot]
        self._watch(Progress("read", self._done, len(self._request), f"{row.model} {row.prompt}"))

    def _observe(self, slot: Slot, counts: Counts) -> None:
        self._done += 1
        self._decider.observe(slot, counts)

    def _targets(self, slot: Slot) -> tuple[str, ...]:
        return self._store.prompts[slot[0]].targets

    def _nothing(self, slot: Slot) -> Counts:
        """The counts of an image that shows nothing."""
        targets = scoring.unread_targets(self._targets(slot), self._profile)
        return scoring.count(ImageScore(targets=targets))
