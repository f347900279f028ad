"""Who gets which request, and what becomes of it when a worker dies. No process."""

from __future__ import annotations

import pytest

from evalsuite.records import Request
from evalsuite.runs.backends.dealing import MOST_DEATHS, Deal, ProcessDeathError


def requests(count):
    return [Request(model="m", prompt=f"p{number}", seed=0, key=str(number)) for number in range(count)]


def keys(batch):
    return [request.key for request in batch]


def test_a_worker_gets_a_second_batch_only_while_there_is_plenty():
    deal = Deal(requests(7), batch=2, workers=2)
    assert keys(deal.take("a")) == ["0", "1"]
    # Five wait, more than a batch for both: the second is given ahead; a third is not.
    assert keys(deal.take("a")) == ["2", "3"]
    assert deal.take("a") == []
    assert keys(deal.take("b")) == ["4", "5"]
    assert deal.take("b") == []
    assert deal.answer("b", "4")
    assert deal.answer("b", "5")
    assert keys(deal.take("b")) == ["6"]
    for key in "0123":
        assert deal.answer("a", key)
    assert not deal.finished
    assert deal.answer("b", "6")
    assert deal.finished


def test_an_answer_counts_once_and_only_from_whom_it_was_asked_of():
    deal = Deal(requests(2), batch=1, workers=2)
    deal.take("a")
    assert not deal.answer("b", "0")
    assert deal.answer("a", "0")
    assert not deal.answer("a", "0")


def test_what_a_dead_worker_had_is_dealt_again_in_its_order_and_what_it_died_at_alone():
    deal = Deal(requests(9), batch=2, workers=1)
    assert keys(deal.take("a")) == ["0", "1"]
    assert keys(deal.take("a")) == ["2", "3"]
    assert deal.answer("a", "0")
    assert deal.lose("a", "killed", was_ready=True) == []
    assert keys(deal.take("b")) == ["1"]
    assert deal.answer("b", "1")
    assert keys(deal.take("b")) == ["2", "3"]


def test_a_request_at_which_two_workers_died_is_given_up_and_the_others_are_not():
    deal = Deal(requests(3), batch=2, workers=1)
    deal.take("a")
    assert deal.lose("a", "killed", was_ready=True) == []
    assert keys(deal.take("b")) == ["0"]
    assert keys(deal.lose("b", "killed", was_ready=True)) == ["0"]
    assert keys(deal.take("c")) == ["1"]
    assert deal.answer("c", "1")
    assert keys(deal.take("c")) == ["2"]
    assert deal.answer("c", "2")
    assert deal.finished


def test_workers_that_do_not_start_or_die_in_a_row_end_the_drawing():
    deal = Deal(requests(3), batch=1, workers=1)
    deal.lose("a", "exit code 1", was_ready=False)
    with pytest.raises(ProcessDeathError, match=r"do not start \(exit code 1\)"):
        deal.lose("b", "exit code 1", was_ready=False)
    deal = Deal(requests(MOST_DEATHS), batch=1, workers=1)
    for number in range(MOST_DEATHS - 1):
        deal.take(number)
        deal.lose(number, "killed by signal 9", was_ready=True)
    with pytest.raises(ProcessDeathError, match=r"6 processes that draw died one after the other"):
        deal.lose("last", "killed by signal 9", was_ready=True)
