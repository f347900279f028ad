"""baseline.lock: who made which run the baseline, and what was accepted."""

from __future__ import annotations

import json
import shutil
from functools import partial

import command_line
import pytest
from runs_by_hand import open_side

import evalsuite as api
from evalsuite.errors import EvalsuiteError, NotComparableError
from evalsuite.gate import baseline, load_policy
from evalsuite.gate.baseline import BaselineError, NotPromotedError, read_lock, user_name


def promote(folder, *, path, **options):
    done = api.promote(folder, lock=path, **options)
    return done.lock, done.verdict


def gate_against_lock(folder, *, path, policy, model=None):
    return api.gate(folder, lock=path, policy=policy, candidate_model=model, report=False).verdict


def acknowledge(name, folder, *, policy, model=None, **options):
    return baseline.acknowledge(name, open_side(folder, model), policy=load_policy(policy), **options)


@pytest.fixture
def lock(tmp_path):
    return tmp_path / "baseline.lock"


@pytest.fixture
def kept(lock, policy_file):
    return {"path": lock, "policy": policy_file}


def test_the_first_baseline_needs_bootstrap(make_run, kept):
    run = make_run("first")
    with pytest.raises(BaselineError, match="--bootstrap"):
        promote(run, reason="first", **kept)
    with pytest.raises(BaselineError, match="there is no baseline yet"):
        gate_against_lock(run, **kept)
    assert not kept["path"].exists()
    written, verdict = promote(run, reason="first", bootstrap=True, by="Ada", **kept)
    assert verdict is None
    assert written == read_lock(kept["path"])
    pin = written.baseline
    assert (pin.run, pin.model, pin.by, pin.reason, pin.admitted) == ("first", "first", "Ada", "first", "bootstrap")
    assert pin.at.endswith("+00:00")
    assert written.anchor == pin


def test_a_pass_moves_the_baseline_and_leaves_the_anchor(make_run, kept):
    promote(make_run("first"), reason="first", bootstrap=True, **kept)
    written, verdict = promote(make_run("second", lambda i, _: i % 2), reason="better colours", **kept)
    assert verdict.outcome == "PASS"
    assert (written.baseline.run, written.baseline.admitted) == ("second", "PASS")
    assert written.baseline.policy.startswith("team ")
    assert written.anchor.run == "first"
    assert [pin.run for pin in written.history] == ["first"]
    verdict = gate_against_lock(make_run("third", lambda i, _: i % 3), **kept)
    assert verdict.anchor.model == "first"
    assert [gate.against for gate in verdict.gates] == ["baseline"] * 3 + ["anchor"] * 3
    moved, _ = promote(make_run("fourth"), reason="new anchor", anchor=True, **kept)
    assert moved.anchor.run == "fourth"


def test_a_run_that_does_not_pass_is_not_promoted(make_run, kept):
    promote(make_run("first"), reason="first", bootstrap=True, **kept)
    before = kept["path"].read_bytes()
    with pytest.raises(NotPromotedError, match=r"FAIL \(all/character_accuracy, .*acknowledge") as caught:
        promote(make_run("worse", lambda i, _: 9 + i % 3), reason="hope", **kept)
    assert caught.value.exit_code == 10
    with pytest.raises(NotPromotedError, match=r"NOT COMPARABLE: other suite small; .*--bootstrap") as caught:
        promote(make_run("small", prompts=20), reason="hope", **kept)
    assert caught.value.exit_code == 12
    assert kept["path"].read_bytes() == before


def test_an_incomplete_run_is_not_promoted_even_to_begin_with(make_run, kept):
    run = make_run("first")
    (path,) = run.glob("readings*")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(NotPromotedError, match="a baseline must be complete"):
        promote(run, reason="first", bootstrap=True, **kept)


def test_a_baseline_that_changed_since_is_refused(make_run, kept):
    run = make_run("first")
    promote(run, reason="first", bootstrap=True, **kept)
    (path,) = run.glob("readings*")
    path.write_text(path.read_text().replace('"confidence":0.9', '"confidence":0.8', 1))
    with pytest.raises(NotComparableError, match=r"is not the run that .*: its readings\..*\.jsonl changed since"):
        gate_against_lock(make_run("second"), **kept)
    shutil.rmtree(run)
    with pytest.raises(EvalsuiteError, match="no run here"):
        gate_against_lock(make_run("third"), **kept)


def test_one_regression_is_acknowledged_by_name_for_one_model(make_run, kept):
    promote(make_run("first"), reason="first", bootstrap=True, **kept)
    worse = make_run("worse", lambda i, _: 14 + i % 3 if i % 2 else 0)
    failing = [gate.name for gate in gate_against_lock(worse, **kept).gates if gate.decision == "FAIL"]
    assert failing == ["all/character_accuracy", "language=zh/character_accuracy"]
    with pytest.raises(BaselineError, match=r"failing: .*language=zh"):
        acknowledge("language=en/character_accuracy", worse, reason="why", **kept)
    for name in failing:
        acknowledge(name, worse, reason="Chinese is not served yet", by="Ada", **kept)
    acknowledge(failing[0], worse, reason="once more", by="Bo", **kept)
    assert len(read_lock(kept["path"]).acknowledged) == len(failing)
    verdict = gate_against_lock(worse, **kept)
    assert len(verdict.acknowledged) == len(failing)
    assert verdict.outcome == "PASS"
    assert any(f"{failing[0]} failed and was acknowledged by Bo: once more" in note for note in verdict.notes)
    assert any(f"{failing[1]} failed and was acknowledged by Ada: Chinese" in note for note in verdict.notes)
    assert not gate_against_lock(make_run("other", lambda i, _: 14 + i % 3 if i % 2 else 0), **kept).acknowledged


def test_a_reason_is_needed(make_run, kept):
    with pytest.raises(BaselineError, match="--reason"):
        promote(make_run("first"), reason="  ", bootstrap=True, **kept)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not a baseline lock"),
        ('{"format": 2}', "missing required field"),
        ("[]", "not a baseline lock"),
        ("\udcff", "not a baseline lock"),
    ],
)
def test_a_damaged_lock_is_refused(lock, content, message):
    lock.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(BaselineError, match=message):
        read_lock(lock)


def test_a_lock_of_another_format_is_refused(make_run, kept):
    promote(make_run("first"), reason="first", bootstrap=True, **kept)
    content = json.loads(kept["path"].read_text())
    kept["path"].write_text(json.dumps({**content, "format": 1}))
    with pytest.raises(BaselineError, match=r"lock format 1; .* Promote the baseline anew with --bootstrap"):
        read_lock(kept["path"])


def test_who_acts_is_the_ci_actor_where_there_is_one(monkeypatch):
    monkeypatch.setenv("GITHUB_ACTOR", "octocat")
    assert user_name() == "octocat"


def test_the_commands(make_run, policy_file, tmp_path):
    evalsuite = partial(command_line.evalsuite, cwd=tmp_path)
    first, second = make_run("first"), make_run("second")
    done = evalsuite("gate", "--candidate", second, "--policy", policy_file)
    assert (done.returncode, "--bootstrap" in done.stderr) == (2, True)
    done = evalsuite("baseline", "promote", first, "--bootstrap", "--reason", "the first")
    assert done.returncode == 0, done.stderr
    done = evalsuite("gate", "--candidate", second, "--policy", policy_file, "--json", "out/verdict.json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "PASS"
    assert json.loads((tmp_path / "out" / "verdict.json").read_text())["outcome"] == "PASS"
    assert '<section id="verdicts"' in (second / "index.html").read_text(encoding="utf-8")
    assert not (first / "index.html").exists()
    done = evalsuite("baseline", "promote", second, "--policy", policy_file, "--reason", "passed", "--by", "Ada")
    assert done.returncode == 0, done.stderr
    shown = evalsuite("baseline", "show").stdout
    assert "Ada" in shown
    assert "former" in shown
    worse = make_run("worse", lambda i, _: 30 + i % 3)
    done = evalsuite("baseline", "promote", worse, "--policy", policy_file, "--reason", "try")
    assert done.returncode == 10
    name = "all/character_accuracy"
    done = evalsuite(
        "baseline", "acknowledge", name, "--candidate", worse, "--reason", "x", "--policy", policy_file
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (worse / "conclusions.json").mkdir()  # the report cannot be written: the verdict stands all the same
    done = evalsuite("gate", "--candidate", worse, "--policy", policy_file)
    assert done.returncode == 10
    assert "the verdict is not in the report" in done.stderr
    words = "Character accuracy, mean over prompts: all prompts"
    assert f"FAIL, acknowledged: {words} ({name})" in done.stdout
