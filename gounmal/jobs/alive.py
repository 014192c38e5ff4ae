"""Workers that are no more: what they were at is given to others.

DBOS gives a worker back its own unfinished work when that worker starts again. One that never does
is noticed here: every worker counts in the database, and whose count stands still is gone. No
clocks are compared. A worker that was only slow has its shard judged twice, to the same files.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from dbos import DBOS
from sqlalchemy.exc import SQLAlchemyError

from gounmal.errors import JobsUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gounmal.jobs.progress import ProgressTables

logger = logging.getLogger(__name__)

BEATS_WITHIN = 6
"""Counts within the time after which a worker is given up."""


class Watch:
    """Decides who is gone.

    Args:
        own: the executor that looks.
        lost_after_s: for how long a count stands still.
    """

    def __init__(self, own: str, *, lost_after_s: float) -> None:
        self._own = own
        self._lost_after_s = lost_after_s
        self._seen: dict[str, tuple[int, float]] = {}

    def gone(self, beats: dict[str, int], now: float) -> list[str]:
        """Executors whose count has stood still for too long.

        Args:
            beats: counts, by executor.
            now: monotonic seconds.
        """
        seen = {}
        for executor, beat in beats.items():
            before = self._seen.get(executor)
            seen[executor] = before if before and before[0] == beat else (beat, now)
        self._seen = seen
        return [
            executor
            for executor, (_, since) in seen.items()
            if executor != self._own and now - since >= self._lost_after_s
        ]


class Alive:
    """Counts for one worker and watches the others, in a thread of its own.

    Args:
        own: this executor.
        progress: where the counts are.
        lost_after_s: for how long a count stands still.
        also: something else to be done from time to time.
    """

    def __init__(
        self,
        own: str,
        progress: ProgressTables,
        *,
        lost_after_s: float,
        also: Callable[[], None] = lambda: None,
    ) -> None:
        self._own = own
        self._progress = progress
        self._watch = Watch(own, lost_after_s=lost_after_s)
        self._every_s = lost_after_s / BEATS_WITHIN
        self._also = also
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alive", daemon=True)

    def start(self) -> None:
        """Count from now on; before the worker takes anything on."""
        self._progress.beat(self._own)
        self._thread.start()

    def stop(self) -> None:
        """Count no more; what this worker is at goes back to its queue at once.

        The process must end now. Should it take something on before, the others notice in time.
        """
        self._stop.set()
        self._thread.join(timeout=5)
        hand_back([self._own])

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                self._progress.beat(self._own)
                if gone := self._watch.gone(self._progress.beats(), time.monotonic()):
                    hand_back(gone)
                    self._progress.gone(gone)
                self._also()
            except (SQLAlchemyError, JobsUnavailable, OSError) as error:
                # It may quote the database's URL.
                logger.warning("cannot look after jobs: %s", type(error).__name__)


def hand_back(executors: Iterable[str]) -> None:
    """Put what these executors had begun back on its queue, for whoever comes first."""
    for executor in executors:
        # Private, for with DBOS a server of theirs does this; the version is pinned. Work that a
        # living executor has taken on meanwhile is left alone.
        handles = DBOS._recover_pending_workflows([executor])  # noqa: SLF001
        if handles:
            logger.warning("worker %s is gone: %d steps given to others", executor, len(handles))
