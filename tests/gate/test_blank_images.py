"""What a policy makes of images that came to nothing: blank ones, and those whose values are not finite."""

from __future__ import annotations

import pytest
from runs_by_hand import check, open_side

from evalsuite.gate import load_policy
from evalsuite.gate.baseline import NotPromotedError, promote_side
from evalsuite.gate.junit import junit
from evalsuite.gate.policy import PolicyError

BLANK, NOT_FINITE = "blank-image", "nan-image"


@pytest.fixture
def policy(policy_file):
    def make(blank_images):
        text = policy_file.read_text(encoding="utf-8")
        policy_file.write_text(text.replace("samples = 2", f'samples = 2\nblank_images = "{blank_images}"'), "utf-8")
        return policy_file

    return make


def test_a_blank_image_makes_the_run_incomplete_unless_the_policy_says_otherwise(make_run, policy_file, policy):
    runs = make_run("a"), make_run("b", failed={(7, 1): BLANK})
    for told in (policy_file, policy("incomplete")):
        verdict = check(*runs, policy=told)
        assert (verdict.outcome, verdict.exit_code, verdict.gates) == ("INCOMPLETE", 12, ())
        assert verdict.missing == ("candidate: p007 seed 1: the image is blank",)


def test_a_policy_can_take_blank_images_for_the_models_own_answer(make_run, policy):
    """One of the two images of one of 200 prompts is wholly wrong: 0.5 / 200 of the accuracy is lost."""
    told = policy("count")
    verdict = check(make_run("a"), make_run("b", failed={(7, 1): BLANK}), policy=told)
    assert (verdict.outcome, verdict.missing) == ("PASS", ())
    assert verdict.gates[0].candidate == pytest.approx(0.9975)
    assert "the candidate's blank images (1) count as wholly wrong, as the policy says" in verdict.notes
    many = check(make_run("c"), make_run("d", failed={(i, 0): BLANK for i in range(60)}), policy=told)
    assert many.outcome == "FAIL"
    assert many.gates[0].candidate == pytest.approx(1 - 60 * 0.5 / 200)
    both = {(7, 1): BLANK}
    assert check(make_run("e", failed=both), make_run("f", failed=both), policy=told).gates[0].delta == 0.0


def test_values_that_are_not_finite_are_nobodys_answer(make_run, policy):
    verdict = check(make_run("a"), make_run("b", failed={(7, 1): NOT_FINITE}), policy=policy("count"))
    assert verdict.outcome == "INCOMPLETE"
    assert verdict.missing == ("candidate: p007 seed 1: the image holds values that are not finite",)


@pytest.mark.parametrize("finding", [BLANK, NOT_FINITE])
def test_a_policy_can_fail_a_candidate_with_one(make_run, policy, finding):
    told = policy("fail")
    verdict = check(make_run("a"), make_run("b", failed={(7, 1): finding}), policy=told)
    assert (verdict.outcome, verdict.exit_code) == ("FAIL", 10)
    assert [each.partition(":")[0] for each in verdict.missing] == ["candidate"]
    assert {gate.decision for gate in verdict.gates} == {"PASS"}
    assert b'<error type="FAIL"' in junit(verdict)
    assert "the candidate drew images that are blank or not finite (1): the policy fails it" in verdict.notes
    # A baseline is no candidate: nothing can be said against it.
    assert check(make_run("c", failed={(7, 1): finding}), make_run("d"), policy=told).outcome == "INCOMPLETE"


def test_a_baseline_may_hold_what_its_policy_counts(make_run, policy, tmp_path):
    side = open_side(make_run("a", failed={(7, 1): BLANK}))
    with pytest.raises(NotPromotedError, match="p007 seed 1: the image is blank"):
        promote_side(side, reason="r", policy=load_policy("quick"), path=tmp_path / "l", bootstrap=True, by="b")
    promote_side(side, reason="r", policy=load_policy(policy("count")), path=tmp_path / "l", bootstrap=True, by="b")


def test_other_words_are_refused(policy):
    with pytest.raises(PolicyError, match=r"Invalid enum value 'pass'.*blank_images"):
        load_policy(policy("pass"))
