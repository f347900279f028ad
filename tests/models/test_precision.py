"""The precision that is effective on a device: float32 on a CPU without bf16 instructions, and what is said of it."""

from __future__ import annotations

import pytest
import torch
from installed import skip_without_paddleocr

from evalsuite import ocr
from evalsuite.models import ModelOptions, parse_settings, resolve
from evalsuite.models.pipeline_setup import computing_precision, cpu_has_bf16, fit_precision
from evalsuite.runs.plan import plan_prompts


@pytest.mark.parametrize(
    ("features", "has"),
    [
        ({"architecture": "x86_64", "avx2": True, "avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"architecture": "x86_64", "avx512_bf16": True, "amx_bf16": False}, True),
        ({"architecture": "x86_64", "avx512_bf16": False, "amx_bf16": True}, True),
        ({"architecture": "arm64", "neon": True, "fp16_arith": True, "bf16": False}, False),
        ({"architecture": "arm64", "neon": True, "bf16": True}, True),
        ({}, False),
    ],
)
def test_the_instructions_for_bf16_are_known_by_torchs_names(features, has):
    assert cpu_has_bf16(features) is has


def test_torch_tells_what_this_cpu_has():
    assert "architecture" in torch.cpu.get_capabilities()
    assert cpu_has_bf16() is cpu_has_bf16(torch.cpu.get_capabilities())


BF16, FP8, FP8_IN_FP32 = {"precision": "bf16"}, {"precision": "fp8"}, {"precision": "fp8", "compute": "fp32"}
SLOW = "is slow here: this CPU has no bf16 instructions"


@pytest.mark.parametrize(
    ("settings", "asked", "device", "cpu_bf16", "effective", "said"),
    [
        # A CPU without the instructions computes in float32, unless bf16 itself was asked for.
        (BF16, (), "cpu", False, {"precision": "fp32"}, "recorded as precision=fp32. Set precision=bf16 to have bf16"),
        (BF16, ("steps",), "cpu", False, {"precision": "fp32"}, "computes in float32"),
        (BF16, ("precision",), "cpu", False, BF16, f"precision=bf16 {SLOW}; precision=fp32 is many times faster"),
        (BF16 | {"quantize": "int8"}, ("quantize",), "cpu", False,
         {"precision": "fp32", "quantize": "int8"}, "computes in float32"),
        (FP8, ("precision",), "cpu", False, FP8_IN_FP32, "recorded as compute=fp32. Set compute=bf16 to have bf16"),
        ({"precision": "fp8-transformer"}, ("precision",), "cpu", False,
         {"precision": "fp8-transformer", "compute": "fp32"}, "computes in float32"),
        (FP8 | {"compute": "bf16"}, ("precision", "compute"), "cpu", False, FP8 | {"compute": "bf16"},
         f"compute=bf16 {SLOW}"),
        # What computes in another precision is nobody's business,
        ({"precision": "fp32"}, ("precision",), "cpu", False, {"precision": "fp32"}, None),
        ({"precision": "fp16"}, ("precision",), "cpu", False, {"precision": "fp16"}, None),
        (FP8_IN_FP32, ("precision", "compute"), "cpu", False, FP8_IN_FP32, None),
        # and neither is bf16 where there are instructions for it.
        (BF16, (), "cpu", True, BF16, None),
        (FP8, ("precision",), "cpu", True, FP8, None),
        (BF16, (), "cuda:0", False, BF16, None),
        (FP8, ("precision",), "cuda:1", False, FP8, None),
        (BF16, ("precision",), "mps", False, BF16, None),
    ],
)  # fmt: skip
def test_the_precision_that_is_effective_on_a_device(settings, asked, device, cpu_bf16, effective, said):
    found, notice = fit_precision(settings, asked, device=device, cpu_bf16=cpu_bf16)
    assert found == effective
    assert notice is None if said is None else said in notice


@pytest.mark.parametrize(
    ("settings", "precision"),
    [
        ({}, "bf16"),
        (BF16, "bf16"),
        ({"precision": "fp16"}, "fp16"),
        ({"precision": "fp32"}, "fp32"),
        (FP8, "bf16"),
        (FP8_IN_FP32, "fp32"),
        ({"precision": "fp8-transformer", "compute": "bf16"}, "bf16"),
    ],
)
def test_what_is_computed_in(settings, precision):
    assert computing_precision(settings) == precision


class TestPlans:
    def plan(self, checkpoints, *settings):
        return resolve(str(checkpoints / "klein"), options=ModelOptions(parse_settings(settings)))

    def test_a_cpu_without_bf16_instructions_is_planned_in_float32_and_says_so(self, checkpoints, cpu_with):
        cpu_with("avx2")
        model = self.plan(checkpoints, "device=cpu")
        assert model.spec.settings["precision"] == "fp32"
        assert model.spec.digest == self.plan(checkpoints, "precision=fp32").spec.digest
        (notice,) = model.notices((), ())
        assert notice.startswith("computes in float32 and not in bf16, which takes many times as long")
        assert self.plan(checkpoints, "device=cpu", "precision=fp32").notices((), ()) == ()

    def test_bf16_that_is_asked_for_stays_and_is_called_slow(self, checkpoints, cpu_with, tmp_path):
        cpu_with("avx2")
        model = self.plan(checkpoints, "device=cpu", "precision=bf16")
        assert model.spec.settings["precision"] == "bf16"
        assert model.notices((), ()) == (f"precision=bf16 {SLOW}; precision=fp32 is many times faster",)
        # The settings of a model file are asked for too.
        (tmp_path / "mine.toml").write_text(
            f"name = 'mine'\nsource = '{checkpoints / 'klein'}'\n[settings]\nprecision = 'bf16'\ndevice = 'cpu'\n"
        )
        assert resolve(str(tmp_path / "mine.toml")).spec.settings["precision"] == "bf16"

    @pytest.mark.parametrize("features", [["avx2"], ["avx512_bf16"]])
    def test_a_gpu_is_planned_in_bf16_whatever_the_cpu(self, checkpoints, cpu_with, features):
        cpu_with(*features)
        model = self.plan(checkpoints, "device=cuda:7")  # of another machine
        assert (model.spec.settings["precision"], model.notices((), ())) == ("bf16", ())

    def test_a_cpu_with_bf16_instructions_is_planned_as_a_gpu_is(self, checkpoints, cpu_with):
        cpu_with("amx_bf16")
        for settings in (), ("precision=fp8",), ("quantize=int8",):
            model = self.plan(checkpoints, "device=cpu", *settings)
            assert model.spec.digest == self.plan(checkpoints, "device=cuda:0", *settings).spec.digest
            assert (model.spec.settings.get("compute"), model.notices((), ())) == (None, ())

    def test_fp8_computes_in_float32_on_a_cpu_without_bf16_instructions(self, checkpoints, cpu_with):
        cpu_with("avx2")
        model = self.plan(checkpoints, "device=cpu", "precision=fp8")
        assert (model.spec.settings["precision"], model.spec.settings["compute"]) == ("fp8", "fp32")
        assert model.notices((), ())[0].startswith("computes in float32")
        bf16 = self.plan(checkpoints, "device=cpu", "precision=fp8", "compute=bf16")
        assert "compute=bf16 is slow here" in bf16.notices((), ())[0]
        assert bf16.spec.digest == self.plan(checkpoints, "device=cuda:0", "precision=fp8").spec.digest
        assert bf16.spec.digest != model.spec.digest

    def test_quantised_models_keep_their_quantisation_over_float32(self, checkpoints, cpu_with):
        cpu_with("avx2")
        settings = self.plan(checkpoints, "device=cpu", "quantize=int8").spec.settings
        assert (settings["precision"], settings["quantize"]) == ("fp32", "int8")

    def test_the_plan_of_a_run_carries_the_notice(self, checkpoints, cpu_with, prompt):
        skip_without_paddleocr()
        cpu_with("avx2")
        model = self.plan(checkpoints, "device=cpu")
        asked = {"engine": ocr.resolve("paddle"), "profile": "standard", "samples": 1, "seed": 0, "name": "x"}
        plan = plan_prompts(refs=[], prompts=[prompt()], models=[model], **asked)
        assert plan.notices == tuple(f"klein: {notice}" for notice in model.notices((), ()))
        assert plan.manifest.models[0].settings["precision"] == "fp32"

    def test_the_stand_ins_that_ship_are_in_float32_everywhere(self):
        for name in ("flux2-klein-micro", "ernie-image-micro"):
            model = resolve(name)
            assert (model.spec.settings["precision"], model.notices((), ())) == ("fp32", ())
