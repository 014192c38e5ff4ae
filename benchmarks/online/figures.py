"""A run → figures: percentiles of latency, and what became of each request."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Check = Callable[[int, bytes], bool]
    """Is this body the right answer to the request of this number?"""

SHED = (429, 503)
"""The server said that it would not: it has too much to do."""


@dataclass(frozen=True, slots=True)
class Run:
    """What became of requests, in the order in which they were due."""

    due: NDArray[np.float64]
    """Seconds after the start at which each was meant to be sent."""
    sent: NDArray[np.float64]
    """At which it was; NaN where it was not."""
    done: NDArray[np.float64]
    """At which its answer was complete; NaN where it had none."""
    status: NDArray[np.int16]
    """Of its answer; 0 where it had none."""
    bodies: list[bytes]
    seconds: float
    """From the start to the end of the last answer or to the end of the time given."""
    aborted: bool
    """Ended early, because requests were waiting for too long."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Of answered requests, in milliseconds."""

    mean: float
    p50: float
    p90: float
    p99: float
    count: int

    @classmethod
    def of(cls, seconds: NDArray[np.float64]) -> Latency | None:
        """A percentile is the least value that so many are not above: one that was measured."""
        if not len(seconds):
            return None
        cuts = np.quantile(seconds, (0.5, 0.9, 0.99), method="inverted_cdf")
        mean, p50, p90, p99 = (round(1e3 * float(v), 3) for v in (seconds.mean(), *cuts))
        return cls(mean, p50, p90, p99, len(seconds))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the requests of one run."""

    sent: int
    accepted: int
    """Answered with 200."""
    shed: int
    lost: int
    """No answer, or one that says neither yes nor no."""
    wrong: int
    """Accepted, but not the right answer."""
    latency: Latency | None
    """Of those that were accepted."""

    @property
    def clean(self) -> bool:
        """Was every request answered, and rightly?"""
        return self.accepted == self.sent and not self.wrong

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return asdict(self)


def outcome(run: Run, check: Check, *, since: float = 0, closed: bool = False) -> Outcome:
    """Figures of a run.

    Args:
        run: what was measured.
        check: every accepted answer is held up to it.
        since: latency only of what was due from this time on; the rest was warm-up.
        closed: latency is from sending; nothing was due at a time, and what is unsent or was
            unanswered when time was up is no loss.
    """
    answered = run.status > 0
    accepted = run.status == 200
    shed = np.isin(run.status, SHED)
    wrong = sum(not check(int(i), run.bodies[i]) for i in np.flatnonzero(accepted))
    timed = accepted & (run.due >= since)
    begun = run.sent if closed else run.due
    sent = int(answered.sum()) if closed else len(run.due)
    return Outcome(
        sent=sent,
        accepted=int(accepted.sum()),
        shed=int(shed.sum()),
        lost=sent - int((accepted | shed).sum()),
        wrong=wrong,
        latency=Latency.of((run.done - begun)[timed]),
    )
