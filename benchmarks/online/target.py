"""A running contender with the chat that it is asked about and the answers that are right."""

from __future__ import annotations

import re
import time
from collections import defaultdict, deque
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import numpy as np

from benchmarks.online.generator import Generator
from benchmarks.online.soak import TOLERANCE, same
from benchmarks.online.wire import Http, WebSocket, frame, http
from gounmal import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmarks.online.figures import Run
    from benchmarks.online.generator import Connect
    from benchmarks.online.processes import Server
    from benchmarks.online.registry import Contender
    from gounmal import Moderator

WINDOW = 64
"""Frames that may wait for an answer on one WebSocket."""

READY_S = 120
WRITTEN_S = 1.2
"""gounmal writes its metrics every second."""

WRONG_S = 15
"""A server that has answered for so long, but never rightly, will not any more."""

OWN_METRIC = re.compile(r"(gounmal_(?!request)\w+_(?:sum|count|total))[ {]")


class NotStarted(Exception):  # noqa: N818  (named by what is wrong, like those in `errors`)
    """A contender did not answer, or not rightly; the message says what it said."""


class Chat:
    """Lines and their Decisions, ids being their numbers."""

    def __init__(self, texts: Sequence[str], moderator: Moderator) -> None:
        self.lines = [(str(i), text) for i, text in enumerate(texts)]
        decisions: list[Any] = []
        for start in range(0, len(texts), 64):
            part = [Message(text, id=key) for key, text in self.lines[start : start + 64]]
            decisions += [decision.to_dict() for decision in moderator.moderate(part)]
        self.decisions = decisions


class Target:
    """One contender, asked.

    Args:
        contender: how to ask.
        server: its processes.
        chat: what to ask about.
        port: where.
    """

    def __init__(self, contender: Contender, server: Server, chat: Chat, *, port: int) -> None:
        self.contender, self.server, self.chat = contender, server, chat
        codec, count = contender.codec, contender.codec.lines
        self._address = ("127.0.0.1", port)
        wrap = frame if codec.websocket else partial(http, contender.path, kind=codec.kind)
        self._requests = deque(
            (chat.lines[start][0].encode(), wrap(codec.encode(chat.lines[start : start + count])))
            for start in range(0, len(chat.lines) - count + 1, count)
        )
        self._first = 0

    def run(self, due: NDArray[np.float64], *, connections: int, **limits: float) -> Run:
        """Ask what comes next in the chat; see `Generator.run`."""
        self._requests.rotate(-self._first)
        codec = self.contender.codec
        if codec.websocket:  # as many may wait as on so many HTTP connections
            window = min(WINDOW, connections)
            connect: Connect = partial(WebSocket, self._address, self.contender.path, window)
            connections //= window
        else:
            connect = partial(Http, self._address)
        self._at = int(self._requests[0][0]) // codec.lines
        run = Generator(connect, connections=connections).run(list(self._requests), due, **limits)
        self._first = int(np.isfinite(run.sent).sum()) % len(self._requests)
        return run

    def right(self, number: int, body: bytes) -> bool:
        """Is this the right answer to this request of the last run?"""
        if not self.contender.judges:
            return True
        codec = self.contender.codec
        start = (self._at + number) % len(self._requests) * codec.lines
        expected = islice(self.chat.decisions, start, start + codec.lines)
        try:
            said = codec.decode(body)
            return len(said) == codec.lines and all(
                self._equal(one, other) for one, other in zip(said, expected, strict=True)
            )
        except (ValueError, KeyError, TypeError):  # not even of the form
            return False

    def _equal(self, said: Any, expected: dict[str, Any]) -> bool:
        if not self.contender.codec.ids:
            expected = {**expected, "id": None}
        if self.contender.tolerance > TOLERANCE:
            scores = expected["scores"]
            return bool(said["id"] == expected["id"]) and all(
                abs(said["scores"][label] - scores[label]) <= self.contender.tolerance
                for label in scores
            )
        return said == expected or same(said, expected)

    def counted(self) -> dict[str, float]:
        """Sums and counts of gounmal's own histograms, from its `/metrics`; of others, nothing."""
        found: dict[str, float] = defaultdict(float)
        if not self.contender.ours:
            return found
        time.sleep(WRITTEN_S)
        with urlopen(f"http://{self._address[0]}:{self._address[1]}/metrics", timeout=5) as page:
            for line in page.read().decode().splitlines():
                if named := OWN_METRIC.match(line):
                    found[named[1]] += float(line.rpartition(" ")[2])
        return found

    def wait(self) -> float:
        """Seconds until the first right answer.

        Raises:
            NotStarted: there is none.
        """
        begun = time.monotonic()
        end, said, answered = begun + READY_S, "did not listen", False
        while self.server.running and time.monotonic() < end:
            try:
                run = self.run(np.zeros(1), connections=1, patience_s=5)
            except OSError:
                time.sleep(0.1)
                continue
            if run.status[0] == 200 and self.right(0, run.bodies[0]):
                return time.monotonic() - begun
            if run.status[0] and not answered:
                answered = True
                end = time.monotonic() + WRONG_S
            said = f"answered {run.status[0]}: {run.bodies[0][:120].decode(errors='replace')}"
            time.sleep(0.5)
        raise NotStarted(said if self.server.running else self.server.complaint())
