"""Blind votes: the same order for the same seed, no name before the result, and shares worked out by hand."""

from __future__ import annotations

import json

import pytest
import runs_by_hand as handmade
from view_by_hand import beige, serving

from evalsuite.errors import NotComparableError
from evalsuite.runs import open_run
from evalsuite.view.library import id_of
from evalsuite.view.votes import Ballot, Vote, pairs_of, results_of


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Two runs of three prompts with two seeds, all images different."""
    root = tmp_path_factory.mktemp("votes")
    seeds = (0, 1)
    handmade.make_run(root / "old", models=(handmade.model("klein"),), seeds=seeds, outcome=handmade.noodes)
    handmade.make_run(root / "new", models=(handmade.model("ernie"),), seeds=seeds, outcome=beige)
    return root


@pytest.fixture(scope="module")
def sides(both):
    return (open_run(both / "old"), "klein"), (open_run(both / "new"), "ernie")


def test_order_and_sides_follow_from_the_seed_alone(sides):
    pairs = pairs_of(*sides, 0)
    assert len(pairs) == 6
    same = pairs_of(*reversed(sides), 0)
    shown = [(pair.id, pair.left[1].sha256, pair.right[1].sha256) for pair in pairs]
    assert [(pair.id, pair.left[1].sha256, pair.right[1].sha256) for pair in same] == shown
    orders = {tuple(pair.id for pair in pairs_of(*sides, seed)) for seed in range(8)}
    assert len(orders) > 1
    left = [pair.left[1].model for seed in range(40) for pair in pairs_of(*sides, seed)]
    assert 80 < left.count("klein") < 160, "of 240, each side about half"


def test_one_image_twice_is_no_pair(sides):
    with pytest.raises(NotComparableError, match="no two different images"):
        pairs_of(sides[0], sides[0], 0)


def test_shares_are_counted_by_prompt_with_ties_halved(sides, tmp_path):
    ballot = Ballot(tmp_path / "votes.jsonl")
    pairs = pairs_of(*sides, 0)
    for pair in pairs:
        better = {"neon-001": "klein", "shop-002": "ernie"}.get(pair.prompt)
        choice = "same" if better is None else "left" if pair.left[1].model == better else "right"
        ballot.cast(pair, choice, 0)
    ballot.cast(pairs[0], "same", 0)  # a second thought replaces the first
    own = {row.sha256 for row in sides[0][0].generations.values()}
    found = results_of(ballot.read(), pairs, "klein", "ernie", own)
    counts = {"neon-001": [2, 0, 0], "shop-002": [0, 2, 0], "menu-003": [0, 0, 2]}
    counts[pairs[0].prompt] = [max(0, n - 1) for n in counts[pairs[0].prompt][:2]] + [
        counts[pairs[0].prompt][2] + (pairs[0].prompt != "menu-003")
    ]
    klein, ernie, same = (sum(column) for column in zip(*counts.values(), strict=True))
    assert (found.votes, found.first_better, found.second_better, found.same) == (6, klein, ernie, same)
    assert found.first_share.estimate == pytest.approx((klein + same / 2) / 6)
    assert found.first_share.n == 3


def test_a_torn_last_vote_is_not_counted_and_does_not_spoil_the_next(sides, tmp_path):
    ballot = Ballot(tmp_path / "votes.jsonl")
    pairs = pairs_of(*sides, 0)
    ballot.cast(pairs[0], "left", 0)
    content = ballot.path.read_bytes()
    ballot.path.write_bytes(content + content[:30])
    assert len(ballot.read()) == 1


def test_a_person_votes_without_a_name_and_gets_the_result_with_it(both, tmp_path):
    ballot = Ballot(tmp_path / "kept" / "votes.jsonl")
    params = {"run": [id_of("old"), id_of("new")]}
    with serving(both, ballot) as client:
        origin = f"http://127.0.0.1:{client.base_url.port}"
        page = client.get("/vote", params=params)
        told = client.get("/vote/next.json", params=params)
        for text in (page.text.partition('id="words"')[0], told.text):
            assert not [name for name in ("klein", "ernie", "old", "new") if f"{name}" in text.replace("threshold", "")]
        pair = told.json()["pair"]
        assert (told.json()["done"], told.json()["total"]) == (0, 6)
        images = [
            client.get(f"/vote/image/{pair['id']}/{side}.png", params=params).content for side in ("left", "right")
        ]
        assert images[0] != images[1]
        assert client.get(f"/vote/image/{pair['id']}/middle.png", params=params).status_code == 404
        vote = {"pair": pair["id"], "choice": "left"}
        for headers in ({}, {"Origin": "http://attacker.example"}, {"Origin": "null"}):
            assert client.post("/vote/cast", params=params, json=vote, headers=headers).status_code == 403
        form = {"Origin": origin, "Content-Type": "text/plain"}
        assert client.post("/vote/cast", params=params, content=json.dumps(vote), headers=form).status_code == 403
        assert not ballot.path.exists()
        own = {"Origin": origin}
        assert client.post("/vote/cast", params=params, json=vote, headers=own).status_code == 200
        for wrong in ({"pair": "0" * 24, "choice": "left"}, {**vote, "choice": "both"}, {**vote, "more": 1}):
            assert client.post("/vote/cast", params=params, json=wrong, headers=own).status_code in (404, 422)
        assert client.get("/vote/next.json", params=params).json()["done"] == 1
        found = client.get("/vote/results.json", params=params).json()
    (kept,) = ballot.read()
    assert isinstance(kept, Vote)
    first_won = kept.left.model == "klein"
    assert (found["first"], found["second"], found["votes"]) == ("klein", "ernie", 1)
    assert (found["first_better"], found["second_better"]) == ((1, 0) if first_won else (0, 1))
