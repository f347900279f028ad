"""Drawing a run only until a gate's verdict: image by image, each read and scored before many more are drawn.

What decides is a `Decider` (`gate.sequential`); here the folder is filled with the images that it asks for, in its
order, as in any other run. A run that was stopped goes on: the decider is told of what is there before anything is
drawn. An image that cannot be drawn or read, or is blank, counts as wholly wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from evalsuite import scoring
from evalsuite.records import ImageScore
from evalsuite.runs.evidence import read_evidence, why_failed
from evalsuite.runs.opened import score_evidence
from evalsuite.runs.progress import Progress, Watcher, ignore
from evalsuite.runs.reading import ReadingPool, default_workers
from evalsuite.runs.runner import draw_part, finish, loading, log_drawn, log_read

if TYPE_CHECKING:
    from evalsuite.models.base import ImageModel
    from evalsuite.records import Generation, Reading, Request
    from evalsuite.runs.evidence import Evidence
    from evalsuite.runs.opened import OpenRun
    from evalsuite.runs.plan import Plan
    from evalsuite.runs.rows import RowWriter
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
        pool_size = default_workers() if workers is None else workers
        with (
            ReadingPool(plan.engine, pool_size) as pool,
            store.readings(evidence.ocr).writer() as readings,
            store.generations.writer() as generations,
        ):
            session = _Session(evidence, plan, decider, pool, readings, generations, watch)
            session.tell_what_is_there()
            if decider.next_slots:
                session.draw(model, pool_size)
            session.read(block=True)
        return finish(store, evidence.ocr, watch=watch)


class _Session:
    """One go at a folder: what was drawn, what is being read, and what the decider knows."""

    def __init__(
        self,
        evidence: Evidence,
        plan: Plan,
        decider: Decider,
        pool: ReadingPool,
        readings: RowWriter[Reading],
        generations: RowWriter[Generation],
        watch: Watcher,
    ) -> None:
        self._evidence, self._store = evidence, evidence.store
        self._profile = plan.manifest.scorer.profile
        self._decider, self._pool, self._watch = decider, pool, watch
        self._readings, self._generations = readings, generations
        self._request: dict[Slot, Request] = {(each.prompt, each.seed): each for each in self._store.requests.values()}
        self._rows: dict[Slot, Generation] = {}
        self._unread: dict[str, Slot] = {}

    def tell_what_is_there(self) -> None:
        """Feed the decider with every image that is drawn and read; read what is only drawn.

        What failed to be drawn or read is no image: it is drawn, or read, again.
        """
        evidence, drawn = self._evidence, self._evidence.drawn
        for score in score_evidence(evidence, scoring.scorer_spec(self._profile)):
            row = drawn.get(score.key)
            if row is None:
                continue
            slot = (score.prompt, score.seed)
            self._rows[slot] = row
            if score.key in evidence.readings:
                self._decider.observe(slot, scoring.count(score.result))
            else:
                self._submit(slot, row)
        self._watch(Progress("draw", len(self._rows), len(self._request)))
        self.read(block=True)

    def draw(self, model: ImageModel, workers: int) -> None:
        """Draw what the decider asks for until it asks for nothing more."""
        batch = int(model.spec.runtime.get("batch", 1))
        # Where drawing and reading take turns, every OCR process gets an image.
        size = max(batch, workers) if model.uses_cpu else batch
        ahead = max(2 * batch, 2 * workers)
        with loading(model, self._watch):
            while wanted := self._decider.next_slots:
                part = [self._request[slot] for slot in wanted if slot not in self._rows][:size]
                for generation in draw_part(model, part, self._store):
                    self._keep(generation)
                    if not model.uses_cpu:
                        self.read(block=False)
                if model.uses_cpu or not part or len(self._unread) >= ahead:
                    self.read(block=True)

    def read(self, *, block: bool) -> None:
        """Take the readings that are done, with `block` all, and tell the decider of them."""
        for reading in self._pool.harvest(block=block):
            self._readings.append(reading)
            log_read(self._store, reading)
            slot = self._unread.pop(reading.key)
            if reading.error is None and why_failed(self._rows[slot]) is None:
                result = scoring.score_image(self._targets(slot), reading.lines, self._profile)
                self._decider.observe(slot, scoring.count(result))
            else:
                self._decider.observe(slot, self._nothing(slot))
            done = len(self._rows) - len(self._unread)
            row = self._rows[slot]
            self._watch(Progress("read", done, len(self._request), f"{row.model} {row.prompt}"))

    def _keep(self, generation: Generation) -> None:
        self._generations.append(generation)
        log_drawn(self._store, generation)
        slot = (generation.prompt, generation.seed)
        self._rows[slot] = generation
        if generation.error is None:
            self._submit(slot, generation)
        else:
            self._decider.observe(slot, self._nothing(slot))
        item = f"{generation.model} {generation.prompt}"
        self._watch(Progress("draw", len(self._rows), len(self._request), item))

    def _submit(self, slot: Slot, row: Generation) -> None:
        self._unread[row.key] = slot
        self._pool.submit(row.key, self._store.image_path(row))

    def _targets(self, slot: Slot) -> tuple[str, ...]:
        return self._store.prompts[slot[0]].targets

    def _nothing(self, slot: Slot) -> Counts:
        """The counts of an image that shows nothing."""
        targets = scoring.unread_targets(self._targets(slot), self._profile)
        return scoring.count(ImageScore(targets=targets))
