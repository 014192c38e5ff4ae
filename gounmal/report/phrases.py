"""Figures as a reader of a report sees them: times, shares, changes, and names for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gounmal.files.times import Clock, as_datetime, parse_time

if TYPE_CHECKING:
    from gounmal.report.items import Change, Estimate, Timeline
    from gounmal.report.words import Words


def number(value: float) -> str:
    """With commas."""
    return f"{value:,}"


def percent(value: float) -> str:
    """A share in percent: two digits where it is small."""
    return f"{value:.1%}" if value >= 0.1 or not value else f"{value:.2%}"


def score(value: float) -> str:
    """A score or threshold."""
    return f"{value:.2f}"


def offset(seconds: float | None) -> str:
    """Hours, minutes and seconds, as a player shows them: `1:02:03`."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def duration(seconds: float, *, words: Words) -> str:
    """A length of time in words, to the minute; to the second below two minutes."""
    if seconds < 120:
        return words.seconds.format(round(seconds))
    hours, minutes = divmod(round(seconds / 60), 60)
    parts = [words.hours.format(f"{hours:,}")] if hours else []
    if minutes or not hours:
        parts.append(words.minutes.format(minutes))
    return " ".join(parts)


def clock(timeline: Timeline | None, seconds: float | None) -> str:
    """The time on the wall of an offset; empty where the file knows none."""
    if timeline is None or seconds is None or timeline.clock != Clock.DATETIME:
        return ""
    start = parse_time(timeline.start)
    if start is None:
        return ""
    begin = start.seconds - start.seconds % timeline.bucket_s
    return as_datetime(begin + seconds).strftime("%H:%M")


def partly_masked(expression: str) -> str:
    """The first character and stars: enough to know which word is meant."""
    return expression[:1] + "*" * (len(expression) - 1) if len(expression) > 1 else "*"


def figure(name: str, *, words: Words) -> str:
    """What a figure of a comparison is called."""
    kind, _, of = name.partition("/")
    if kind == "actions":
        return words.actions_by_name[of]
    if kind == "labels":
        return words.labels_by_name[of]
    return {"rows": words.messages, "flagged": words.flagged, "invalid": words.invalid}[name]


def counted(count: int, share: float | None) -> str:
    """A count with its share, where it has one."""
    return number(count) if share is None else f"{number(count)} ({percent(share)})"


def changed(change: Change, *, words: Words) -> str:
    """By how much: in points where there are shares, else in percent of what it was."""
    if change.now_share is not None and change.before_share is not None:
        points = f"{100 * (change.now_share - change.before_share):+.2f}"
        return words.points.format("±0" if float(points) == 0 else points)
    if change.before:
        return f"{(change.now - change.before) / change.before:+.1%}"
    return f"{change.now:+,}" if change.now else "±0"


def estimated(estimate: Estimate, *, words: Words) -> str:
    """A share with its interval and the size of its sample."""
    shares = (percent(value) for value in (estimate.share, estimate.low, estimate.high))
    return words.estimate.format(*shares, number(estimate.rows))


def between(estimate: Estimate, rows: int) -> str:
    """How many of so many rows that is."""
    return f"{round(estimate.low * rows):,}–{round(estimate.high * rows):,}"
