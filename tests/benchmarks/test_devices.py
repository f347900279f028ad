"""The figures of the benchmark of several devices, from arrivals made by hand."""

from __future__ import annotations

import pytest

from benchmarks.devices import _figures
from evalsuite.records import Generation, Place, Timing


def row(device, total):
    timing = Timing(total=total, place=Place(device=device))
    return Generation(key="k", model="m", prompt="p", seed=0, timing=timing, drawn_at="")


def test_images_count_from_when_every_device_is_warm():
    arrived = [
        (1.0, row("cuda:0", 9.0)),
        (2.0, row("cuda:0", 0.5)),
        (4.0, row("cuda:1", 9.0)),  # the last warm-up image: the clock starts here
        (4.5, row("cuda:0", 0.5)),
        (5.0, row("cuda:1", 0.6)),
        (6.5, row("cuda:0", 0.7)),
    ]
    assert _figures(arrived, 1) == {
        "images_per_second": pytest.approx(3 / 2.5),
        "images_counted": 3,
        "images_of": {"cuda:0": 4, "cuda:1": 2},
        "p50_s_of": {"cuda:0": pytest.approx(0.6), "cuda:1": 0.6},
    }
