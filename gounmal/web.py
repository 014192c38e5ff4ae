"""HTTP at the doors: a request → Messages, a Decision → a response, a fault → one clear error.

Every fault is answered as `{"error": {"field": …, "message": …}}`; neither says anything of the
text, and nothing of it reaches a log.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from gounmal.bodies import Refused, parse, to_message, to_messages
from gounmal.faults import explain
from gounmal.schema import Decision, Message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from starlette.requests import Request

MAX_BODY_BYTES = 1 << 20
"""Of one message: far more than the longest valid one needs, so that its fault can be named."""

MAX_LIST_BODY_BYTES = 1 << 24
"""Of a list: 1,024 texts of the greatest length, each character three bytes, and some."""

PATIENCE_S = 0.02
"""Only a caller who has waited this long is watched for leaving: most are answered before."""

CLIENT_CLOSED_REQUEST = 499
"""What metrics show for a caller who left; nobody receives it."""


class Departed(Exception):  # noqa: N818
    """The caller has closed the connection."""


async def respond(
    request: Request,
    read: Callable[[Request], Awaitable[Any]],
    judge: Callable[[Any], Awaitable[Decision | list[Decision]]],
) -> Response:
    """Answer one request, whatever comes of it.

    Args:
        request: body not yet read.
        read: takes from it what is to be judged.
        judge: gives the Decisions; cancelled when the caller leaves.
    """
    try:
        asked = await read(request)
        with _while_connected(request):
            judged = await judge(asked)
    except Exception as error:  # noqa: BLE001  (BentoML would log its text, which may quote ours)
        return _fault(error, request)
    if isinstance(judged, Decision):
        return _json(judged.to_dict())
    return _json([decision.to_dict() for decision in judged])


async def read_message(request: Request) -> Message:
    """The message in a body of `/moderate`.

    Raises:
        InvalidMessage: a field is not what it should be.
        Refused: the body as a whole is not.
    """
    return to_message(parse(await _body(request, limit=MAX_BODY_BYTES)))


async def read_messages(request: Request) -> list[Message]:
    """The messages in a body of `/moderate_many`.

    Raises:
        InvalidMessage: a field is not what it should be.
        Refused: the body as a whole is not.
    """
    return to_messages(parse(await _body(request, limit=MAX_LIST_BODY_BYTES)))


async def _body(request: Request, *, limit: int) -> bytes:
    kind = request.headers.get("content-type", "application/json")
    if kind != "application/json" and kind.partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "expected content-type application/json")
    chunks, size = [], 0
    async for chunk in request.stream():
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            raise Refused(413, f"expected at most {limit} bytes")
    return b"".join(chunks)


@contextmanager
def _while_connected(request: Request) -> Iterator[None]:
    """Cancel what happens inside when the caller leaves.

    Raises:
        Departed: in place of the cancellation.
    """
    loop = asyncio.get_running_loop()
    inside = asyncio.current_task()
    watcher: asyncio.Task[None] | None = None
    left = False

    def watch() -> None:
        nonlocal watcher
        watcher = loop.create_task(_end_of(request))
        watcher.add_done_callback(leave)

    def leave(ended: asyncio.Task[None]) -> None:
        nonlocal left
        if inside is not None and not ended.cancelled():
            left = inside.cancel()

    timer = loop.call_later(PATIENCE_S, watch)
    try:
        yield
    except asyncio.CancelledError:
        # Somebody else (a timeout, say) may have cancelled too: theirs is not for us to take back.
        if left and inside is not None and not inside.uncancel():
            raise Departed from None
        raise
    finally:
        timer.cancel()
        if watcher is not None:
            watcher.cancel()


async def _end_of(request: Request) -> None:
    # The body has been read, so the next thing to hear of this connection is its end.
    await request.receive()


def _fault(error: Exception, request: Request) -> Response:
    """The answer to a request that came to nothing."""
    if isinstance(error, (ClientDisconnect, Departed)):
        return _error(CLIENT_CLOSED_REQUEST, None, "the caller has left")
    fault = explain(error, whole="body", door=request.url.path)
    response = _error(fault.status, fault.field, fault.message)
    if fault.retry_after_s is not None:
        response.headers["retry-after"] = str(fault.retry_after_s)
    return response


def _error(status: int, field: str | None, message: str) -> Response:
    return _json({"error": {"field": field, "message": message}}, status)


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")
