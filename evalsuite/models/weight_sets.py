"""Which safetensors files in a folder are a model's weights: one file, shards with their index, or a variant of either.

The names are those that diffusers and transformers write: `diffusion_pytorch_model` or `model`, a variant such as
`.fp16`, and `-00001-of-00002` for shards.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evalsuite.errors import EvalsuiteError
from evalsuite.files import read_json_object
from evalsuite.models.weights_file import TensorInfo, WeightsFile, WeightsFileError, read_weights_file

_STEM = r"(?P<stem>diffusion_pytorch_model|model)"
_VARIANT = r"(?:\.(?P<variant>\w+))?"
_WHOLE = re.compile(rf"^{_STEM}{_VARIANT}\.safetensors$")
_SHARD = re.compile(rf"^{_STEM}{_VARIANT}-\d{{5}}-of-\d{{5}}(?:\.(?P<late>\w+))?\.safetensors$")
_INDEX = re.compile(rf"^{_STEM}\.safetensors\.index{_VARIANT}\.json$")
_PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl"})


class WeightsMissingError(EvalsuiteError):
    """The weights of a model are not on this machine, or not all of them."""


@dataclass(frozen=True, slots=True)
class WeightSet:
    """The files of a model's weights, read as one; `variant` is what their names say (fp16, bf16), None for plain."""

    folder: Path
    variant: str | None
    files: tuple[WeightsFile, ...]

    @property
    def tensors(self) -> dict[str, TensorInfo]:
        """All tensors of all files by name."""
        return {name: info for file in self.files for name, info in file.tensors.items()}

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every tensor by name."""
        return {name: info.shape for name, info in self.tensors.items()}


def find_weights(folder: Path) -> WeightSet:
    """The weights of the model whose folder this is; plain files are taken before variants.

    Raises:
        WeightsMissingError: There are none, or some shards are missing.
        EvalsuiteError: They are pickled, cut, or not clearly one model's.
    """
    names = sorted(path.name for path in folder.iterdir())
    whole = _by_variant(names, _WHOLE)
    shards = _by_variant(names, _SHARD)
    indexes = _by_variant(names, _INDEX)
    known = {name for found in (whole, shards) for each in found.values() for name in each}
    stray = [name for name in names if name.lower().endswith(".safetensors") and name not in known]
    if known and stray:
        raise EvalsuiteError(
            f"{folder}: {stray[0]} lies beside {min(known)} and would not be loaded; move it away, or rename it if it "
            "is the one that is meant"
        )
    variants = whole.keys() | shards.keys() | indexes.keys()
    if not variants:
        raise _none(folder, names)
    variant = _variant(folder, variants)
    if variant in whole and (variant in shards or variant in indexes):
        raise EvalsuiteError(
            f"{folder}: holds its weights twice, as {whole[variant][0]} and in shards; remove what is not meant"
        )
    chosen = whole.get(variant) or shards.get(variant, [])
    if len(whole.get(variant, [])) > 1 or len(indexes.get(variant, [])) > 1:
        raise EvalsuiteError(f"{folder}: holds the weights of two models, {' and '.join(chosen)}; remove one")
    if variant in whole:
        return WeightSet(folder, variant, (read_weights_file(folder / chosen[0]),))
    if variant not in indexes:
        raise WeightsMissingError(
            f"{folder}: holds shards ({chosen[0]}) without their index (….safetensors.index.json); fetch it again"
        )
    return _sharded(folder, variant, indexes[variant][0], chosen)


def _by_variant(names: list[str], pattern: re.Pattern[str]) -> dict[str | None, list[str]]:
    found: dict[str | None, list[str]] = {}
    for name in names:
        match = pattern.match(name)
        if match:
            found.setdefault(match["variant"] or match.groupdict().get("late"), []).append(name)
    return found


def _variant(folder: Path, variants: set[str | None]) -> str | None:
    if None in variants:
        return None
    if len(variants) > 1:
        named = ", ".join(sorted(str(each) for each in variants))
        raise EvalsuiteError(f"{folder}: holds only variants of its weights ({named}); leave the one that is meant")
    return next(iter(variants))


def _none(folder: Path, names: list[str]) -> EvalsuiteError:
    if any(name.endswith(".safetensors") for name in names):
        name = next(name for name in names if name.endswith(".safetensors"))
        return EvalsuiteError(
            f"{folder}: {name} is not called as diffusers and transformers call weights (diffusion_pytorch_model or "
            "model, .safetensors); rename it"
        )
    if any(Path(name).suffix in _PICKLES for name in names):
        return EvalsuiteError(
            f"{folder}: its weights are pickled, which can run any code. Convert them to safetensors."
        )
    return WeightsMissingError(f"{folder}: holds no safetensors file; fetch it again")


def _sharded(folder: Path, variant: str | None, index: str, shards: list[str]) -> WeightSet:
    places = _read_index(folder / index)
    named = set(places.values())
    missing = sorted(named - set(shards))
    if missing:
        raise WeightsMissingError(
            f"{folder}: {len(missing)} of {len(named)} weight files are missing, e.g. {missing[0]}; fetch it again"
        )
    if set(shards) - named:
        stray = min(set(shards) - named)
        raise EvalsuiteError(f"{folder}: {stray} is not in {index}; it is another model's, or the index is old")
    files = tuple(read_weights_file(folder / name) for name in shards)
    held: dict[str, str] = {}
    for file in files:
        for name in file.tensors:
            if name in held:
                raise WeightsFileError(f"{folder}: {name} is in {held[name]} and in {file.path.name}")
            held[name] = file.path.name
    wrong = sorted(name for name in held.keys() | places.keys() if held.get(name) != places.get(name))
    if wrong:
        name = wrong[0]
        raise EvalsuiteError(
            f"{folder}: {index} and the shards disagree on {len(wrong)} tensors, e.g. {name}: in "
            f"{places.get(name, 'none')} by the index, found in {held.get(name, 'none')}"
        )
    return WeightSet(folder, variant, files)


def _read_index(path: Path) -> Mapping[str, str]:
    try:
        places = read_json_object(path)["weight_map"]
        found = {str(name): str(file) for name, file in places.items()}
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise EvalsuiteError(f"{path}: cannot be read: {error!r}") from error
    return found
