"""Messages over time, in as many buckets as a reader can use, however long the file is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gounmal.summary import Bucket, Timeline
from gounmal.times import Clock, as_datetime, parse_time

if TYPE_CHECKING:
    from gounmal.times import Instant

MINUTE = 60
MAX_BUCKETS = 2_880
"""Two days of minutes; a longer file gets wider buckets."""
PEAKS = 5


class Times:
    """Messages and flagged messages over time."""

    def __init__(self) -> None:
        self.clock: Clock | None = None
        self.width = MINUTE
        self.first = self.last = 0.0
        self.unread = 0
        self._cells: dict[int, list[int]] = {}

    def add(self, value: Any, *, flagged: bool) -> float | None:
        """Count a message; returns its time in seconds, None where it cannot be read."""
        instant = parse_time(value)
        if instant is None or not self._fits(instant):
            self.unread += 1
            return None
        seconds = instant.seconds
        self.first, self.last = min(self.first, seconds), max(self.last, seconds)
        cell = self._cells.setdefault(int(seconds // self.width), [0, 0])
        cell[0] += 1
        cell[1] += flagged
        if len(self._cells) > MAX_BUCKETS:
            self._widen()
        return seconds

    def offset(self, seconds: float | None) -> float | None:
        """The same counted from the first bucket."""
        return None if seconds is None else seconds - min(self._cells) * self.width

    def timeline(self) -> Timeline | None:
        """What was counted; None where there was nothing to count."""
        if self.clock is None:
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

    def _fits(self, instant: Instant) -> bool:
        if self.clock is None:
            self.clock = instant.clock
            self.first = self.last = instant.seconds
        return instant.clock is self.clock

    def _widen(self) -> None:
        self.width *= 2
        narrow, self._cells = self._cells, {}
        for i, (messages, flagged) in narrow.items():
            cell = self._cells.setdefault(i // 2, [0, 0])
            cell[0] += messages
            cell[1] += flagged


def _peaks(buckets: list[Bucket], width: int) -> list[Bucket]:
    peaks: list[Bucket] = []
    for bucket in sorted(buckets, key=lambda b: (-b.flagged, b.offset_s)):
        if len(peaks) == PEAKS or not bucket.flagged:
            break
        if all(abs(bucket.offset_s - peak.offset_s) > width for peak in peaks):
            peaks.append(bucket)
    return peaks
