"""Messages over time, in as many buckets as a reader can use, however long the file is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gounmal.files.times import Clock, as_datetime, parse_time
from gounmal.report.items import Bucket, Peak, Timeline

if TYPE_CHECKING:
    from collections.abc import Mapping

MINUTE = 60
MAX_BUCKETS = 2_880
"""Two days of minutes; a longer file gets wider buckets."""
PEAKS = 5


class Times:
    """Messages and flagged messages over time."""

    def __init__(self, clock: Clock | None = None) -> None:
        """Empty.

        Args:
            clock: times of the other one are not counted; by default the first time decides.
        """
        self.clock = clock
        self.width = MINUTE
        self.first = self.last = 0.0
        self.unread = 0
        self._cells: dict[int, list[int]] = {}

    def add(self, value: Any, *, messages: int = 1, flagged: int = 0) -> float | None:
        """Count messages of one time, so many of them flagged.

        Returns:
            The time in seconds, None where it cannot be read.
        """
        instant = parse_time(value)
        if instant is None or instant.clock is not (self.clock or instant.clock):
            self.unread += messages
            return None
        self.clock = instant.clock
        seconds = instant.seconds
        self._extend(seconds, seconds)
        self._count(int(seconds // self.width), messages, flagged)
        return seconds

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, for `merge_dict`."""
        cells = [(i, *cell) for i, cell in self._cells.items()]
        names = ("clock", "width", "first", "last", "unread")
        return {**{name: getattr(self, name) for name in names}, "cells": cells}

    def merge_dict(self, content: Mapping[str, Any]) -> None:
        """Add what another one's `to_dict` said."""
        self.unread += content["unread"]
        cells = content["cells"]
        if not cells:
            return
        clock = Clock(content["clock"])
        if clock is not (self.clock or clock):
            self.unread += sum(messages for _, messages, _ in cells)
            return
        self.clock = clock
        while self.width < content["width"]:
            self._widen()
        self._extend(content["first"], content["last"])
        for i, messages, flagged in cells:
            self._count(i * content["width"] // self.width, messages, flagged)

    def offset(self, seconds: float | None) -> float | None:
        """The same counted from the first bucket."""
        if seconds is None or not self._cells:
            return None
        return seconds - min(self._cells) * self.width

    def cell(self, offset: float) -> int:
        """The number of the bucket that begins at this offset: what its seconds // `width` give."""
        return min(self._cells) + int(offset // self.width)

    def timeline(self) -> Timeline | None:
        """What was counted; None where there was nothing to count."""
        if self.clock is None or not self._cells:
            return None
        begin = min(self._cells)
        buckets = [
            Bucket(float((i - begin) * self.width), *cell)
            for i, cell in sorted(self._cells.items())
        ]
        return Timeline(
            clock=self.clock.value,
            start=(
                as_datetime(self.first).isoformat(timespec="seconds")
                if self.clock is Clock.DATETIME
                else f"{self.first:g}"
            ),
            duration_s=self.last - self.first,
            bucket_s=self.width,
            buckets=buckets,
            peaks=_peaks(buckets, self.width),
        )

    def _extend(self, first: float, last: float) -> None:
        if not self._cells:
            self.first, self.last = first, last
        self.first, self.last = min(self.first, first), max(self.last, last)

    def _count(self, i: int, messages: int, flagged: int) -> None:
        cell = self._cells.setdefault(i, [0, 0])
        cell[0] += messages
        cell[1] += flagged
        while len(self._cells) > MAX_BUCKETS:
            self._widen()

    def _widen(self) -> None:
        self.width *= 2
        narrow, self._cells = self._cells, {}
        for i, (messages, flagged) in narrow.items():
            cell = self._cells.setdefault(i // 2, [0, 0])
            cell[0] += messages
            cell[1] += flagged


def _peaks(buckets: list[Bucket], width: int) -> list[Peak]:
    peaks: list[Peak] = []
    for bucket in sorted(buckets, key=lambda b: (-b.flagged, b.offset_s)):
        if len(peaks) == PEAKS or not bucket.flagged:
            break
        if all(abs(bucket.offset_s - peak.offset_s) > width for peak in peaks):
            peaks.append(Peak(bucket.offset_s, bucket.messages, bucket.flagged))
    return peaks
