"""A transformer from a GGUF file: what it holds is what draws, and what cannot be read is refused."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Kind
from safetensors.torch import load_file, save_file

from evalsuite.errors import EvalsuiteError
from evalsuite.models.accounting import AccountingError
from evalsuite.models.checkpoints import open_checkpoint
from evalsuite.models.transformer_file import load_transformer
from evalsuite.models.weights_file import WeightsFileError

BOTH = pytest.mark.parametrize("name", ["klein", "ernie-no-pe"])


def own(checkpoints, name):
    return load_file(checkpoints / name / "transformer" / "diffusion_pytorch_model.safetensors")


def write(path, state, kind=Kind.Q8_0, prefix=""):
    """The state as a GGUF file, matrices quantised where their rows fit blocks; and what its numbers are."""
    writer = gguf.GGUFWriter(path, "flux")
    meant = {}
    for name, tensor in state.items():
        values = tensor.float().numpy()
        block = gguf.GGML_QUANT_SIZES[kind][0]
        if values.ndim == 2 and values.shape[1] % block == 0:
            data = gguf.quants.quantize(values, kind)
            writer.add_tensor(prefix + name, data, raw_dtype=kind)
            meant[name] = torch.from_numpy(gguf.quants.dequantize(data, kind).copy())
        else:
            writer.add_tensor(prefix + name, values)
            meant[name] = tensor.float()
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return meant


@BOTH
@pytest.mark.parametrize("kind", [Kind.Q8_0, Kind.Q4_0, Kind.F16], ids=lambda kind: kind.name)
def test_the_weights_are_what_the_blocks_stand_for(checkpoints, tmp_path, name, kind):
    state = own(checkpoints, name)
    meant = write(tmp_path / "model.gguf", state, kind, "model.diffusion_model.")
    got = load_transformer(open_checkpoint(checkpoints / name), tmp_path / "model.gguf", torch.float32).state_dict()
    assert got.keys() == meant.keys()
    assert all(torch.equal(got[key], value) for key, value in meant.items())
    assert any(not torch.equal(got[key], value.float()) for key, value in state.items())  # rounding was lost


def test_it_draws_as_the_same_numbers_in_safetensors(open_model, prompt, checkpoints, tmp_path):
    meant = write(tmp_path / "tuned.gguf", own(checkpoints, "klein"))
    save_file(meant, tmp_path / "plain.safetensors")
    models = [open_model("klein", transformer=str(tmp_path / each)) for each in ("tuned.gguf", "plain.safetensors")]
    pictures = []
    for model in models:
        with model:
            pictures.append(np.asarray(next(model.draw([(prompt(), 1)])).image))
    assert np.array_equal(*pictures)
    assert models[0].spec.name.endswith("+tuned")
    assert models[0].spec.weights_digest != models[1].spec.weights_digest


def test_what_cannot_be_read_or_is_not_whole_is_refused(checkpoints, tmp_path, open_model):
    checkpoint, state = open_checkpoint(checkpoints / "klein"), own(checkpoints, "klein")
    path = tmp_path / "model.gguf"

    def refused(kind, said):
        with pytest.raises(kind, match=said):
            load_transformer(checkpoint, path, torch.float32)

    write(path, dict(list(state.items())[1:]))
    refused(AccountingError, next(iter(state)).replace(".", r"\."))
    write(path, state)
    whole = path.read_bytes()
    for content in (b"", b"GGUF", whole[:100], whole[: len(whole) // 2], b"x" * 64):
        path.write_bytes(content)
        refused(WeightsFileError, "is cut short or no GGUF file")
    # The second tensor's offset, behind its name, sides and type: on the first one's bytes, then off the alignment.
    second = list(state)[1]
    place = whole.index(second.encode()) + len(second) + 4 + 8 * state[second].ndim + 4
    for offset in (0, int.from_bytes(whole[place : place + 8], "little") + 32):
        path.write_bytes(whole[:place] + offset.to_bytes(8, "little") + whole[place + 8 :])
        refused(WeightsFileError, "is at byte .* and what stands before it ends at")
    with pytest.raises(EvalsuiteError, match="only safetensors files are read"):
        open_model("klein", lora=(str(path),))
