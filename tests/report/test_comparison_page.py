from __future__ import annotations

import json
import re
from fractions import Fraction

import msgspec
import pytest
from runs_by_hand import PROMPTS

from evalsuite.errors import EvalsuiteError, ExitCode, NotComparableError
from evalsuite.records import Environment, SuiteRef
from evalsuite.report import build_comparison, comparison
from evalsuite.report.charts.scatter import scatter
from evalsuite.runs import open_run
from evalsuite.stats import mean_interval


def data_of(page):
    content = page.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="gallery-data">(.*?)</script>', content, re.DOTALL)[1])


def words_of(page):
    content = re.sub(r"<script.*?</script>|<svg.*?</svg>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", content).split())


def compare(*folders, out):
    """The page of a comparison of stored runs."""
    return build_comparison([open_run(folder) for folder in folders], out)


@pytest.fixture
def two(handmade, tmp_path):
    """Run a is perfect, run b loses the L and writes 持 for 特."""
    handmade.make_run(tmp_path / "a", environment=Environment(cpu="x"))
    handmade.make_run(tmp_path / "b", outcome=handmade.noodes, environment=Environment(cpu="x"))
    return tmp_path / "a", tmp_path / "b"


def test_differences_are_paired_by_prompt_and_worked_by_hand(two):
    runs = [open_run(folder) for folder in two]
    called = comparison.contestants(runs)
    assert [each.name for each in called] == ["klein · a", "klein · b"]
    everything, english, chinese = comparison.compare_all(runs, called)
    # NIGHT NOODLES −1/12, the shop 0, the menu −1/6; one mean over three prompts.
    assert everything.interval.estimate == pytest.approx(float(-(Fraction(1, 12) + Fraction(1, 6)) / 3))
    assert (everything.better, everything.worse, everything.same) == (0, 2, 1)
    assert (english.language, english.interval.estimate) == ("en", pytest.approx(-1 / 24))
    assert (chinese.language, chinese.interval.estimate) == ("zh", pytest.approx(-1 / 6))
    # One Chinese prompt, between -1 and 1: next to nothing is known.
    expected = mean_interval([-1 / 6], bounds=(-1.0, 1.0))
    assert (chinese.interval.low, chinese.interval.high) == pytest.approx((expected.low, expected.high), abs=1e-6)
    assert chinese.interval.low < -0.85


def test_the_page_holds_both_sides_and_its_images(two, tmp_path):
    page = compare(*two, out=tmp_path / "out")
    data = data_of(page)
    assert [model["name"] for model in data["models"]] == ["klein · a", "klein · b"]
    assert len(data["rows"]) == 6
    for row in data["rows"]:
        for address in (row[5], row[6]):
            assert (page.parent / address).is_file()
    words = words_of(page)
    assert "klein · b" in words
    assert re.search("\u22120\\.083 \\[\u22120\\.\\d{3}, \\+0\\.\\d{3}\\] 0 2 1", words)
    assert "This is no verdict" in words


def test_models_of_one_run_can_be_compared(handmade, tmp_path):
    models = (handmade.model("one"), handmade.model("two"), handmade.MODELS[1])
    handmade.make_run(tmp_path / "run", models=models)
    data = data_of(compare(tmp_path / "run", out=tmp_path / "out"))
    assert [model["name"] for model in data["models"]] == ["one", "two"]  # the reference does not compete


OTHER_TEXT = 'Other words, "NIGHT NOODLES".'
SAMPLED = {name: SuiteRef(name=name, digest="5" * 64, prompts=10, source="x") for name in ("signs", "signs-zh")}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seeds": (0, 1)}, "seeds: 0 and 0, 1$"),
        ({"profile": "strict"}, "scoring profile: standard and strict$"),
        ({"prompts": 2}, "prompts: 3 prompts; only here: menu-003 and 2 prompts$"),
        ({"prompts": 2, "suites": {"signs": SAMPLED["signs"]}}, "suite signs-zh: 5{12} and not in the run$"),
        (
            {"text": OTHER_TEXT},
            re.escape(f"""prompt neon-001: text {PROMPTS[0].text!r} and text {OTHER_TEXT!r}""") + "$",
        ),
        (
            {"weights": "e" * 64},
            r"OCR weights: paddle d{12} \(with settings \w+\) and paddle e{12} \(with settings \w+\)$",
        ),
        ({"seeds": (0, 1), "profile": "strict"}, "seeds: 0 and 0, 1; scoring profile: standard and strict$"),
    ],
)
def test_runs_that_differ_are_refused_with_each_difference(handmade, tmp_path, changes, named):
    changes = {"suites": SAMPLED, **changes}
    if "prompts" in changes:
        changes["prompts"] = PROMPTS[: changes["prompts"]]
    if "text" in changes:
        first = msgspec.structs.replace(PROMPTS[0], text=changes.pop("text"))
        changes["prompts"] = (first, *PROMPTS[1:])
    if "weights" in changes:
        changes["ocr"] = msgspec.structs.replace(handmade.OCR, weights_digest=changes.pop("weights"))
    handmade.make_run(tmp_path / "a", suites=SAMPLED)
    handmade.make_run(tmp_path / "b", **changes)
    with pytest.raises(NotComparableError, match=f"/b cannot be compared with .*/a: {named}") as caught:
        compare(tmp_path / "a", tmp_path / "b", out=tmp_path / "out")
    assert caught.value.exit_code is ExitCode.INCOMPLETE
    assert not (tmp_path / "out").exists()


def test_a_whole_suite_with_another_prompt_is_another_suite(handmade, tmp_path):
    handmade.make_run(tmp_path / "a", prompts=PROMPTS[:1])
    handmade.make_run(tmp_path / "b", prompts=(msgspec.structs.replace(PROMPTS[0], text=OTHER_TEXT),))
    with pytest.raises(NotComparableError, match=r"a: suite signs: \w{12} and \w{12}$"):
        compare(tmp_path / "a", tmp_path / "b", out=tmp_path / "out")


def test_one_model_alone_and_a_run_folder_as_target_are_refused(handmade, tmp_path):
    handmade.make_run(tmp_path / "a", models=handmade.MODELS[:1])
    with pytest.raises(EvalsuiteError, match="nothing to compare"):
        compare(tmp_path / "a", out=tmp_path / "out")
    with pytest.raises(EvalsuiteError, match="nothing to compare"):
        build_comparison([], tmp_path / "out")
    with pytest.raises(EvalsuiteError, match="name another folder"):
        compare(tmp_path / "a", tmp_path / "a", out=tmp_path / "a")
    with pytest.raises(EvalsuiteError, match="no run here"):
        compare(tmp_path / "a", tmp_path / "nowhere", out=tmp_path / "out")


def test_the_same_run_twice_is_told_apart_and_differs_in_nothing(handmade, tmp_path):
    handmade.make_run(tmp_path / "a", outcome=handmade.noodes)
    page = compare(tmp_path / "a", tmp_path / "a", out=tmp_path / "out")
    assert [model["name"] for model in data_of(page)["models"]] == ["klein · a (1)", "klein · a (2)"]
    assert "0.000" in words_of(page)


def test_timings_of_other_or_unknown_machines_are_not_compared(handmade, two, tmp_path):
    assert "5 warm" not in words_of(compare(*two, out=tmp_path / "same"))
    assert "Median" in words_of(tmp_path / "same" / "index.html")
    handmade.make_run(tmp_path / "c", environment=Environment(cpu="y"))
    words = words_of(compare(two[0], tmp_path / "c", out=tmp_path / "other"))
    assert "Median" not in words
    assert "were not made on the same machine" in words
    handmade.make_run(tmp_path / "d", environment=Environment())
    handmade.make_run(tmp_path / "e", environment=Environment())
    assert "Median" not in words_of(compare(tmp_path / "d", tmp_path / "e", out=tmp_path / "unknown"))


def test_an_incomplete_side_says_so(handmade, two, tmp_path):
    def outcome(spec, prompt, _seed):
        failed = spec.role == "model" and prompt.id == "neon-001"
        return handmade.Outcome(error="boom") if failed else handmade.perfect(prompt)

    handmade.make_run(tmp_path / "c", outcome=outcome)
    words = words_of(compare(two[0], tmp_path / "c", out=tmp_path / "out"))
    assert (
        "Incomplete: 1 of 12 images missing or unread 1 counts as wholly wrong, so every rate below is a lower bound. "
        "An incomplete run cannot confirm a published figure, nor pass a gate unless "
        "the policy counts blank images and no others are missing. klein · c neon-001 seed 0: boom "
    ) in words
    # 12 of the 39 characters are lost.
    assert "0.692" in words


def test_changed_and_deleted_images_are_named_with_their_runs(handmade, two, tmp_path):
    first, second = (open_run(folder).store for folder in two)
    runs = [open_run(first), open_run(second)]
    _, before, _ = comparison.compare_all(runs, comparison.contestants(runs))
    handmade.image_of(first, "menu-003").write_bytes(b"another image")
    handmade.image_of(second, "shop-002").unlink()
    page = compare(*two, out=tmp_path / "out")
    words = words_of(page)
    assert (
        "Incomplete: 2 of 12 images missing or unread 1 counts as wholly wrong, so every rate below is a lower bound. "
        "Of 1 image only the file is gone: the stored reading still counts, but nobody can check it any more. "
        "An incomplete run cannot confirm a published figure, nor pass a gate unless "
        "the policy counts blank images and no others are missing. "
        "klein · a menu-003 seed 0: its image file has changed since it was drawn "
        "klein · b shop-002 seed 0: its image file is missing "
    ) in words
    runs = [open_run(folder) for folder in two]
    everything, english, chinese = comparison.compare_all(runs, comparison.contestants(runs))
    # The deleted shop of b counts as it was read; the changed menu of a as wholly wrong, so that b's 5/6 is a gain.
    assert english == before
    assert chinese.interval.estimate == pytest.approx(5 / 6)
    assert everything.interval.estimate == pytest.approx(float((Fraction(5, 6) - Fraction(1, 12)) / 3))
    rows = data_of(page)["rows"]
    assert [row[5] is None for row in rows] == [False, False, True, False, True, False]
    assert [row[20] for row in rows] == [None, None, None, None, "its image file is missing", None]
    # Files are named by their content, and the two runs drew alike: what is left of either is all that is copied.
    assert len(list((page.parent / "images").iterdir())) == 3


def test_a_link_is_not_copied_beside_the_page(handmade, two, tmp_path):
    store = handmade.make_run(
        tmp_path / "c", outcome=lambda _spec, prompt, _seed: handmade.Outcome(lines=prompt.targets, colour="beige")
    )
    path = handmade.image_of(store, "neon-001")
    elsewhere = path.rename(tmp_path / "elsewhere.png")
    path.symlink_to(elsewhere)
    page = compare(two[0], store.folder, out=tmp_path / "out")
    assert "klein · c neon-001 seed 0: its image file cannot be read: is a link, which" in words_of(page)
    copied = [each.read_bytes() for each in (page.parent / "images").iterdir()]
    assert len(copied) == 5
    assert elsewhere.read_bytes() not in copied


def test_a_text_under_two_ids_is_noticed_once_and_counts_once(handmade, tmp_path):
    again = handmade.prompt("neon-009", "signs", "neon", 'a sign that SAYS "NIGHT NOODLES".', ("NIGHT NOODLES",))
    for name in ("a", "b"):
        handmade.make_run(tmp_path / name, prompts=(*handmade.PROMPTS, again))
    page = compare(tmp_path / "a", tmp_path / "b", out=tmp_path / "out")
    notice = "1 prompt repeats the text of another: neon-009 (as neon-001); intervals and gates count each text once."
    assert words_of(page).count(notice) == 1
    runs = [open_run(tmp_path / name) for name in ("a", "b")]
    everything = comparison.compare_all(runs, comparison.contestants(runs))[0]
    assert (everything.interval.n, everything.same) == (3, 3)


def test_scatter_points_and_table_lead_to_the_prompt(handmade):
    pairs = {"p-1": (1.0, 0.5), "p-2": (1.0, 1.0), "p-3": (0.5, 0.75)}
    one, two = handmade.model("one"), handmade.model("two", "stand-in")
    chart = scatter("scatter-1", one, two, pairs)
    assert set(re.findall(r'<a href="([^"]+)" tabindex="-1">', chart.svg)) == {"#q=p-1", "#q=p-2", "#q=p-3"}
    assert [[cell.text for cell in row] for row in chart.rows] == [
        ["p-1", "1.000", "0.500", "\u22120.500"],
        ["p-3", "0.500", "0.750", "+0.250"],
    ]
    assert chart.rows[0][0].link == "#q=p-1"
    assert "two (stand-in)" in chart.svg
