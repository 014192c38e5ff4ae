"""The adaptive-batching runner: many waiting items → few calls of one function.

Items wait in the event loop's own memory. As soon as the loop has read what has come in, it takes
as many as make one batch and calls the function; meanwhile more come in. So a lone item never waits
for company, the engine never idles while an item waits, and batches grow by themselves under load
(docs/decisions/0034 has what "has read" means).

A function is called on a thread of its own until `on_loop` says that it is short: handing a batch
to a thread and back then costs more than the call (docs/decisions/0013). A coroutine function only
waits for somebody else's work: it is awaited.
"""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from gounmal.errors import Overloaded, ScoringFailed
from gounmal.online.batches import BULK_SHARE, Entry, Unit, Waiting
from gounmal.online.rounds import Reading, Rounds
from gounmal.online.telemetry import Recorder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Sequence

T = TypeVar("T")
R = TypeVar("R")

BATCH_S = 0.008
"""Two batches fit into the 20 ms that a live line may take, so long as 8 ms make one."""

MIN_BATCH_COST = 256
"""However slow the engine, so much may go together: alone it would be slower still."""

WAIT_S = 0.03
"""Live work that would have to wait longer is refused: better an early no than a late yes."""

BULK_WAIT_S = 0.5
"""The same for bulk."""

MAX_TURN_S = 0.05
"""For so long batches are run one after the other at most, before the event loop has its turn."""

FLOOD = 80
"""More callers than so many in one turn of the loop."""

logger = logging.getLogger(__name__)


class Runner(Generic[T, R]):
    """Runs one function, in batches, for many callers. Make and use it on one event loop.

    Args:
        run: items → outcomes, one each, in order. Where it raises, the items are run again in
            halves, so that only what is bad itself fails. A coroutine function says that by itself,
            with a `ScoringFailed` as the outcome; where it raises, all of them have failed.
        cost: of one item, such as its tokens; at least 1.
        max_batch_cost: of the items of one call, unless one item alone costs more.
        max_queue_cost: with this much waiting, new work is refused.
        min_queue: with no more callers than this at once, no more items waiting, and no more than
            four batches of them, it is not, whatever the estimate.
        batch_s: seconds that one call should take at most, `MIN_BATCH_COST` in any case.
        wait_s: estimated seconds beyond which live work is refused.
        recorder: told what happens.

    Attributes:
        on_loop: is the function called on the event loop, from the next batch on?
    """

    def __init__(  # noqa: PLR0913  (limits, each named)
        self,
        run: Callable[[list[T]], Sequence[R] | Awaitable[Sequence[R | ScoringFailed]]],
        *,
        cost: Callable[[T], int],
        max_batch_cost: int,
        max_queue_cost: int,
        min_queue: int = 0,
        batch_s: float = BATCH_S,
        wait_s: float = WAIT_S,
        recorder: Recorder | None = None,
    ) -> None:
        self.on_loop = False
        self.recorder = recorder or Recorder()
        self._run: Callable[[list[T]], Any] = run
        self._awaits = iscoroutinefunction(run)
        self._cost = cost
        self._max_batch_cost = max_batch_cost
        self._max_queue_cost = max_queue_cost
        self._min_queue = min_queue
        self._batch_s = batch_s
        self._wait_s = wait_s
        self._waiting: Waiting[T, R] = Waiting()
        self._open: dict[Hashable, Entry[T, R]] = {}
        self._running: list[Entry[T, R]] = []
        self._due = False
        self._seconds_per_cost = 0.0
        self._batch_seconds = 0.0
        self._left = time.monotonic()
        self._stretch = 1.0
        self._loop = asyncio.get_running_loop()
        self._rounds = Rounds(self._loop)
        self._reading = Reading()
        self._in_company = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gounmal-runner")
        self._closing = False
        self._drained: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        """Items that have no outcome yet."""
        return len(self._waiting) + len(self._running)

    @property
    def alive(self) -> bool:
        """Does it still take work?"""
        return not self._closing

    @property
    def batch_seconds(self) -> float:
        """What a full batch has taken lately."""
        return self._batch_seconds

    def submit(
        self,
        items: Sequence[T],
        *,
        keys: Sequence[Hashable] | None = None,
        deadline: float | None = None,
        bulk: bool = False,
    ) -> asyncio.Future[list[R]]:
        """Have items run: a future of one outcome for each, in order.

        Cancel the future when the caller leaves: what has not been run by then never will be,
        unless somebody else wants it too.

        Args:
            items: answered as a unit, though not always run in one batch.
            keys: of the items; what has the same key as something that has no outcome yet is not
                run again.
            deadline: seconds from now; an item whose turn has not come by then is not run.
            bulk: live work may go first.

        Raises:
            Overloaded: too much is waiting already, or the runner is closing; at once.
            ScoringFailed: (from the future) the function failed on at least one of these items.
            DeadlineExceeded: (from the future) the deadline has passed.
        """
        now = time.monotonic()
        wait = self._too_long(now, bulk=bulk)
        self._rounds.ask(now)
        if wait is not None:
            self.recorder.shed += len(items)
            raise Overloaded(wait)
        future: asyncio.Future[list[R]] = self._loop.create_future()
        if not items:
            future.set_result([])
            return future
        until = None if deadline is None else now + deadline
        unit: Unit[R] = Unit(future, len(items), [None] * len(items), until)
        for position, item in enumerate(items):
            key = keys[position] if keys else None
            entry = self._open.get(key) if key is not None else None
            if entry is not None:
                entry.claims.append((unit, position))
                if not bulk:
                    self._waiting.promote(entry)
                continue
            entry = Entry(item, key, self._cost(item), now, [(unit, position)], bulk)
            self._waiting.add(entry)
            if key is not None:
                self._open[key] = entry
        if not self._due:
            self._due = True
            self._left = now
            self._loop.call_soon(self._step)
        return future

    def overload(self) -> float | None:
        """Estimated seconds that live work which comes now would wait, if that is too long."""
        now = time.monotonic()
        wait = self._too_long(now, bulk=False)
        if wait is not None:
            self._rounds.ask(now)
        return wait

    def _too_long(self, now: float, *, bulk: bool) -> float | None:
        cost = self._waiting.cost
        wait = cost * self._seconds_per_cost if bulk else self._live_wait(now)
        limit = max(BULK_WAIT_S if bulk else self._wait_s, 2 * self._batch_seconds)
        crowd = max(len(self._waiting), self._rounds.crowd)
        short = crowd <= self._min_queue and cost <= 4 * self._max_batch_cost
        if (wait > limit and not short) or cost >= self._max_queue_cost or self._closing:
            return wait
        return None

    def _live_wait(self, now: float) -> float:
        """Estimated seconds until the turn of a live item that comes now."""
        waiting = self._waiting
        ahead = waiting.live_cost / (1 - BULK_SHARE if waiting.bulk else 1)
        wait = ahead * self._seconds_per_cost * self._stretch + self._rounds.lag(now)
        if waiting.live_cost > self._max_batch_cost:
            # The loop may be what is slow, not the engine: then the oldest has waited long already.
            wait = max(wait, now - waiting.live[0].since)
        return wait

    async def close(self) -> None:
        """Refuse new work, answer all that was accepted."""
        self._closing = True
        if self._due:
            self._drained = self._drained or self._loop.create_future()
            await self._drained
        self._thread.shutdown()

    def _step(self) -> None:
        """Give the engine its turn: on the event loop, for as long as the loop has just had.

        A flood of requests keeps the loop busy with reading and refusing. With one batch each time
        around, those that were accepted would wait for all of that again and again.
        """
        back = left = time.monotonic()
        if self._company_is_read(back):
            self._loop.call_soon(self._step)
            return
        self._reading = Reading()
        until = back + min(back - self._left, MAX_TURN_S)
        away = back - self._left
        while self._next():
            left = time.monotonic()
            if left >= until:
                self._stretch += 0.2 * (1 + away / (left - back) - self._stretch)
                self._loop.call_soon(self._step)
                break
        else:
            self._stretch = 1.0
        self._left = left

    def _company_is_read(self, now: float) -> bool:
        """Is more being read that will go along with what waits?"""
        waiting = self._waiting
        lone = len(waiting) == 1 and not self._in_company
        # In a flood batches are whole anyway, and reading on would keep the engine from them.
        flood = self._rounds.crowd > FLOOD
        if lone or flood or waiting.cost >= self._limit():
            return False
        return self._reading.goes_on(len(waiting), now - self._left)

    def _next(self) -> bool:
        """Run the next batch, or rest: can another follow at once?"""
        limit = self._limit()
        start = time.monotonic()
        self._running, dropped = self._waiting.take(limit, start)
        for entry in dropped:
            self._forget(entry)
        self.recorder.dropped += len(dropped)
        if not self._running:
            self._due = False
            if self._drained and not self._drained.done():
                self._drained.set_result(None)
            return False
        for entry in self._running:
            self.recorder.wait.add(start - entry.since)
        values = [entry.value for entry in self._running]
        if self.on_loop and not self._awaits:
            self._settle(self._outcomes(values), start, limit)
            return True
        running: asyncio.Future[list[R | ScoringFailed]] = (
            self._loop.create_task(self._awaited(values))
            if self._awaits
            else self._loop.run_in_executor(self._thread, self._outcomes, values)
        )

        def settle(done: asyncio.Future[list[R | ScoringFailed]]) -> None:
            self._settle(done.result(), start, limit)
            self._loop.call_soon(self._step)

        running.add_done_callback(settle)
        return False

    def _limit(self) -> float:
        """The cost of a batch that takes as long as one may."""
        if not self._seconds_per_cost:
            return self._max_batch_cost
        fitting = max(self._batch_s / self._seconds_per_cost, MIN_BATCH_COST)
        return min(fitting, self._max_batch_cost)

    def _settle(self, outcomes: list[R | ScoringFailed], start: float, limit: float) -> None:
        """Note the outcomes, answer the units that are complete."""
        seconds = time.monotonic() - start
        batch, self._running = self._running, []
        self._in_company = len(batch) > 1
        self._keep_pace(seconds, sum(entry.cost for entry in batch), limit)
        failures = 0
        for entry, outcome in zip(batch, outcomes, strict=True):
            self._forget(entry)
            failed = isinstance(outcome, ScoringFailed)
            failures += failed
            for unit, position in entry.claims:
                if unit.future.done():
                    continue
                if failed:
                    unit.future.set_exception(cast("ScoringFailed", outcome))
                    continue
                unit.results[position] = cast("R", outcome)
                unit.missing -= 1
                if not unit.missing:
                    unit.future.set_result(cast("list[R]", unit.results))
        if failures:
            self.recorder.failed += failures
            first = next(o for o in outcomes if isinstance(o, ScoringFailed))
            logger.warning("%d of %d failed: %s", failures, len(batch), first)

    def _keep_pace(self, seconds: float, cost: int, limit: float) -> None:
        # A small batch says little of the pace: most of its time is what any batch takes.
        if cost < limit / 4:
            return
        pace, known = seconds / cost, self._seconds_per_cost
        # Quick to believe that it is fast: a slow batch may be a machine that did something else.
        share = 1 if not known else 0.5 if pace < known else 0.05
        self._seconds_per_cost += share * (pace - known)
        self._batch_seconds += share * (seconds - self._batch_seconds)

    def _forget(self, entry: Entry[T, R]) -> None:
        if entry.key is not None:
            del self._open[entry.key]

    def _outcomes(self, values: list[T]) -> list[R | ScoringFailed]:
        """Run a batch; where that fails, its halves, so that only what is bad itself fails."""
        try:
            return self._counted(values, self._run(values))
        except Exception as error:  # noqa: BLE001  (whatever it is, it ends here: callers must hear)
            if len(values) == 1:
                return [_failure(error)]
        middle = len(values) // 2
        return [*self._outcomes(values[:middle]), *self._outcomes(values[middle:])]

    async def _awaited(self, values: list[T]) -> list[R | ScoringFailed]:
        """Have a batch run; where that fails, all of it has."""
        try:
            return self._counted(values, await self._run(values))
        except Exception as error:  # noqa: BLE001  (as above)
            return [_failure(error)] * len(values)

    @staticmethod
    def _counted(values: list[T], outcomes: Sequence[R]) -> list[R | ScoringFailed]:
        counted: list[R | ScoringFailed] = [*outcomes]
        if len(counted) != len(values):
            raise ScoringFailed(f"{len(values)} items in, {len(counted)} out")
        return counted


def _failure(error: Exception) -> ScoringFailed:
    """What callers hear: of a foreign error only the type, for its text may quote the message's."""
    if isinstance(error, ScoringFailed):
        return error
    return ScoringFailed(f"the engine raised {type(error).__name__}")
