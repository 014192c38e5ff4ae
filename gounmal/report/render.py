"""Summary → one HTML file: no scripts, nothing to fetch, for screen and paper, light and dark."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from gounmal.report import charts, page, phrases
from gounmal.report.items import Bucket
from gounmal.report.queues import Kind
from gounmal.report.words import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from gounmal.report.items import ReviewLine, Timeline
    from gounmal.report.summary import Summary
    from gounmal.report.words import Words

SHOWN_UNFLAGGED = 15
"""Lines of the random sample of the unflagged that a report shows; all are in review.csv."""

WIDE, NARROW = "wide", "narrow"
_WIDTHS = {WIDE: 960, NARROW: 360}
_COLUMNS = {WIDE: 120, NARROW: 60}


def render(summary: Summary, *, language: str | None = None) -> str:
    """The report as HTML.

    Args:
        summary: what to say; the same summary always gives the same page.
        language: of the words around it, `ko` or `en`; by default that of the summary.
    """
    language = language or summary.language
    words = LANGUAGES[language]
    template = page.template(
        "report/report.html",
        score=phrases.score,
        offset=phrases.offset,
        partly=phrases.partly_masked,
        duration=partial(phrases.duration, words=words),
        figure=partial(phrases.figure, words=words),
        changed=partial(phrases.changed, words=words),
        estimated=partial(phrases.estimated, words=words),
    )
    return template.render(
        s=summary,
        t=words,
        language=language,
        queues=queues(summary),
        clock=partial(phrases.clock, summary.timeline),
        between=phrases.between,
        **_charts(summary, words),
    )


def queues(summary: Summary) -> dict[Kind, list[ReviewLine]]:
    """The lines for review that a report shows, by why they are there.

    Not those of the flagged sample: samples of what was flagged have a section of their own.
    """
    found = {
        kind: [line for line in summary.review if kind.value in line.kinds]
        for kind in (Kind.NEAR, Kind.DISAGREEMENT, Kind.UNFLAGGED)
    }
    found[Kind.UNFLAGGED] = found[Kind.UNFLAGGED][:SHOWN_UNFLAGGED]
    return {kind: lines for kind, lines in found.items() if lines}


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
        [phrases.offset(bucket.offset_s) for bucket in buckets],
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
    width = timeline.bucket_s
    total = int(timeline.buckets[-1].offset_s // width) + 1
    factor = -(-total // most)
    sums = [[0, 0] for _ in range(-(-total // factor))]
    for bucket in timeline.buckets:
        cell = sums[int(bucket.offset_s // width) // factor]
        cell[0] += bucket.messages
        cell[1] += bucket.flagged
    return [Bucket(float(i * width * factor), *cell) for i, cell in enumerate(sums)]
