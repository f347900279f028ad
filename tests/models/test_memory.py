"""The estimates of disk and memory, worked by hand."""

from __future__ import annotations

import pytest

from evalsuite.models.memory import describe_needs, estimate, gigabytes, weight_bytes
from evalsuite.models.presets import Part, load_presets

PARTS = {"transformer": Part(parameters=1000, fp8=900), "vae": Part(parameters=100, fp8=0)}
WORKING = 5_200 * 1024 * 1024 + 600_000_000


def test_bytes_of_a_part():
    part = PARTS["transformer"]
    assert weight_bytes(part, "bf16", in_fp8=False) == 2000
    assert weight_bytes(part, "fp32", in_fp8=False) == 4000
    assert weight_bytes(part, "fp8", in_fp8=True) == 900 + 2 * 100


@pytest.mark.parametrize(
    ("precision", "offload", "weights"),
    [
        ("bf16", "none", 2200),
        ("fp32", "none", 4400),
        ("fp8", "none", 1100 + 200),
        ("fp8-transformer", "none", 1100 + 200),
        ("bf16", "model", 2000),
        ("fp8", "model", 1100),
        ("bf16", "group", 66),
        ("bf16", "sequential", 66),
    ],
)
def test_gpu_memory_is_weights_and_an_allowance(precision, offload, weights):
    assert estimate(PARTS, precision=precision, offload=offload).gpu == weights + WORKING


def test_the_allowance_grows_with_pixels_and_batch():
    small = estimate(PARTS, pixels=1000, batch=1).gpu
    assert estimate(PARTS, pixels=2000, batch=1).gpu - small == 5_200 * 1000
    assert estimate(PARTS, pixels=1000, batch=3).gpu - small == 5_200 * 2000


def test_disk_and_main_memory():
    needs = estimate(PARTS, precision="fp8")
    assert needs.disk == 2200
    assert needs.main_memory == 2200  # loaded in bf16 before it is stored in fp8


def test_the_makers_figures_are_of_the_same_size():
    """ERNIE-Image: 24 GB are its weights without the enhancer; klein: 16 GB whole, 13 GB only in FP8 or offloaded."""
    presets = load_presets()
    ernie = dict(presets.architectures["ernie-image"])
    assert 30.5e9 < estimate(ernie).disk < 31e9
    assert 15e9 < sum(weight_bytes(part, "fp8", in_fp8=part.fp8 > 0) for part in ernie.values()) < 17.5e9
    del ernie["pe"]
    assert 23.5e9 < estimate(ernie).disk < 24.5e9
    klein = presets.architectures["flux2-klein-4b"]
    assert 15.5e9 < estimate(klein).disk < 16.5e9
    assert estimate(klein, precision="fp8", offload="model").gpu < 13e9 < estimate(klein).gpu


@pytest.mark.parametrize(
    ("architecture", "enhancer", "options", "driver"),
    [
        ("ernie-image", False, {}, 29.905),
        ("ernie-image", True, {}, 36.836),
        ("ernie-image", False, {"precision": "fp8"}, 19.504),
        ("ernie-image", False, {"batch": 2}, 34.599),
        ("ernie-image", False, {"batch": 4}, 43.478),
        ("flux2-klein-4b", False, {}, 20.3),
    ],
)
def test_the_estimates_are_near_what_the_driver_showed(architecture, enhancer, options, driver):
    """Gigabytes on an H100 (ERNIE-Image) and an H200 (klein) at 1024x1024 (docs/performance.md)."""
    parts = {n: p for n, p in load_presets().architectures[architecture].items() if enhancer or n != "pe"}
    assert estimate(parts, **options).gpu / 1e9 == pytest.approx(driver, rel=0.09)


def test_needs_are_told_in_gigabytes():
    assert gigabytes(15_964_117_472) == "16.0 GB"
    text = describe_needs(load_presets().architectures["flux2-klein-4b"])
    assert "precision=fp8" in text
    assert "offload=model" in text
