"""The web server around the pages, on this machine's own address alone."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from evalsuite.errors import EvalsuiteError
from evalsuite.extras import require
from evalsuite.serving.listen import listen_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOST = "127.0.0.1"


def view_runs(
    root: Path, *, port: int, votes: Path | None, order_seed: int, has_token: bool, ready: Callable[[str], None]
) -> None:
    """Show the runs below a folder until the process is interrupted.

    Args:
        root: The folder.
        port: 0 takes a free one.
        votes: The file that votes go into; without it there is no voting and nothing is written.
        order_seed: What the order of the pairs and their sides are drawn by.
        has_token: Whether only who knows the address with its token may look; else every account of this machine.
        ready: Called with the address.

    Raises:
        EvalsuiteError: There is no such folder, the port is taken, or the votes file holds something else.
    """
    require(["serve"], "view")
    if not root.is_dir():
        raise EvalsuiteError(f"{root}: no such folder; 'evalsuite run' makes runs in reports/")
    import uvicorn

    from evalsuite.view.app import make_app
    from evalsuite.view.library import Library
    from evalsuite.view.votes import Ballot

    ballot = Ballot(votes) if votes is not None else None
    with listen_at(HOST, port) as listening:
        number = listening.getsockname()[1]
        token = secrets.token_urlsafe(24) if has_token else None
        app = make_app(Library(root), port=number, ballot=ballot, order_seed=order_seed, token=token)
        ready(f"http://{HOST}:{number}/" + (f"?token={token}" if token else ""))
        # Open pages poll; they are not waited for.
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=1, server_header=False
        )
        uvicorn.Server(config).run(sockets=[listening])
