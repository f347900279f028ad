"""What more devices are worth: images per second with one and with all of them, in the same run.

    python3 -m benchmarks.devices --out devices.json                              (two GPUs of 48 GB or more)
    python3 -m benchmarks.devices --devices cpu:2 --small --images 8 --out d.json (a CPU: small copies, same code)

FLUX.2 [klein] 4B at full size with random weights, whose values change neither speed nor memory, drawn by the
suite's own processes (`--devices`): each loads the model on its device, draws, encodes and sends; this process writes
the image durably, then its row. Nothing is read. Images per second are counted from the moment when every device has
drawn its warm-up images, to the last image.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.full_size.bench import spec_of
from benchmarks.full_size.parts import FAMILIES, build_pipeline
from benchmarks.full_size.plan import Measurement
from evalsuite.models.diffusion import DiffusionModel
from evalsuite.models.pipeline_setup import prepare_pipeline
from evalsuite.records import Environment, Generation, Manifest, ModelSpec, OcrSpec, Prompt, Request, ScorerSpec
from evalsuite.runs.backends.devices import Devices
from evalsuite.runs.backends.names import parse_devices
from evalsuite.runs.store import FORMAT, RunStore

FAMILY = FAMILIES["flux2-klein-4b"]
WARM_UP = 2
"""Images of each device that do not count."""
WORDS = ("OPEN", "NIGHT NOODLES", "SOUP 4.50", "FREE WI-FI", "GRAND OPENING", "SALE", "EXIT", "COFFEE")


@dataclass(frozen=True)
class RandomWeights:
    """Where a pipeline with random weights comes from: each process builds its own, on its device."""

    small: bool

    def device(self, spec: ModelSpec) -> str:
        """The device that the spec names."""
        return str(spec.runtime["device"])

    def open(self, spec: ModelSpec) -> Any:
        """Build the pipeline there."""
        pipeline = build_pipeline(FAMILY, shallow=self.small, device=self.device(spec))
        prepare_pipeline(pipeline, spec.settings, spec.runtime)
        return pipeline

    def check(self, spec: ModelSpec) -> None:
        """Nothing: what is random is nobody's."""


def main(
    devices: Annotated[str, typer.Option(help="The devices; the first of them draws alone before.")] = "all",
    images: Annotated[int, typer.Option(min=4, help="Images that count of each device.")] = 48,
    batch: Annotated[int, typer.Option(min=1, help="Images at a time.")] = 1,
    small: Annotated[bool, typer.Option("--small", help="A small copy at 128×128, for a CPU.")] = False,
    out: Annotated[Path | None, typer.Option(help="Where the figures go as JSON.")] = None,
) -> None:
    """Draw on the first device, then on all; print images per second and their ratio."""
    names = parse_devices(devices)
    found: dict[str, Any] = {"devices": list(names), "images_of_each": images, "batch": batch, "small": small}
    for label, used in (("one", names[:1]), ("all", names)):
        found[label] = measure(used, images, batch, small=small)
        print(json.dumps({label: found[label]}), flush=True)
    found["ratio"] = found["all"]["images_per_second"] / found["one"]["images_per_second"]
    print(f"{len(names)} devices: {found['ratio']:.3f} times the images per second of one", flush=True)
    if out is not None:
        out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def measure(names: Sequence[str], images: int, batch: int, *, small: bool) -> dict[str, Any]:
    """Draw so many images for each device, after its warm-up, and time their arrival on the disk."""
    spec = spec_of(FAMILY, Measurement("suite", runtime={"batch": batch, "device": names[0]}), shallow=small)
    total = (images + WARM_UP * batch) * len(names)
    began = time.perf_counter()
    arrived: list[tuple[float, Generation]] = []
    with _folder(spec, total) as store, store.generations.writer() as rows, Devices(names) as backend:
        source: Any = RandomWeights(small)  # stands in for a checkpoint
        model = DiffusionModel(spec, source)
        for drawn in backend.draw(model, list(store.requests.values()), store):
            row = store.keep(drawn)
            rows.append(row)
            arrived.append((time.perf_counter(), row))
            if row.error is not None:
                raise RuntimeError(row.error)
    return {"seconds_in_all": time.perf_counter() - began, **_figures(arrived, WARM_UP * batch)}


def _figures(arrived: Sequence[tuple[float, Generation]], warm_up: int) -> dict[str, Any]:
    """Images per second of all devices together, and per device how many it drew and its median seconds per image."""
    own: Mapping[str, list[tuple[float, Generation]]] = defaultdict(list)
    for at, row in arrived:
        own[_device(row)].append((at, row))
    start = max(times[warm_up - 1][0] for times in own.values())
    counted = [at for at, _ in arrived if at > start]
    warm = {
        device: [row.timing.total for at, row in times if at > start and row.timing] for device, times in own.items()
    }
    return {
        "images_per_second": len(counted) / (counted[-1] - start),
        "images_counted": len(counted),
        "images_of": {device: len(times) for device, times in sorted(own.items())},
        "p50_s_of": {device: statistics.median(times) for device, times in sorted(warm.items()) if times},
    }


def _device(row: Generation) -> str:
    if row.timing is None or not row.timing.place or row.timing.place.device is None:
        raise RuntimeError(f"{row.key}: the row does not say where it was drawn")
    return row.timing.place.device


@contextmanager
def _folder(spec: ModelSpec, total: int) -> Iterator[RunStore]:
    """A run folder with requests for so many images; prompts of one length, in turn."""
    prompts = tuple(
        Prompt(
            id=f"p{number}",
            suite="bench",
            language="en",
            category="signage",
            length="short",
            text=f"A neon sign over a shop that reads '{word}'",
            targets=(word,),
        )
        for number, word in enumerate(WORDS)
    )
    manifest = Manifest(
        format=FORMAT,
        name="devices",
        created_at="",
        suites=(),
        prompts=prompts,
        models=(spec,),
        seeds=tuple(range(-(-total // len(prompts)))),
        ocr=OcrSpec(name="none", weights_digest=""),
        scorer=ScorerSpec(name="none", version="", profile="none", normalizer=""),
        environment=Environment(),
    )
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as place:
        (Path(place) / "images").mkdir()
        store = RunStore(Path(place), manifest)
        requests: list[Request] = list(store.requests.values())[:total]
        store.requests = {request.key: request for request in requests}
        yield store


if __name__ == "__main__":
    typer.run(main)
