"""Figures of the full-size benchmark worked by hand, and how they are printed."""

from __future__ import annotations

import pytest

from benchmarks.full_size.rows import Results, Row, largest, percentile_90, show, summarise
from evalsuite.records import Environment, Memory, Phase, Timing


class TestFigures:
    def timing(self, *seconds):
        names = ("text_encoding", "denoising", "decoding")
        phases = tuple(Phase(name=name, seconds=value) for name, value in zip(names, seconds, strict=True))
        return Timing(total=sum(seconds), phases=phases)

    def test_a_row_worked_by_hand(self):
        timings = [self.timing(1, 4, 1), self.timing(2, 4, 2), self.timing(3, 8, 1)]  # 6, 8 and 12 seconds
        row = summarise(
            Row(preset="p", option="o"),
            timings,
            plain=10.0,
            operations={"denoising": 20.0, "decoding": 5.0, "text_encoding": 4.0},
            rate=10.0,
        )
        assert (row.p50, row.p90, row.ratio) == (8, pytest.approx(11.2), 0.8)  # 8 + 0.8 × (12 - 8)
        assert row.phases == {"text_encoding": 2, "denoising": 4, "decoding": 1}
        assert row.utilisation == {"text_encoding": 0.2, "denoising": 0.5, "decoding": 0.5}
        assert row.seconds_per_token is None

    def test_a_phase_without_time_has_no_utilisation(self):
        row = summarise(
            Row(preset="p", option="o"), [self.timing(0, 4, 1)], operations={"text_encoding": 4.0}, rate=1.0
        )
        assert (row.utilisation, row.ratio) == ({}, None)

    def test_percentiles(self):
        assert percentile_90([3.0]) == 3
        assert percentile_90([float(number) for number in range(11)]) == 9

    def test_the_largest_memory_of_each_kind(self):
        memories = [Memory(allocated=5, reserved=6), Memory(allocated=4, reserved=9, process=1)]
        assert largest(memories) == Memory(allocated=5, reserved=9, process=1)
        assert largest([]) is None

    def test_the_table_has_memory_in_gigabytes_and_takes_brackets_as_text(self, capsys):
        memory = Memory(allocated=18_640_000_000, reserved=19_500_000_000, driver=20_300_000_000)
        rows = [
            Row(preset="p", option="o", timings=(Timing(total=1.0),), p50=1.0, p90=1.0, memory=memory),
            Row(preset="p", option="q", error="no [bold] kernel"),
        ]
        show(Results(hardware=Environment(), line="a [red] machine", shallow=True, matmul_flops=1.0, rows=rows))
        printed = capsys.readouterr().out
        assert "18.6, 19.5, 20.3; –" in printed
        assert "no [bold] kernel" in printed
        assert "a [red] machine" in printed
