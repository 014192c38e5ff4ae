"""Summary → one HTML file: no scripts, nothing to fetch, for screen and paper, light and dark."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from gounmal.files.times import Clock, as_datetime, parse_time
from gounmal.report import charts, page
from gounmal.report.words import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from gounmal.report.summary import Bucket, Summary, Timeline
    from gounmal.report.words import Words

WIDE, NARROW = "wide", "narrow"
_WIDTHS = {WIDE: 960, NARROW: 360}
_COLUMNS = {WIDE: 120, NARROW: 60}


def render(summary: Summary, *, language: str = "ko") -> str:
    """The report as HTML.

    Args:
        summary: what to say; the same summary always gives the same page.
        language: of the words around it, `ko` or `en`.
    """
    words = LANGUAGES[language]
    template = page.template(
        "report/report.html",
        score=lambda value: f"{value:.2f}",
        offset=offset,
        partly=partly_masked,
        duration=partial(duration, words=words),
    )
    return template.render(
        s=summary,
        t=words,
        language=language,
        clock=partial(_clock, summary.timeline),
        **_charts(summary, words),
    )


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


def partly_masked(expression: str) -> str:
    """The first character and stars: enough to know which word is meant."""
    return expression[:1] + "*" * (len(expression) - 1) if len(expression) > 1 else "*"


def _clock(timeline: Timeline | None, seconds: float | None) -> str:
    """The time on the wall of an offset; empty where the file knows none."""
    if timeline is None or seconds is None or timeline.clock != Clock.DATETIME:
        return ""
    start = parse_time(timeline.start)
    if start is None:
        return ""
    begin = start.seconds - start.seconds % timeline.bucket_s
    return as_datetime(begin + seconds).strftime("%H:%M")


def _charts(summary: Summary, words: Words) -> dict[str, Any]:
    made: dict[str, Any] = {"label_charts": {}, "time_charts": {}, "buckets": []}
    for size, width in _WIDTHS.items():
        made["label_charts"][size] = charts.rows(
            [words.labels_by_name[label] for label in summary.labels],
            list(summary.labels.values()),
            name=words.labels,
            width=width // 2 if size == WIDE else width,
            pitch=36 if size == WIDE else 28,
        )
        if summary.timeline:
            buckets = coarser(summary.timeline, _COLUMNS[size])
            made["time_charts"][size] = _time_charts(buckets, words, size)
    if summary.timeline:
        made["buckets"] = coarser(summary.timeline, _COLUMNS[NARROW])
    return made


def _time_charts(buckets: Sequence[Bucket], words: Words, size: str) -> dict[str, Markup]:
    draw = partial(
        charts.columns,
        [offset(bucket.offset_s) for bucket in buckets],
        width=_WIDTHS[size],
        marks=8 if size == WIDE else 4,
        digits=1 + len(f"{max(bucket.messages for bucket in buckets):,}"),
    )
    return {
        "messages": draw(
            [bucket.messages for bucket in buckets],
            name=words.messages_chart,
            height=190 if size == WIDE else 150,
        ),
        "flagged": draw(
            [bucket.flagged for bucket in buckets],
            name=words.flagged_chart,
            height=150 if size == WIDE else 130,
        ),
    }


def coarser(timeline: Timeline, most: int) -> list[Bucket]:
    """The timeline without gaps, in at most so many buckets of equal width."""
    from gounmal.report.summary import Bucket  # noqa: PLC0415

    width = timeline.bucket_s
    total = int(timeline.buckets[-1].offset_s // width) + 1
    factor = -(-total // most)
    sums = [[0, 0] for _ in range(-(-total // factor))]
    for bucket in timeline.buckets:
        cell = sums[int(bucket.offset_s // width) // factor]
        cell[0] += bucket.messages
        cell[1] += bucket.flagged
    return [Bucket(float(i * width * factor), *cell) for i, cell in enumerate(sums)]
