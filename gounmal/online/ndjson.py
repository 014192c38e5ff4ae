"""`POST /stream`: newline-delimited JSON in and out, for clients that speak no WebSocket.

Each line of the body is a message as JSON and gets a line of answer (`gounmal.online.frames` has
both forms), in the order of the input. Answers are sent while the body still comes, which may be of
any length; blank lines are skipped, and a last line needs no newline.

At most `MAX_IN_FLIGHT` lines are read and not yet answered, and answers wait for a client that does
not take them. So read while you send: a client that first sends a long body and then reads has
filled every buffer between the two, and is cut off after `STALL_S`. While too much is waiting,
lines wait too. A server that shuts down answers what it has read and says so in a last line.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import orjson
from starlette.responses import Response

from gounmal.gate.limits import spend
from gounmal.online.frames import MAX_FRAME, MAX_IN_FLIGHT, answer, read
from gounmal.online.interrupt import Interruptible

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from gounmal.online.frames import Judge
    from gounmal.online.shutdown import OpenStreams

MEDIA_TYPE = "application/x-ndjson"

GROUP = 32
"""Lines that are judged together when they have come together: as bulk, which lets live work by."""

BEGIN_S = 1.0
"""The answer begins with the body's first bytes or after so long: silence would time out."""

STALL_S = 60.0
"""A client that takes nothing for so long is cut off."""

GOING_AWAY = orjson.dumps(
    {
        "id": None,
        "error": {"field": None, "message": "shutting down: no line after these was judged"},
    }
)


class LineStreams:
    """The endpoint: an ASGI application.

    Args:
        judge: gives what judges messages, on the event loop that calls this.
        streams: where to say what is open.
    """

    def __init__(self, judge: Callable[[], Judge], streams: OpenStreams) -> None:
        self._judge = judge
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        kind = dict(scope["headers"]).get(b"content-type", b"").partition(b";")[0]
        if kind.strip().lower() != MEDIA_TYPE.encode():
            fault = {"field": "body", "message": f"expected content-type {MEDIA_TYPE}"}
            body = orjson.dumps({"error": fault})
            await Response(body, 415, media_type="application/json")(scope, receive, send)
            return
        await self._streams.serve(LineStream(self._judge(), receive, send))


class LineStream:
    """One request."""

    def __init__(self, judge: Judge, receive: Receive, send: Send) -> None:
        self._judge = judge
        self._receive = receive
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._reading = Interruptible()
        self._connected = Interruptible()
        self._begun = asyncio.Event()
        # One group is with the reader and one with the writer.
        self._groups: asyncio.Queue[asyncio.Task[list[bytes]] | None] = asyncio.Queue(
            MAX_IN_FLIGHT // GROUP - 2
        )

    async def serve(self) -> None:
        """Until all is answered, the client leaves or takes nothing more, or `stop`."""
        reader = self._loop.create_task(self._read())
        try:
            async with self._connected:
                await self._write()
        finally:
            reader.cancel()
            while not self._groups.empty():
                if group := self._groups.get_nowait():
                    group.cancel()

    def stop(self) -> None:
        """Read no more, answer, end."""
        self._reading.interrupt()

    async def _read(self) -> None:
        async with self._reading:
            await self._read_all()
        if self._reading.interrupted:
            await self._groups.put(self._loop.create_task(_at_once(GOING_AWAY)))
        await self._groups.put(None)
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._connected.interrupt()

    async def _read_all(self) -> None:
        lines = Lines()
        more = True
        while more:
            event = await self._receive()
            if event["type"] == "http.disconnect":
                self._connected.interrupt()
                return
            self._begun.set()
            more = event.get("more_body", False)
            found = lines.feed(event.get("body", b""), last=not more)
            spend(len(found))
            for start in range(0, len(found), GROUP):
                asked = [read(line, whole="line") for line in found[start : start + GROUP]]
                judged = answer(self._judge, asked, patient=True)
                await self._groups.put(self._loop.create_task(judged))

    async def _write(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(BEGIN_S):
                await self._begun.wait()
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"x-accel-buffering", b"no")]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        while group := await self._groups.get():
            try:
                body = b"".join([line + b"\n" for line in await group])
            finally:
                group.cancel()
            stalled = self._loop.call_later(STALL_S, self._connected.interrupt)
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
            stalled.cancel()
        await self._send({"type": "http.response.body", "body": b""})


async def _at_once(line: bytes) -> list[bytes]:
    return [line]


class Lines:
    """Bytes as they come → lines that are not blank.

    A line of more than `MAX_FRAME` bytes is cut there: enough to see that it is too long.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes, *, last: bool = False) -> list[bytes]:
        """Lines that are complete now; with the last chunk, all that are left."""
        *lines, rest = (self._rest + chunk).split(b"\n")
        if last:
            lines.append(rest)
            rest = b""
        self._rest = rest[: MAX_FRAME + 1]
        return [line for line in lines if line and not line.isspace()]
