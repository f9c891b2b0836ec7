"""Who may ask the explorer, and what a browser may do with its answers."""

import json
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lastlayer._text import shown
from lastlayer.explorer.hosts import LOOPBACK, Hosts

# A request of 10,000 classes with names of 40 letters takes 1 MB.
LARGEST_BODY = 4 << 20
# A page's address holds its whole state; browsers stop at 2 MB themselves.
LONGEST_ADDRESS = 2 << 20

# Nothing but this server's own files: no inline script or style, no frame, no other host.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Protection:
    """ASGI middleware: only the hosts it serves, only pages of its own, only requests of bounded size."""

    def __init__(self, app: ASGIApp, hosts: Hosts = LOOPBACK) -> None:
        """`hosts`: what a Host header may name."""
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse with one sentence."""
        if scope["type"] != "http":
            return  # no WebSocket, and nothing to start or to stop

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        problem = _problem(scope, Headers(scope=scope), self._hosts)
        if problem is None and scope["method"] == "POST":
            body = await _body(receive)
            if body is None:
                return  # the client has left
            if len(body) > LARGEST_BODY:
                problem = 413, f"request: more than {LARGEST_BODY:,} bytes, expected at most as many"
            else:
                receive = _replay(body, receive)
        if problem is None:
            await self._app(scope, receive, send_guarded)
            return
        status, sentence = problem
        text = json.dumps({"error": f"{sentence}."}, ensure_ascii=False)
        await Response(text, status, media_type="application/json")(scope, receive, send_guarded)


def _problem(scope: Scope, headers: Headers, hosts: Hosts) -> tuple[int, str] | None:
    """(status, sentence) that refuses the request; None if it may pass."""
    named = headers.getlist("host")
    if len(named) != 1 or not hosts.serves(named[0]):
        return 421, f"Host: received {_received(named)}, expected {hosts}"
    # Browsers say from whose page a request comes; what says nothing, such as curl, is no browser.
    foreign = [origin for origin in headers.getlist("origin") if origin.lower() != f"http://{named[0].lower()}"]
    if foreign:
        return 403, f"Origin: received {_received(foreign)}, expected http://{named[0]}, this page's own"
    sites = headers.getlist("sec-fetch-site")
    if not _is_visit(scope, headers) and not {"same-origin", "none"}.issuperset(sites):
        return 403, f"Sec-Fetch-Site: received {_received(sites)}, expected a request of this page's own"
    if len(scope.get("raw_path", b"")) + len(scope.get("query_string", b"")) > LONGEST_ADDRESS:
        return 414, f"address: more than {LONGEST_ADDRESS:,} characters, expected at most as many"
    if scope["method"] != "POST":
        return None
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdecimal() and len(length) < 20):
        return 400, f"Content-Length: received {_received([length])}, expected a whole number"
    if int(length) > LARGEST_BODY:
        return 413, f"request: {int(length):,} bytes, expected at most {LARGEST_BODY:,}"
    # A form of another site can send three content types without asking first; this is none of them.
    kinds = headers.getlist("content-type")
    if [kind.partition(";")[0].strip().lower() for kind in kinds] != ["application/json"]:
        return 415, f"Content-Type: received {_received(kinds)}, expected application/json"
    return None


def _is_visit(scope, headers):
    """Whether someone follows a link to a page: allowed from anywhere, as the page tells the other site nothing."""
    return (
        scope["method"] == "GET"
        and headers.getlist("sec-fetch-mode") == ["navigate"]
        and headers.getlist("sec-fetch-dest") == ["document"]
    )


def _received(values: Sequence[str]) -> str:
    return " and ".join(repr(shown(value[:80])) for value in values[:2]) or "none"


async def _body(receive: Receive) -> bytes | None:
    """All of a request's body, or a little more than LARGEST_BODY of it; None if the client left."""
    parts, size, more = [], 0, True
    while more and size <= LARGEST_BODY:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        size += len(part)
        parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives `body` first."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed
