"""LPIPS: how far two pictures are apart in the features of a network that sees, by weights in a local folder.

The distance of Zhang et al. (The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, CVPR 2018),
version 0.1: at five layers features are brought to length 1, their squared differences weighted by learned
non-negative weights per channel, and the maps added up at the picture's size. Here the mean is over the pixels outside
the text, and the text of both pictures is painted over, so that it cannot be seen from outside either.

`model.safetensors` holds the state of `lpips.LPIPS(net="alex")` or `net="vgg"` (or of torchmetrics' module of that
kind), written by `safetensors.torch.save_model`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from evalsuite.digests import files_digest
from evalsuite.errors import EvalsuiteError
from evalsuite.extras import install_command

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

FILE = "model.safetensors"
LEAST_SIDE = 32
"""Pixels of the shortest side that the networks' five layers can halve."""
GREY = 128
"""What stands in the place of the text, in all channels."""

_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_EPSILON = 1e-10


@dataclass(frozen=True, slots=True)
class _Conv:
    """A convolution: where its weights lie, their shape (out, in, side, side), stride and padding."""

    name: str
    shape: tuple[int, int, int, int]
    stride: int = 1
    padding: int = 1


@dataclass(frozen=True, slots=True)
class _Net:
    """The five stages of a network: convolutions with ReLU, from the second on behind a pooling of `pool` pixels."""

    stages: tuple[tuple[_Conv, ...], ...]
    pooled: tuple[int, ...]
    pool: int


def _vgg_stage(number: int, first: int, channels: tuple[int, ...]) -> tuple[_Conv, ...]:
    return tuple(
        _Conv(f"net.slice{number}.{first + 2 * at}", (after, before, 3, 3))
        for at, (before, after) in enumerate(pairwise(channels))
    )


NETS = {
    "AlexNet": _Net(
        stages=(
            (_Conv("net.slice1.0", (64, 3, 11, 11), stride=4, padding=2),),
            (_Conv("net.slice2.3", (192, 64, 5, 5), padding=2),),
            (_Conv("net.slice3.6", (384, 192, 3, 3)),),
            (_Conv("net.slice4.8", (256, 384, 3, 3)),),
            (_Conv("net.slice5.10", (256, 256, 3, 3)),),
        ),
        pooled=(1, 2),
        pool=3,
    ),
    "VGG16": _Net(
        stages=(
            _vgg_stage(1, 0, (3, 64, 64)),
            _vgg_stage(2, 5, (64, 128, 128)),
            _vgg_stage(3, 10, (128, 256, 256, 256)),
            _vgg_stage(4, 17, (256, 512, 512, 512)),
            _vgg_stage(5, 24, (512, 512, 512, 512)),
        ),
        pooled=(1, 2, 3, 4),
        pool=2,
    ),
}


class LpipsRuler:
    """LPIPS by the weights of a folder, on the CPU. `name` is what rows call it, `digest` covers the weights."""

    def __init__(self, folder: Path) -> None:
        """Read the weights.

        Raises:
            EvalsuiteError: The file is missing, or holds something else than LPIPS.
        """
        path = folder / FILE
        if not path.is_file():
            raise EvalsuiteError(f"lpips:{folder}: no {FILE}; docs/content.md says how to write one")
        try:
            from safetensors import SafetensorError
            from safetensors.torch import load_file
        except ImportError as error:
            raise EvalsuiteError(f"lpips: needs torch and safetensors; run: {install_command('models')}") from error
        try:
            found = load_file(path)
        except (OSError, ValueError, SafetensorError) as error:
            raise EvalsuiteError(f"{path}: cannot be read as safetensors: {error}") from error
        kind = "VGG16" if "net.slice1.2.weight" in found else "AlexNet"
        self._net = NETS[kind]
        self._weights = _checked(found, self._net, path)
        self.name = f"LPIPS ({kind})"
        self.digest = files_digest({FILE: path})

    def distance(
        self, before: NDArray[np.uint8], after: NDArray[np.uint8], text: NDArray[np.bool_], keep: NDArray[np.bool_]
    ) -> float | None:
        """The mean distance over the pixels of `keep` of two RGB pictures (H, W, 3) whose `text` (H, W) does not count.

        None where they are too small for the network.
        """
        import torch
        from torch.nn import functional

        height, width = keep.shape
        if min(height, width) < LEAST_SIDE:
            return None
        with torch.inference_mode():
            one, other = (self._features(_tensor(pixels, text)) for pixels in (before, after))
            total = torch.zeros(height, width)
            for number, (first, second) in enumerate(zip(one, other, strict=True)):
                apart = functional.conv2d((first - second) ** 2, self._weights[f"lin{number}.model.1.weight"])
                total += functional.interpolate(apart, (height, width), mode="bilinear", align_corners=False)[0, 0]
            return float(total[torch.from_numpy(keep)].mean())

    def _features(self, picture: Any) -> list[Any]:
        from torch.nn import functional

        found = []
        for number, stage in enumerate(self._net.stages):
            if number in self._net.pooled:
                picture = functional.max_pool2d(picture, self._net.pool, 2)
            for conv in stage:
                weight, bias = (self._weights[f"{conv.name}.{part}"] for part in ("weight", "bias"))
                picture = functional.relu(
                    functional.conv2d(picture, weight, bias, stride=conv.stride, padding=conv.padding)
                )
            length = (picture**2).sum(dim=1, keepdim=True).sqrt()
            found.append(picture / (length + _EPSILON))
        return found


def _tensor(pixels: NDArray[np.uint8], text: NDArray[np.bool_]) -> Any:
    import torch

    painted = pixels.copy()
    painted[text] = GREY
    values = torch.from_numpy(painted).permute(2, 0, 1)[None].float() / 127.5 - 1
    shift, scale = (torch.tensor(each).view(1, 3, 1, 1) for each in (_SHIFT, _SCALE))
    return (values - shift) / scale


def _checked(found: dict[str, Any], net: _Net, path: Path) -> dict[str, Any]:
    """The weights by name, every one there, of its shape and sound, and none besides.

    Raises:
        EvalsuiteError: They are not.
    """
    import torch

    given = {name: value.float() for name, value in found.items() if not name.startswith("scaling_layer.")}
    for name in [name for name in given if name.startswith("lins.")]:  # the same weights under their other name
        given.setdefault(f"lin{name.removeprefix('lins.')}", given.pop(name))
    wanted: dict[str, tuple[int, ...]] = {}
    for number, stage in enumerate(net.stages):
        for conv in stage:
            wanted |= {f"{conv.name}.weight": conv.shape, f"{conv.name}.bias": conv.shape[:1]}
        wanted[f"lin{number}.model.1.weight"] = (1, stage[-1].shape[0], 1, 1)
    for name, shape in wanted.items():
        if name not in given:
            raise EvalsuiteError(f"{path}: not LPIPS: it has no {name}")
        if tuple(given[name].shape) != shape:
            raise EvalsuiteError(f"{path}: not LPIPS: {name} has shape {tuple(given[name].shape)}, not {shape}")
        if not torch.isfinite(given[name]).all():
            raise EvalsuiteError(f"{path}: {name} holds numbers that are none")
        if name.startswith("lin") and (given[name] < 0).any():
            raise EvalsuiteError(f"{path}: not LPIPS: {name} holds negative weights")
    if more := sorted(given.keys() - wanted.keys()):
        raise EvalsuiteError(f"{path}: not LPIPS: it has {more[0]} too")
    return given
