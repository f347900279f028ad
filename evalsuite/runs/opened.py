"""A run as everybody sees it: the plan, and for each request its generation, reading and score, and what is missing.

Nothing else joins manifest, generations, readings and scores. Scores are computed from the readings that were opened;
stored ones are a cache (`score_cache`). Everything that shows, exports, gates or checks a run takes an `OpenRun`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from evalsuite import hardware, scoring
from evalsuite.records import ImageScore, Score
from evalsuite.runs.before import befores
from evalsuite.runs.evidence import NOT_DUE, Evidence, read_evidence
from evalsuite.runs.machines import environments, machine_rows, timing_differences
from evalsuite.runs.progress import Progress, Watcher, ignore
from evalsuite.runs.promises import notice_repeated, sampling_units
from evalsuite.runs.score_cache import load_key, read_cache, seal
from evalsuite.runs.stop import read_stop
from evalsuite.runs.store import RunStore
from evalsuite.runs.summary import summarise

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from evalsuite.records import (
        Environment,
        Generation,
        Machine,
        Manifest,
        ModelSpec,
        OcrSpec,
        Prompt,
        Reading,
        Request,
        ScorerSpec,
    )
    from evalsuite.runs.corrected import Correction
    from evalsuite.runs.evidence import Missing
    from evalsuite.runs.judgement import Judgement
    from evalsuite.runs.sensitivity import Sensitivity
    from evalsuite.runs.stop import Stop
    from evalsuite.runs.summary import Summary
    from evalsuite.scoring import Before, Counts


@dataclass(frozen=True)
class OpenRun:
    """A run, opened. `scores` has one row per request of the manifest, in its order.

    Of a run that is drawn until a gate's verdict, only those whose turn has come have a row; of a shard, its own.

    `judgement` holds a person's marks where they were applied to the scores (`runs.adjudications`).
    """

    evidence: Evidence = field(repr=False)
    scorer: ScorerSpec
    scores: tuple[Score, ...] = field(repr=False)
    judgement: Judgement | None = None

    @property
    def store(self) -> RunStore:
        """The folder."""
        return self.evidence.store

    @property
    def folder(self) -> Path:
        """Where the run lies."""
        return self.store.folder

    @property
    def manifest(self) -> Manifest:
        """The plan."""
        return self.store.manifest

    @property
    def ocr(self) -> OcrSpec:
        """The engine whose readings are scored."""
        return self.evidence.ocr

    @cached_property
    def measured_by(self) -> Manifest:
        """The plan with the engine and the scorer that were used, for comparing."""
        return msgspec.structs.replace(self.manifest, ocr=self.ocr, scorer=self.scorer)

    @property
    def requests(self) -> Mapping[str, Request]:
        """The requests by key."""
        return self.store.requests

    @property
    def prompts(self) -> Mapping[str, Prompt]:
        """The prompts by id."""
        return self.store.prompts

    @property
    def generations(self) -> Mapping[str, Generation]:
        """The last generation of each key, failures included, in the order drawn."""
        return self.evidence.generations

    @property
    def readings(self) -> Mapping[str, Reading]:
        """The good reading of each image as it is now."""
        return self.evidence.readings

    @property
    def missing(self) -> tuple[Missing, ...]:
        """What cannot count, and why, in the order of the plan."""
        return self.evidence.missing

    @cached_property
    def faults(self) -> tuple[Missing, ...]:
        """What is missing of the images that were to be drawn: `missing` less those that are not due here."""
        return tuple(each for each in self.missing if each.stage not in NOT_DUE)

    @cached_property
    def stop(self) -> Stop | None:
        """What the gate said that this run was drawn for; None where its images and readings are others now."""
        found = read_stop(self.store)
        if found is None or self.manifest.sequential is None:
            return None
        # The gate reads with the plan's engine, whatever engine's readings are shown.
        planned = self.manifest.ocr
        evidence = self.evidence if self.ocr.digest == planned.digest else read_evidence(self.store, planned)
        return found if found.basis == evidence.digest_of(self.manifest.models[0].name) else None

    @property
    def mark(self) -> str | None:
        """Which part of the plan this is; None for an ordinary run.

        `PASS after 64 of 640 images`, `undecided after 12 of 640 images`, or `shard 3 of 8, 80 of 640 images`.
        """
        if self.manifest.shard is not None:
            return f"{self.manifest.shard}, {len(self.scores)} of {len(self.requests)} images"
        if self.manifest.sequential is None:
            return None
        if self.stop is not None:
            return self.stop.text
        return f"undecided after {len(self.scores)} of {len(self.requests)} images"

    @property
    def not_whole(self) -> str | None:
        """Why a run was never to be whole, with the remedy, for what needs complete runs; None where it was.

        A run drawn until a gate's verdict that was drawn to its end is whole.
        """
        due = {each.stage for each in self.missing}
        if "turn" in due:
            return f"{self.mark}: it was drawn only until a gate's verdict; draw it whole with 'evalsuite run'"
        if "shard" in due:
            return f"{self.mark}: it is a part of a run; put all of its shards together with 'evalsuite merge'"
        return None

    @cached_property
    def machines(self) -> tuple[Machine, ...]:
        """The machines other than the manifest's that drew images."""
        return tuple(machine_rows(self.folder).read())

    def environments(self, model: str | None = None) -> tuple[Environment, ...]:
        """The environments that the images, or those of one model, were drawn in: several after a merge or on Ray."""
        rows = (row for row in self.evidence.drawn.values() if model is None or row.model == model)
        return environments(rows, self.manifest.environment, self.machines)

    @property
    def hardware_line(self) -> str | None:
        """The machines that drew, on one line for people; None where nothing is known of them."""
        lines = dict.fromkeys(filter(None, map(hardware.line, self.environments())))
        return " | ".join(lines) or None

    @cached_property
    def units(self) -> dict[str, str]:
        """The sampling unit of each prompt: itself, or the first prompt with the same text."""
        return sampling_units(self.manifest.prompts)

    @cached_property
    def notices(self) -> tuple[str, ...]:
        """What whoever looks at this run should know of its plan and files."""
        plan = self.manifest.sequential
        if plan is None:
            return self.standing_notices
        mark = (
            f"{self.mark}: drawn by lot until the verdict of policy {plan.policy}, which is about {plan.claim}; its "
            "figures are of the images drawn. No baseline, no claim and no rank rests on it"
        )
        return (mark, *self.standing_notices)

    @property
    def standing_notices(self) -> tuple[str, ...]:
        """The notices without what `mark` tells."""
        torn = [f"the last row of {name} is cut off; its work counts as not done" for name in self.evidence.torn]
        return (*self._of_several, *notice_repeated(self.units), *torn)

    @property
    def _of_several(self) -> tuple[str, ...]:
        """What to know of a run that several machines draw together."""
        shard = [self.not_whole] if self.manifest.shard is not None and self.not_whole is not None else []
        unlike = [
            f"the timings of {spec.name} are of machines that differ ({'; '.join(found)}): pooled, and not compared"
            for spec in self.manifest.models
            if (found := timing_differences(self.environments(spec.name)))
        ]
        return (*shard, *unlike)

    @cached_property
    def summary(self) -> Summary:
        """The run in figures, computed once."""
        missing = {each.key for each in self.missing}
        return summarise(self.manifest, self.scores, self.image_counts, self.generations, self.units, missing)

    @cached_property
    def image_counts(self) -> Mapping[str, Counts]:
        """The counts of each image by key, made once for whoever sums them up."""
        return {score.key: scoring.count(score.result) for score in self.scores}

    @cached_property
    def counts(self) -> Mapping[str, Mapping[str, Counts]]:
        """Each model's counts by prompt (its sampling unit), summed over seeds."""
        images: dict[str, dict[str, list[Counts]]] = {spec.name: {} for spec in self.manifest.models}
        for score in self.scores:
            images[score.model].setdefault(self.units[score.prompt], []).append(self.image_counts[score.key])
        return {model: {unit: scoring.total(counts) for unit, counts in own.items()} for model, own in images.items()}

    @cached_property
    def sensitivities(self) -> tuple[Sensitivity, ...]:
        """How many of the malformed characters on the typeset references this run's reader notices."""
        from evalsuite.runs.sensitivity import sensitivities

        return sensitivities(self)

    @cached_property
    def befores(self) -> dict[tuple[str, int], Before | None]:
        """What stands on each source picture, by prompt and seed; empty where no pictures are edited."""
        return befores(self.manifest, self.readings, self.scorer.profile)

    @cached_property
    def correction(self) -> Correction | None:
        """What a person's judgement of a random sample says of the figures; None where no sample was drawn."""
        from evalsuite.runs.corrected import correction_of

        return correction_of(self)

    def missing_of(self, model: str) -> tuple[Missing, ...]:
        """What is missing of one model."""
        return tuple(each for each in self.missing if each.model == model)

    def scores_of(self, model: str) -> tuple[Score, ...]:
        """One model's scores."""
        return tuple(score for score in self.scores if score.model == model)

    def models(self, *, subjects: bool = False) -> tuple[ModelSpec, ...]:
        """The models; with `subjects`, those that are evaluated: all but references, or the references where alone."""
        real = tuple(spec for spec in self.manifest.models if spec.role != "reference")
        return real if subjects and real else self.manifest.models

    def read_by(self, ocr: OcrSpec) -> OpenRun:
        """The same run with another engine's readings; itself for its own engine."""
        return self if ocr.digest == self.ocr.digest else open_run(self.store, ocr, self.scorer)

    def keep_scores(self) -> None:
        """Write the scores that were computed, for scripts and as a cache. The folder's lock must be held."""
        self.store.scores(self.ocr, self.scorer).replace(self.scores)


def open_run(
    folder: str | os.PathLike[str] | RunStore,
    ocr: OcrSpec | None = None,
    scorer: ScorerSpec | None = None,
    *,
    watch: Watcher = ignore,
) -> OpenRun:
    """Open a run, by default with the OCR and the profile that it was planned with. Nothing is written.

    Every image is hashed, every row checked, every score computed or found in the cache. What is missing, damaged or
    swapped is in `OpenRun.missing`. The scorer is always this version's: one that the plan names and that is older
    cannot be had any more.

    Raises:
        EvalsuiteError: There is no run, or a file of it is not what a run would have written.
    """
    store = folder if isinstance(folder, RunStore) else RunStore.open(Path(folder))
    evidence = read_evidence(store, ocr or store.manifest.ocr)
    scorer = scorer or scoring.scorer_spec(store.manifest.scorer.profile)
    return OpenRun(evidence, scorer, score_evidence(evidence, scorer, watch=watch))


def score_evidence(evidence: Evidence, scorer: ScorerSpec, *, watch: Watcher = ignore) -> tuple[Score, ...]:
    """The score of every request, from the cache where its seal fits.

    An image that is missing, or whose OCR failed, is scored as unread (all of its targets unmatched) with the reason in
    `detail`, so that it lowers the score and marks the run incomplete. Where only the file is gone, its reading counts.
    """
    store, ocr = evidence.store, evidence.ocr
    key = load_key()
    cache = read_cache(store.scores(ocr, scorer).path) if key else {}
    lacks = {each.key: each for each in evidence.missing}
    engine = ocr.digest
    rows = []
    total = len(store.requests)
    stood = befores(store.manifest, evidence.readings, scorer.profile)
    for done, request in enumerate(store.requests.values(), start=1):
        prompt = store.prompts[request.prompt]
        lack = lacks.get(request.key)
        if lack is not None and lack.stage in NOT_DUE:
            continue
        # All rows share the strings that they have in common with the plan and with each other.
        blank = Score(
            key=request.key,
            model=request.model,
            prompt=request.prompt,
            seed=request.seed,
            engine=ocr.name,
            engine_digest=engine,
            scorer=scorer,
            status="scored",
            result=ImageScore(targets=()),
        )
        if lack is not None and lack.stage != "file":
            unread = ImageScore(targets=scoring.unread_targets(prompt.targets, scorer.profile))
            status: Literal["missing", "unreadable"] = "unreadable" if lack.stage == "reading" else "missing"
            rows.append(msgspec.structs.replace(blank, status=status, result=unread, detail=lack.why))
        else:
            before = stood.get((request.prompt, request.seed))
            kept = () if before is None else tuple(line.text for line in before.keep)
            reading = evidence.readings[request.key]
            rows.append(_scored(blank, prompt, reading, cache.pop(request.key, None), key, kept))
        if done % 50 == 0 or done == total:
            watch(Progress("score", done, total))
    return tuple(rows)


def _scored(
    blank: Score, prompt: Prompt, reading: Reading, cached: Score | None, key: bytes | None, kept: Sequence[str]
) -> Score:
    """`blank` with its result, from the row in the cache where that holds.

    `kept` are the lines that stay, where a picture was changed: they are neither targets nor extra text.
    """
    if cached is not None and key is not None and _is_of(cached, blank):
        row = msgspec.structs.replace(blank, result=cached.result)
        fits = seal(row, reading, prompt, key, kept)
        if cached.seal == fits:
            return msgspec.structs.replace(row, seal=fits)
    result = scoring.score_edited(prompt.targets, kept, reading.lines, blank.scorer.profile)
    row = msgspec.structs.replace(blank, result=result)
    return row if key is None else msgspec.structs.replace(row, seal=seal(row, reading, prompt, key, kept))


def _is_of(row: Score, blank: Score) -> bool:
    """Whether a row of the cache is that of a request, an engine and a scorer; its seal says whether it is believed."""
    return msgspec.structs.replace(row, result=blank.result, seal=None) == blank
