"""What cannot be gated: each its own message and exit code, and never a PASS."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from evalsuite.errors import EvalsuiteError, IncompleteError
from evalsuite.gate import NotFiniteError, PolicyError, check, load_policy, open_view
from evalsuite.runs.rows import DamagedRunError


def rows(folder, kind):
    (path,) = folder.glob(f"{kind}*.jsonl")
    return path


def edit(path, change):
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("".join(line + "\n" for line in change(lines)), encoding="utf-8")


def whats(verdict):
    return [difference.what for difference in verdict.differences]


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"suite_digest": "c" * 64}, "suite small"),
        ({"seeds": (0, 1, 2)}, "seeds"),
        ({"seeds": (1, 2)}, "seeds"),
        ({"ocr_weights": "d" * 64}, "OCR weights"),
        ({"profile": "strict"}, "scoring profile"),
        ({"scorer": {"normalizer": "another 9"}}, "normaliser"),
        ({"scorer": {"version": "99"}}, "scorer"),
        ({"prompts": 30}, "prompts"),
    ],
)
def test_runs_that_were_not_measured_alike_are_not_comparable(make_run, policy_file, other, what):
    verdict = check(make_run("a", prompts=40), make_run("b", **{"prompts": 40, **other}), policy=policy_file)
    assert (verdict.outcome, verdict.exit_code) == ("NOT COMPARABLE", 12)
    assert whats(verdict) == [what]
    assert verdict.differences[0].baseline != verdict.differences[0].candidate
    assert verdict.gates == ()


def test_all_differences_are_listed_at_once(make_run, policy_file):
    candidate = make_run("b", prompts=40, seeds=(0,), ocr_weights="d" * 64, profile="lenient")
    assert whats(check(make_run("a", prompts=40), candidate, policy=policy_file)) == [
        "seeds", "OCR weights", "scoring profile",
    ]  # fmt: skip


def test_an_anchor_of_another_suite_is_not_comparable_either(make_run, policy_file):
    anchor = make_run("old", prompts=40, suite_digest="e" * 64)
    verdict = check(make_run("a", prompts=40), make_run("b", prompts=40), policy=policy_file, anchor=anchor)
    assert [(d.against, d.what) for d in verdict.differences] == [("anchor", "suite small")]


def test_other_weights_names_and_settings_are_what_one_compares(make_run, policy_file):
    verdict = check(make_run("a"), make_run("b", settings={"steps": 8}), policy=policy_file)
    assert verdict.outcome == "PASS"
    assert verdict.notes == ("drawn with other settings than the baseline: steps 4 → 8",)


def test_a_missing_seed_is_incomplete_and_named(make_run, policy_file):
    candidate = make_run("b", prompts=40)
    edit(rows(candidate, "generations"), lambda lines: [line for line in lines if '"p007"' not in line])
    edit(rows(candidate, "scores"), lambda lines: [line for line in lines if '"p007"' not in line])
    verdict = check(make_run("a", prompts=40), candidate, policy=policy_file)
    assert (verdict.outcome, verdict.exit_code) == ("INCOMPLETE", 12)
    assert verdict.missing == ("candidate: p007 seed 0: not drawn", "candidate: p007 seed 1: not drawn")


@pytest.mark.parametrize("kind", ["scores", "generations"])
def test_a_row_file_cut_off_in_its_last_row_is_incomplete(make_run, policy_file, kind):
    baseline = make_run("a", prompts=40)
    path = rows(baseline, kind)
    path.write_bytes(path.read_bytes()[:-40])
    verdict = check(baseline, make_run("b", prompts=40), policy=policy_file)
    assert verdict.outcome == "INCOMPLETE"
    assert f"the last row of {path.name} is cut off" in verdict.missing[0]
    assert verdict.missing[1].startswith("baseline: p039 seed 1: ")


def test_a_row_file_cut_short_between_rows_is_incomplete(make_run, policy_file):
    candidate = make_run("b", prompts=40)
    path = rows(candidate, "scores")
    edit(path, lambda lines: lines[:-3])
    verdict = check(make_run("a", prompts=40), candidate, policy=policy_file)
    assert verdict.missing[-1] == f"candidate: p039 seed 1: no row in {path.name}"
    assert len(verdict.missing) == 3


def test_damage_within_a_file_names_file_and_line(make_run):
    run = make_run("a", prompts=40)
    edit(rows(run, "scores"), lambda lines: [*lines[:5], lines[5][:-20], *lines[6:]])
    with pytest.raises(DamagedRunError, match=r"scores\..*jsonl:6: not a Score row"):
        open_view(run)


@pytest.mark.parametrize(("kind", "field"), [("scores", '"deletions":0'), ("generations", '"total":1.0')])
@pytest.mark.parametrize("value", ["NaN", "-Infinity"])
def test_nan_has_a_message_of_its_own(make_run, kind, field, value):
    run = make_run("a", prompts=40, seconds=lambda *_: 1.0)
    path = rows(run, kind)
    edit(path, lambda lines: [*lines[:3], lines[3].replace(field, field.split(":")[0] + ":" + value), *lines[4:]])
    with pytest.raises(NotFiniteError, match=r"jsonl:4: holds NaN or infinity"):
        open_view(run)


def test_a_score_that_failed_counts_as_missing_with_its_reason(make_run, policy_file):
    candidate = make_run("b", prompts=40)
    broken = '"status":"unreadable"', '"detail":"the OCR process died"'
    edit(
        rows(candidate, "scores"),
        lambda lines: [
            lines[0].replace('"status":"scored"', broken[0]).replace('"detail":null', broken[1]), *lines[1:],
        ],
    )  # fmt: skip
    verdict = check(make_run("a", prompts=40), candidate, policy=policy_file)
    assert verdict.missing == ("candidate: p000 seed 0: the OCR process died",)


def test_an_image_drawn_again_since_it_was_read_is_missing(make_run, policy_file):
    candidate = make_run("b", prompts=40)
    edit(rows(candidate, "generations"), lambda lines: [lines[0].replace("0" * 64, "1" * 64), *lines[1:]])
    verdict = check(make_run("a", prompts=40), candidate, policy=policy_file)
    assert verdict.missing == ("candidate: p000 seed 0: its image was drawn again and not read since",)


def test_rows_of_another_run_or_twice_over_are_damage(make_run):
    one, other = make_run("a", prompts=40), make_run("b", prompts=40)
    foreign = rows(other, "scores").read_text().splitlines()[0].replace('"model":"b"', '"model":"a"')
    path = rows(one, "scores")
    whole = path.read_text()
    edit(path, lambda lines: [*lines, foreign])
    with pytest.raises(DamagedRunError, match="is not of this run"):
        open_view(one)
    path.write_text(whole + whole.splitlines()[0] + "\n")
    with pytest.raises(DamagedRunError, match="stands there 2 times"):
        open_view(one)


def test_rows_of_two_scorers_are_damage(make_run):
    run = make_run("a", prompts=40)
    version = json.loads(rows(run, "scores").read_text().splitlines()[0])["scorer"]["version"]
    edit(
        rows(run, "scores"),
        lambda lines: [lines[0].replace(f'"version":"{version}"', '"version":"0.0"'), *lines[1:]],
    )
    with pytest.raises(DamagedRunError, match="two scorers"):
        open_view(run)


def test_a_run_without_scores_is_incomplete(make_run):
    run = make_run("a", prompts=40)
    rows(run, "scores").unlink()
    with pytest.raises(IncompleteError, match="was not scored; run 'evalsuite score"):
        open_view(run)


def test_the_model_is_named_where_a_run_has_several(make_run):
    run = make_run("two", models=("one", "other"), prompts=40)
    with pytest.raises(EvalsuiteError, match=r"several models \(one, other\)"):
        open_view(run)
    with pytest.raises(EvalsuiteError, match="no model 'third'; it has one, other"):
        open_view(run, "third")
    assert open_view(run, "other").model.name == "other"


def test_runs_with_another_number_of_samples_than_the_policy_asks_for_are_incomplete(make_run, policy_file):
    runs = [make_run(name, seeds=(0, 1, 2)) for name in "ab"]
    verdict = check(*runs, policy=policy_file)
    assert verdict.outcome == "INCOMPLETE"
    assert verdict.missing == ("policy: team asks for 2 samples a prompt, the runs have 3",)


def test_a_gated_slice_without_prompts_is_incomplete(make_run, tmp_path):
    path = tmp_path / "zh.toml"
    path.write_text('format = 1\nname = "zh"\nsamples = 2\n[[gates]]\nslice = "language=ja"\nmargin = 0.05\n')
    verdict = check(make_run("a"), make_run("b"), policy=path)
    assert verdict.missing == ("policy: gates language=ja, but no prompt of the runs is in that slice",)


POLICIES = {
    "empty": ("", "the policy is empty"),
    "blank": (" \n\n", "the policy is empty"),
    "no gates": ('format = 1\nname = "x"\n', "names no gate"),
    "no TOML": ("format = = 1\n", "not a gate policy"),
    "unknown field": ('format = 1\nname = "x"\nmarging = 1\n', "unknown field `marging`"),
    "no margin": ('format = 1\nname = "x"\n[[gates]]\nslice = "all"\n', "missing required field `margin`"),
    "margin of 2": ('format = 1\nname = "x"\n[[gates]]\nmargin = 2.0\n', "gate 1: margin = 2.0"),
    "margin as text": ('format = 1\nname = "x"\n[[gates]]\nmargin = "2"\n', r"Expected `float`, got `str`"),
    "nan margin": ('format = 1\nname = "x"\n[[gates]]\nmargin = nan\n', "gate 1: margin = nan"),
    "alpha": ('format = 1\nname = "x"\nalpha = 0.9\n[[gates]]\nmargin = 0.1\n', "alpha = 0.9"),
    "samples": ('format = 1\nname = "x"\nsamples = 0\n[[gates]]\nmargin = 0.1\n', "samples = 0"),
    "extension": (
        'format = 1\nname = "x"\n[extension]\nsamples = 4\n[[gates]]\nmargin = 0.1\n', "more than samples = 4"
    ),
    "slice": ('format = 1\nname = "x"\n[[gates]]\nslice = "lang=zh"\nmargin = 0.1\n', "slice = 'lang=zh'"),
    "metric": (
        'format = 1\nname = "x"\nmetric = "character_acuracy"\n[[gates]]\nmargin = 0.1\n',
        "Did you mean 'character_accuracy'",
    ),
    "unbounded metric": (
        'format = 1\nname = "x"\nmetric = "strict_accuracy"\n[[gates]]\nmargin = 0.1\n', "between 0 and 1 for every"
    ),
    "twice": ('format = 1\nname = "x"\n[[gates]]\nmargin = 0.1\n[[gates]]\nmargin = 0.2\n', "gated twice"),
    "speed": ('format = 1\nname = "x"\n[[gates]]\nmargin = 0.1\n[speed]\np50 = 0.0\n', "speed.p50 = 0.0"),
    "format": ('format = 7\nname = "x"\n[[gates]]\nmargin = 0.1\n', "format = 7"),
}  # fmt: skip


@pytest.mark.parametrize("case", POLICIES)
def test_a_policy_that_cannot_be_used_says_why(tmp_path, case):
    content, message = POLICIES[case]
    path = tmp_path / "policy.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(PolicyError, match=r"policy\.toml: ") as caught:
        load_policy(path)
    assert message in str(caught.value)


def test_an_unknown_policy_name_lists_the_known(tmp_path):
    with pytest.raises(PolicyError, match=r"Did you mean 'default'\? Known: default, longtext-bench, quick"):
        load_policy("defaults")
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policy(tmp_path / "none.toml")


def evalsuite(*arguments, cwd=None):
    command = [sys.executable, "-m", "evalsuite", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd, timeout=120)


def test_exit_codes_and_one_line_errors_of_the_command(make_run, policy_file, tmp_path):
    baseline, empty = make_run("a", prompts=100), tmp_path / "empty.toml"
    empty.write_text("")
    broken = make_run("nan", prompts=100)
    path = rows(broken, "scores")
    path.write_text(path.read_text().replace('"deletions":0', '"deletions":NaN', 1))
    fails = make_run("b", lambda i, _: 20 + i % 3, prompts=100)
    few = [make_run(name, prompts=20) for name in ("c", "d")]
    cases = [
        ((baseline, make_run("e", prompts=140), policy_file), 12, "NOT COMPARABLE", ""),
        ((baseline, fails, policy_file), 10, "FAIL", ""),
        ((*few, policy_file), 11, "INCONCLUSIVE", ""),
        ((baseline, broken, policy_file), 2, "", "holds NaN or infinity"),
        ((baseline, fails, empty), 2, "", "the policy is empty"),
        ((baseline, tmp_path / "nowhere", policy_file), 2, "", "no run here"),
    ]
    for (one, other, policy), code, last, error in cases:
        done = evalsuite("gate", "--baseline", one, "--candidate", other, "--policy", policy)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        if last:
            assert done.stdout.splitlines()[-1] == last
        else:
            (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
            assert error in line
