"""Connections: how many, how long the headers on them may be, and how long a request may take.

uvicorn with httptools bounds none of it, and what is written as ASGI sees no request before its
headers are complete. So whoever reaches the port, with a key or without, could fill the memory with
a header that does not end, with requests sent ahead of their answers or with bytes after a body,
and hold connections open by a byte now and then. The protocol here lets nobody; it is switched on
by `gounmal.gate.gate.bound_connections`.
"""

from __future__ import annotations

import resource
from functools import cache
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gounmal.gate.gate import COUNTER, UNBUFFERED
from gounmal.gate.refusals import Refusal, later

if TYPE_CHECKING:
    import asyncio

    from uvicorn.config import Config
    from uvicorn.server import ServerState

MAX_HEADERS_BYTES = 1 << 16
"""Of a request's first line and headers; also of what comes besides a body, such as trailers."""

REQUEST_S = 10.0
"""For the headers, from the connection or from their first byte, and again for the body, unless it
is one that is read piece by piece."""

MAX_AHEAD = 64
"""Requests of one connection that wait for the answer to an earlier one."""

MAX_CONNECTIONS = 8192
"""Of a worker, streams included."""

SPARE_FILES = 128
"""Of those that the process may have open: for the model, the database, uploads and results."""

MAX_FRAME_BYTES = 1 << 20
"""Of a WebSocket; what is longer than a message may be is answered up to here, then cut off."""

TOO_LONG = Refusal(431, "headers", f"expected at most {MAX_HEADERS_BYTES} bytes")
TOO_SLOW = Refusal(408, None, f"expected a whole request within {REQUEST_S:g} s")
TOO_FAR_AHEAD = Refusal(429, None, f"at most {MAX_AHEAD} requests ahead of their answers")
FULL = later("too many connections", 1)._replace(status=503)


class CutOff(Exception):  # noqa: N818  (what was done, not what went wrong)
    """Ends the parsing; the client has been told."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's, for one connection, with the limits above."""

    request_s = REQUEST_S

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        # Chat lines do not shrink; inflating what came would cost each stream its memory.
        config.ws_max_size, config.ws_per_message_deflate = MAX_FRAME_BYTES, False
        super().__init__(config, server_state, app_state, _loop)
        self._unused = 0  # bytes since the parser last made something of any
        self._timer: asyncio.TimerHandle | None = None
        self._upgraded = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it, while there is room."""
        super().connection_made(transport)
        if len(self.connections) > most_connections():
            self._refuse(FULL)
        else:
            self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless it leads to nothing."""
        self._unused += len(data)
        super().data_received(data)
        if self._upgraded or self.transport.is_closing():
            return
        if self._unused > MAX_HEADERS_BYTES:
            self._refuse(TOO_LONG)
        elif self._timer is None and not (self._answering and self._complete):
            self._start_timer()

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        # Cheaper than adding up what nearly always is short: all of it came just now.
        if self._unused > MAX_HEADERS_BYTES and self._length() > MAX_HEADERS_BYTES:
            self._refuse(TOO_LONG)
            raise CutOff
        if len(self.pipeline) >= MAX_AHEAD:
            self._refuse(TOO_FAR_AHEAD)
            raise CutOff
        self._unused = 0
        self._stop_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hand over a piece."""
        self._unused = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Expect another request."""
        self._unused = 0
        self._stop_timer()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over, which takes care of itself from here on."""
        self._upgraded = True
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """For what is no HTTP; not beside what was said already."""
        if not self.transport.is_closing():
            super().send_400_response(msg)

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _complete(self) -> bool:
        """Is there nothing of the last request that has to come soon?"""
        return not self.cycle.more_body or self.cycle.scope["path"].startswith(UNBUFFERED)

    def _length(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(self.request_s, self._too_late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_late(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self._refuse(TOO_SLOW)

    def _refuse(self, refusal: Refusal) -> None:
        """Say so and hang up; only the latter, where it would look like another answer."""
        self._stop_timer()
        counter = self.app_state.get(COUNTER)
        if counter is not None:
            counter.labels(refusal.status).inc()
        answering = self._answering
        if self.pipeline or (answering and self.cycle.response_started):
            self.transport.abort()
            return
        if answering:  # its answer would come after this one
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if answering or self._unused or refusal is FULL:  # who asked for nothing hears nothing
            self.transport.write(refusal.as_http())
        self.transport.close()


@cache
def most_connections() -> int:
    """As many as a worker takes, and fewer where it may not open as many files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(1, min(MAX_CONNECTIONS, files - SPARE_FILES))
