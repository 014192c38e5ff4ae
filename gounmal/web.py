"""HTTP at the doors: a request → Messages, a Decision → a response, a fault → one clear error.

Every fault is answered as `{"error": {"field": …, "message": …}}`; neither says anything of the
text, and nothing of it reaches a log.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
from contextlib import contextmanager
from traceback import format_tb
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from gounmal.errors import InvalidMessage, Overloaded, ScoringFailed
from gounmal.schema import Decision, Message
from gounmal.wire import MAX_TEXTS

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

logger = logging.getLogger(__name__)


class Refused(Exception):  # noqa: N818  (named by what is wrong, like those in `errors`)
    """A request that is at fault before its content is.

    Attributes:
        status: of the answer.
        message: what was expected.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


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
    fields = await _fields(request, ("text", "id", "channel"), limit=MAX_BODY_BYTES)
    return Message(**fields)


async def read_messages(request: Request) -> list[Message]:
    """The messages in a body of `/moderate_many`.

    Raises:
        InvalidMessage: a field is not what it should be.
        Refused: the body as a whole is not.
    """
    fields = await _fields(request, ("texts", "channel"), limit=MAX_LIST_BODY_BYTES)
    texts, channel = fields["texts"], fields.get("channel")
    if not isinstance(texts, list):
        raise InvalidMessage("texts", f"expected a list of strings, got {type(texts).__name__}")
    if len(texts) > MAX_TEXTS:
        raise InvalidMessage("texts", f"expected at most {MAX_TEXTS} texts, got {len(texts)}")
    messages = []
    for i, text in enumerate(texts):
        try:
            messages.append(Message(text, channel=channel))
        except InvalidMessage as error:
            field = f"texts[{i}]" if error.field == "text" else error.field
            raise InvalidMessage(field, error.expected) from None
    return messages


async def _fields(request: Request, names: tuple[str, ...], *, limit: int) -> dict[str, Any]:
    """The object in a JSON body: the first of these fields must be there, no others may be."""
    kind = request.headers.get("content-type", "application/json")
    if kind.partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "expected content-type application/json")
    chunks, size = [], 0
    async for chunk in request.stream():
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            raise Refused(413, f"expected at most {limit} bytes")
    fields = _parse(b"".join(chunks))
    if not isinstance(fields, dict):
        raise Refused(400, "expected a JSON object")
    if names[0] not in fields:
        raise InvalidMessage(names[0], "expected, but not there")
    if not fields.keys() <= set(names):
        raise Refused(400, f"expected no fields but {', '.join(names)}")
    return fields


def _parse(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    # A lone surrogate is such an error too, but one whose field can be named: json lets it pass.
    try:
        return json.loads(body.decode())
    except (ValueError, RecursionError):
        raise Refused(400, "expected valid JSON in UTF-8") from None


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
    field, headers = None, {}
    match error:
        case InvalidMessage():
            status, field, message = 400, error.field, error.expected
        case Refused():
            status, field, message = error.status, "body", error.message
        case Overloaded():
            seconds = max(1, math.ceil(error.retry_after_s))
            status, message = 429, f"too much is waiting: try again in {seconds} s"
            headers["retry-after"] = str(seconds)
        case ScoringFailed():
            status, message = 503, "this could not be scored: try again"
        case ClientDisconnect() | Departed():
            status, message = CLIENT_CLOSED_REQUEST, "the caller has left"
        case _:
            where = "".join(format_tb(error.__traceback__))
            logger.error("%s on %s\n%s", type(error).__name__, request.url.path, where)
            status, message = 500, "a bug: see the server's log"
    return _json({"error": {"field": field, "message": message}}, status, headers)


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(value), status, headers, "application/json")
