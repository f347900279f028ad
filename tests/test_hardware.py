"""The hardware line of the manifest."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

from evalsuite import hardware


def test_a_description_is_json_and_holds_what_timings_need():
    found = hardware.describe()
    assert json.loads(json.dumps(found)) == found
    names = "platform python cpu cpu_cores cpu_threads memory gpus driver versions cuda cudnn"
    assert set(found) == set(names.split())
    assert found["python"] == platform.python_version()
    assert found["cpu_threads"] == len(os.sched_getaffinity(0))
    assert found["memory"] == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert found["versions"]["torch"]


def test_torch_is_imported_only_when_asked():
    code = "import sys; from evalsuite import hardware; hardware.describe(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_one_line_for_people():
    text = hardware.line(
        {
            "platform": "Linux",
            "python": "3.12.1",
            "cpu": "Xeon",
            "cpu_cores": 8,
            "cpu_threads": 16,
            "memory": 128 * 2**30,
            "gpus": [
                {"name": "NVIDIA H200", "memory": 150e9, "power_limit": 700.0},
                {"name": "X", "power_limit": None},
            ],
            "driver": "580.1",
            "versions": {"torch": "2.11.0", "diffusers": "0.42.1"},
            "cuda": "13.0",
            "cudnn": 91002,
        }
    )
    assert text == (
        "NVIDIA H200 (700 W), X · driver 580.1 · Xeon, 16 threads, 128 GiB · torch 2.11.0 · diffusers 0.42.1 · "
        "CUDA 13.0, cuDNN 91002 · Python 3.12.1 · Linux"
    )
    assert hardware.line(hardware.describe()).startswith("no GPU" if not hardware.describe()["gpus"] else "NVIDIA")


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
    assert found["driver"] == "1.2"
    assert found["gpus"] == [{"name": "GPU", "memory": 10, "power_limit": None}]
