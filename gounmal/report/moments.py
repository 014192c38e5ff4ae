"""What was said at each moment: a few lines of every bucket of the timeline, for its peaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gounmal.report.queues import Seen
from gounmal.report.sketch import Smallest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

SHOWN = {True: 5, False: 3}
"""Lines of a bucket: flagged ones, and others beside them."""


class Moments:
    """Masked lines of each bucket: those with the smallest ranks, see `draw`."""

    def __init__(self, width: int) -> None:
        """Empty.

        Args:
            width: of a bucket, in seconds.
        """
        self.width = width
        self._cells: dict[tuple[int, bool], Smallest[Seen]] = {}

    def wants(self, cell: int, rank: int, *, flagged: bool) -> bool:
        """Would a line of this bucket and rank be kept?"""
        kept = self._cells.get((cell, flagged))
        return kept is None or kept.wants((0.0, rank))

    def add(self, cell: int, rank: int, seen: Seen, *, flagged: bool) -> None:
        """Offer a line of a bucket."""
        key = cell, flagged
        if key not in self._cells:
            self._cells[key] = Smallest(SHOWN[flagged])
        self._cells[key].add((0.0, rank), seen)

    def widen(self, width: int) -> None:
        """Go on with buckets of this width: twice what it was, four times, and so on."""
        if width == self.width:
            return
        narrow, self._cells = self._cells, {}
        times = width // self.width
        self.width = width
        for (cell, flagged), kept in narrow.items():
            for (_, rank), seen in kept.items():
                self.add(cell // times, rank, seen, flagged=flagged)

    def lines(self, cell: int) -> list[Seen]:
        """What was said in a bucket, by time."""
        both = (self._cells.get((cell, flagged)) for flagged in SHOWN)
        kept = [seen for some in both if some is not None for seen in some.values()]
        return sorted(kept, key=lambda seen: (seen.seconds or 0.0, seen.place))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, for `merge_dict`."""
        cells = [
            (cell, flagged, [(rank, *seen) for (_, rank), seen in kept.items()])
            for (cell, flagged), kept in self._cells.items()
        ]
        return {"width": self.width, "cells": cells}

    def merge_dict(self, content: Mapping[str, Any], *, file: int, rows: int) -> None:
        """Add what another one's `to_dict` said of the rows after so many of this input.

        Its buckets are at most as wide as these.
        """
        for cell, flagged, kept in content["cells"]:
            for rank, *raw in kept:
                seen = Seen(*raw)
                seen = seen._replace(file=file, row=rows + seen.row)
                self.add(cell * content["width"] // self.width, rank, seen, flagged=flagged)
