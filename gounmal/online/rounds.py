"""What the event loop is at: whether it still reads, and how long it takes to come around.

What a queue does not show of a wait: under a flood requests wait less in the runner's queue than
unread, in their sockets, and one turn of the loop reads hundreds of them. Nothing says when they
came, but how long the loop was busy does.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

IDLE_S = 0.005
"""An event loop that has not been heard of for so much longer than a round takes had been idle."""

QUIET_TURNS = 4
"""A message takes a few turns of the event loop from its socket to a queue."""

READING_S = 0.004
"""For so long a batch waits for what is being read at most."""


class Reading:
    """Is the event loop still at what has come in? Ask it once in each of its turns."""

    def __init__(self) -> None:
        self._seen = self._quiet = 0

    def goes_on(self, waiting: int, seconds: float) -> bool:
        """False when `QUIET_TURNS` in a row have brought nothing.

        Args:
            waiting: how many wait in the queue by now.
            seconds: how long the first of them has.
        """
        self._quiet = 0 if waiting > self._seen else self._quiet + 1
        self._seen = waiting
        return self._quiet < QUIET_TURNS and seconds < READING_S


class Rounds:
    """How long the event loop takes to come around, seen by those who are asked for something."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._began: float | None = None
        self._ended = 0.0
        self._took = 0.0
        self._asked = self._asked_before = 0

    @property
    def crowd(self) -> int:
        """How many have asked in this round, or in the last if those were more."""
        return max(self._asked, self._asked_before)

    def ask(self, now: float) -> None:
        """Count somebody who asks."""
        if self._began is None:
            self._began = now
            self._loop.call_soon(self._end)
        self._asked += 1

    def lag(self, now: float) -> float:
        """Seconds that the loop will have kept one who asks now waiting, beside any queue.

        What is read in one round came during the one before, and answers leave with the next.
        """
        since = now - self._ended
        return 0.0 if since > self._took + IDLE_S else 2 * self._took + since

    def _end(self) -> None:
        now = time.monotonic()
        self._took, self._ended = now - (self._began or now), now
        self._began = None
        self._asked, self._asked_before = 0, self._asked
