"""What keeps a plan from going on in a folder is said in words, with what is there first."""

from __future__ import annotations

import msgspec
import pytest
import runs_by_hand as handmade

from evalsuite.records import Adapter
from evalsuite.runs.store import plan_differences

KLEIN = handmade.model("klein")


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    return handmade.make_run(tmp_path_factory.mktemp("runs") / "run", models=(KLEIN,), scored=False).manifest


def changed(plan, **fields):
    return msgspec.structs.replace(plan, models=(msgspec.structs.replace(KLEIN, **fields),))


def test_settings_are_named_with_both_values(plan):
    assert plan_differences(plan, plan) == []
    other = changed(plan, settings={"steps": 3, "guidance": 1.0, "size": "64x64"})
    assert plan_differences(plan, other) == ["klein: steps 4, not 3; size not set, not 64x64"]


def test_weights_and_adapters_are_named_by_where_they_come_from(plan):
    other = changed(plan, weights_digest="a" * 64, source="./new")
    digest = KLEIN.weights_digest[:8]
    assert plan_differences(plan, other) == [
        f"klein: weights of klein (digest {digest}), not of ./new (digest aaaaaaaa)"
    ]
    adapted = changed(plan, adapters=(Adapter(path="/x/style.safetensors", scale=0.8, digest="b" * 64),))
    assert plan_differences(plan, adapted) == ["klein: adapters none, not style.safetensors:0.8 (bbbbbbbb)"]


def test_seeds_and_profiles_are_named_with_both_values(plan):
    other = msgspec.structs.replace(plan, seeds=(0, 1, 2))
    assert plan_differences(plan, other) == ["seeds: 0, not 0 to 2"]
    strict = msgspec.structs.replace(plan, scorer=msgspec.structs.replace(plan.scorer, profile="strict"))
    assert plan_differences(plan, strict) == ["scoring profile standard, not strict"]
