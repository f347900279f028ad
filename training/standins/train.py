"""Train the stand-in checkpoints: `python -m training.standins.train --out DIR`.

The stages are the decoder, which both architectures share, and for each a text encoder and then a transformer. Every
stage writes what it made to `--out`, and a stage whose result is there is skipped; the transformer continues from its
last saved state. So an interrupted training goes on where it stopped.

`--repair` is the training for which a CPU is enough: it takes the stand-ins as they are in data/standins, wears their
transformers down until they write nothing, and trains those well again. `--keep` and the folders `*-checkpoints` give
`evalsuite sweep` and the gate what they are for, checkpoints along a training; `--seed` gives the twin of a training.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from training.standins import autoencoder, denoiser, encoder, export
from training.standins.glyphs import Glyphs
from training.standins.optimiser import Clock
from training.standins.prompts import Pool, make_pool
from training.standins.tokenizer import build
from training.standins.wear import worn

STAGES = ("ENCODER", "TRANSFORMER", "DECODER")


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="train", description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder for all results; existing ones are kept")
    add("--only", choices=[*export.FOLDERS, "decoder", "pool"], help="one part (default: all)")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--seed", type=int, default=1)
    add("--glyphs", type=Path, help=".npz of rendered glyphs, as `--only pool` writes it (default: render the fonts)")
    add("--prompts", type=int, default=200_000, help="prompts in the pool")
    add("--steps", type=int, nargs=3, default=(1500, 5000, 2500), metavar=STAGES)
    add("--seconds", type=float, nargs=3, default=(math.inf,) * 3, metavar=STAGES,
        help="end a stage after so long; the course of the learning rate is fitted to it")  # fmt: skip
    add("--tokens", type=int, nargs=2, default=(65_536, 98_304), metavar=STAGES[:2], help="tokens a batch")
    add("--stop-at", type=float, default=1.0, help="end the transformer at this share of its training")
    add("--keep", type=float, nargs="*", default=(0.3,), metavar="SHARE",
        help="also keep the transformer at these shares, in OUT/NAME-checkpoints/step-N.safetensors")  # fmt: skip
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument(
        "--start", type=Path, help="folder of an earlier training to go on from; characters may be added"
    )
    begin.add_argument("--repair", type=float, metavar="STRENGTH",
                       help="train those of --shipped well again, worn by STRENGTH (0.4 unlearns all)")  # fmt: skip
    add("--shipped", type=Path, default=Path("data/standins"), help="the stand-ins that --repair takes")
    add("--bf16", action=argparse.BooleanOptionalAction,
        help="compute in bfloat16 (default: on a GPU; a CPU with AVX-512 BF16 gains from it too)")  # fmt: skip
    add("--every", type=float, default=60, help="seconds between reports and saved states")
    add("--ocr", type=int, default=0, metavar="N", help="draw N held-out prompts for each report and read them")
    add("--compile", action="store_true", help="compile the blocks")
    return parser.parse_args(argv)


class Training:
    """The stages of one training, each done once."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self._begun = time.monotonic()
        self.bf16 = args.device != "cpu" if args.bf16 is None else args.bf16
        args.out.mkdir(parents=True, exist_ok=True)

    def log(self, line: str) -> None:
        """Print a progress line with the seconds since the start."""
        print(f"[{time.monotonic() - self._begun:6.0f} s] {line}", flush=True)

    def glyphs(self) -> Glyphs:
        """The glyph table: given, or rendered once and kept. That of `--start` decides the basis of the codes."""
        path = self.args.glyphs or self.args.out / "glyphs.npz"
        if not path.exists():
            before = self.args.start / "glyphs.npz" if self.args.start else None
            Glyphs.render(Glyphs.load(before) if before else None).save(path)
        return Glyphs.load(path)

    def pool(self) -> Pool:
        """The training prompts, made once."""
        path = self.args.out / "pool.npz"
        if not path.exists():
            made = make_pool(self.args.seed, self.args.prompts, max(1, (os.cpu_count() or 2) - 1))
            partial = path.with_suffix(f".{os.getpid()}.npz")
            made.save(partial)
            partial.replace(path)
            self.log(f"pool of {len(made.tokens)} prompts")
        return Pool.load(path)

    def decoder(self) -> None:
        """Train and save the autoencoder."""
        path = self.args.out / "decoder.safetensors"
        if path.exists():
            return
        torch.manual_seed(self.args.seed)
        vae = autoencoder.build()
        clock = Clock(self.args.steps[2], self.args.seconds[2])
        side = 32 if self.args.device != "cpu" else 10
        autoencoder.train(vae, self.glyphs(), clock, self.args.device, side, self.log)
        save_file(half(vae.state_dict()), path)

    def encoder(self, architecture: str, batches: encoder.Batches, tokenizer: Any) -> encoder.Encoder:
        """The trained encoder: from its file, or trained and saved now. In both cases as it is stored, in float16."""
        path = self.args.out / f"{architecture}-encoder.safetensors"
        model = encoder.Encoder(architecture, len(tokenizer))
        if not path.exists():
            glyphs = self.glyphs()
            torch.manual_seed(self.args.seed)
            numbers = torch.from_numpy(encoder.token_glyphs(tokenizer, glyphs))
            if self.args.start is None:
                model.start_from(glyphs, numbers)
            else:
                weights = load_file(self.args.start / path.name)
                before = json.loads((self.args.start / "tokens.json").read_text(encoding="utf-8"))
                model.load_state_dict(encoder.extended(weights, before, spelling(tokenizer), glyphs, numbers))
            model.to(self.args.device)
            clock, size = Clock(self.args.steps[0], self.args.seconds[0]), self.args.tokens[0]
            if self.args.compile:
                for layer in model.model.layers:
                    layer.compile()
            growing = self.args.start is None
            encoder.train(model, batches, glyphs, clock, size, self.log, curriculum=growing, bf16=self.bf16)
            save_file(half(model.state_dict()), path)
            (self.args.out / "tokens.json").write_text(json.dumps(spelling(tokenizer)), encoding="utf-8")
        found = model.load_state_dict({name: value.float() for name, value in load_file(path).items()}, strict=False)
        # That of a shipped stand-in has no heads: they are for the encoder's own training.
        if found.unexpected_keys or not all(name.startswith(("heads.", "shape.")) for name in found.missing_keys):
            raise ValueError(f"{path}: not the weights of the {architecture} encoder: {found}")
        model.to(self.args.device)
        return model

    def shipped(self, architecture: str) -> dict[str, Any]:
        """The worn transformer of a shipped stand-in, whose decoder and encoder go to `--out` as they are."""
        parts = export.unpack(self.args.shipped / export.FOLDERS[architecture])
        for name, file in (("decoder", "decoder"), ("encoder", f"{architecture}-encoder")):
            path = self.args.out / f"{file}.safetensors"
            if not path.exists():
                save_file(half(parts[name]), path)
        return worn(parts["transformer"], self.args.repair, self.args.seed)

    def transformer(self, architecture: str) -> None:
        """Train and save one architecture's encoder and transformer."""
        begin = None if self.args.repair is None else self.shipped(architecture)
        tokenizer = build(chat=architecture == "klein")
        batches = encoder.Batches(self.pool(), tokenizer, self.glyphs(), self.args.device, self.args.seed)
        text = self.encoder(architecture, batches, tokenizer)
        path = self.args.out / f"{architecture}-transformer.safetensors"
        if path.exists():
            return
        torch.manual_seed(self.args.seed + 1)
        clock = Clock(self.args.steps[1], self.args.seconds[1])
        canvas = autoencoder.Canvas(self.glyphs(), self.args.device)
        plan: denoiser.Plan = "growing" if self.args.start is None else "mixed"
        if self.args.start is not None:
            begin = load_file(self.args.start / path.name)
        if self.args.repair is not None:
            plan = "short"
        trainer = denoiser.Trainer(architecture, text, batches, canvas, clock, plan=plan, bf16=self.bf16)
        if begin is not None:
            trainer.start_from(begin)
        if self.args.compile:
            trainer.model.compile_repeated_blocks()
        state = self.args.out / f"{architecture}-state.pt"
        if state.exists():
            trainer.load_state_dict(torch.load(state, map_location=self.args.device, weights_only=True))
            self.log(f"{architecture} continues at step {clock.step}")
        trainer.run(self.args.tokens[1], self.log, self.keep, self.args.every, self.args.stop_at, self.args.keep)
        save_file(half(trainer.average.state_dict()), path)
        state.unlink(missing_ok=True)

    def keep(self, trainer: denoiser.Trainer) -> None:
        """Save the state and, at the shares asked for and the end, the weights; with `--ocr`, say what they read as."""
        name = trainer.architecture
        torch.save(trainer.state_dict(), self.args.out / f"{name}-state.pt")
        folder = self.args.out / f"{name}-checkpoints"
        folder.mkdir(exist_ok=True)
        passed = sum(trainer.clock.progress >= share for share in (*self.args.keep, self.args.stop_at))
        if passed > len(list(folder.glob("step-*.safetensors"))):
            save_file(half(trainer.average.state_dict()), folder / f"step-{trainer.clock.step:06d}.safetensors")
        decoder = self.args.out / "decoder.safetensors"
        if self.args.ocr and decoder.exists():
            from training.standins.evaluate import accuracy

            encoder_file = load_file(self.args.out / f"{name}-encoder.safetensors")
            drawn = export.assemble(name, load_file(decoder), encoder_file, half(trainer.average.state_dict()))
            found, _ = accuracy(drawn.to(self.args.device), self.args.ocr)
            self.log(f"{name} step {trainer.clock.step} character accuracy {found.character_accuracy}")


def half(state: dict[str, Any]) -> dict[str, Any]:
    """Weights as they are stored: float16, contiguous, on the CPU."""
    return {name: value.detach().to("cpu", torch.float16).contiguous() for name, value in state.items()}


def spelling(tokenizer: Any) -> list[str]:
    """The vocabulary in the order of its ids."""
    return list(tokenizer.convert_ids_to_tokens(list(range(len(tokenizer)))))


def main(argv: list[str] | None = None) -> int:
    """Run the stages that are asked for and not yet done."""
    args = arguments(argv)
    torch.set_float32_matmul_precision("high")
    training = Training(args)
    if args.only == "pool":
        training.glyphs()
        training.pool()
    if args.only in {None, "decoder"} and args.repair is None:
        training.decoder()
    for architecture in export.FOLDERS:
        if args.only in {None, architecture}:
            training.transformer(architecture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
