"""Reading stored images: PaddleOCR's own loop, the default reader in processes, and `paddle-cuda`, beside each other.

    python -m benchmarks.gpu_reading --images 512 --out gpu_reading.json           (PaddleOCR and an NVIDIA GPU)
    python -m benchmarks.gpu_reading --device cpu --images 4 --processes 1         (no GPU: the same code, slowly)

The pictures are the released ones that EVALSUITE_REAL_IMAGES names and typeset pages, clean and worn, all as PNG files.
Texts, places and confidences of each are compared with the default reader's; then they are read in turn until there are
`--images` of them. Processes start and load before the clock does.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from PIL import Image

from benchmarks._real_images import VARIABLE, pictures
from benchmarks._single_pass import SinglePassReader
from benchmarks.ocr import typeset, wear
from evalsuite import hardware
from evalsuite.images import load_image
from evalsuite.ocr import resolve
from evalsuite.ocr.paddle_cuda import CudaReader
from evalsuite.runs.reading import ReadingPool, default_workers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalsuite.ocr import OcrEngine
    from evalsuite.records import Reading, TextLine

LOOP = 12
"""Pictures of PaddleOCR's own loop, with one thread and with its default number."""


def main(
    images: Annotated[int, typer.Option(help="Images to read.")] = 512,
    pages: Annotated[int, typer.Option(help="Typeset pages, every second one worn.")] = 24,
    folder: Annotated[Path | None, typer.Option(help="Typeset pages as PNG files.")] = None,
    processes: Annotated[list[int] | None, typer.Option(help="Processes of `paddle-cuda`; repeatable.")] = None,
    compare: Annotated[bool, typer.Option(help="Read with PaddleOCR's own loop and the default reader too.")] = True,
    device: Annotated[str, typer.Option(help="Where `paddle-cuda` computes; cpu to try the code.")] = "cuda",
    out: Annotated[Path | None, typer.Option(help="Where the figures go as JSON.")] = None,
) -> None:
    """Read all pictures in all ways; print images per second and what differs."""
    engine = CudaReader(device)
    told: dict[str, Any] = {"hardware": hardware.line(hardware.describe(accelerator=device != "cpu"))}
    with tempfile.TemporaryDirectory() as place:
        paths = _files(Path(place), pages, folder)
        told["different_pictures"] = len(paths)
        if compare:
            told["loop_s_per_image"] = _loop(paths)
            plain = resolve("paddle")
            wanted, rate = _in_processes(plain, paths, default_workers(plain))
            told["paddle"] = {"processes": default_workers(plain), "images_per_second": rate}
        for count in processes or [default_workers(engine)]:
            found, rate = _in_processes(engine, list(islice(cycle(paths), images)), count)
            told[f"{count} processes"] = {"images_per_second": rate}
            if compare:
                told[f"{count} processes"] |= _compared(wanted, found[: len(paths)])
                told[f"{count} processes"]["times_the_loop"] = {
                    name: rate * seconds for name, seconds in told["loop_s_per_image"].items()
                }
            print(f"{count} processes: {rate:.1f} images per second", flush=True)
    print(json.dumps(told, indent=1, ensure_ascii=False), flush=True)
    if out is not None:
        out.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _files(place: Path, pages: int, folder: Path | None) -> list[Path]:
    shown: list[Image.Image] = [picture.image for picture in pictures()] if os.environ.get(VARIABLE) else []
    drawn = [load_image(path) for path in sorted(folder.glob("*.png"))] if folder else [i for _, i in typeset(pages)]
    shown += [wear(page, number) if number % 2 else page for number, page in enumerate(drawn)]
    paths = []
    for number, image in enumerate(shown):
        paths.append(place / f"{number:03}.png")
        image.convert("RGB").save(paths[-1], compress_level=1)
    return paths


def _loop(paths: Sequence[Path]) -> dict[str, float]:
    """Seconds per picture of PaddleOCR's `predict`, one picture after the other, decoding included."""
    told = {}
    chosen = [paths[number * len(paths) // LOOP] for number in range(min(LOOP, len(paths)))]
    for name, threads in (("predict, threads by default", None), ("predict, one thread", 1)):
        reader = SinglePassReader(threads)
        reader.read(load_image(chosen[0]))
        began = time.perf_counter()
        for path in chosen:
            reader.read(load_image(path))
        told[name] = (time.perf_counter() - began) / len(chosen)
    return told


def _in_processes(engine: OcrEngine, paths: Sequence[Path], count: int) -> tuple[list[Reading], float]:
    """Readings in the order of the paths, and images per second once every process is ready."""
    with ReadingPool(engine, count) as pool:
        pool.start(count)
        pool.prove()
        began = time.perf_counter()
        for number, path in enumerate(paths):
            pool.submit(str(number), path)
        found = sorted(pool.harvest(block=True), key=lambda reading: int(reading.key))
        return found, len(paths) / (time.perf_counter() - began)


def _compared(some: Sequence[Reading], others: Sequence[Reading]) -> dict[str, Any]:
    """How many pictures' readings are equal, the greatest difference of a confidence, and the texts that differ."""
    texts = places = lines = arcs = 0
    apart = 0.0
    differing: list[Any] = []
    for one, other in zip(some, others, strict=True):
        lines += len(one.lines)
        arcs += sum(len(line.polygon or ()) > 4 for line in one.lines)
        if one.error or other.error:
            differing.append([one.key, one.error, other.error])
        elif [line.text for line in one.lines] != [line.text for line in other.lines]:
            differing.append([one.key, _only(one.lines, other.lines), _only(other.lines, one.lines)])
        else:
            texts += 1
            places += [line.polygon for line in one.lines] == [line.polygon for line in other.lines]
            pairs = zip(one.lines, other.lines, strict=True)
            apart = max([apart, *(abs((line.confidence or 0) - (twin.confidence or 0)) for line, twin in pairs)])
    told = {"pictures": len(some), "lines": lines, "along_arcs": arcs, "equal_texts": texts, "and_places": places}
    return told | {"greatest_difference_of_a_confidence": apart, "differing": differing}


def _only(some: Sequence[TextLine], others: Sequence[TextLine]) -> list[tuple[str, float | None]]:
    known = {line.text for line in others}
    return [(line.text, line.confidence) for line in some if line.text not in known]


if __name__ == "__main__":
    typer.run(main)
