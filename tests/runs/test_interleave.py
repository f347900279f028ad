"""Two models drawn in turns, in one session: real drawing, real reading."""

from __future__ import annotations

import json
from types import SimpleNamespace
from unittest.mock import create_autospec

import msgspec
import pytest
from installed import skip_without_paddleocr
from runs_by_hand import open_side

import evalsuite
from evalsuite.errors import EvalsuiteError
from evalsuite.gate.compare import interleaved
from evalsuite.models.typeset.model import TypesetModel
from evalsuite.records import Request
from evalsuite.runs import runner
from evalsuite.runs.pipeline import Pipeline
from evalsuite.runs.runner import _turns

skip_without_paddleocr()

SUITE = """\
suite: small
language: en
prompts:
  - {id: one, category: neon, length: short, text: 'A neon sign "NOODLES".', targets: [NOODLES]}
  - {id: two, category: neon, length: short, text: 'A door sign "OPEN".', targets: [OPEN]}
  - {id: three, category: menu, length: short, text: 'A menu "SOUP 4.50".', targets: [SOUP 4.50]}
"""
ONE, OTHER = "typeset:size=640x256", "typeset:errors=0.5,size=640x256"


def rows(folder):
    return [json.loads(line) for line in (folder / "generations.jsonl").read_text().splitlines()]


def drawn(folder):
    return [(row["model"], row["prompt"], row["seed"]) for row in rows(folder)]


def test_two_models_take_turns_and_a_resumed_run_goes_on_so(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(SUITE, encoding="utf-8")
    folder = tmp_path / "run"
    result = evalsuite.run(
        [ONE, OTHER], [str(path)], out=folder, samples=2, ceiling=False, interleave=True, workers=1
    )  # fmt: skip
    assert [score.status for score in result.run.scores] == ["scored"] * 12
    names = [spec.name for spec in result.run.manifest.models]
    order = drawn(folder)
    turns = "".join("AB"[names.index(model)] for model, _, _ in order)
    assert turns == "ABBAABBAABBA"
    assert [row[1:] for row in order[::2]] == [row[1:] for row in order[1::2]]
    assert interleaved(open_side(folder, names[0]), open_side(folder, names[1]))
    lines = (folder / "generations.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "generations.jsonl").write_bytes(b"".join(lines[:7]))
    evalsuite.run([ONE, OTHER], [str(path)], out=folder, samples=2, ceiling=False, interleave=True, workers=1)
    assert sorted(drawn(folder)) == sorted(order)
    assert drawn(folder)[:7] == order[:7]


def test_one_model_cannot_take_turns(tmp_path):
    with pytest.raises(EvalsuiteError, match=r"--interleave: .* name at least two"):
        evalsuite.run(["typeset"], ["signage-en"], out=tmp_path / "run", interleave=True)
    assert not (tmp_path / "run").exists()


class Batched(TypesetModel):
    """The typeset reference with a batch size, as a diffusion model has."""

    def __init__(self, name: str, batch: int) -> None:
        super().__init__()
        self._spec = msgspec.structs.replace(self._spec, name=name, runtime={"batch": batch})


def requests(name: str, count: int):
    return [Request(model=name, prompt=f"p{i}", seed=0, key=f"{name}{i}") for i in range(count)]


def test_turns_are_whole_batches_of_the_larger_size_and_all_is_drawn():
    models = [Batched("a", 2), Batched("b", 1)]
    waiting = [(models[0], requests("a", 5)), (models[1], requests("b", 3))]
    turns = [(model.spec.name, [request.prompt for request in part]) for model, part in _turns(waiting)]
    assert turns == [
        ("a", ["p0", "p1"]), ("b", ["p0", "p1"]), ("b", ["p2"]), ("a", ["p2", "p3"]), ("a", ["p4"]),
    ]  # fmt: skip


def test_one_model_alone_draws_all_at_once():
    own = requests("a", 5)
    assert [part for _, part in _turns([(Batched("a", 2), own)])] == [own]
    assert list(_turns([])) == []


class WorkingAhead(Batched):
    """One that is told what it will draw."""

    def foresee(self, requests):
        self.foreseen = [prompt.id for prompt, _ in requests]


def test_a_model_that_works_ahead_is_told_all_of_its_own_before_its_first_turn(monkeypatch):
    models = [WorkingAhead("a", 2), Batched("b", 1)]
    missing = [*requests("a", 3), *requests("b", 3)]
    store = SimpleNamespace(
        prompts={f"p{number}": SimpleNamespace(id=f"p{number}") for number in range(3)},
        requests={request.key: request for request in missing},
        own_requests={request.key: request for request in missing},
    )
    parts = []

    def drawings_of(model, part, _):
        parts.append((model.spec.name, len(part), models[0].foreseen))
        return []

    monkeypatch.setattr(runner, "drawings_of", drawings_of)
    session = runner._Session(SimpleNamespace(store=store, drawn={}, readings={}), lambda _: None)
    session.draw(models, create_autospec(Pipeline, instance=True), None)
    assert [part[:2] for part in parts] == [("a", 2), ("b", 2), ("b", 1), ("a", 1)]
    assert all(part[2] == ["p0", "p1", "p2"] for part in parts)
