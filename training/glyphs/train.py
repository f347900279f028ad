"""Trains the verifier: CPUs make samples without end, the device learns from the newest of them.

`python -m training.glyphs.train --pack PACK --out FOLDER --minutes 18 --stop-after 9` trains for nine minutes of a
schedule of eighteen; the same command again goes on from FOLDER. It ends with a table of figures (`evaluate`).
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import multiprocessing
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from training.glyphs.autoencoders import Autoencoders
from training.glyphs.bank import open_pack
from training.glyphs.network import Verifier, doubt, prepared
from training.glyphs.photometry import Light, reference_drawings
from training.glyphs.samples import SCRIPTS, make

if TYPE_CHECKING:
    from torch import Tensor

    from training.glyphs.bank import Bank

SHARD = 2_000
WAITING = 60
"""So many shards may wait to be read; then the makers pause."""
KEPT_EVERY = 120
"""Seconds after which the state is written anew."""
HANZI = 0.55
"""The share of hanzi among the samples."""
ROUGH = 0.6
"""The share of batches in rough light."""
AVERAGE = 0.9995
"""Decay per step of the averaged weights, which are those that are kept."""


def fill(banks: dict[str, Bank], seed: int, folder: Path) -> None:
    """Makes shard after shard into `folder`, until the process is ended."""
    import cv2

    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    number = 0
    while True:
        if len(list(folder.glob("*.npz"))) > WAITING:
            time.sleep(0.2)
            continue
        made = make(banks, SHARD, rng, hanzi=HANZI, rough=True)
        part = folder / f"{seed}-{number}.part"
        with part.open("wb") as file:
            np.savez(file, layers=made.layers, frames=made.frames, about=made.about)
        part.rename(part.with_suffix(".npz"))
        number += 1


class Pool:
    """The newest `size` samples, on the device; older ones make room."""

    def __init__(self, banks: dict[str, Bank], size: int, device: str) -> None:
        size -= size % SHARD
        self.layers = torch.zeros(size, 2, 64, 64, dtype=torch.uint8, device=device)
        self.frames = torch.zeros(size, 3, 3, device=device)
        self.about = torch.zeros(size, 4, dtype=torch.long, device=device)
        self.references = [
            torch.from_numpy(np.ascontiguousarray(banks[script].masks[:3].transpose(1, 0, 2, 3))).to(device)
            for script in SCRIPTS
        ]
        self.offset = len(self.references[0])
        self.references = torch.cat(self.references)
        self.made = 0

    def take_in(self, folder: Path, most: int = 1_000) -> None:
        """Moves shards that wait onto the device, `most` of them."""
        for path in itertools.islice(folder.glob("*.npz"), most):
            with np.load(path) as shard:
                first = self.made % len(self.layers)
                places = slice(first, first + len(shard["about"]))
                self.layers[places].copy_(torch.from_numpy(shard["layers"]))
                self.frames[places].copy_(torch.from_numpy(shard["frames"]))
                self.about[places].copy_(torch.from_numpy(shard["about"]))
            self.made += SHARD
            path.unlink()

    def batch(self, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Layers (n, 2, 64, 64), references (n, 3, 64, 64), both in 0 to 1, and the labels."""
        about = self.about[places]
        masks = self.references[about[:, 3] + about[:, 0] * self.offset]
        return self.layers[places].float() / 255, reference_drawings(masks, self.frames[places]), about[:, 1]


def train(
    pack: Path,
    out: Path,
    *,
    minutes: float,
    stop_after: float,
    size: int,
    batch: int,
    start: Path | None = None,
    seed: int = 0,
) -> None:
    """Trains until `stop_after` minutes of this call or the schedule's end, and keeps the state in `out`.

    A schedule that begins takes the weights of `start`, if any.
    """
    began = time.monotonic()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    out.mkdir(parents=True, exist_ok=True)
    banks = open_pack(pack)
    print(f"bank after {time.monotonic() - began:.0f} s", {k: v.masks.shape for k, v in banks.items()}, flush=True)
    shards = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    kept = out / "state.pt"
    state = torch.load(kept, map_location="cpu", weights_only=True) if kept.exists() else None
    done = state["seconds"] if state else 0.0
    context = multiprocessing.get_context("fork")
    rounds = int(done)
    makers = [
        context.Process(target=fill, args=(banks, seed + 1000 * rounds + each, shards), daemon=True)
        for each in range(max(1, (os.cpu_count() or 2) - 1))
    ]
    for each in makers:
        each.start()
    try:
        _train(
            banks,
            shards,
            out,
            state,
            minutes=minutes,
            stop=began + stop_after * 60,
            size=size,
            batch=batch,
            device=device,
            start=start,
        )
    finally:
        for each in makers:
            each.terminate()
        shutil.rmtree(shards, ignore_errors=True)


def _train(
    banks: dict[str, Bank],
    shards: Path,
    out: Path,
    state: dict[str, Any] | None,
    *,
    minutes: float,
    stop: float,
    size: int,
    batch: int,
    device: str,
    start: Path | None,
) -> None:
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    network = Verifier().to(device, memory_format=torch.channels_last)
    average = Verifier().to(device, memory_format=torch.channels_last)
    if start is not None:
        network.load_state_dict(torch.load(start, map_location=device, weights_only=True))
    optimiser = torch.optim.AdamW(network.parameters(), lr=2.5e-3, weight_decay=0.03)
    done, step = 0.0, 0
    if state:
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        done, step = state["seconds"], state["step"]
    else:
        average.load_state_dict(network.state_dict())
    learner = torch.compile(network) if device == "cuda" else network
    generator = torch.Generator(device=device).manual_seed(step)
    lights = Light(generator), Light(generator, rough=True)
    autoencoders = Autoencoders(device, generator)
    means, news = (
        [each for each in net.state_dict().values() if each.is_floating_point()] for net in (average, network)
    )
    pool = Pool(banks, size, device)
    while pool.made < min(size, 40_000):
        time.sleep(0.2)
        pool.take_in(shards)
    started = told = taken = kept = time.monotonic()
    total = minutes * 60
    losses = right = 0.0
    while (now := time.monotonic()) < stop and done + now - started < total:
        if now - taken > 0.2:
            pool.take_in(shards, 3)
            taken = now
        rate = 0.5 * (1 + math.cos(math.pi * (done + now - started) / total)) + 0.003
        for group in optimiser.param_groups:
            group["lr"] = 2.5e-3 * rate * min(1, (step + 1) / 300)
        places = torch.randint(0, min(pool.made, size), (batch,), device=device, generator=generator)
        with torch.no_grad():
            layers, references, labels = pool.batch(places)
            light = lights[int(np.random.default_rng(step).random() < ROUGH)]
            pictures = autoencoders(light(layers)).contiguous(memory_format=torch.channels_last)
            keeps = torch.rand(batch, 3, 1, 1, device=device, generator=generator) > 0.08
            references = prepared(references) * keeps
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            logits = learner(pictures, references)
        logits = logits.float()
        odds, bad = doubt(logits), (labels > 0).float()
        loss = functional.binary_cross_entropy_with_logits(odds, bad * 0.96 + 0.02) + 0.3 * functional.cross_entropy(
            logits, labels
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimiser.step()
        step += 1
        with torch.no_grad():
            decay = min(AVERAGE, step / (step + 10))
            torch._foreach_lerp_(means, news, 1 - decay)
            losses += 0.02 * (float(loss) - losses) if step % 10 == 0 else 0
            right += 0.02 * (float(((odds > 0) == (bad > 0)).float().mean()) - right) if step % 10 == 0 else 0
        if now - kept > KEPT_EVERY:
            kept = now
            _keep(out, network, average, optimiser, done + now - started, step)
        if now - told > 20:
            told = now
            print(
                f"{done + now - started:.0f} s, step {step}, {pool.made:,} made, loss {losses:.3f}, right {right:.4f}",
                flush=True,
            )
    done += time.monotonic() - started
    _keep(out, network, average, optimiser, done, step)
    print(f"{step} steps of {batch}, {step * batch / 1e6:.1f} M samples, {done:.0f} s of {total:.0f} s", flush=True)
    from training.glyphs.evaluate import evaluate

    figures = evaluate(average.eval(), banks, pool.references, pool.offset, device=device)
    (out / "figures.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")


def _keep(
    out: Path, network: Verifier, average: Verifier, optimiser: torch.optim.Optimizer, seconds: float, step: int
) -> None:
    """Writes all that a later call needs to go on, and the averaged weights alone."""
    state = {
        "network": network.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict(),
        "seconds": seconds, "step": step,
    }  # fmt: skip
    weights = {name: value.cpu() for name, value in average.state_dict().items()}
    for name, content in (("state.pt", state), ("verifier.pt", weights)):
        torch.save(content, out / f"{name}.part")
        (out / f"{name}.part").rename(out / name)


def main() -> None:
    """Reads the arguments and trains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=18, help="length of the schedule")
    parser.add_argument("--stop-after", type=float, default=1e9, help="minutes of this call")
    parser.add_argument("--size", type=int, default=1_500_000, help="samples kept on the device")
    parser.add_argument("--batch", type=int, default=1_024)
    parser.add_argument("--start", type=Path, help="weights that the schedule begins with (verifier.pt)")
    asked = parser.parse_args()
    train(
        asked.pack,
        asked.out,
        minutes=asked.minutes,
        stop_after=asked.stop_after,
        size=asked.size,
        batch=asked.batch,
        start=asked.start,
    )


if __name__ == "__main__":
    main()
