"""What every request must be and every answer carries, whatever page it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import Any

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; base-uri 'none'; form-action 'self'; script-src 'self'; style-src 'self'; "
        "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Refuses requests that name another host than this one, and posts that another page makes.

    A web page elsewhere can have its name resolve to this machine (DNS rebinding) and then ask this server from the
    reader's browser; the `Host` that the browser sends is still that page's.
    """

    def __init__(self, app: App, *, port: int) -> None:
        self._app = app
        self._hosts = {f"{name}:{port}".encode() for name in ("127.0.0.1", "localhost")}
        if port == 80:
            self._hosts |= {b"127.0.0.1", b"localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        problem = self._problem(scope)
        if problem is not None:
            status, text = problem
            body = text.encode()
            headers = [*_encoded(), (b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return

        async def with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_encoded()]
            await send(message)

        await self._app(scope, receive, with_headers)

    def _problem(self, scope: Scope) -> tuple[int, str] | None:
        sent: list[tuple[bytes, bytes]] = scope["headers"]
        hosts = [value for name, value in sent if name == b"host"]
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return 421, "this server answers to its own address alone"
        if scope["method"] in ("GET", "HEAD"):
            return None
        origins = [value for name, value in sent if name == b"origin"]
        kinds = [value for name, value in sent if name == b"content-type"]
        # A form of another page can post neither JSON nor with this origin.
        if origins != [b"http://" + hosts[0].lower()] or kinds != [b"application/json"]:
            return 403, "only this server's own pages may change anything"
        return None


def _encoded() -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in HEADERS.items()]
