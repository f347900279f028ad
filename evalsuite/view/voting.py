"""The pages on which a person chooses between two images without knowing which model drew which."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import HTMLResponse, Response

from evalsuite.errors import EvalsuiteError
from evalsuite.files import read_file
from evalsuite.images import MAX_FILE_BYTES
from evalsuite.report.comparison import contestants
from evalsuite.runs.evidence import check_image
from evalsuite.view import pages
from evalsuite.view.library import Kept, NotHereError, stamp
from evalsuite.view.votes import Choice, pairs_of, results_of

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

    from evalsuite.records import Generation
    from evalsuite.runs.opened import OpenRun
    from evalsuite.view.library import Entry, Library
    from evalsuite.view.votes import Ballot, Pair

MAX_BODY_BYTES = 4096


class _Cast(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a vote."""

    pair: str
    choice: Choice


@dataclass(frozen=True, slots=True)
class _Side:
    """A model of a run that is voted on, and what it is called where two runs hold it."""

    run: OpenRun
    model: str
    name: str


class VotingPages:
    """Voting on two models: those of two runs, or two of one run, as `run=` and `model=` name them."""

    def __init__(self, library: Library, ballot: Ballot, order_seed: int) -> None:
        self._library, self._ballot, self._seed = library, ballot, order_seed
        self._pairs = Kept(8)

    def page(self, request: Request) -> Response:
        """The page; it asks for the pairs one by one."""
        entries = chosen(self._library, request)
        sides = self._sides(entries, request)
        pairs = self._all(entries, sides)
        return HTMLResponse(pages.vote(pairs, str(request.url.query)))

    def next(self, request: Request) -> Response:
        """The first pair that nobody has voted on, without a word of which model drew which image."""
        entries = chosen(self._library, request)
        pairs = self._all(entries, self._sides(entries, request))
        voted = {vote.pair for vote in self._ballot.read()}
        left = [pair for pair in pairs if pair.id not in voted]
        told: dict[str, object] = {"done": len(pairs) - len(left), "total": len(pairs), "pair": None}
        if left:
            pair = left[0]
            told["pair"] = {"id": pair.id, "text": pair.text, "targets": pair.targets}
        return Response(msgspec.json.encode(told), media_type="application/json")

    def image(self, request: Request) -> Response:
        """One side of a pair; the address tells nothing of the model."""
        entries = chosen(self._library, request)
        wanted, side = request.path_params["pair"], request.path_params["side"]
        for pair in self._all(entries, self._sides(entries, request)):
            if pair.id == wanted and side in ("left", "right"):
                run, row = pair.left if side == "left" else pair.right
                return image_response(run.store.image_path(row), row)
        raise NotHereError("there is no such pair")

    async def cast(self, request: Request) -> Response:
        """Write a vote down."""
        from starlette.concurrency import run_in_threadpool

        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise EvalsuiteError("a vote is shorter than that")
        try:
            vote = msgspec.json.decode(bytes(body), type=_Cast)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise EvalsuiteError(f"not a vote: {error}") from error
        await run_in_threadpool(self._cast, request, vote)
        return Response(b"{}", media_type="application/json")

    def _cast(self, request: Request, vote: _Cast) -> None:
        entries = chosen(self._library, request)
        pairs = {pair.id: pair for pair in self._all(entries, self._sides(entries, request))}
        if vote.pair not in pairs:
            raise NotHereError("there is no such pair")
        self._ballot.cast(pairs[vote.pair], vote.choice, self._seed)

    def results(self, request: Request) -> Response:
        """What the votes say so far, with names: to be looked at after voting."""
        entries = chosen(self._library, request)
        sides = self._sides(entries, request)
        pairs = self._all(entries, sides)
        first, second = sides
        drawn = first.run.evidence.drawn.values()
        hashes = {row.sha256 for row in drawn if row.model == first.model and row.sha256}
        found = results_of(self._ballot.read(), pairs, first.name, second.name, hashes)
        return Response(msgspec.json.encode(found), media_type="application/json")

    def _sides(self, entries: list[Entry], request: Request) -> tuple[_Side, _Side]:
        runs = [self._library.opened(entry) for entry in entries[:2]]
        wanted = request.query_params.getlist("model")
        called = contestants(runs)
        if wanted:
            named = [each for each in called if each.model in wanted]
        else:
            # Of two runs, the first model of each.
            named = [next(each for each in called if each.run == place) for place in range(len(runs))]
            named = named if len(named) == 2 else called[:2]
        if len(named) != 2:
            raise EvalsuiteError(f"two models are voted on; name them with model=: {', '.join(e.name for e in called)}")
        first, second = named
        return _Side(runs[first.run], first.model, first.name), _Side(runs[second.run], second.model, second.name)

    def _all(self, entries: list[Entry], sides: tuple[_Side, _Side]) -> list[Pair]:
        key = tuple(entry.id for entry in entries), sides[0].model, sides[1].model
        stamps = tuple(stamp(entry.folder) for entry in entries)
        first, second = ((side.run, side.model) for side in sides)
        return self._pairs.get(key, stamps, partial(pairs_of, first, second, self._seed))


def image_response(path: Path, row: Generation) -> Response:
    """An image, if its bytes are those that were drawn."""
    if (problem := check_image(path, row.sha256)) is not None:
        raise EvalsuiteError(problem)
    return Response(read_file(path, limit=MAX_FILE_BYTES, follow=False), media_type="image/png")


def chosen(library: Library, request: Request) -> list[Entry]:
    """The runs that a request names with `run=`.

    Raises:
        EvalsuiteError: None is named, or one that is not here.
    """
    known, wanted = library.entries(), list(dict.fromkeys(request.query_params.getlist("run")))
    if not wanted or any(name not in known for name in wanted):
        raise EvalsuiteError("choose runs in the list of all runs: one with two models, or two and more")
    return [known[name] for name in wanted]
