"""The hardware line of the manifest."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import msgspec
import pytest

from evalsuite import hardware
from evalsuite.records import Environment, Gpu, encode


def test_a_description_is_json_and_holds_what_timings_need():
    found = hardware.describe()
    assert msgspec.json.decode(encode(found), type=Environment) == found
    names = "platform python cpu cpu_cores cpu_threads memory gpus driver versions cuda cudnn"
    assert set(msgspec.to_builtins(found)) == set(names.split())
    assert found.python == platform.python_version()
    assert found.cpu_threads == len(os.sched_getaffinity(0))
    assert found.memory == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert found.cpu
    assert found.versions["torch"]


def test_torch_is_imported_only_when_asked():
    code = "import sys; from evalsuite import hardware; hardware.describe(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


XEON = Environment(
    platform="Linux",
    python="3.12.1",
    cpu="Xeon",
    cpu_cores=8,
    cpu_threads=16,
    memory=128 * 2**30,
    gpus=(Gpu(name="NVIDIA H200", memory=150 * 10**9, power_limit=700.0), Gpu(name="X")),
    driver="580.1",
    versions={"torch": "2.11.0", "diffusers": "0.42.1"},
    cuda="13.0",
    cudnn=91002,
)


def test_one_line_for_people():
    assert hardware.line(XEON) == (
        "NVIDIA H200 (700 W), X · driver 580.1 · Xeon, 16 threads, 128 GiB · torch 2.11.0 · diffusers 0.42.1 · "
        "CUDA 13.0, cuDNN 91002 · Python 3.12.1 · Linux"
    )
    here = hardware.describe()
    assert hardware.line(here).startswith("NVIDIA" if here.gpus else "no GPU")


def test_the_line_of_what_is_not_recorded():
    assert hardware.line(Environment()) is None
    assert hardware.line(Environment(cpu="Xeon")) == "no GPU · Xeon"
    assert hardware.line(Environment(cpu_threads=2)) == "no GPU · unknown processor, 2 threads"


def test_timings_compare_on_one_known_machine_only():
    assert hardware.differences(XEON, XEON) == []
    # Neither Python nor the number of physical cores decides how fast a model draws.
    other = msgspec.structs.replace(XEON, python="3.13.0", cpu_cores=None)
    assert hardware.differences(XEON, other) == []
    unknown = msgspec.structs.replace(XEON, cpu=None)
    for pair in ((XEON, unknown), (unknown, XEON), (unknown, unknown), (Environment(), Environment())):
        assert hardware.differences(*pair) == ["the hardware is not known"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"cpu": "Epyc"}, "cpu Xeon → Epyc"),
        ({"cpu_threads": 8}, "cpu_threads 16 → 8"),
        ({"memory": None}, f"memory {128 * 2**30} → none"),
        ({"gpus": (Gpu(name="NVIDIA H200", power_limit=600.0),)}, "gpus NVIDIA H200 700 W, X → NVIDIA H200 600 W"),
        ({"gpus": ()}, "gpus NVIDIA H200 700 W, X → none"),
        ({"driver": "570.0"}, "driver 580.1 → 570.0"),
        ({"platform": "Windows"}, "platform Linux → Windows"),
        ({"cuda": None}, "cuda 13.0 → none"),
        ({"cudnn": 1}, "cudnn 91002 → 1"),
        ({"versions": {"torch": "2.12.0"}}, "versions torch 2.11.0, diffusers 0.42.1 → torch 2.12.0"),
    ],
)
def test_what_decides_speed_is_named_where_it_differs(change, told):
    assert hardware.differences(XEON, msgspec.structs.replace(XEON, **change)) == [told]


class _Library:
    """NVML with one GPU that does not tell its power limit."""

    class NVMLError(Exception):
        pass

    def __getattr__(self, name):
        answers = {
            "nvmlDeviceGetCount": 1,
            "nvmlDeviceGetHandleByIndex": "handle",
            "nvmlDeviceGetName": b"GPU",
            "nvmlSystemGetDriverVersion": "1.2",
        }
        return lambda *_: answers[name]

    def nvmlDeviceGetMemoryInfo(self, _handle):  # noqa: N802 - the library's name
        return type("Info", (), {"total": 10})()

    def nvmlDeviceGetEnforcedPowerLimit(self, _handle):  # noqa: N802 - the library's name
        raise self.NVMLError("not supported")


def test_a_power_limit_that_cannot_be_read_is_none(monkeypatch):
    from contextlib import nullcontext

    monkeypatch.setattr(hardware, "nvml", lambda: nullcontext(_Library()))
    found = hardware.describe()
    assert found.driver == "1.2"
    assert found.gpus == (Gpu(name="GPU", memory=10),)
