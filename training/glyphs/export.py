"""Writes the trained verifier as two ONNX graphs: the encoder, whose features of references are kept, and the head.

`python -m training.glyphs.export --weights verifier.pt --out data/glyphs`
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from training.glyphs.network import CELLS, FEATURES, Verifier

OPSET = 17


def export(weights: Path, out: Path) -> None:
    """Writes `encoder.onnx` and `comparison.onnx`.

    The encoder takes pictures (n, 1, 64, 64) to features (n, 48, 16, 16); the comparison takes those of crops and
    of their references (n, 3, 48, 16, 16) to logits (n, 12).
    """
    verifier = Verifier()
    verifier.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True), strict=True)
    verifier.eval()
    out.mkdir(parents=True, exist_ok=True)
    crop, references = torch.zeros(2, FEATURES, CELLS, CELLS), torch.zeros(2, 3, FEATURES, CELLS, CELLS)
    for part, given, names in (
        (verifier.encoder, (torch.zeros(2, 1, 64, 64),), ["pictures"]),
        (verifier.comparison, (crop, references), ["crops", "references"]),
    ):
        name = "encoder" if part is verifier.encoder else "comparison"
        said = "features" if part is verifier.encoder else "logits"
        torch.onnx.export(
            part, given, out / f"{name}.onnx", input_names=names, output_names=[said], opset_version=OPSET,
            dynamo=False, dynamic_axes={each: {0: "n"} for each in (*names, said)},
        )  # fmt: skip


def main() -> None:
    """Reads the arguments and exports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    export(asked.weights, asked.out)


if __name__ == "__main__":
    main()
