"""The end of a server: what it has read on its streams is answered first.

uvicorn closes every WebSocket as soon as it hears SIGTERM (with 1012, and what was about to be
answered is lost), long before it tells the application. So the application listens first.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)


class Stream(Protocol):
    """A connection that lasts."""

    async def serve(self) -> None:
        """To its end."""

    def stop(self) -> None:
        """Read no more, answer what was read, end; before `serve`: as soon as it has begun."""


class OpenStreams:
    """The streams that are open, to be ended together."""

    def __init__(self) -> None:
        self._open: set[Stream] = set()
        self._closing = False
        self._ended = asyncio.Event()

    async def serve(self, stream: Stream) -> None:
        """Serve one, to its end."""
        self._open.add(stream)
        try:
            if self._closing:
                stream.stop()
            await stream.serve()
        finally:
            self._open.discard(stream)
            self._ended.set()

    async def close(self) -> None:
        """End all, with what was read answered; those that come now at once."""
        self._closing = True
        for stream in self._open:
            stream.stop()
        while self._open:
            self._ended.clear()
            await self._ended.wait()


def before_shutdown(prepare: Callable[[], Awaitable[None]], *, within: float) -> None:
    """Have something done before whoever handles SIGTERM and SIGINT now hears of one.

    Call it on the running loop, when the server has set its handlers. Where nobody handles signals,
    or this is not the main thread, nothing is changed. A second signal waits for nothing.

    Args:
        prepare: what to do.
        within: seconds that it may take; afterwards it is cancelled.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    preparing: asyncio.Task[None] | None = None

    async def run() -> None:
        try:
            async with asyncio.timeout(within):
                await prepare()
        except TimeoutError:
            logger.warning("streams were still open %g s after the signal to end", within)

    for number in (signal.SIGTERM, signal.SIGINT):
        handler = signal.getsignal(number)
        if not callable(handler):
            continue

        def heard(number: int = number, handler: Callable[..., object] = handler) -> None:
            nonlocal preparing
            if preparing is None:
                preparing = loop.create_task(run())
                preparing.add_done_callback(lambda _: handler(number, None))
            else:
                handler(number, None)

        loop.add_signal_handler(number, heard)
