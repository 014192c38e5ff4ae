"""The adaptive-batching runner: many waiting items → few calls of one function.

The event loop puts work into an inbox; one thread takes what has gathered there, calls the function
for as many items as make one batch, and hands the outcomes back. The thread never waits while there
is work, so a lone item goes at once, and batches grow by themselves while the function is busy.
Each side keeps its own state and the inbox is all that they share: there is no lock.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from gounmal.batches import Item, Unit, Waiting
from gounmal.errors import Overloaded, ScoringFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
R = TypeVar("R")

logger = logging.getLogger(__name__)


class Runner(Generic[T, R]):
    """Runs one function, in batches, for many callers. Make and use it on one event loop.

    Args:
        score: items → outcomes, one each, in order; called on the runner's thread.
        cost: of one item, such as its tokens; at least 1.
        max_batch_cost: longest item × items of one call, unless one item alone costs more.
        max_queue_cost: with this much waiting or running, new work is refused.
        max_padding: longest item × items over the sum of their costs, at most.
    """

    def __init__(
        self,
        score: Callable[[list[T]], Sequence[R]],
        *,
        cost: Callable[[T], int],
        max_batch_cost: int,
        max_queue_cost: int,
        max_padding: float = 1.2,
    ) -> None:
        self._score = score
        self._cost = cost
        self._max_queue_cost = max_queue_cost
        self._waiting: Waiting[T, R] = Waiting(max_cost=max_batch_cost, max_padding=max_padding)
        self._loop = asyncio.get_running_loop()
        self._inbox: SimpleQueue[list[Item[T, R]] | None] = SimpleQueue()
        self._accepted: set[asyncio.Future[list[R]]] = set()
        self._accepted_cost = 0
        self._seconds_per_cost = 0.0
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="gounmal-runner", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Can it still answer?"""
        return self._thread.is_alive()

    def submit(self, items: Sequence[T], *, admitted: bool = False) -> asyncio.Future[list[R]]:
        """Have items scored: a future of one outcome for each, in order.

        Cancel the future when the caller leaves: what has not been scored by then never will be.

        Args:
            items: answered as a unit, though not always scored in one batch.
            admitted: a further part of work that was accepted before, so not to be refused.

        Raises:
            Overloaded: too much is waiting already, or the runner is closing; at once.
            ScoringFailed: (from the future) the function failed on at least one of these items.
        """
        if not admitted and (self._closing or self._accepted_cost >= self._max_queue_cost):
            raise Overloaded(self._accepted_cost * self._seconds_per_cost)
        future: asyncio.Future[list[R]] = self._loop.create_future()
        if not items:
            future.set_result([])
            return future
        unit: Unit[R] = Unit(future, len(items))
        entries = [Item(item, self._cost(item), unit, i) for i, item in enumerate(items)]
        cost = sum(entry.cost for entry in entries)
        self._accepted.add(future)
        self._accepted_cost += cost

        def leave(_: Any) -> None:
            self._accepted.discard(future)
            self._accepted_cost -= cost

        future.add_done_callback(leave)
        self._inbox.put(entries)
        return future

    async def close(self) -> None:
        """Refuse new work, answer all that was accepted, stop the thread."""
        self._closing = True
        while self._accepted:
            await asyncio.wait(self._accepted)
        self._inbox.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        """Of the thread: batch after batch until `close`."""
        while True:
            # Wait only with nothing to do; otherwise take along whatever has come in meanwhile.
            while not self._waiting or not self._inbox.empty():
                entries = self._inbox.get()
                if entries is None:
                    return
                self._waiting.add(entries)
            if batch := self._waiting.take():
                start = time.perf_counter()
                outcomes = self._outcomes([item.value for item in batch])
                pace = (time.perf_counter() - start) / sum(item.cost for item in batch)
                self._seconds_per_cost += 0.1 * (pace - self._seconds_per_cost)
                if failures := [o for o in outcomes if isinstance(o, ScoringFailed)]:
                    logger.warning("%d of %d failed: %s", len(failures), len(batch), failures[0])
                self._loop.call_soon_threadsafe(_settle, batch, outcomes)

    def _outcomes(self, values: list[T]) -> list[R | ScoringFailed]:
        """Score a batch; where that fails, its halves, so that only what is bad itself fails."""
        try:
            outcomes = list(self._score(values))
        except Exception as error:  # noqa: BLE001  (whatever it is, it ends here: callers must hear)
            # Of a foreign error only the type: its text may quote the message's.
            foreign = ScoringFailed(f"the engine raised {type(error).__name__}")
            failure = error if isinstance(error, ScoringFailed) else foreign
        else:
            if len(outcomes) == len(values):
                return [*outcomes]
            failure = ScoringFailed(f"{len(values)} items in, {len(outcomes)} out")
        if len(values) == 1:
            return [failure]
        middle = len(values) // 2
        return [*self._outcomes(values[:middle]), *self._outcomes(values[middle:])]


def _settle(batch: list[Item[T, R]], outcomes: list[R | ScoringFailed]) -> None:
    """Of the loop: note the outcomes, answer the units that are complete."""
    for item, outcome in zip(batch, outcomes, strict=True):
        unit = item.unit
        unit.missing -= 1
        if isinstance(outcome, ScoringFailed):
            unit.failure = outcome
        else:
            unit.results[item.position] = outcome
        if unit.missing or unit.future.done():
            continue
        if unit.failure:
            unit.future.set_exception(unit.failure)
        else:
            unit.future.set_result([unit.results[i] for i in range(len(unit.results))])
