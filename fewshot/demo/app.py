"""The page and what it asks for, over HTTP; no path or address from a client is ever opened."""

import base64
import binascii
import json
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from fewshot.demo.pages import Page
from fewshot.demo.refusals import RefusedError
from fewshot.demo.viewer import Viewer

MOST_BYTES = 12 * 2**20  # of a request: a photo of today's telephones has 3 to 8 MB
MOST_DROPPED = 256 * 2**20  # then the connection is closed

Answer = Callable[[Request], Awaitable[Response]]


def demo_app(viewer: Viewer, page: Page, hosts: list[str]) -> Starlette:
    """The application; hosts: the names by which it may be asked for, ["*"] for any.

    A page of another site cannot use it: the host's name is checked (against DNS that points to
    this machine), and so is the origin of what changes something.
    """

    async def index(_: Request) -> Response:
        return HTMLResponse(page.html, headers={"Content-Security-Policy": page.policy})

    async def state(_: Request) -> Response:
        return JSONResponse(viewer.state())

    async def look(request: Request) -> Response:
        content = await _body(request)
        reference = request.query_params.get("background")
        return JSONResponse(await run_in_threadpool(viewer.look, content, reference))

    async def background(request: Request) -> Response:
        content = await _body(request)
        name = await run_in_threadpool(viewer.remember_background, content)
        return JSONResponse({"background": name})

    async def add(request: Request) -> Response:
        name, snapshots, reference = _article(await _body(request))
        return JSONResponse(await run_in_threadpool(viewer.teach, name, snapshots, reference))

    async def remove(request: Request) -> Response:
        name = request.query_params.get("name", "")
        return JSONResponse(await run_in_threadpool(viewer.forget, name))

    async def download(_: Request) -> Response:
        content = await run_in_threadpool(viewer.download)
        headers = {"Content-Disposition": 'attachment; filename="model.mdl"'}
        return Response(content, media_type="application/octet-stream", headers=headers)

    return Starlette(
        routes=[
            Route("/", index),
            Route("/state", state),
            Route("/look", _own(look), methods=["POST"]),
            Route("/background", _own(background), methods=["POST"]),
            Route("/model.mdl", _own(download)),
            Route("/articles", _own(add), methods=["POST"]),
            Route("/articles", _own(remove), methods=["DELETE"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)],
        exception_handlers={
            RefusedError: _refused,
            HTTPException: _http_error,
            ClientDisconnect: _gone,
            Exception: _bug,
        },
    )


def _own(answer: Answer) -> Answer:
    """Answer this page's requests only: a browser names the page that another's come from."""

    async def checked(request: Request) -> Response:
        origin = request.headers.get("origin")
        if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
            raise RefusedError(403, f"requests of pages of {origin} are not answered.")
        return await answer(request)

    return checked


async def _body(request: Request) -> bytes:
    """What was sent, never more than MOST_BYTES of it in memory.

    What is longer is read on for a while and dropped: a browser shows an answer only after it has
    sent all.
    """
    content, received = bytearray(), 0
    async for chunk in request.stream():
        received += len(chunk)
        if received <= MOST_BYTES:
            content += chunk
        elif received > MOST_DROPPED:
            break
    if received > MOST_BYTES:
        raise RefusedError(
            413, f"the upload has more than {MOST_BYTES // 2**20} MB: make the picture smaller."
        )
    return bytes(content)


def _article(body: bytes) -> tuple[str, list[bytes], str | None]:
    """Name, snapshots and background from {"name", "snapshots": [base64], "background"}."""
    try:
        sent = json.loads(body)
        name, reference = sent["name"], sent.get("background")
        snapshots = [base64.b64decode(text, validate=True) for text in sent["snapshots"]]
        if not isinstance(name, str) or not isinstance(reference, str | None):
            raise TypeError("a text is missing")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, binascii.Error):
        raise RefusedError(
            400, 'send {"name": "...", "snapshots": ["base64 of a picture", ...]} as JSON.'
        ) from None
    return name, snapshots, reference


def _error(status: int, message: str) -> JSONResponse:
    # what is far too large was not read to its end
    headers = {"Connection": "close"} if status == 413 else {}
    return JSONResponse({"error": message}, status, headers)


async def _refused(_: Request, error: Exception) -> Response:
    return _error(getattr(error, "status", 400), str(error))


async def _http_error(_: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 400)
    return _error(status, f"{getattr(error, 'detail', error)} ({status})")


async def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=400)


async def _bug(_: Request, error: Exception) -> Response:
    return _error(500, f"the server made a mistake ({type(error).__name__}): see its terminal.")
