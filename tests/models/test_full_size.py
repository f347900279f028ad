"""The full-size architectures, on the meta device: parameter counts and what the error messages quote."""

from __future__ import annotations

import pytest

from benchmarks.full_size.architectures import ARCHITECTURES, build_component, count_parameters
from evalsuite.errors import EvalsuiteError
from evalsuite.models.presets import load_presets

PARTS = [(architecture, part) for architecture, parts in ARCHITECTURES.items() for part in parts]


@pytest.mark.parametrize(("architecture", "part"), PARTS)
def test_parameter_counts_of_presets_are_those_of_the_classes(architecture, part):
    listed = load_presets().architectures[architecture][part]
    module = build_component(architecture, part)
    assert next(module.parameters()).device.type == "meta"
    total, in_fp8 = count_parameters(module)
    assert listed.parameters == total
    assert listed.fp8 == (0 if part == "vae" else in_fp8)  # the autoencoder stays in bf16


def test_the_presets_list_every_part():
    presets = load_presets()
    assert {name: set(parts) for name, parts in presets.architectures.items()} == {
        name: set(parts) for name, parts in ARCHITECTURES.items()
    }


def test_the_transformers_have_the_published_shape():
    klein = build_component("flux2-klein-4b", "transformer")
    assert (len(klein.transformer_blocks), len(klein.single_transformer_blocks)) == (5, 20)
    assert (klein.config.num_attention_heads, klein.config.attention_head_dim) == (24, 128)
    assert klein.config.joint_attention_dim == 7680
    ernie = build_component("ernie-image", "transformer")
    assert (ernie.config.hidden_size, ernie.config.num_layers, ernie.config.num_attention_heads) == (4096, 36, 32)
    assert (ernie.config.ffn_hidden_size, ernie.config.text_in_dim) == (12288, 3072)
    assert sum(ernie.config.rope_axes_dim) == 4096 // 32
    assert round(klein.num_parameters() / 1e9) == 4
    assert round(ernie.num_parameters() / 1e9) == 8


def test_a_linear_layer_counted_by_hand():
    """ERNIE-Image's block: four attention matrices, three of the feed-forward, two norms, two head norms."""
    one = build_component("ernie-image", "transformer", num_layers=1).num_parameters()
    two = build_component("ernie-image", "transformer", num_layers=2).num_parameters()
    assert two - one == 4 * 4096**2 + 3 * 4096 * 12288 + 2 * 4096 + 2 * 128


def test_unknown_parts_are_named():
    with pytest.raises(
        EvalsuiteError, match=r"flux2-klein-4b/pe: no such architecture or part\. Known: flux2-klein-4b"
    ):
        build_component("flux2-klein-4b", "pe")
