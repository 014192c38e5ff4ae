"""How much one caller may ask for: at once, and a second.

All of it is counted in each worker by itself: with N workers a caller gets up to N times as much.
"""

from __future__ import annotations

import math
from contextvars import ContextVar
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FULL_LIST = 1024
"""Lines that a bucket holds at least, unless told otherwise: a full `/moderate_many`."""


class Bucket:
    """A token bucket; a token is a line.

    What it takes to answer is known only once a body has been read. So a request is let in while
    there is a token, and may leave a debt, which its caller waits off.

    Args:
        rate: tokens that come back each second.
        burst: tokens it holds.
        clock: seconds.
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = monotonic) -> None:
        self.rate = rate
        self._burst = burst
        self._clock = clock
        self._left = burst
        self._at = clock()

    def spend(self, lines: float) -> None:
        """Take tokens, whether they are there or not."""
        self._refill()
        self._left -= lines

    def wait_s(self, lines: float = 0.0) -> float:
        """Seconds until there are so many tokens."""
        self._refill()
        return max(0.0, (lines - self._left) / self.rate)

    def _refill(self) -> None:
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self.rate)
        self._at = now


CALLERS_BUCKET: ContextVar[Bucket | None] = ContextVar("CALLERS_BUCKET", default=None)
"""Of whoever is being answered."""


def spend(lines: int) -> None:
    """Count so many lines against whoever is being answered; the first of a request is counted."""
    bucket = CALLERS_BUCKET.get()
    if bucket is not None:
        bucket.spend(lines)


def retry_after(wait_s: float) -> int:
    """Whole seconds for the header of that name."""
    return max(1, math.ceil(wait_s))
