"""The benchmark of the full-size architectures on small copies, by the real pipelines: rows, file and table."""

from __future__ import annotations

import statistics
from collections import Counter
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from benchmarks.full_size.bench import Bench  # noqa: E402
from benchmarks.full_size.parts import FAMILIES  # noqa: E402
from benchmarks.full_size.plan import MEASUREMENTS, label  # noqa: E402
from benchmarks.full_size.rows import Journal, Results  # noqa: E402
from evalsuite import suites  # noqa: E402

KLEIN = ["suite", "base", "precision=fp8", "encode_once", "batch=2", "attention=flash"]
ERNIE = [*KLEIN, "enhancer", "compile+encode_once+batch=4"]


def growth(path, read, patch):
    """Reads a file around each moment in which it changes; returns the rows before and after, as they come.

    The moments are renames of a finished file onto it: a file that was written to in place would never be read.
    """
    seen, replace = [], Path.replace

    def replace_and_read(scratch, target):
        if target != path:
            return replace(scratch, target)
        before = len(read(path).rows) if path.exists() else None
        replaced = replace(scratch, target)
        seen.append((before, len(read(path).rows)))
        return replaced

    patch.setattr(Path, "replace", replace_and_read)
    return seen


@pytest.fixture(scope="module", params=[("flux2-klein-4b", KLEIN), ("ernie-image", ERNIE)], ids=lambda item: item[0])
def measured(request, tmp_path_factory, run_shallow, read_results):
    """One shallow run: the family, the results in its file, what was printed, and the file as it grew."""
    family, names = request.param
    path = tmp_path_factory.mktemp("full-size") / "figures.json"
    with pytest.MonkeyPatch.context() as patch:
        grown = growth(path, read_results, patch)
        done = run_shallow("--out", path, "--family", family, "--images", 2, only=names)
    assert done.exit_code == 0, done.output
    return FAMILIES[family], read_results(path), done.output, grown


def rows_of(results):
    return {(row.preset, row.option): row for row in results.rows}


@pytest.mark.slow
class TestShallowRun:
    def test_every_preset_and_option_has_its_row_the_most_telling_first(self, measured):
        family, results, _, _ = measured
        few, base = family.few_steps, family.base
        expected = [(few, "plain loop"), (few, "suite"), (base, "plain loop"), (base, "suite")]
        if family.enhanced:
            expected += [(family.enhanced, "enhancer"), (few, "compile+encode_once+batch=4")]
        expected += [(few, name) for name in ("precision=fp8", "encode_once", "batch=2", "attention=flash")]
        assert [(row.preset, row.option) for row in results.rows] == expected
        assert results.left_out == []
        assert results.shallow
        assert results.precision == ("bf16" if torch.cuda.is_available() else "fp32")
        assert results.hardware.cpu_threads >= 1

    def test_what_cannot_be_had_says_why_and_has_no_figures(self, measured):
        _, results, _, _ = measured
        failed = [row for row in results.rows if row.error is not None]
        assert [row.option for row in failed] == ["attention=flash"]  # the flash-attn package is not installed
        assert "attention=flash" in failed[0].error
        assert (failed[0].timings, failed[0].p50, failed[0].memory) == ((), None, None)

    def test_rows_hold_the_images_asked_for(self, measured):
        _, results, _, _ = measured
        counts = {key: len(row.timings) for key, row in rows_of(results).items() if row.error is None}
        batch = {"batch=2": 2 * 2, "compile+encode_once+batch=4": 2 * 4}
        assert counts == {key: batch.get(key[1], 2) for key in counts}
        for (_, option), row in rows_of(results).items():
            assert not any(timing.warmup for timing in row.timings)
            assert {timing.batch for timing in row.timings} <= {int(option[-1]) if "batch" in option else 1}

    def test_phases_sum_to_the_image_and_medians_are_theirs(self, measured):
        _, results, _, _ = measured
        for row in results.rows:
            if row.error is not None:
                continue
            totals = [timing.total for timing in row.timings]
            assert row.p50 == statistics.median(totals)
            assert min(totals) <= row.p50 <= row.p90 <= max(totals)
            if row.option == "plain loop":
                assert (row.phases, row.utilisation, row.memory) == ({}, {}, None)
                continue
            for timing in row.timings:
                assert sum(phase.seconds for phase in timing.phases) == pytest.approx(timing.total, rel=1e-9)
            names = ["text_encoding", "denoising", "decoding", "other"]
            assert list(row.phases) == (["prompt_enhancement", *names] if row.option == "enhancer" else names)
            for name, seconds in row.phases.items():
                own = [phase.seconds for timing in row.timings for phase in timing.phases if phase.name == name]
                assert seconds == statistics.median(own) >= 0

    def test_ratios_are_to_the_plain_loop_of_the_same_preset(self, measured):
        family, results, _, _ = measured
        rows = rows_of(results)
        for (preset, option), row in rows.items():
            if row.error is None and option != "enhancer":
                assert row.ratio == pytest.approx(row.p50 / rows[preset, "plain loop"].p50, rel=1e-12)
        assert all(rows[preset, "plain loop"].ratio == 1 for preset in (family.few_steps, family.base))

    def test_memory_is_of_this_process_where_there_is_no_gpu(self, measured):
        _, results, _, _ = measured
        for row in results.rows:
            if row.error is None and row.option != "plain loop":
                assert 5e7 < row.memory.process < results.hardware.memory
                if not torch.cuda.is_available():
                    assert row.memory.allocated is row.memory.reserved is row.memory.driver is None

    def test_utilisation_is_operations_over_seconds_and_the_rate(self, measured):
        family, results, _, _ = measured
        for row in results.rows:
            if row.error is not None or row.option in ("plain loop", "enhancer"):
                assert row.utilisation == {}
                continue
            work = results.operations[row.preset]
            once = "encode_once" in row.option
            assert set(row.utilisation) == set(work) - ({"text_encoding"} if once else set())
            for name, share in row.utilisation.items():
                assert share == pytest.approx(work[name] / row.phases[name] / results.matmul_flops)
                assert share > 0
        assert set(results.operations) == {family.few_steps, family.base}

    def test_the_enhancer_tells_its_seconds_a_token(self, measured):
        family, results, _, _ = measured
        if family.enhanced is None:
            assert not any(row.tokens for row in results.rows)
            return
        row = rows_of(results)[family.enhanced, "enhancer"]
        assert row.tokens == 16
        assert row.seconds_per_token == row.phases["prompt_enhancement"] / 16 > 0
        assert row.ratio is None

    def test_rows_were_written_one_by_one_and_the_file_was_always_whole(self, measured):
        _, results, _, grown = measured
        # Made empty, then told what is expected, then row by row.
        rows = range(len(results.rows))
        assert grown == [(None, 0), (0, 0), *((number, number + 1) for number in rows)]

    def test_the_table_shows_every_row(self, measured):
        _, results, output, _ = measured
        table = output[output.index("peak GB") :]
        lines = table.splitlines()
        for row in results.rows:
            mine = [line for line in lines if line.split()[:1] == [row.preset] and f" {row.option} " in line]
            assert len(mine) == 1
            figures = mine[0].split(row.option, maxsplit=1)[1].split()[:4]
            ratio = "–" if row.ratio is None else f"{row.ratio:.3f}"
            told = ["–"] * 3 if row.p50 is None else [f"{row.p50:.3f}", f"{row.p90:.3f}", ratio]
            assert figures == [str(len(row.timings)), *told]
        assert "Left out" not in output
        if any(row.tokens for row in results.rows):
            assert "ms per token" in output


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_kept_prompts_are_not_encoded_again(tmp_path, family):
    journal = Journal(Results(hardware={}, line="", shallow=True, matmul_flops=1.0), tmp_path / "figures.json")
    bench = Bench(family, suites.load("signage-en")[0].prompts[:2], journal, 3)
    ways = [one for name in ("suite", "encode_once") for one in MEASUREMENTS if one.name == name]
    journal.expect([label(family, one) for one in (ways[0], *ways)])
    bench.measure(ways[0])  # after the plain loop, which belongs to neither
    calls = Counter()
    for one in ways:
        handle = bench._pipeline.text_encoder.register_forward_pre_hook(lambda *_, one=one: calls.update([one.name]))
        bench.measure(one)
        handle.remove()
    # Two images to warm up and three that count, each prompt encoded anew; and one prompt, encoded for the first.
    assert calls == {"suite": 2 + 3, "encode_once": 1}
    assert [len(row.timings) for row in journal.results.rows[-2:]] == [3, 3]


@pytest.mark.slow
def test_an_interrupted_run_leaves_what_it_measured(tmp_path, run_shallow, read_results, monkeypatch):
    path = tmp_path / "figures.json"
    keep = Journal.keep

    def keep_and_be_interrupted(*arguments):
        keep(*arguments)
        raise KeyboardInterrupt  # Ctrl-C, once the first row is in the file

    monkeypatch.setattr(Journal, "keep", keep_and_be_interrupted)
    done = run_shallow("--out", path, "--family", "ernie-image", "--images", 3, only=["suite", "base", "encode_once"])
    assert done.exit_code == 130
    results = read_results(path)
    assert [(row.option, len(row.timings)) for row in results.rows] == [("plain loop", 3)]
    assert results.left_out == ["ernie-image: suite", "ernie-image: base", "ernie-image: encode_once"]
    assert "Left out: ernie-image: suite; ernie-image: base; ernie-image: encode_once" in done.output
