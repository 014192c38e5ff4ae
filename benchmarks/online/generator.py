"""The load generator: sends requests when they are due, over a fixed number of connections.

One loop over epoll on a core of its own. It sleeps until the next request is due or an answer has
come, to the microsecond, and never spins. What is due while no connection is free waits here, and
that wait counts: latency is from the moment at which a request was meant to be sent.
"""

from __future__ import annotations

import gc
import select
from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.online.figures import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from benchmarks.online.wire import Connection

    Connect = Callable[[], Connection]

LEAD_S = 0.02
"""Before the first request is due."""


class Generator:
    """Drives one server.

    Args:
        connect: opens a connection.
        connections: most that are open at once.
    """

    def __init__(self, connect: Connect, *, connections: int) -> None:
        self._connect = connect
        self._most = connections

    def run(
        self,
        requests: Sequence[tuple[bytes, bytes]],
        due: NDArray[np.float64],
        *,
        stop_s: float = float("inf"),
        patience_s: float = 10,
        abort_s: float = float("inf"),
    ) -> Run:
        """Send requests and wait for their answers.

        Args:
            requests: id and bytes of each; taken in turn, from the first again after the last.
            due: seconds, sorted: one request each. All 0 makes a closed loop.
            stop_s: leave at this time, whatever is still waiting.
            patience_s: what is unanswered so long after the last was due is lost.
            abort_s: with a request unsent for so long, send no more; the run is `aborted`.
        """
        gc.collect()
        gc.disable()
        try:
            drive = _Drive(self._connect, self._most, requests, due)
            return drive.run(stop_s, patience_s, abort_s)
        finally:
            gc.enable()


class _Drive:
    """One run."""

    def __init__(
        self,
        connect: Connect,
        most: int,
        requests: Sequence[tuple[bytes, bytes]],
        due: NDArray[np.float64],
    ) -> None:
        self.connect, self.requests, self.due = connect, requests, due.tolist()
        self.poll = select.epoll()
        self.open: dict[int, Connection] = {}
        self.free: list[Connection] = []
        for _ in range(most):
            self._add(connect())
        count = len(due)
        self.sent, self.done = np.full(count, np.nan), np.full(count, np.nan)
        self.status = np.zeros(count, np.int16)
        self.bodies = [b""] * count
        self.waiting = 0
        self.unsent: deque[int] = deque()

    def run(self, stop_s: float, patience_s: float, abort_s: float) -> Run:
        """See `Generator.run`."""
        start = perf_counter() + LEAD_S
        due, unsent, count = self.due, self.unsent, len(self.due)
        end = min(stop_s, (due[-1] if due else 0) + patience_s)
        following, aborted, now = 0, False, -LEAD_S
        while (following < count or unsent or self.waiting) and now < end:
            while following < count and due[following] <= now:
                unsent.append(following)
                following += 1
            while unsent and self.free:
                self._send(unsent.popleft(), start)
            if not aborted and unsent and now - due[unsent[0]] > abort_s:
                aborted, following = True, count
                end = min(end, now + patience_s)
                unsent.clear()
            now = perf_counter() - start
            wake = due[following] if following < count else end
            # epoll counts in milliseconds; select on it, in microseconds.
            if now < wake and not select.select([self.poll], (), (), wake - now)[0]:
                now = perf_counter() - start
                continue
            for descriptor, _ in self.poll.poll(0):
                self._receive(descriptor, start)
            now = perf_counter() - start
        self._close()
        return Run(
            np.array(due), self.sent, self.done, self.status, self.bodies, min(now, end), aborted
        )

    def _send(self, number: int, start: float) -> None:
        connection = self.free[-1]
        key, content = self.requests[number % len(self.requests)]
        connection.numbers[key] = number
        if len(connection.numbers) >= connection.window:
            self.free.pop()
        self.waiting += 1
        self.sent[number] = perf_counter() - start
        try:
            _write(connection, content)
        except OSError:
            self._lose(connection)

    def _receive(self, descriptor: int, start: float) -> None:
        connection = self.open.get(descriptor)
        if connection is None:
            return
        full = len(connection.numbers) >= connection.window
        try:
            answers = connection.receive()
        except OSError:
            self._lose(connection)
            return
        now = perf_counter() - start
        self.waiting -= len(answers)
        for number, status, body in answers:
            self.done[number], self.status[number], self.bodies[number] = now, status, body
        if connection.window == 0:
            self._lose(connection)
        elif full and answers:
            self.free.append(connection)

    def _add(self, connection: Connection) -> None:
        self.open[connection.socket.fileno()] = connection
        self.poll.register(connection.socket, select.EPOLLIN)
        self.free.append(connection)

    def _lose(self, connection: Connection) -> None:
        """The server has closed this connection: what waited on it is lost; open another."""
        self.waiting -= len(connection.numbers)
        self._forget(connection)
        if connection in self.free:
            self.free.remove(connection)
        try:
            self._add(self.connect())
        except OSError:  # with none left, what is still unsent is lost as well
            return

    def _forget(self, connection: Connection) -> None:
        del self.open[connection.socket.fileno()]
        self.poll.unregister(connection.socket)
        connection.socket.close()

    def _close(self) -> None:
        for connection in list(self.open.values()):
            self._forget(connection)
        self.poll.close()


def _write(connection: Connection, content: bytes) -> None:
    """All of it; what does not fit into the socket's buffer is waited for."""
    try:
        written = connection.socket.send(content)
    except BlockingIOError:
        written = 0
    if written < len(content):
        connection.socket.setblocking(True)
        connection.socket.sendall(content[written:])
        connection.socket.setblocking(False)
