"""What a caller hears of an error: one sentence, the field at fault, and nothing of any text."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from traceback import format_tb

from gounmal.errors import DeadlineExceeded, InvalidMessage, Overloaded, ScoringFailed
from gounmal.online.bodies import Refused

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fault:
    """What came of a request that came to nothing."""

    status: int
    """Of the answer over HTTP."""
    message: str
    field: str | None = None
    retry_after_s: float | None = None
    """When to try again, where that will help."""


def explain(error: Exception, *, whole: str, door: str) -> Fault:
    """An error → what the caller hears; one that nobody foresaw is logged, without its text.

    Args:
        error: whatever was raised.
        whole: what to call that which was read, such as `body`.
        door: path of the endpoint, for the log.
    """
    match error:
        case InvalidMessage():
            return Fault(400, error.expected, error.field)
        case Refused():
            return Fault(error.status, error.message, whole)
        case Overloaded():
            return Fault(429, "too much is waiting", retry_after_s=error.retry_after_s)
        case ScoringFailed():
            return Fault(503, "this could not be scored: try again")
        case DeadlineExceeded():
            return Fault(504, "the deadline passed before this was judged")
        case _:
            where = "".join(format_tb(error.__traceback__))
            logger.error("%s on %s\n%s", type(error).__name__, door, where)
            return Fault(500, "a bug: see the server's log")
