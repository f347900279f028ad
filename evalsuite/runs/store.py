"""The run folder: the plan, the images, and the rows about them."""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import filelock
import msgspec

from evalsuite.errors import EvalsuiteError
from evalsuite.files import WriteError, make_folder, remove_scratch, sync_folder, write_atomically
from evalsuite.records import (
    Generation,
    Json,
    Manifest,
    ModelSpec,
    OcrSpec,
    Prompt,
    Reading,
    Request,
    Score,
    ScorerSpec,
    SequentialPlan,
    encode,
)
from evalsuite.runs.comparable import unlike
from evalsuite.runs.journal import Journal
from evalsuite.runs.promises import check_manifest
from evalsuite.runs.rows import DamagedRunError, RowFile, open_regular
from evalsuite.runs.shards import slots_of
from evalsuite.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalsuite.runs.drawn import Drawn

FORMAT = 1
MAX_MANIFEST_BYTES = 512 * 2**20
SOURCES = "sources"
DERIVED_FOLDERS = ("assets", "assets/thumbs")
_IMAGE_PATH = re.compile(r"images/[0-9a-f]{24}\.png")


class OtherPlanError(EvalsuiteError):
    """The folder holds a run with another plan; the message names what differs."""


class RunStore:
    """One run folder. Reading needs no lock; `writing` takes the lock for the one writer."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self.generations: RowFile[Generation] = RowFile(folder / "generations.jsonl", Generation)
        self.log = Journal(folder)

    @cached_property
    def requests(self) -> dict[str, Request]:
        """The requests of the plan by key, in its order, hashed once."""
        return {request.key: request for request in self.manifest.plan_requests()}

    @cached_property
    def own_requests(self) -> dict[str, Request]:
        """The requests that this folder draws, by key in the plan's order: all of them, or those of its shard."""
        shard = self.manifest.shard
        if shard is None:
            return self.requests
        own = slots_of(shard, [prompt.id for prompt in self.manifest.prompts], self.manifest.seeds)
        return {key: each for key, each in self.requests.items() if (each.prompt, each.seed) in own}

    @cached_property
    def prompts(self) -> dict[str, Prompt]:
        """The prompts of the plan by id, in its order."""
        return {prompt.id: prompt for prompt in self.manifest.prompts}

    @classmethod
    def open(cls, folder: Path) -> RunStore:
        """The run in `folder`.

        Raises:
            EvalsuiteError: when there is none, or its manifest cannot be read by this version.
        """
        path = folder / "manifest.json"
        refuse_links(folder)
        if not path.exists():
            raise EvalsuiteError(f"{folder}: no run here (no manifest.json); 'evalsuite run --out {folder}' makes one")
        try:
            with open_regular(path) as file:
                content = file.read(MAX_MANIFEST_BYTES + 1)
        except OSError as error:
            raise EvalsuiteError(f"{path}: cannot be read: {error.strerror}") from error
        if len(content) > MAX_MANIFEST_BYTES:
            raise DamagedRunError(f"{path}: more than {MAX_MANIFEST_BYTES:,} bytes; no run's manifest is that large")
        try:
            version = msgspec.json.decode(content).get("format")
            if version != FORMAT:
                raise DamagedRunError(f"{path}: run format {version}; this evalsuite reads format {FORMAT}")
            manifest = msgspec.json.decode(content, type=Manifest)
        except (msgspec.DecodeError, AttributeError, UnicodeDecodeError, RecursionError) as error:
            raise DamagedRunError(f"{path}: not a run's manifest: {error}") from error
        check_manifest(manifest, path)
        return cls(folder, manifest)

    @classmethod
    def create_or_resume(cls, folder: Path, plan: Manifest) -> tuple[RunStore, bool]:
        """The run for `plan` in `folder`, and whether it was there already.

        Raises:
            OtherPlanError: when the folder holds another plan.
            EvalsuiteError: when the folder cannot be written.
        """
        check_manifest(plan, folder / "manifest.json")
        if (folder / "manifest.json").exists():
            store = cls.open(folder)
            differences = plan_differences(store.manifest, plan)
            if differences:
                raise OtherPlanError(
                    f"{folder} holds another run ({'; '.join(differences)}); name another folder with "
                    "--out, or delete it"
                )
            return store, True
        try:
            make_folder(folder)
            make_folder(folder / "images")
            write_atomically(folder / "manifest.json", msgspec.json.format(encode(plan), indent=1))
        except WriteError as error:
            raise WriteError(f"{error}; or name another folder with --out") from error
        return cls(folder, plan), False

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder's lock: one writer at a time, over processes.

        Raises:
            EvalsuiteError: when another process is writing.
        """
        lock = filelock.FileLock(self.folder / ".lock")
        try:
            lock.acquire(timeout=0.2)
        except filelock.Timeout:
            raise EvalsuiteError(
                f"{self.folder}: another evalsuite is writing to this run; wait for it or stop it"
            ) from None
        except OSError as error:
            raise EvalsuiteError(f"{self.folder}: cannot be written: {error.strerror}") from error
        self.log.open()
        self.log.event("opened", evalsuite=__version__, run=self.manifest.name)
        try:
            yield
        except BaseException as error:
            self.log.event("stopped", error=f"{type(error).__name__}: {error}")
            raise
        else:
            self.log.event("closed")
        finally:
            self.log.close()
            lock.release()

    def request_of(self, row: Generation) -> Request:
        """The request that a row of this run answers.

        Raises:
            DamagedRunError: The row says another model, prompt or seed than its key, which is made of them.
            KeyError: No request of the plan has its key.
        """
        request = self.requests[row.key]
        if (row.model, row.prompt, row.seed) != (request.model, request.prompt, request.seed):
            raise DamagedRunError(
                f"{self.generations.path}: row {row.key} says {row.model} {row.prompt} seed {row.seed}, but that "
                f"key is {request.model} {request.prompt} seed {request.seed}; restore the file from a copy"
            )
        return request

    def readings(self, ocr: OcrSpec) -> RowFile[Reading]:
        """The rows that this OCR engine, with these weights and settings, has read."""
        return RowFile(self.folder / f"readings.{ocr.name}-{ocr.digest[:8]}.jsonl", Reading)

    def remember_engine(self, ocr: OcrSpec) -> None:
        """Keep what an engine other than the plan's is, beside its readings, so that they can be told later."""
        if ocr.digest != self.manifest.ocr.digest:
            content = msgspec.json.format(encode(ocr), indent=1)
            write_atomically(self.folder / f"ocr.{ocr.name}-{ocr.digest[:8]}.json", content)

    def engines(self) -> tuple[OcrSpec, ...]:
        """The engines that have read this run: the plan's own, then the others by name."""
        others = []
        for path in sorted(self.folder.glob("ocr.*.json")):
            try:
                with open_regular(path) as file:
                    spec = msgspec.json.decode(file.read(MAX_MANIFEST_BYTES), type=OcrSpec)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise DamagedRunError(f"{path}: not the description of an OCR engine: {error}") from error
            if path.name != f"ocr.{spec.name}-{spec.digest[:8]}.json":
                raise DamagedRunError(
                    f"{path}: describes the OCR engine {spec.name!r} ({spec.digest[:8]}), not its own"
                )
            others.append(spec)
        return (self.manifest.ocr, *others)

    def scores(self, ocr: OcrSpec, scorer: ScorerSpec) -> RowFile[Score]:
        """The derived rows of one scorer and profile over one engine's readings."""
        return RowFile(self.folder / f"scores.{scorer.name}-{scorer.profile}.{ocr.name}-{ocr.digest[:8]}.jsonl", Score)

    def keep(self, drawn: Drawn) -> Generation:
        """Write the image of a drawing durably; its row, which may be appended only now. See `keep_all`."""
        return self.keep_all([drawn])[0]

    def keep_all(self, group: Sequence[Drawn]) -> list[Generation]:
        """Write the images of several drawings durably, the folder once for all; their rows, in the same order.

        Raises:
            WriteError: One cannot be written; no row may be appended.
        """
        for drawn in group:
            if drawn.content is not None:
                write_atomically(self.image_path(drawn.row), drawn.content, sync_name=False)
        if any(drawn.content is not None for drawn in group):
            sync_folder(self.folder / "images")
        return [drawn.row for drawn in group]

    def image_path(self, generation: Generation) -> Path:
        """Where a generation's image lies; paths that would leave the folder are refused."""
        if generation.image is None or not _IMAGE_PATH.fullmatch(generation.image):
            raise DamagedRunError(
                f"{self.generations.path}: row {generation.key}: {generation.image!r} is no image path of this run"
            )
        return self.folder / generation.image

    def prepare(self) -> None:
        """Make what a resumed run needs and remove what a crash left: temporary files, wherever they lie."""
        make_folder(self.folder / "images")
        for folder in (".", "images", SOURCES, *DERIVED_FOLDERS):
            remove_scratch(self.folder / folder)
        sync_folder(self.folder / "images")


def refuse_links(folder: Path) -> None:
    """See that no folder of a run leads elsewhere: what is written into it would be written there.

    Raises:
        DamagedRunError: naming the link.
    """
    for name in ("images", SOURCES, *DERIVED_FOLDERS):
        if (folder / name).is_symlink():
            raise DamagedRunError(f"{folder / name}: is a link, which a run folder may not hold; put the folder here")


def plan_differences(stored: Manifest, asked: Manifest) -> list[str]:
    """What keeps a plan from going on in a folder; empty where it may. Names and environment may differ."""
    models = [{spec.name: spec for spec in plan.models} for plan in (stored, asked)]
    differences = []
    if list(models[0]) != list(models[1]):
        differences.append(f"its models are {', '.join(models[0])}, not {', '.join(models[1])}")
    else:
        differences += [
            f"{name}: {text}"
            for name in models[0]
            if (text := _model_difference(models[0][name], models[1][name])) is not None
        ]
    differences += [
        f"{each.what}: {each.one}, not {each.other}" for each in unlike(stored, asked) if each.what not in _SCORER
    ]
    if stored.scorer.profile != asked.scorer.profile:
        differences.append(f"scoring profile {stored.scorer.profile}, not {asked.scorer.profile}")
    if stored.shard != asked.shard:
        differences.append(f"it is {stored.shard or 'no shard'}, not {asked.shard or 'the whole'}")
    if stored.sequential != asked.sequential:
        differences.append(_say_sequential(stored.sequential, asked.sequential))
    if not differences and (stored.seeds != asked.seeds or stored.prompts != asked.prompts):
        differences.append("its prompts or seeds stand in another order")
    return differences


_SCORER = ("scorer", "normaliser", "scoring profile")
"""Scores are derived: a newer scorer computes them anew, so that only the profile must agree."""


def _say_sequential(stored: SequentialPlan | None, asked: SequentialPlan | None) -> str:
    if stored is None or asked is None:
        return "it is " + ("not " if stored is None else "") + "drawn until a gate's verdict"
    fields = ("claim", "policy", "policy_digest", "baseline", "anchor")
    told = [
        f"{field.replace('_', ' ')} {str(getattr(stored, field))[:12]}, not {str(getattr(asked, field))[:12]}"
        for field in fields
        if getattr(stored, field) != getattr(asked, field)
    ]
    return f"it is gated otherwise: {'; '.join(told)}"


def _model_difference(stored: ModelSpec, asked: ModelSpec) -> str | None:
    if stored.digest == asked.digest:
        return None
    changed = [
        f"{key} {_said(stored.settings.get(key))}, not {_said(asked.settings.get(key))}"
        for key in dict.fromkeys([*stored.settings, *asked.settings])
        if stored.settings.get(key) != asked.settings.get(key)
    ]
    if stored.weights_digest != asked.weights_digest:
        changed.insert(0, f"weights {_weights(stored)}, not {_weights(asked)}")
    if stored.pipeline != asked.pipeline:
        changed.append(f"pipeline {stored.pipeline}, not {asked.pipeline}")
    if stored.adapters != asked.adapters:
        changed.append(f"adapters {_adapters(stored)}, not {_adapters(asked)}")
    return "; ".join(changed) or f"it is a {stored.kind}, not a {asked.kind}"


def _said(value: Json) -> str:
    return "not set" if value is None else str(value)


def _weights(spec: ModelSpec) -> str:
    return f"of {spec.source} (digest {spec.weights_digest[:8]})"


def _adapters(spec: ModelSpec) -> str:
    return ", ".join(f"{Path(each.path).name}:{each.scale:g} ({each.digest[:8]})" for each in spec.adapters) or "none"
