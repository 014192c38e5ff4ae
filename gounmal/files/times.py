"""When a message was sent: the many ways in which files say so → seconds."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from gounmal.errors import InvalidInput


class Clock(StrEnum):
    """What a file's times count from."""

    DATETIME = "datetime"
    """The calendar: seconds since 1970, as the clock on the wall showed them."""
    OFFSET = "offset"
    """The beginning of the broadcast."""


@dataclass(frozen=True, slots=True)
class Instant:
    """A point on one of the clocks."""

    clock: Clock
    seconds: float


_OFFSET = re.compile(r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2}(?:\.\d+)?)")
_DATE = re.compile(r"(\d{4})\s*[-./년]\s*(\d{1,2})\s*[-./월]\s*(\d{1,2})\s*[일.]?[T,\s]*(.*)")
_KOREAN_TIME = re.compile(r"(오전|오후)\s*(\d{1,2})(:.*)")
_PLAUSIBLE = range(
    int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()),
    int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()),
)
_AGO = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_time(value: Any) -> Instant | None:
    """Read one time; None where it says nothing that we understand.

    Understood: ISO 8601 and its relatives (`2026-11-22 20:01`, `2026.11.22 오후 8:01`), seconds,
    milli- or microseconds since 1970, and offsets (`1:02:03`, `12:30`, or seconds). A time zone is
    noted and dropped: reports speak in the time of the file.
    """
    if isinstance(value, str):
        return _from_text(value.strip())
    if isinstance(value, datetime):
        return _from_datetime(value)
    if isinstance(value, timedelta):
        return Instant(Clock.OFFSET, value.total_seconds())
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _from_number(float(value))
    return None


def moment(text: str) -> float:
    """When `--since` means, in seconds since 1970.

    Args:
        text: so long ago (`90m`, `12h`, `1d`, `2w`), or a date and time, in the time zone of this
            machine unless it names one.

    Raises:
        InvalidInput: it is neither.
    """
    if match := _AGO.fullmatch(text.strip()):
        return time.time() - int(match[1]) * _UNITS[match[2]]
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except ValueError as error:
        raise InvalidInput(f"{text!r}: expected 2026-11-22T20:00, or 90m, 12h, 1d, 2w") from error


def as_datetime(seconds: float) -> datetime:
    """The wall-clock time of an instant on the calendar."""
    return (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None)


def _from_text(text: str) -> Instant | None:
    # Numbers before ISO 8601, in whose compact form some of them are dates of long ago.
    number = float(text) if text.replace(".", "", 1).isdecimal() else None
    if number is not None and (found := _from_number(number)):
        return found
    try:
        return _from_datetime(datetime.fromisoformat(text))
    except ValueError:
        pass
    if match := _OFFSET.fullmatch(text):
        hours, minutes, seconds = match.groups(default="0")
        return Instant(Clock.OFFSET, int(hours) * 3600 + int(minutes) * 60 + float(seconds))
    return _from_date(match) if (match := _DATE.fullmatch(text)) else None


def _from_date(match: re.Match[str]) -> Instant | None:
    year, month, day, clock = match.groups()
    if half := _KOREAN_TIME.fullmatch(clock):
        hour = int(half[2]) % 12 + (12 if half[1] == "오후" else 0)
        clock = f"{hour}{half[3]}"
    padded = clock if clock[1:2] != ":" else f"0{clock}"
    try:
        return _from_datetime(
            datetime.fromisoformat(f"{year}-{month:0>2}-{day:0>2}T{padded or '00:00'}")
        )
    except ValueError:
        return None


def _from_datetime(value: datetime) -> Instant | None:
    return _plausible(value.replace(tzinfo=UTC).timestamp())


def _from_number(value: float) -> Instant | None:
    if 0 <= value < 10_000_000:  # under 116 days: counted from the beginning of the broadcast
        return Instant(Clock.OFFSET, value)
    for unit in (1.0, 1e3, 1e6, 1e9):
        if found := _plausible(value / unit):
            return found
    return None


def _plausible(seconds: float) -> Instant | None:
    inside = _PLAUSIBLE.start <= seconds < _PLAUSIBLE.stop
    return Instant(Clock.DATETIME, seconds) if inside else None
