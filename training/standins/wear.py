"""Worn copies of a stand-in's transformer: `python -m training.standins.wear FOLDER OUT --strength 0.1`.

Every weight matrix gets seeded Gaussian noise of `strength` times its own root mean square. The file that comes out is
what `evalsuite run --transformer` takes. So tests of the gate and of `sweep` have checkpoints that are just as good
(little wear) or plainly worse (more), without a training and without storing any. docs/standins.md has the figures.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file


def worn(weights: dict[str, Any], strength: float, seed: int) -> dict[str, Any]:
    """A noisy copy of the matrices (vectors are kept), in the type that they are stored in."""
    generator = torch.Generator().manual_seed(seed)
    made = {}
    for name in sorted(weights):
        value = weights[name].float()
        if value.ndim >= 2:
            value = value + strength * value.square().mean().sqrt() * torch.randn(value.shape, generator=generator)
        made[name] = value.to(weights[name].dtype)
    return made


def main(argv: list[str] | None = None) -> int:
    """Write one worn transformer."""
    parser = argparse.ArgumentParser(prog="wear", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="a stand-in, e.g. data/standins/flux2-klein-micro")
    parser.add_argument("out", type=Path, help="the .safetensors file to write")
    parser.add_argument("--strength", type=float, required=True)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    weights = load_file(args.folder / "transformer" / "diffusion_pytorch_model.safetensors")
    save_file(worn(weights, args.strength, args.seed), args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
