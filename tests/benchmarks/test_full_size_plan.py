"""What the full-size benchmark measures in which order, its names, and what it leaves out when time is short."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from benchmarks.full_size.__main__ import measure_all  # noqa: E402
from benchmarks.full_size.bench import Bench  # noqa: E402
from benchmarks.full_size.parts import FAMILIES  # noqa: E402
from benchmarks.full_size.plan import MEASUREMENTS, Deadline, Measurement, plan  # noqa: E402
from benchmarks.full_size.rows import Journal, Results  # noqa: E402
from evalsuite import suites  # noqa: E402
from evalsuite.models.fast import FAST  # noqa: E402
from evalsuite.records import Environment  # noqa: E402

BY_NAME = {measurement.name: measurement for measurement in MEASUREMENTS}


class TestTimeLimit:
    def journal(self, tmp_path):
        results = Results(hardware=Environment(), line="here", shallow=True, matmul_flops=1e12)
        return Journal(results, tmp_path / "figures.json")

    def test_nothing_is_begun_when_the_time_is_up(self, tmp_path, run_shallow, read_results):
        path = tmp_path / "figures.json"
        done = run_shallow("--out", path, "--family", "ernie-image", "--minutes", 0, only=["suite", "enhancer"])
        assert done.exit_code == 0
        assert (read_results(path).rows, read_results(path).left_out) == (
            [],
            ["ernie-image: suite", "ernie-image: enhancer"],
        )
        assert "Left out: ernie-image: suite; ernie-image: enhancer" in done.output

    def test_it_ends_between_rows(self, tmp_path, read_results):
        journal = self.journal(tmp_path)
        planned = plan(["ernie-image"], ["suite", "base", "encode_once"])
        # A minute passes with each row, and none while one is drawn.
        deadline = Deadline(2, clock=lambda: 60.0 * len(journal.results.rows))
        measure_all(planned, journal, 1, deadline)
        results = read_results(tmp_path / "figures.json")
        assert [row.option for row in results.rows] == ["plain loop", "suite"]
        assert results.left_out == ["ernie-image: base", "ernie-image: encode_once"]

    def test_what_a_row_will_take_follows_from_the_plain_loop(self, tmp_path):
        journal = self.journal(tmp_path)
        family = FAMILIES["ernie-image"]
        bench = Bench(family, suites.sample(suites.load("signage-en")[0].prompts, 2), journal, 4)
        journal.expect(["ernie-image: suite", "ernie-image: precision=fp8"])
        assert bench.expected_seconds(BY_NAME["base"]) == 0  # nothing is known yet
        bench.measure(BY_NAME["suite"])
        plain = journal.results.rows[0].p50
        # 2 calls to warm up and 4 that count; in batches of 2, 2 and 3 calls.
        assert bench.expected_seconds(BY_NAME["encode_once"]) == pytest.approx(6 * plain)
        assert bench.expected_seconds(BY_NAME["batch=2"]) == pytest.approx((2 + 3) * 2 * plain)
        # Both loops of 1 + 3 images, and twice the passes: as many steps, but with guidance.
        assert bench.expected_seconds(BY_NAME["base"]) == pytest.approx(2 * 4 * 2 * plain)
        # One loop over 1 + 3 images, without a plain one.
        assert bench.expected_seconds(BY_NAME["enhancer"]) == pytest.approx(4 * plain)
        bench.measure(BY_NAME["precision=fp8"])
        # The pipeline in FP8 must be built anew for what is drawn as built.
        build = journal.results.build_seconds["ernie-image"]
        assert bench.expected_seconds(BY_NAME["encode_once"]) == pytest.approx(build + 6 * plain)
        assert bench.expected_seconds(BY_NAME["precision=fp8"]) == pytest.approx(6 * plain)

    def test_what_would_not_end_in_time_is_passed_over_for_what_would(self, tmp_path):
        journal = self.journal(tmp_path)
        planned = plan(["ernie-image"], ["suite", "base", "encode_once"])

        # Until the plain loop is done there is all the time; then enough for one loop of 2 + 1 images, and not for
        # the two loops of 1 + 1 images with twice the passes.
        class Short(Deadline):
            def allows(self, seconds):
                return not journal.results.rows or seconds < 5 * journal.results.rows[0].p50

        measure_all(planned, journal, 1, Short(None))
        assert [row.option for row in journal.results.rows] == ["plain loop", "suite", "encode_once"]
        assert journal.results.left_out == ["ernie-image: base"]

    def test_the_deadline(self):
        now = [100.0]
        deadline = Deadline(0.5, clock=lambda: now[0])
        assert deadline.allows(29.9)
        assert not deadline.allows(30)
        now[0] = 130.0
        assert not deadline.allows(0)
        assert Deadline(None).allows(1e9)


class TestSelection:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--only", "fp8"], "--only fp8: is not known. Known: suite, base, enhancer"),
            (["--family", "klein"], "--family klein: is not known. Known: flux2-klein-4b, ernie-image"),
            (["--family", "flux2-klein-4b", "--only", "enhancer"], "flux2-klein-4b has no prompt enhancer"),
        ],
    )
    def test_unknown_names_are_refused_with_those_that_there_are(self, tmp_path, run_shallow, arguments, message):
        done = run_shallow("--out", tmp_path / "x.json", *arguments)
        assert done.exit_code == 2
        told = " ".join(done.output.replace("│", " ").split())
        assert message in told
        assert not (tmp_path / "x.json").exists()

    def test_a_folder_that_is_not_there_is_told_before_anything_is_drawn(self, tmp_path, run_shallow):
        done = run_shallow("--out", tmp_path / "none" / "x.json")
        assert done.exit_code == 2
        assert "there is no folder" in " ".join(done.output.replace("│", " ").split())

    def test_the_order_is_that_of_importance_whatever_the_order_asked_for(self):
        everything = plan(list(FAMILIES), [])
        assert [family.name for family, _ in everything] == ["flux2-klein-4b", "ernie-image"]
        klein, ernie = ([one.name for one in chosen] for _, chosen in everything)
        assert ernie[:9] == [
            "suite",
            "base",
            "enhancer",
            "enhancer+enhance_batch=16",
            "compile+encode_once",
            "compile+encode_once+batch=4",
            "fast",
            "fast+prompts",
            "fast-fp8",
        ]
        assert klein == [name for name in ernie if not name.startswith("enhancer")]
        assert len(set(ernie)) == len(ernie)
        ((_, chosen),) = plan(["ernie-image"], ["precision=fp8", "suite"])
        assert [one.name for one in chosen] == ["suite", "precision=fp8"]

    def test_a_family_without_an_enhancer_is_passed_over(self):
        ((family, chosen),) = plan(list(FAMILIES), ["enhancer"])
        assert (family.name, [one.name for one in chosen]) == ("ernie-image", ["enhancer"])


def test_measurements_are_what_their_names_say():
    for measurement in MEASUREMENTS:
        if measurement.name in ("suite", "base", "enhancer"):
            assert (measurement.precision, measurement.runtime) == ("bf16", {})
            continue
        if measurement.name.startswith("fast"):
            parts = {"quantize": measurement.quantize, **measurement.runtime}
            without = {"quantize"} if measurement.name == "fast-fp8" else set()
            without |= {"drop_mask"} if measurement.families == ("flux2-klein-4b",) else set()
            assert {name for name in FAST if parts.get(name) != FAST[name]} == without
            assert measurement.one_prompt == (measurement.name != "fast+prompts")
            continue
        name = measurement.name.removeprefix("enhancer+")
        assert measurement.enhancer == (name != measurement.name)
        pairs = dict(part.partition("=")[::2] for part in name.split("+"))
        settings = {"precision": "bf16"} | {
            key: int(value) if value.isdigit() else value or True for key, value in pairs.items()
        }
        assert settings == {"precision": measurement.precision, **measurement.runtime}
    assert Measurement("x", runtime={"batch": 4}).batch == 4
