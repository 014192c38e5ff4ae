"""Which of the waiting items make the next batch: the oldest, and those most like it in cost.

Alike lengths together keep the padding small; the oldest first keeps anybody from waiting for ever.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable

    from gounmal.errors import ScoringFailed

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True, eq=False)
class Unit(Generic[R]):
    """What one caller submitted: answered as a whole."""

    future: asyncio.Future[list[R]]
    missing: int
    """Items that have no outcome yet."""
    results: dict[int, R] = field(default_factory=dict)
    failure: ScoringFailed | None = None


@dataclass(slots=True, eq=False)
class Item(Generic[T, R]):
    """One of a unit's items."""

    value: T
    cost: int
    unit: Unit[R]
    position: int
    gone: bool = False
    """Taken into a batch, or dropped because its caller has left."""


class Waiting(Generic[T, R]):
    """What waits, in order of arrival and in order of cost.

    Args:
        max_cost: longest item × items of one batch, unless one item alone costs more.
        max_padding: longest item × items over the sum of their costs, at most.
    """

    def __init__(self, *, max_cost: int, max_padding: float) -> None:
        self._max_cost = max_cost
        self._max_padding = max_padding
        self._arrived: deque[Item[T, R]] = deque()
        self._by_cost: list[Item[T, R]] = []

    def __len__(self) -> int:
        return len(self._by_cost)

    def add(self, items: Iterable[Item[T, R]]) -> None:
        """Put items at the end of the queue."""
        self._arrived.extend(items)
        self._by_cost.extend(items)

    def take(self) -> list[Item[T, R]]:
        """Remove and return the next batch; empty if every caller has left."""
        waiting = []
        for item in self._by_cost:
            # Asked once for each item, because the answer may change meanwhile.
            if item.unit.future.cancelled():
                item.gone = True
            else:
                waiting.append(item)
        waiting.sort(key=attrgetter("cost"))
        while self._arrived and self._arrived[0].gone:
            self._arrived.popleft()
        low, high = self._alike(waiting, self._arrived[0]) if waiting else (0, 0)
        self._by_cost = waiting[:low] + waiting[high:]
        for item in waiting[low:high]:
            item.gone = True
        return waiting[low:high]

    def _alike(self, waiting: list[Item[T, R]], oldest: Item[T, R]) -> tuple[int, int]:
        """The stretch `[low, high)` of `waiting` around `oldest` that makes one good batch."""
        low = waiting.index(oldest)
        high, real = low + 1, oldest.cost
        while True:
            longest = waiting[high - 1].cost
            down = waiting[low - 1].cost if low else 0
            up = waiting[high].cost if high < len(waiting) else 0
            # Shorter items first: they fit under the longest without widening the others.
            if down and self._fits(longest, real + down, high - low + 1):
                low, real = low - 1, real + down
            elif up and self._fits(up, real + up, high - low + 1):
                high, real = high + 1, real + up
            else:
                return low, high

    def _fits(self, longest: int, real: int, count: int) -> bool:
        padded = longest * count
        return padded <= self._max_cost and padded <= self._max_padding * real
