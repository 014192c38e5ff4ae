"""Counting and sampling a stream of any length in bounded memory, with the error known.

All of it can be merged: what is kept depends on what was seen, not on chance or order alone.
"""

from __future__ import annotations

import heapq
from collections import Counter
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

K = TypeVar("K")
V = TypeVar("V")


class Frequent(Generic[K]):
    """The most frequent keys of a stream, after Misra and Gries.

    Up to `capacity` different keys the counts are exact. Beyond, a count may be too low, never too
    high, by at most `error`, which is at most (sum of all counts) / `capacity`.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.counts: Counter[K] = Counter()
        self.error = 0

    def add(self, key: K, count: int = 1) -> None:
        """Count a key; others may be forgotten for it."""
        self.counts[key] += count
        if len(self.counts) >= 2 * self.capacity:  # in batches: the cost per key stays constant
            self._forget()

    def merge(self, counts: Mapping[K, int], error: int) -> None:
        """Add what another one counted; the errors add up, and stay within the same bound.

        After Agarwal et al., Mergeable Summaries (2012).
        """
        self.counts.update(counts)
        self.error += error
        if len(self.counts) >= 2 * self.capacity:
            self._forget()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, for `merge_dict`."""
        return {"error": self.error, "counts": list(self.counts.items())}

    def merge_dict(self, content: Mapping[str, Any], key: Callable[[Any], K]) -> None:
        """Add what another one's `to_dict` said; `key` makes a key of its JSON form."""
        self.merge({key(raw): count for raw, count in content["counts"]}, content["error"])

    def top(self, number: int) -> list[tuple[K, int]]:
        """The most frequent keys with their counts; ties in the order of the keys' text."""
        ranked = sorted(self.counts.items(), key=lambda item: (-item[1], str(item[0])))
        return ranked[:number]

    def _forget(self) -> None:
        cut = sorted(self.counts.values(), reverse=True)[self.capacity]
        self.error += cut
        self.counts = Counter({k: n - cut for k, n in self.counts.items() if n > cut})


class Smallest(Generic[V]):
    """The `size` entries with the smallest ranks; one entry for each rank.

    With a hash for a rank, this is a uniform sample of the distinct entries.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._heap: list[tuple[float, int]] = []
        self._kept: dict[tuple[float, int], V] = {}

    def wants(self, rank: tuple[float, int]) -> bool:
        """Would an entry of this rank be kept?"""
        if rank in self._kept:
            return False
        return len(self._heap) < self.size or rank < self._largest()

    def add(self, rank: tuple[float, int], value: V) -> None:
        """Offer an entry."""
        if not self.wants(rank):
            return
        self._kept[rank] = value
        item = (-rank[0], -rank[1])
        if len(self._heap) < self.size:
            heapq.heappush(self._heap, item)
        else:
            gone = heapq.heappushpop(self._heap, item)
            del self._kept[-gone[0], -gone[1]]

    def values(self) -> list[V]:
        """What was kept, smallest rank first."""
        return [self._kept[rank] for rank in sorted(self._kept)]

    def items(self) -> list[tuple[tuple[float, int], V]]:
        """The same with their ranks."""
        return sorted(self._kept.items(), key=lambda item: item[0])

    def _largest(self) -> tuple[float, int]:
        return -self._heap[0][0], -self._heap[0][1]
