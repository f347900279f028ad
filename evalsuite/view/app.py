"""The web application: pages about all runs, one run, a run in progress, a model over time, and two runs side by side.

Everything is read from files, and all of a run is untrusted: its stored pages are never served, but made anew from its
rows; no part of an address becomes a path; images are served only with the bytes that their rows name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from evalsuite.errors import EvalsuiteError, NotComparableError
from evalsuite.report import shell, thumbnails
from evalsuite.report.comparison_page import SCRIPTS as COMPARISON_SCRIPTS
from evalsuite.report.run_page import SCRIPTS as REPORT_SCRIPTS
from evalsuite.report.run_page import STYLES
from evalsuite.runs.evidence import check_image
from evalsuite.view import pages
from evalsuite.view.guard import Guard
from evalsuite.view.library import Kept, Library, NotHereError, stamp
from evalsuite.view.live import Follower
from evalsuite.view.voting import VotingPages, chosen, image_response

if TYPE_CHECKING:
    from starlette.requests import Request

    from evalsuite.records import Generation
    from evalsuite.view.library import Entry
    from evalsuite.view.votes import Ballot

_ASSETS = frozenset((*REPORT_SCRIPTS, *COMPARISON_SCRIPTS, *pages.SCRIPTS, *STYLES, *pages.STYLES))
_KINDS = {"js": "text/javascript", "css": "text/css"}
_KEY = re.compile(r"[0-9a-f]{24}")
_FOLLOWED = 32
"""Runs in progress whose rows are kept at hand."""


def make_app(library: Library, *, port: int, ballot: Ballot | None, order_seed: int, token: str | None) -> Starlette:
    """The application over a library.

    Args:
        library: The runs.
        port: Where it is served: requests that name another host are refused.
        ballot: Where votes go; None for no voting.
        order_seed: What pairs are shuffled by.
        token: What requests must know; None answers every account of this machine.
    """
    views = _Views(library, can_vote=ballot is not None)
    routes = [
        Route("/", views.index),
        Route("/stamp", views.stamp),
        Route("/assets/{name}", views.asset),
        Route("/run/{id}", views.report),
        Route("/run/{id}/images/{key}.png", views.image),
        Route("/run/{id}/thumbs/{key}.webp", views.thumbnail),
        Route("/live/{id}", views.live),
        Route("/live/{id}/now.json", views.now),
        Route("/compare", views.compare),
        Route("/history", views.history),
        Route("/sweep/{id}", views.sweep),
    ]
    if ballot is not None:
        voting = VotingPages(library, ballot, order_seed)
        routes += [
            Route("/vote", voting.page),
            Route("/vote/next.json", voting.next),
            Route("/vote/image/{pair}/{side}.png", voting.image),
            Route("/vote/cast", voting.cast, methods=["POST"]),
            Route("/vote/results.json", voting.results),
        ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, port=port, token=token, refuse=pages.problem)],
        exception_handlers={EvalsuiteError: _say, OSError: _say, 404: _lost},
    )


def _say(_: Request, error: Exception) -> Response:
    status = 404 if isinstance(error, NotHereError) else 409 if isinstance(error, NotComparableError) else 422
    return HTMLResponse(pages.problem(str(error)), status_code=status)


def _lost(_: Request, __: Exception) -> Response:
    return HTMLResponse(pages.problem("there is no such page"), status_code=404)


class _Views:
    """The pages that only read. They run in threads of the server, some at a time."""

    def __init__(self, library: Library, *, can_vote: bool) -> None:
        self._library, self._can_vote = library, can_vote
        self._pages = Kept(16)
        self._followers = Kept(_FOLLOWED)
        self._thumbnails = Kept(4_000)

    def _entry(self, request: Request) -> Entry:
        entry = self._library.entries().get(request.path_params["id"])
        if entry is None:
            raise NotHereError("there is no such run any more; the list of all runs shows those that are here")
        return entry

    def _follower(self, entry: Entry) -> Follower:
        path = entry.folder / "manifest.json"
        state = path.lstat()
        return self._followers.get(
            entry.id, (state.st_ino, state.st_mtime_ns), lambda: Follower(pages.open_store(entry.folder))
        )

    def index(self, _: Request) -> Response:
        """All runs."""
        return HTMLResponse(pages.index(self._library, self._follower, can_vote=self._can_vote))

    def stamp(self, _: Request) -> Response:
        """What changes when a run or a sweep does: pages ask for it and load anew."""
        found = [*self._library.entries().values(), *self._library.sweeps().values()]
        text = f"{hash(tuple((entry.id, stamp(entry.folder)) for entry in found)):x}"
        return Response(text, media_type="text/plain")

    def asset(self, request: Request) -> Response:
        """One of our own scripts or styles."""
        name = request.path_params["name"]
        if name not in _ASSETS:
            raise NotHereError("there is no such file")
        return Response(shell.asset(name), media_type=_KINDS[name.rpartition(".")[2]])

    def report(self, request: Request) -> Response:
        """A run's report, made from its images and rows."""
        entry = self._entry(request)
        made = self._pages.get(entry.id, stamp(entry.folder), lambda: pages.report(entry, self._library.opened(entry)))
        return HTMLResponse(made)

    def live(self, request: Request) -> Response:
        """A run in progress."""
        entry = self._entry(request)
        return HTMLResponse(pages.live(entry, self._library.listed(entry)))

    def now(self, request: Request) -> Response:
        """A run at this moment, as JSON."""
        return _json(self._follower(self._entry(request)).now())

    def compare(self, request: Request) -> Response:
        """Two runs or more side by side."""
        entries = chosen(self._library, request)
        made = self._pages.get(
            tuple(entry.id for entry in entries),
            tuple(stamp(entry.folder) for entry in entries),
            lambda: pages.comparison_of([(entry, self._library.opened(entry)) for entry in entries]),
        )
        return HTMLResponse(made)

    def history(self, request: Request) -> Response:
        """A model's accuracy and speed over its runs."""
        return HTMLResponse(pages.history(self._library, request.query_params.get("model", "")))

    def sweep(self, request: Request) -> Response:
        """A sweep's checkpoints."""
        entry = self._library.sweeps().get(request.path_params["id"])
        if entry is None:
            raise NotHereError("there is no such sweep any more")
        return HTMLResponse(pages.sweep(self._library, entry, self._library.sweep(entry)))

    def image(self, request: Request) -> Response:
        """An image, if its bytes are those that were drawn."""
        follower, row = self._drawn(request)
        return image_response(follower.store.image_path(row), row)

    def thumbnail(self, request: Request) -> Response:
        """A small copy of an image."""
        follower, row = self._drawn(request)
        path = follower.store.image_path(row)

        def make() -> bytes:
            if (problem := check_image(path, row.sha256)) is not None:
                raise EvalsuiteError(problem)
            return thumbnails.encode(path)

        return Response(self._thumbnails.get(row.sha256, None, make), media_type="image/webp")

    def _drawn(self, request: Request) -> tuple[Follower, Generation]:
        follower = self._follower(self._entry(request))
        key = request.path_params["key"]
        row = follower.generation(key) if _KEY.fullmatch(key) else None
        if row is None or row.image is None:
            raise NotHereError("there is no such image in this run")
        return follower, row


def _json(value: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
