"""What cannot be gated: each its own message and exit code, and never a PASS."""

from __future__ import annotations

import json

import pytest
from command_line import evalsuite
from runs_by_hand import check, open_side

from evalsuite.errors import EvalsuiteError
from evalsuite.gate import PolicyError, load_policy
from evalsuite.records import SuiteRef
from evalsuite.runs import NotFiniteError
from evalsuite.runs.rows import DamagedRunError


def rows(folder, kind):
    (path,) = folder.glob(f"{kind}*.jsonl")
    return path


def edit(path, change):
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("".join(line + "\n" for line in change(lines)), encoding="utf-8")


def larger_suite(digest):
    """A suite of which the 40 prompts are a sample, so that its digest cannot be computed from them."""
    return SuiteRef(name="small", digest=digest, prompts=41, source="small.yaml")


def whats(verdict):
    return [difference.what for difference in verdict.differences]


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"suite": larger_suite("c" * 64)}, "suite small"),
        ({"seeds": (0, 1, 2)}, "seeds"),
        ({"seeds": (1, 2)}, "seeds"),
        ({"ocr_weights": "d" * 64}, "OCR weights"),
        ({"profile": "strict"}, "scoring profile"),
        ({"prompts": 30}, "suite small"),
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
    anchor = make_run("old", prompts=40, suite=larger_suite("e" * 64))
    verdict = check(make_run("a", prompts=40), make_run("b", prompts=40), policy=policy_file, anchor=anchor)
    assert [(d.against, d.what) for d in verdict.differences] == [("anchor", "suite small")]


def test_other_weights_names_and_settings_are_what_one_compares(make_run, policy_file):
    verdict = check(make_run("a"), make_run("b", settings={"steps": 8}), policy=policy_file)
    assert verdict.outcome == "PASS"
    assert verdict.notes == ("drawn with other settings than the baseline: steps 4 → 8",)


def test_a_missing_seed_is_incomplete_and_named(make_run, policy_file):
    candidate = make_run("b", prompts=40)
    edit(rows(candidate, "generations"), lambda lines: [line for line in lines if '"p007"' not in line])
    verdict = check(make_run("a", prompts=40), candidate, policy=policy_file)
    assert (verdict.outcome, verdict.exit_code) == ("INCOMPLETE", 12)
    assert verdict.missing == ("candidate: p007 seed 0: not drawn", "candidate: p007 seed 1: not drawn")


@pytest.mark.parametrize("kind", ["readings", "generations"])
def test_a_row_file_cut_off_in_its_last_row_is_incomplete(make_run, policy_file, kind):
    baseline = make_run("a", prompts=40)
    path = rows(baseline, kind)
    path.write_bytes(path.read_bytes()[:-40])
    verdict = check(baseline, make_run("b", prompts=40), policy=policy_file)
    assert verdict.outcome == "INCOMPLETE"
    why = {"readings": "not read", "generations": "not drawn"}[kind]
    assert verdict.missing == (
        f"baseline: the last row of {path.name} is cut off",
        f"baseline: p039 seed 1: {why}",
    )


def test_a_row_file_cut_short_between_rows_is_incomplete(make_run, policy_file):
    candidate = make_run("b", prompts=40)
    edit(rows(candidate, "readings"), lambda lines: lines[:-3])
    verdict = check(make_run("a", prompts=40), candidate, policy=policy_file)
    assert verdict.missing == tuple(
        f"candidate: {image}: not read" for image in ("p038 seed 1", "p039 seed 0", "p039 seed 1")
    )


def test_damage_within_a_file_names_file_and_line(make_run):
    run = make_run("a", prompts=40)
    edit(rows(run, "readings"), lambda lines: [*lines[:5], lines[5][:-20], *lines[6:]])
    with pytest.raises(DamagedRunError, match=r"readings\..*jsonl:6: not a Reading row"):
        open_side(run)


@pytest.mark.parametrize(("kind", "field"), [("readings", '"seconds":0.1'), ("generations", '"total":1.0')])
@pytest.mark.parametrize("value", ["NaN", "-Infinity"])
def test_nan_has_a_message_of_its_own(make_run, kind, field, value):
    run = make_run("a", prompts=40, seconds=lambda *_: 1.0)
    path = rows(run, kind)
    edit(path, lambda lines: [*lines[:3], lines[3].replace(field, field.split(":")[0] + ":" + value), *lines[4:]])
    with pytest.raises(NotFiniteError, match=r"jsonl:4: holds NaN or infinity"):
        open_side(run)


def test_a_reading_that_failed_counts_as_missing_with_its_reason(make_run, policy_file):
    candidate = make_run("b", prompts=40)
    edit(
        rows(candidate, "readings"),
        lambda lines: [lines[0].replace('"error":null', '"error":"the OCR process died"'), *lines[1:]],
    )
    verdict = check(make_run("a", prompts=40), candidate, policy=policy_file)
    assert verdict.missing == ("candidate: p000 seed 0: the OCR process died",)


def test_a_reading_of_other_bytes_never_counts(make_run, policy_file):
    candidate = make_run("b", prompts=40)
    sha256 = json.loads(rows(candidate, "generations").read_text().splitlines()[0])["sha256"]
    edit(rows(candidate, "readings"), lambda lines: [lines[0].replace(sha256, "1" * 64), *lines[1:]])
    verdict = check(make_run("a", prompts=40), candidate, policy=policy_file)
    assert verdict.missing == ("candidate: p000 seed 0: the bytes that were read are not those that were drawn",)


@pytest.mark.parametrize("kind", ["readings", "generations"])
def test_rows_of_another_run_are_damage(make_run, kind):
    one, other = make_run("a", prompts=40), make_run("b", prompts=40)
    foreign = rows(other, kind).read_text().splitlines()[0]
    edit(rows(one, kind), lambda lines: [*lines, foreign])
    with pytest.raises(DamagedRunError, match=f"{kind}.*: 1 rows are not of this run, e.g. "):
        open_side(one)


def test_a_row_that_names_another_prompt_than_its_key_is_damage(make_run):
    run = make_run("a", prompts=40)
    edit(rows(run, "generations"), lambda lines: [lines[0].replace('"p000"', '"p001"'), *lines[1:]])
    with pytest.raises(DamagedRunError, match="says a p001 seed 0, but that key is a p000 seed 0"):
        open_side(run)


def test_readings_of_another_engine_are_damage(make_run):
    run = make_run("a", prompts=40)
    edit(rows(run, "readings"), lambda lines: [lines[0].replace('"engine_digest":"', '"engine_digest":"0'), *lines[1:]])
    with pytest.raises(DamagedRunError, match="was read by another OCR engine than its file says"):
        open_side(run)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.unlink(),
        lambda path: edit(path, lambda lines: lines[:7]),
        lambda path: edit(path, lambda lines: [*lines, lines[0], "no row"]),
        lambda path: edit(path, lambda lines: [line.replace('"deletions":0', '"deletions":NaN') for line in lines]),
        lambda path: edit(path, lambda lines: [line.replace('"deletions":0', '"deletions":50') for line in lines]),
    ],
    ids=["gone", "cut short", "doubled and torn", "NaN", "edited"],
)
def test_the_score_file_is_a_cache_that_changes_nothing(make_run, policy_file, change):
    baseline, candidate = make_run("a", prompts=100), make_run("b", lambda i, _: i % 5, prompts=100)
    expected = check(baseline, candidate, policy=policy_file).gates
    change(rows(candidate, "scores"))
    assert check(baseline, candidate, policy=policy_file).gates == expected


def test_the_model_is_named_where_a_run_has_several(make_run):
    run = make_run("two", models=("one", "other"), prompts=40)
    with pytest.raises(EvalsuiteError, match=r"several models \(one, other\)"):
        open_side(run)
    with pytest.raises(EvalsuiteError, match="no model 'third'; it has one, other"):
        open_side(run, "third")
    assert open_side(run, "other").model.name == "other"


def test_runs_with_another_number_of_samples_than_the_policy_asks_for_are_incomplete(make_run, policy_file):
    runs = [make_run(name, seeds=(0, 1, 2)) for name in "ab"]
    verdict = check(*runs, policy=policy_file)
    assert verdict.outcome == "INCOMPLETE"
    assert verdict.missing == (
        "policy: team asks for 2 samples per prompt, the runs have 3; draw both with --samples 2",
    )


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
        "did you mean 'character_accuracy'",
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
    with pytest.raises(PolicyError, match=r"did you mean 'default'\? known: default, longtext-bench, quick"):
        load_policy("defaults")
    with pytest.raises(PolicyError, match="no such policy file"):
        load_policy(tmp_path / "none.toml")


def test_exit_codes_and_one_line_errors_of_the_command(make_run, policy_file, tmp_path):
    baseline, empty = make_run("a", prompts=100), tmp_path / "empty.toml"
    empty.write_text("")
    broken = make_run("nan", prompts=100)
    path = rows(broken, "readings")
    path.write_text(path.read_text().replace('"seconds":0.1', '"seconds":NaN', 1))
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


def test_a_byte_order_mark_is_no_matter(policy_file):
    before = load_policy(policy_file)
    policy_file.write_bytes(b"\xef\xbb\xbf" + policy_file.read_bytes())
    assert load_policy(policy_file) == before
