"""Worn copies: seeded, of the asked strength, vectors untouched."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from training.standins import wear  # noqa: E402


@pytest.fixture
def weights():
    torch.manual_seed(0)
    return {"a.weight": 5.0 * torch.randn(200, 300), "a.bias": torch.randn(300)}


def test_wear_is_relative_to_the_weights_and_follows_the_seed(weights):
    worn = wear.worn(weights, 0.1, seed=1)
    noise = (worn["a.weight"] - weights["a.weight"]).square().mean().sqrt()
    assert noise.item() == pytest.approx(0.5, rel=0.02)
    assert torch.equal(worn["a.bias"], weights["a.bias"])
    assert torch.equal(worn["a.weight"], wear.worn(weights, 0.1, seed=1)["a.weight"])
    assert not torch.equal(worn["a.weight"], wear.worn(weights, 0.1, seed=2)["a.weight"])


def test_the_command_keeps_the_stored_type(weights, tmp_path):
    (tmp_path / "transformer").mkdir()
    source = {name: value.half() for name, value in weights.items()}
    save_file(source, tmp_path / "transformer" / "diffusion_pytorch_model.safetensors")
    assert wear.main([str(tmp_path), str(tmp_path / "out.safetensors"), "--strength", "0"]) == 0
    made = load_file(tmp_path / "out.safetensors")
    assert {name: value.dtype for name, value in made.items()} == {"a.weight": torch.float16, "a.bias": torch.float16}
    assert torch.equal(made["a.weight"], source["a.weight"])
