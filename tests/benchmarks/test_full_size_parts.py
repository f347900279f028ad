"""Pipelines of the full-size benchmark: their parts, their settings, and when they are built anew."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from benchmarks.full_size.architectures import ARCHITECTURES  # noqa: E402
from benchmarks.full_size.bench import Bench, precision_settings, spec_of, through_the_suite  # noqa: E402
from benchmarks.full_size.parts import FAMILIES, build_pipeline, built_in, drawing_settings, enhancer  # noqa: E402
from benchmarks.full_size.plan import MEASUREMENTS, Measurement  # noqa: E402
from benchmarks.full_size.rows import Journal, Results  # noqa: E402
from evalsuite import suites  # noqa: E402
from evalsuite.errors import EvalsuiteError  # noqa: E402
from evalsuite.models.pipeline_setup import resolve_device  # noqa: E402
from evalsuite.models.presets import load_presets  # noqa: E402
from evalsuite.records import Environment  # noqa: E402

BY_NAME = {measurement.name: measurement for measurement in MEASUREMENTS}
SIGN = "A sign that reads 'OPEN'"


class TestParts:
    @pytest.mark.parametrize("name", list(FAMILIES))
    def test_full_size_pipelines_have_the_parameters_that_the_presets_list(self, name):
        """tests/models/test_full_size.py holds the presets' own numbers to the classes."""
        family = FAMILIES[name]
        listed = load_presets().architectures[name]
        pipeline = build_pipeline(family, shallow=False, device="meta")
        drawn = {part: getattr(pipeline, part).num_parameters() for part in family.parts}
        assert drawn == {part: listed[part].parameters for part in listed if part != "pe"}
        assert {*family.parts, *(["pe"] if family.enhanced else [])} == set(ARCHITECTURES[name])
        assert {parameter.dtype for parameter in pipeline.transformer.parameters()} == {torch.bfloat16}

    @pytest.mark.parametrize(
        ("device", "shallow", "precision"),
        [
            ("cpu", True, "fp32"),
            ("cpu", False, "bf16"),
            ("meta", False, "bf16"),
            ("cuda:0", True, "bf16"),
            ("cuda:0", False, "bf16"),
        ],
    )
    def test_only_small_copies_on_a_cpu_are_in_float32(self, device, shallow, precision):
        assert built_in(device, shallow=shallow) == precision

    @pytest.mark.parametrize("name", list(FAMILIES))
    def test_small_copies_compute_in_what_they_are_built_in(self, name):
        pipeline = build_pipeline(FAMILIES[name], shallow=True, device="cpu")
        for part in FAMILIES[name].parts:
            assert {weight.dtype for weight in getattr(pipeline, part).parameters()} == {torch.float32}
        built = built_in(resolve_device("auto"), shallow=True)
        assert precision_settings(BY_NAME["suite"], shallow=True) == {"precision": built}
        assert precision_settings(BY_NAME["precision=fp8"], shallow=True) == {"precision": "fp8", "compute": built}
        assert precision_settings(BY_NAME["suite"], shallow=False) == {"precision": "bf16"}

    @pytest.mark.parametrize("name", list(FAMILIES))
    def test_they_are_drawn_with_the_published_settings(self, name):
        family = FAMILIES[name]
        for preset in filter(None, (family.few_steps, family.base, family.enhanced)):
            published = load_presets().presets[preset]
            assert published.architecture == name
            settings = drawing_settings(family, published.settings, shallow=False)
            assert settings == {**published.settings, "size": "1024x1024"}
        assert load_presets().presets[family.base].settings["steps"] == 50

    def test_the_enhancer_writes_so_many_tokens_and_is_taken_away_again(self):
        family = FAMILIES["ernie-image"]
        pipeline = build_pipeline(family, shallow=True)
        lengths = []
        for tokens in (3, 9):
            with enhancer(pipeline, family, tokens, shallow=True):
                generate = pipeline.pe.generate

                def noted(*args, generate=generate, **kwargs):
                    written = generate(*args, **kwargs)
                    lengths.append(written.shape[1] - kwargs["input_ids"].shape[1])
                    return written

                object.__setattr__(pipeline.pe, "generate", noted)
                pipeline._enhance_prompt_with_pe(SIGN, torch.device("cpu"))
        assert lengths == [3, 9]
        assert pipeline.pe is None
        assert pipeline.pe_tokenizer is None

    def test_changed_pipelines_are_built_anew_and_others_kept(self, tmp_path):
        journal = Journal(Results(hardware=Environment(), line="", shallow=True, matmul_flops=1.0), tmp_path / "x.json")
        bench = Bench(FAMILIES["flux2-klein-4b"], [], journal, 1)
        bench._prepare(BY_NAME["suite"])
        first = bench._pipeline
        assert first.config.is_distilled
        bench._prepare(BY_NAME["base"])
        assert bench._pipeline is first
        assert not first.config.is_distilled  # else guidance would be left out, and half the time with it
        bench._prepare(BY_NAME["compile"])
        assert bench._pipeline is first
        blocks = [*first.transformer.transformer_blocks, *first.transformer.single_transformer_blocks]
        assert all(block._compiled_call_impl is not None for block in blocks)
        bench._prepare(BY_NAME["precision=fp8"])
        second = bench._pipeline
        assert second is not first
        built = {weight.dtype for weight in first.transformer.parameters()}
        assert {weight.dtype for weight in second.transformer.parameters()} == {torch.float8_e4m3fn, *built}
        assert second.config.is_distilled
        bench._prepare(BY_NAME["batch=2"])
        assert bench._pipeline is not second
        assert {weight.dtype for weight in bench._pipeline.transformer.parameters()} == built


def test_a_run_in_which_no_image_was_warm_says_so():
    """One image after no warm-up is the first of its shape: there is nothing to report."""
    family = FAMILIES["ernie-image"]
    prompt = suites.load("signage-en")[0].prompts[0]
    spec = spec_of(family, Measurement("suite"), shallow=True)
    with pytest.raises(EvalsuiteError, match="every image waited for a first time"):
        through_the_suite(build_pipeline(family, shallow=True), spec, [(prompt, 0)], 0)
