"""`WS /stream`, for live chat: many messages on one connection, each answered when it is known.

A frame holds one message as JSON, text or binary; its answer is a text frame
(`gounmal.online.frames` has both forms). Answers come in any order: who needs to tell them apart
sends ids.

What is not answered yet is bounded: a connection with `MAX_IN_FLIGHT` such messages is not read
from, and a message counts until its answer could be written, so a client that does not read is not
read from either. The server pings (uvicorn: every 20 s), closes a connection that has not answered
20 s later, and closes one whose frame is over 1 MiB with 1009. When it shuts down, it reads no
more, answers what it has read and closes with 1001.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gounmal.online.frames import MAX_IN_FLIGHT, answer, read
from gounmal.online.interrupt import Interruptible

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from gounmal.online.frames import Asked, Judge
    from gounmal.online.shutdown import OpenStreams

GOING_AWAY = 1001
"""Close code of a server that shuts down: connect again, and get another worker."""

GROUP = 16
"""Frames that are judged, and so answered, together when they have come together: as live work."""

GONE = (OSError, RuntimeError)
"""What an ASGI server raises when there is nobody to send to: the first by the standard, the second
by uvicorn when it has just closed the connection itself."""


class LiveStreams:
    """The WebSocket endpoint: an ASGI application.

    Args:
        judge: gives what judges messages, on the event loop that calls this.
        streams: where to say what is open.
    """

    def __init__(self, judge: Callable[[], Judge], streams: OpenStreams) -> None:
        self._judge = judge
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection to its end."""
        del scope
        await self._streams.serve(LiveStream(self._judge(), receive, send))


class LiveStream:
    """One connection."""

    def __init__(self, judge: Judge, receive: Receive, send: Send) -> None:
        self._judge = judge
        self._receive = receive
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._reading = Interruptible()
        self._read: list[Asked] = []
        self._answering: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        self._room = asyncio.Event()

    async def serve(self) -> None:
        """Until the client leaves, or `stop`."""
        await self._receive()
        try:
            await self._send({"type": "websocket.accept"})
            async with self._reading:
                await self._read_all()
            if self._reading.interrupted:
                self._dispatch()
                while self._answering:
                    await asyncio.wait(self._answering)
                await self._send({"type": "websocket.close", "code": GOING_AWAY})
        except GONE:
            pass
        finally:
            # Who has left needs no answer: what was not scored yet never will be.
            for task in self._answering:
                task.cancel()

    def stop(self) -> None:
        """Read no more, answer, close."""
        self._reading.interrupt()

    async def _read_all(self) -> None:
        while True:
            while self._in_flight >= MAX_IN_FLIGHT:
                self._room.clear()
                await self._room.wait()
            event = await self._receive()
            if event["type"] == "websocket.disconnect":
                return
            data = event.get("text")
            self._read.append(read(event["bytes"] if data is None else data, whole="frame"))
            self._in_flight += 1
            if len(self._read) == GROUP:
                self._dispatch()
            elif len(self._read) == 1:
                # Frames that are there already are read before the loop gets to this.
                self._loop.call_soon(self._dispatch)

    def _dispatch(self) -> None:
        if self._read:
            task = self._loop.create_task(self._answer(self._read))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
            self._read = []

    async def _answer(self, asked: list[Asked]) -> None:
        try:
            for frame in await answer(self._judge, asked):
                # Returns once there is room in the connection's buffer.
                await self._send({"type": "websocket.send", "text": frame.decode()})
        except GONE:
            pass  # `_read_all` is about to hear of it.
        finally:
            self._in_flight -= len(asked)
            self._room.set()
