"""What was found in the texts before: of most of them a row of numbers, in one table."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from gounmal.screening import Screened

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence


class Memory:
    """What was found in the last texts that were judged or came again.

    Args:
        size: how many at most.
    """

    def __init__(self, size: int) -> None:
        self._slots: OrderedDict[Hashable, int] = OrderedDict()
        self._free = list(range(size))
        self._kept = Screened.blank(size)

    def __len__(self) -> int:
        return len(self._slots)

    def recall(self, keys: Mapping[int, Hashable], into: Screened) -> list[int]:
        """Write down what is known of keys, each at its place; gives the places of the others."""
        known: dict[int, int] = {}
        unknown: list[int] = []
        for place, key in keys.items():
            slot = self._slots.get(key)
            if slot is None:
                unknown.append(place)
            else:
                self._slots.move_to_end(key)
                known[place] = slot
        into.put(list(known), self._kept.take(list(known.values())))
        return unknown

    def remember(self, keys: Sequence[Hashable], found: Screened) -> None:
        """Keep what was found in these, which were unknown, in place of what came last long ago."""
        first = len(keys) - len(self._free) - len(self._slots)
        if first > 0:  # there is no room for more of them
            keys, found = keys[first:], found.take(range(first, len(keys)))
        slots = []
        for key in keys:
            slot = self._free.pop() if self._free else self._slots.popitem(last=False)[1]
            self._slots[key] = slot
            slots.append(slot)
        self._kept.put(slots, found)
