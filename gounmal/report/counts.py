"""What is counted of a scan: of a shard, or of many merged; and the summary that it makes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from gounmal.report.findings import Expressions, Offenders
from gounmal.report.moments import Moments
from gounmal.report.queues import Lines
from gounmal.report.signals import SignalCounts
from gounmal.report.summary import VERSION, Summary
from gounmal.report.timeline import Times
from gounmal.schema import LABELS, Action

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from gounmal.files.times import Clock
    from gounmal.report.items import ReviewLine, Timeline


class Counts:
    """What a tally has counted: JSON-ready, and mergeable with that of other shards.

    Shards merged in their order give the same whoever counted them, and in whatever order.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.rows = self.flagged = 0
        self.problems: Counter[str] = Counter()
        self.actions: Counter[str] = Counter()
        self.labels: Counter[str] = Counter()
        self.times = Times(clock)
        self.moments = Moments(self.times.width)
        self.expressions = Expressions()
        self.offenders = Offenders()
        self.lines = Lines()
        self.signals = SignalCounts()
        self._rows_of: Counter[int] = Counter()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, for `merge_dict`."""
        plain = {name: getattr(self, name) for name in ("rows", "flagged", *_COUNTERS)}
        return {**plain, **{name: getattr(self, name).to_dict() for name in _PARTS}}

    def merge_dict(self, content: Mapping[str, Any], *, file: int) -> None:
        """Add what another one's `to_dict` said of the next shard of this input."""
        before = self._rows_of[file]
        self._rows_of[file] += content["rows"]
        self.rows += content["rows"]
        self.flagged += content["flagged"]
        for name in _COUNTERS:
            getattr(self, name).update(content[name])
        self.times.merge_dict(content["times"])
        self.moments.widen(self.times.width)
        if content["times"]["clock"] == self.times.clock:  # else its times mean something else
            self.moments.merge_dict(content["moments"], file=file, rows=before)
        self.lines.merge_dict(content["lines"], file=file, rows=before)
        self.expressions.merge_dict(content["expressions"])
        self.offenders.merge_dict(content["offenders"])
        self.signals.merge_dict(content["signals"])

    def review(self, files: Sequence[str]) -> list[tuple[ReviewLine, str]]:
        """The review queue, each line with its text as it was sent."""
        return self.lines.review(self.times, files)

    def summary(self, *, key: bytes, files: Sequence[str], **about: Any) -> Summary:
        """What was counted so far.

        Args:
            key: for the pseudonyms, at most 64 bytes.
            files: what the inputs are called.
            about: the rest of a summary: who judged what.
        """
        judged = sum(self.actions.values())
        return Summary(
            version=VERSION,
            rows=self.rows,
            judged=judged,
            flagged=self.flagged,
            invalid=self.rows - judged,
            untimed=self.times.unread,
            problems=dict(sorted(self.problems.items())),
            actions={action.value: self.actions[action.value] for action in Action},
            labels={label.value: self.labels[label.value] for label in LABELS},
            timeline=self._timeline(files),
            expressions=self.expressions.top(),
            expressions_error=self.expressions.keys.error,
            variants_error=self.expressions.variants.error,
            offenders=self.offenders.top(self.times, key=key),
            offenders_error=self.offenders.counts.error,
            samples=self.lines.samples(self.times, files),
            review=[line for line, _ in self.review(files)],
            signals=self.signals.signals(),
            **about,
        )

    def _timeline(self, files: Sequence[str]) -> Timeline | None:
        """When things happened, with what was said at the peaks."""
        found = self.times.timeline()
        if found is None:
            return None
        peaks = []
        for peak in found.peaks:
            said = self.moments.lines(self.times.cell(peak.offset_s))
            peaks.append(replace(peak, lines=[seen.line(self.times, files) for seen in said]))
        return replace(found, peaks=peaks)


_COUNTERS = ("problems", "actions", "labels")
_PARTS = ("times", "moments", "expressions", "offenders", "lines", "signals")
