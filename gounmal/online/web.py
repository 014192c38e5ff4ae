"""HTTP at the doors: a request → Messages, Decisions → an answer, a fault → one clear error.

Every fault is answered as `{"error": {"field": …, "message": …}}`; neither says anything of the
text, and nothing of it reaches a log.

A door is reached in two ways. `Front`, an ASGI middleware, answers what comes over HTTP: what
BentoML does between having a request and calling a method is of no use to these doors, and was half
of the cost of a request. The methods themselves (in service.py) answer the rest: requests with an
Origin, for which BentoML may have headers to add, and calls from within.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import orjson
from starlette.responses import Response

from gounmal.errors import DeadlineExceeded, InvalidMessage
from gounmal.online.bodies import Refused, parse
from gounmal.online.faults import explain
from gounmal.online.wire import encode, encode_many
from gounmal.schema import Decision

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

MEDIA_TYPE = b"application/json"

DEADLINE_HEADER = b"x-gounmal-deadline-ms"
"""For how long an answer is of use: milliseconds from when the request came."""

PATIENCE_S = 0.1
"""Only a caller who has waited this long is watched for leaving: most are answered before."""

CLIENT_CLOSED_REQUEST = 499
"""What metrics show for a caller who left; nobody receives it."""


class Judge(Protocol):
    """`Online.moderate` or `Online.moderate_many`."""

    def __call__(
        self, asked: Any, /, *, deadline: float | None = None
    ) -> Awaitable[Decision | list[Decision]]:
        """What was asked → Decisions, within so many seconds."""


class Answer(NamedTuple):
    """What goes back over HTTP."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]]


class Door(NamedTuple):
    """What a path takes and who answers it."""

    read: Callable[[Any], Any]
    """JSON → what is to be judged."""
    judge: Callable[[], Judge]
    """Gives who judges, on the event loop; cancelled when the caller leaves."""
    max_bytes: int
    """Of a body."""
    refuse: Callable[[], Exception | None] = lambda: None
    """Gives what everybody would hear now whatever they ask, if so: what is refused is not read."""

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """Answer one request, whatever comes of it."""
        loop = asyncio.get_running_loop()
        came = loop.time()
        if (refusal := self.refuse()) is not None:
            return _fault(refusal, scope["path"])
        try:
            allowed = _check_headers(scope["headers"])
            asked = self.read(parse(await _body(receive, self.max_bytes)))
            with _Watch(receive, loop):
                if allowed is None:
                    judged = await self.judge()(asked)
                elif (left := allowed - (loop.time() - came)) > 0:
                    judged = await self.judge()(asked, deadline=left)
                else:
                    raise DeadlineExceeded("passed while its body came")  # noqa: TRY301
        except Exception as error:  # noqa: BLE001  (others would log its text, which may quote ours)
            return _fault(error, scope["path"])
        if isinstance(judged, Decision):
            return _answer(200, encode(judged))
        return _answer(200, encode_many(judged))


async def respond(door: Door, request: Request) -> Response:
    """The same for a method of BentoML's, given its request unread."""
    status, body, headers = await door.answer(request.scope, request.receive)
    return Response(body, status, {name.decode(): value.decode() for name, value in headers})


class Front:
    """ASGI middleware that answers requests to doors, and lets everything else through.

    Args:
        app: everything else.
        doors: by path; only POST.
        sockets: what answers WebSockets, by path: behind BentoML each frame would go through what
            it and Starlette wrap around a request.
    """

    def __init__(
        self,
        app: ASGIApp,
        doors: Mapping[str, Door],
        sockets: Mapping[str, ASGIApp] | None = None,
    ) -> None:
        self._app = app
        self._doors = doors
        self._sockets = sockets or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "websocket":
            await self._sockets.get(scope["path"], self._app)(scope, receive, send)
            return
        door = self._doors.get(scope["path"]) if scope["type"] == "http" else None
        if door is None or scope["method"] != "POST" or _has_origin(scope):
            await self._app(scope, receive, send)
            return
        status, body, headers = await door.answer(scope, receive)
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Departed(Exception):  # noqa: N818
    """The caller has closed the connection."""


def _has_origin(scope: Scope) -> bool:
    for name, _ in scope["headers"]:  # noqa: SIM110  (a generator would cost more than the rest)
        if name == b"origin":
            return True
    return False


def _check_headers(headers: list[tuple[bytes, bytes]]) -> float | None:
    """Seconds that the caller allows, if limited."""
    allowed = None
    for name, value in headers:
        if name == b"content-type":
            if value != MEDIA_TYPE and value.partition(b";")[0].strip().lower() != MEDIA_TYPE:
                raise Refused(415, f"expected content-type {MEDIA_TYPE.decode()}")
        elif name == DEADLINE_HEADER:
            if not (value.isdigit() and len(value) < 10 and int(value)):
                raise InvalidMessage(name.decode(), "expected a positive number of milliseconds")
            allowed = int(value) / 1000
    return allowed


async def _body(receive: Receive, limit: int) -> bytes:
    chunks, size, more = [], 0, True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise Departed
        chunk = event.get("body", b"")
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            raise Refused(413, f"expected at most {limit} bytes")
        more = event.get("more_body", False)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


class _Watch:
    """Cancels what happens inside when the caller leaves; raises `Departed` in place of that.

    A context manager by hand: it is entered for every request.
    """

    def __init__(self, receive: Receive, loop: asyncio.AbstractEventLoop) -> None:
        self._receive = receive
        self._loop = loop
        self._inside = asyncio.current_task()
        self._watcher: asyncio.Task[Any] | None = None
        self._left = False

    def __enter__(self) -> None:
        self._timer = self._loop.call_later(PATIENCE_S, self._watch)

    def _watch(self) -> None:
        self._watcher = self._loop.create_task(self._end())
        self._watcher.add_done_callback(self._leave)

    async def _end(self) -> None:
        # The body has been read, so the next thing to hear of this connection is its end.
        await self._receive()

    def _leave(self, ended: asyncio.Task[Any]) -> None:
        if self._inside is not None and not ended.cancelled():
            self._left = self._inside.cancel()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        # Somebody else (a timeout, say) may have cancelled too: theirs is not for us to take back.
        if kind is asyncio.CancelledError and self._left and self._inside is not None:  # noqa: SIM102
            if not self._inside.uncancel():
                raise Departed from None


def _fault(error: Exception, path: str) -> Answer:
    """The answer to a request that came to nothing."""
    if isinstance(error, Departed):
        return _answer(CLIENT_CLOSED_REQUEST, b"")
    fault = explain(error, whole="body", door=path)
    message, headers = fault.message, []
    if fault.retry_after_s is not None:
        seconds = max(1, math.ceil(fault.retry_after_s))  # the header knows no fractions
        message += f": try again in {seconds} s"
        headers.append((b"retry-after", b"%d" % seconds))
    body = orjson.dumps({"error": {"field": fault.field, "message": message}})
    return _answer(fault.status, body, *headers)


def _answer(status: int, body: bytes, *headers: tuple[bytes, bytes]) -> Answer:
    return Answer(status, body, [(b"content-type", MEDIA_TYPE), *headers])
