"""What every request must be and every answer carries, whatever page it is about."""

from __future__ import annotations

import hmac
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
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


OPEN = "/assets/"
"""What is served without the token: this package's own scripts and styles."""

REFUSED = "This page needs the address that 'evalsuite view' printed when it started, with the token in it."


class Guard:
    """Refuses requests that name another host, those without the token, and posts that another page makes.

    A web page elsewhere can have its name resolve to this machine (DNS rebinding) and then ask this server from the
    reader's browser; the `Host` that the browser sends is still that page's. And 127.0.0.1 can be asked by every
    account of the machine: the token, which only who started the server knows, comes with the first address and is
    kept in a cookie from then on. Scripts send it as `Authorization: Bearer`. A cookie is for all ports of a host, so
    its name holds this one's.
    """

    def __init__(self, app: App, *, port: int, token: str | None, refuse: Callable[[str], str]) -> None:
        self._app = app
        self._token, self._cookie, self._refuse = token, f"evalsuite-view-{port}", refuse
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
            await _answer(send, problem[0], problem[1], (b"content-type", b"text/plain; charset=utf-8"))
            return
        if self._token is not None and not scope["path"].startswith(OPEN):
            asked = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            given = [value for name, value in asked if name == "token"]
            if scope["method"] == "GET" and len(given) == 1 and _same(given[0], self._token):
                await _answer(send, 303, "", *self._admission(scope, asked, self._token))
                return
            if not self._knows(scope, self._token):
                await _answer(send, 403, self._refuse(REFUSED), (b"content-type", b"text/html; charset=utf-8"))
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

    def _knows(self, scope: Scope, token: str) -> bool:
        sent: list[tuple[bytes, bytes]] = scope["headers"]
        if any(name == b"authorization" and _same(value.decode("latin-1"), f"Bearer {token}") for name, value in sent):
            return True
        for name, value in sent:
            if name == b"cookie":
                try:
                    kept = SimpleCookie(value.decode("latin-1")).get(self._cookie)
                except CookieError:
                    continue
                if kept is not None and _same(kept.value, token):
                    return True
        return False

    def _admission(self, scope: Scope, asked: Sequence[tuple[str, str]], token: str) -> Iterator[tuple[bytes, bytes]]:
        """The cookie, and the same address without the token, which so stays out of the browser's history."""
        rest = urlencode([(name, value) for name, value in asked if name != "token"])
        # Two slashes at the start would be another host's address.
        path = "/" + scope.get("raw_path", b"/").decode("latin-1").lstrip("/\\")
        yield b"location", f"{path}{'?' if rest else ''}{rest}".encode("latin-1")
        yield b"set-cookie", f"{self._cookie}={token}; Path=/; HttpOnly; SameSite=Lax".encode()


async def _answer(send: Send, status: int, text: str, *headers: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [*_encoded(), *headers]})
    await send({"type": "http.response.body", "body": text.encode()})


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), token.encode())


def _encoded() -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in HEADERS.items()]
