"""Who waits, and who goes into the next batch: oldest first, live before bulk.

What is live (a line that somebody is about to see) never stands behind what is bulk (a long list),
and bulk gets a quarter of each batch, so neither waits for ever. The same thing asked twice waits
once: whoever asks for what waits already is answered with it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from gounmal.errors import DeadlineExceeded

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Hashable

T = TypeVar("T")
R = TypeVar("R")

BULK_SHARE = 0.25
"""Of a batch's cost, for bulk, while live work waits too."""


@dataclass(slots=True, eq=False)
class Unit(Generic[R]):
    """What one caller submitted: answered as a whole."""

    future: asyncio.Future[list[R]]
    missing: int
    """Items that have no outcome yet."""
    results: list[R | None]
    deadline: float | None
    """On the loop's clock."""


@dataclass(slots=True, eq=False)
class Entry(Generic[T, R]):
    """One item that waits, and those who want its outcome."""

    value: T
    key: Hashable
    cost: int
    since: float
    """When it began to wait, on the loop's clock."""
    claims: list[tuple[Unit[R], int]]
    """Units, and the item's position in each."""
    bulk: bool
    taken: bool = False

    def wanted(self, now: float) -> bool:
        """Does anybody still wait for it? Who does so past the deadline hears of that here."""
        claims = []
        for claim in self.claims:
            unit = claim[0]
            if unit.future.done():
                continue
            if unit.deadline is not None and unit.deadline <= now:
                unit.future.set_exception(DeadlineExceeded("its deadline passed while it waited"))
            else:
                claims.append(claim)
        self.claims = claims
        return bool(claims)


@dataclass(slots=True)
class Waiting(Generic[T, R]):
    """Everything that waits, live and bulk."""

    live: deque[Entry[T, R]] = field(default_factory=deque)
    bulk: deque[Entry[T, R]] = field(default_factory=deque)
    live_cost: int = 0
    bulk_cost: int = 0

    def __len__(self) -> int:
        return len(self.live) + len(self.bulk)

    @property
    def cost(self) -> int:
        """Of everything."""
        return self.live_cost + self.bulk_cost

    def add(self, entry: Entry[T, R]) -> None:
        """Put an entry at the end of its queue."""
        if entry.bulk:
            self.bulk.append(entry)
            self.bulk_cost += entry.cost
        else:
            self.live.append(entry)
            self.live_cost += entry.cost

    def promote(self, entry: Entry[T, R]) -> None:
        """Let what waits as bulk wait as live, since somebody live wants it too."""
        if entry.bulk and not entry.taken:
            # It stays in the other queue as well, to be passed over there.
            entry.bulk = False
            self.bulk_cost -= entry.cost
            self.add(entry)

    def take(self, limit: float, now: float) -> tuple[list[Entry[T, R]], list[Entry[T, R]]]:
        """Remove the next batch, and those whom nobody wants any more.

        Args:
            limit: of the batch's cost, unless one entry alone costs more.
            now: on the loop's clock.

        Returns:
            The batch, and what was dropped.
        """
        batch: list[Entry[T, R]] = []
        dropped: list[Entry[T, R]] = []
        room = limit
        for queue, kept in ((self.live, BULK_SHARE * limit if self.bulk else 0), (self.bulk, 0)):
            while queue:
                entry = queue[0]
                if entry.taken:  # it was promoted, and went with the live ones
                    queue.popleft()
                    continue
                wanted = entry.wanted(now)
                if wanted and batch and entry.cost > room - kept:
                    break
                self._leave(queue)
                if wanted:
                    room -= entry.cost
                    batch.append(entry)
                else:
                    dropped.append(entry)
        return batch, dropped

    def _leave(self, queue: deque[Entry[T, R]]) -> None:
        entry = queue.popleft()
        entry.taken = True
        if entry.bulk:
            self.bulk_cost -= entry.cost
        else:
            self.live_cost -= entry.cost
