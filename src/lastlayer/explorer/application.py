"""The explorer as an ASGI application: pages, their files, and the questions that they ask."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from lastlayer._json import json_text
from lastlayer.explorer.answering_threads import AnsweringThreads
from lastlayer.explorer.api_schema import api_schema
from lastlayer.explorer.classes_view import CLASSES
from lastlayer.explorer.effect_view import EFFECT
from lastlayer.explorer.endpoint import Endpoint
from lastlayer.explorer.examined import Examined
from lastlayer.explorer.fields import Refused, read_state
from lastlayer.explorer.hosts import LOOPBACK, Hosts
from lastlayer.explorer.labels_view import LABELS
from lastlayer.explorer.loss_view import LOSS
from lastlayer.explorer.page import VIEWS, page
from lastlayer.explorer.protection import Protection
from lastlayer.explorer.quiz_view import QUIZ
from lastlayer.explorer.request_json import NotJson, request_json
from lastlayer.explorer.rows_view import ROWS
from lastlayer.explorer.sampling_view import SAMPLING
from lastlayer.explorer.scores_view import SCORES
from lastlayer.report import stylesheet

ENDPOINTS: tuple[Endpoint, ...] = (SCORES, LABELS, LOSS, QUIZ, SAMPLING, *ROWS, *EFFECT, *CLASSES)

_PAGES = Path(__file__).with_name("pages")
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


# Numbers of one page are a matter of milliseconds; a slow question or two leave room for the quick ones.
_THREADS = AnsweringThreads(4)


def application(
    examined: Examined | None = None, *, hosts: Hosts = LOOPBACK, endpoints: Iterable[Endpoint] = ENDPOINTS
) -> ASGIApp:
    """The explorer.

    Args:
      examined: a model and the rows that it is looked at with; None for the views that need neither.
      hosts: names that a request may be addressed to.
      endpoints: the questions that are answered.
    """
    endpoints = tuple(endpoints)
    routes = [
        Route("/", _first_page),
        Route("/static/{name}", _static),
        Route("/api/schema", _describing(endpoints)),
        *(Route(f"/api/{endpoint.name}", _answering(endpoint, examined), methods=["POST"]) for endpoint in endpoints),
        *(Route(f"/{view.name}", _showing(view.name, examined)) for view in VIEWS),
    ]
    handlers: Any = {HTTPException: _refusal, Exception: _bug}
    # Outside of Starlette, whose answer to a bug goes past its own middleware.
    return Protection(Starlette(routes=routes, exception_handlers=handlers), hosts)


async def _first_page(request: Request) -> Response:
    return RedirectResponse(f"/{VIEWS[0].name}")


def _showing(name, examined):
    async def show(request: Request) -> Response:
        return Response(page(name, examined), media_type="text/html")

    return show


def _answering(endpoint, examined):
    async def answer(request: Request) -> Response:
        return await _THREADS.run(_answer, endpoint, examined, await request.body())

    return answer


def _answer(endpoint, examined, body):
    try:
        return _json(endpoint.answer(read_state(endpoint.fields, request_json(body)), examined))
    except NotJson as problem:
        return _json({"error": f"{problem}."}, 400)
    except Refused as refused:
        return _json({"error": f"{refused}.", "field": refused.field}, 422)


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    content = _files().get(name)
    if content is None:
        raise HTTPException(404)
    return Response(content, media_type=_KINDS[Path(name).suffix])


@cache
def _files():
    """Content by name of every file that a page loads. One style: the report's, what views share, what each adds."""
    files = {path.name: path.read_text(encoding="utf-8") for path in _PAGES.iterdir() if path.suffix in _KINDS}
    shared = files.pop("explorer.css")
    styles = [files.pop(name) for name in sorted(files) if name.endswith(".css")]
    return files | {"explorer.css": "".join([stylesheet(), shared, *styles])}


def _describing(endpoints):
    async def describe(request: Request) -> Response:
        return _json(api_schema(endpoints))

    return describe


async def _refusal(request: Request, problem: HTTPException) -> Response:
    return _json({"error": f"{request.url.path}: {problem.detail}."}, problem.status_code, problem.headers)


async def _bug(request: Request, failure: Exception) -> Response:
    """What the browser is told; the server writes the traceback to its standard error."""
    kind = type(failure).__name__
    return _json({"error": f"explorer: this is a bug in lastlayer ({kind}); its terminal shows the traceback."}, 500)


def _json(value: Any, status: int = 200, headers: Any = None) -> Response:
    # Half of a pair of surrogates has no UTF-8, and JSON an escape for it.
    content = json_text(value).encode("utf-8", "backslashreplace")
    return Response(content, status, headers, media_type="application/json")
