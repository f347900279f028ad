"""The run folder: the plan, the images, and the rows about them."""

from __future__ import annotations

import hashlib
import io
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import filelock
import msgspec

from evalsuite.errors import EvalsuiteError
from evalsuite.images import to_rgb
from evalsuite.records import Generation, Manifest, OcrSpec, Reading, Score, ScorerSpec
from evalsuite.runs.rows import DamagedRunError, RowFile, sync_folder, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.Image import Image

FORMAT = 1
_IMAGE_PATH = re.compile(r"images/[0-9a-f]{24}\.png")


class OtherPlanError(EvalsuiteError):
    """The folder holds a run with another plan; the message names what differs."""


class RunStore:
    """One run folder. Reading needs no lock; `writing` takes the lock for the one writer."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self.generations: RowFile[Generation] = RowFile(folder / "generations.jsonl", Generation)

    @classmethod
    def open(cls, folder: Path) -> RunStore:
        """The run in `folder`.

        Raises:
            EvalsuiteError: when there is none, or its manifest cannot be read by this version.
        """
        path = folder / "manifest.json"
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise EvalsuiteError(
                f"{folder}: no run here (no manifest.json); 'evalsuite run --out {folder}' makes one"
            ) from None
        except OSError as error:
            raise EvalsuiteError(f"{path}: cannot be read: {error.strerror}") from error
        try:
            version = msgspec.json.decode(content).get("format")
            if version != FORMAT:
                raise DamagedRunError(f"{path}: run format {version}; this evalsuite reads format {FORMAT}")
            return cls(folder, msgspec.json.decode(content, type=Manifest))
        except (msgspec.DecodeError, AttributeError, UnicodeDecodeError) as error:
            raise DamagedRunError(f"{path}: not a run's manifest: {error}") from error

    @classmethod
    def create_or_resume(cls, folder: Path, plan: Manifest) -> tuple[RunStore, bool]:
        """The run for `plan` in `folder`, and whether it was there already.

        Raises:
            OtherPlanError: when the folder holds another plan.
            EvalsuiteError: when the folder cannot be written.
        """
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
            (folder / "images").mkdir(parents=True, exist_ok=True)
            write_atomically(folder / "manifest.json", msgspec.json.format(msgspec.json.encode(plan), indent=1))
        except OSError as error:
            raise EvalsuiteError(
                f"{folder}: cannot be written: {error.strerror}; name another folder with --out"
            ) from error
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
        try:
            yield
        finally:
            lock.release()

    def readings(self, ocr: OcrSpec) -> RowFile[Reading]:
        """The rows that this OCR engine, with these weights and settings, has read."""
        return RowFile(self.folder / f"readings.{ocr.name}-{ocr.digest[:8]}.jsonl", Reading)

    def remember_reader(self, ocr: OcrSpec) -> None:
        """Keep what an engine other than the plan's is, beside its readings, so that they can be told later."""
        if ocr.digest != self.manifest.ocr.digest:
            content = msgspec.json.format(msgspec.json.encode(ocr), indent=1)
            write_atomically(self.folder / f"ocr.{ocr.name}-{ocr.digest[:8]}.json", content)

    def readers(self) -> tuple[OcrSpec, ...]:
        """The engines that have read this run: the plan's own, then the others by name."""
        others = []
        for path in sorted(self.folder.glob("ocr.*.json")):
            try:
                others.append(msgspec.json.decode(path.read_bytes(), type=OcrSpec))
            except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
                raise DamagedRunError(f"{path}: not the description of an OCR engine: {error}") from error
        return (self.manifest.ocr, *others)

    def scores(self, ocr: OcrSpec, scorer: ScorerSpec) -> RowFile[Score]:
        """The derived rows of one scorer and profile over one engine's readings."""
        return RowFile(self.folder / f"scores.{scorer.name}-{scorer.profile}.{ocr.name}-{ocr.digest[:8]}.jsonl", Score)

    def save_image(self, key: str, image: Image) -> tuple[str, str]:
        """Write an image as 8-bit RGB PNG, durably; its path in the folder and the SHA-256 of its bytes."""
        buffer = io.BytesIO()
        # Level 1: three times as fast to write as the default, a tenth larger.
        to_rgb(image).save(buffer, format="PNG", compress_level=1)
        content = buffer.getvalue()
        name = f"images/{key}.png"
        write_atomically(self.folder / name, content)
        return name, hashlib.sha256(content).hexdigest()

    def image_path(self, generation: Generation) -> Path:
        """Where a generation's image lies; paths that would leave the folder are refused."""
        if generation.image is None or not _IMAGE_PATH.fullmatch(generation.image):
            raise DamagedRunError(
                f"{self.generations.path}: row {generation.key}: {generation.image!r} is no image path of this run"
            )
        return self.folder / generation.image

    def drawn(self, *, verify: bool = True) -> dict[str, Generation]:
        """The last generation of each key that holds an image whose bytes are as recorded.

        With `verify`, an image that is missing or changed is left out, so that it is drawn again.
        """
        whole: dict[str, Generation] = {}
        for row in self.generations.read():
            whole.pop(row.key, None)
            if row.error is None:
                path = self.image_path(row)
                if not verify or (path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == row.sha256):
                    whole[row.key] = row
        return whole

    def last_generations(self) -> dict[str, Generation]:
        """The last row of each key, failures included."""
        return {row.key: row for row in self.generations.read()}

    def prepare(self) -> None:
        """Make what a resumed run needs and remove what a crash left: temporary images."""
        images = self.folder / "images"
        images.mkdir(exist_ok=True)
        for scratch in images.glob(".*.tmp"):
            scratch.unlink(missing_ok=True)
        sync_folder(images)


def plan_differences(one: Manifest, other: Manifest) -> list[str]:
    """What keeps two plans from being the same run; empty when they are. Names and environment may differ."""
    differences = []
    models = [[f"{model.name} ({model.digest[:8]})" for model in plan.models] for plan in (one, other)]
    if models[0] != models[1]:
        differences.append(f"its models are {', '.join(models[0])}, not {', '.join(models[1])}")
    if one.seeds != other.seeds:
        differences.append(f"its seeds are {list(one.seeds)}, not {list(other.seeds)}")
    if one.prompts != other.prompts:
        differences.append(f"its {len(one.prompts)} prompts are not the {len(other.prompts)} asked for")
    if one.ocr.digest != other.ocr.digest:
        differences.append("its OCR has other weights or settings")
    if one.scorer != other.scorer:
        differences.append(f"it is scored with profile {one.scorer.profile} of {one.scorer.name} {one.scorer.version}")
    return differences
