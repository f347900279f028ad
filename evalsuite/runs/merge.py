"""Putting the shards of a run together: their images, rows and readings in the order of the plan, nothing twice.

What comes out is the run that one machine would have made. Shards may be given again, or more of them later: what the
folder holds already counts as one of the sources.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from evalsuite import hardware
from evalsuite.errors import EvalsuiteError
from evalsuite.files import write_atomically
from evalsuite.runs.evidence import read_evidence
from evalsuite.runs.machines import machine_of, machine_rows, machines_named, placed
from evalsuite.runs.progress import Progress, Watcher, ignore
from evalsuite.runs.rows import open_regular
from evalsuite.runs.runner import finish
from evalsuite.runs.store import OtherPlanError, RunStore, plan_differences
from evalsuite.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from evalsuite.records import Generation, Machine, Manifest, OcrSpec, Reading
    from evalsuite.runs.evidence import Evidence
    from evalsuite.runs.opened import OpenRun


class MergeError(EvalsuiteError):
    """Run folders cannot be put together; the message names what is at odds."""


def merge_runs(out: Path, folders: Sequence[Path], *, watch: Watcher = ignore) -> tuple[OpenRun, tuple[str, ...]]:
    """Merge run folders with one plan into `out`; the merged run, and what to know of it.

    Args:
        out: The folder of the whole run: a new one, or one with this plan, to which the rest is added.
        folders: Shards of one plan, or other run folders with it.
        watch: Called with the progress.

    Raises:
        OtherPlanError: The plans differ; the message names the folder and what differs.
        MergeError: Two folders hold different images of one request, or none was named.
        EvalsuiteError: A folder is damaged, or `out` cannot be written.
    """
    if len({folder.resolve() for folder in (out, *folders)}) != 1 + len(folders) or not folders:
        raise MergeError("name a folder for the whole run, then the folders to merge, each once")
    sources = [RunStore.open(folder) for folder in folders]
    plan = msgspec.structs.replace(sources[0].manifest, shard=None)
    for source in sources:
        _same_plan(sources[0], source, plan)
    store, _ = RunStore.create_or_resume(out, plan)
    with store.writing():
        store.prepare()
        engines = {spec.digest: spec for each in (store, *sources) for spec in each.engines()}
        everything = [store, *sources]
        first = [read_evidence(each, plan.ocr) for each in everything]
        rows = _chosen(first)
        machines = _machines(store.manifest, everything, rows)
        generations = list(_copy(store, first, rows, machines, watch))
        machine_rows(store.folder).replace(machines.values())
        store.generations.replace(generations)
        for spec in engines.values():
            evidences = first if spec.digest == plan.ocr.digest else [read_evidence(each, spec) for each in everything]
            _merge_readings(store, spec, evidences, generations)
        run = finish(store, plan.ocr, watch=watch)
    return run, tuple(_notices(run, sources))


def _same_plan(first: RunStore, other: RunStore, plan: Manifest) -> None:
    whole = msgspec.structs.replace(other.manifest, shard=None)
    differences = plan_differences(plan, whole)
    if whole.sequential is not None:
        raise MergeError(f"{other.folder}: was drawn until a gate's verdict; draw it whole, there is nothing to merge")
    if differences:
        raise OtherPlanError(f"{other.folder} is no shard of the run in {first.folder}: {'; '.join(differences)}")


def _chosen(sources: Sequence[Evidence]) -> dict[str, tuple[int, Generation]]:
    """For each key the row that counts, in the order of the plan, and which source has it; an image before a failure.

    Raises:
        MergeError: Two sources have different images of one request.
    """
    chosen: dict[str, tuple[int, Generation]] = {}
    at_odds = []
    for key, request in sources[0].store.requests.items():
        whole = [(place, each.drawn[key]) for place, each in enumerate(sources) if key in each.drawn]
        if len({row.sha256 for _, row in whole}) > 1:
            told = " and ".join(str(sources[place].store.folder) for place, _ in whole)
            at_odds.append(f"{request.model} {request.prompt} seed {request.seed} (in {told})")
        failed = [(place, each.generations[key]) for place, each in enumerate(sources) if key in each.generations]
        # A row whose image is gone or changed says nothing that could be copied.
        failed = [found for found in failed if found[1].error is not None]
        if whole or failed:
            chosen[key] = (whole or failed)[0]
    if at_odds:
        raise MergeError(
            f"{len(at_odds)} images are drawn twice, and differently: {listed(at_odds, 3)}. Leave out one of the "
            "folders; nothing was merged"
        )
    return chosen


def _machines(
    own: Manifest, sources: Sequence[RunStore], rows: Mapping[str, tuple[int, Generation]]
) -> dict[tuple[int, str | None], Machine]:
    """The machines other than the merged manifest's, by source and by the name that its rows have for it."""
    found: dict[tuple[int, str | None], Machine] = {}
    for place, source in enumerate(sources):
        known = {each.digest: each for each in machine_rows(source.folder).read()}
        for name in machines_named(row for where, row in rows.values() if where == place):
            if place == 0 and name is None:
                continue
            machine = known.get(name) if name is not None else machine_of(source.manifest.environment)
            if machine is not None and (name is not None or hardware.differences(own.environment, machine.environment)):
                found[place, name] = machine
    return found


def _copy(
    store: RunStore,
    sources: Sequence[Evidence],
    rows: Mapping[str, tuple[int, Generation]],
    machines: Mapping[tuple[int, str | None], Machine],
    watch: Watcher,
) -> Iterator[Generation]:
    """Copy the images, each hashed again on the way, and yield the rows as the merged run has them."""
    for done, (place, row) in enumerate(rows.values(), start=1):
        if row.image is not None and place:
            source = sources[place].store.image_path(row)
            with open_regular(source) as file:
                content = file.read()
            if hashlib.sha256(content).hexdigest() != row.sha256:
                raise MergeError(f"{source}: changed while it was copied; merge again when nothing writes there")
            write_atomically(store.image_path(row), content)
        name = row.timing.place.machine if row.timing is not None and row.timing.place else None
        machine = machines.get((place, name))
        yield placed(row, machine=machine.digest) if machine is not None else row
        watch(Progress("merge", done, len(rows), f"{row.model} {row.prompt}"))


def _merge_readings(
    store: RunStore, ocr: OcrSpec, sources: Sequence[Evidence], generations: Sequence[Generation]
) -> None:
    """Write the readings of the images that count, in their order; a failed one only where there is no other."""
    kept: list[Reading] = []
    failures = [
        {(row.key, row.image_sha256): row for row in each.store.readings(ocr).read() if row.error is not None}
        for each in sources
    ]
    for row in generations:
        good = [each.readings[row.key] for each in sources if row.key in each.readings]
        good = [reading for reading in good if reading.image_sha256 == row.sha256]
        failed = [found for each in failures if (found := each.get((row.key, row.sha256 or ""))) is not None]
        kept += (good or failed)[:1]
    if kept:
        store.remember_engine(ocr)
        store.readings(ocr).replace(kept)


def _notices(run: OpenRun, sources: Sequence[RunStore]) -> Iterator[str]:
    for spec in run.manifest.models:
        ways = [
            {key: value for key, value in source.manifest.model(spec.name).runtime.items() if key != "device"}
            for source in sources
        ]
        odd = next((place for place, way in enumerate(ways) if way != ways[0]), None)
        if odd is not None:
            yield (
                f"{spec.name} was drawn with {ways[odd]} in {sources[odd].folder} and with {ways[0]} in "
                f"{sources[0].folder}: its timings are of all of them together"
            )
    shards = [source.manifest.shard for source in sources]
    counts = {shard.count for shard in shards if shard is not None}
    given = {shard.number for shard in shards if shard is not None}
    absent = sorted(set(range(1, max(counts, default=0) + 1)) - given)
    if run.faults and absent and len(counts) == 1:
        numbers = listed([str(number) for number in absent], 8)
        yield f"of {counts.pop()} shards, these were not given: {numbers}; merge again with them to add what they hold"
