"""Adds up what a summary says, chunk by chunk, in memory that does not grow with the file."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gounmal.files.columns import Role
from gounmal.policy import ruled
from gounmal.report.counts import Counts
from gounmal.report.draw import digests, ranks, smallest
from gounmal.report.moments import SHOWN
from gounmal.report.queues import DRAWN, REVIEW_MARGIN, Seen, margins
from gounmal.report.signals import Characters
from gounmal.schema import LABELS, Action, Decision

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from gounmal.files.outcomes import Outcomes
    from gounmal.files.reader import Chunk
    from gounmal.files.times import Clock
    from gounmal.moderator import Moderator
    from gounmal.schema import Label


@dataclass(frozen=True, slots=True)
class _Rows:
    """A chunk's rows, column by column."""

    start: int
    texts: Sequence[Any]
    times: Sequence[Any]
    users: Sequence[Any]
    channels: Sequence[Any]
    seconds: Sequence[float | None]
    """When each was sent, if that is known."""
    outcomes: Outcomes
    flags: NDArray[np.bool_]
    """bool[rows], which are flagged."""


class Tally:
    """All counts of a shard, or of many."""

    def __init__(
        self, roles: Mapping[Role, str], moderator: Moderator, *, clock: Clock | None = None
    ) -> None:
        """Nothing counted yet.

        Args:
            roles: which column is what.
            moderator: whose thresholds are in force.
            clock: what the times count from, if that is known; see `Times`.
        """
        self._roles = roles
        self._moderator = moderator
        self._limits: dict[str | None, Mapping[Label, float]] = {}
        self._characters = Characters(getattr(moderator.scorer, "encoder", None))
        self.counts = Counts(clock)

    def add(self, chunk: Chunk, outcomes: Outcomes) -> None:
        """Count the rows of a chunk, each with its outcome."""
        flags = outcomes.flagged[outcomes.places]
        texts, times, users, channels = (chunk.values(self._roles.get(r)) for r in _COLUMNS)
        seconds: list[float | None] = [None] * len(outcomes)
        if Role.TIME in self._roles:
            seconds = self._timed(times, flags)
        rows = _Rows(chunk.start, texts, times, users, channels, seconds, outcomes, flags)
        self.counts.rows += len(outcomes)
        self.counts.flagged += int(flags.sum())
        if Role.USER in self._roles:
            for row in np.flatnonzero(flags).tolist():
                if users[row] is not None and users[row] != "":
                    self.counts.offenders.add(users[row], seconds[row])
        self._each_text(rows)
        self._draw(rows)

    def _timed(self, values: Sequence[Any], flags: NDArray[np.bool_]) -> list[float | None]:
        """Each row's time; what was sent in the same second is read once."""
        try:
            messages = Counter(values)
        except TypeError:  # JSON may have lists for times
            values = [None if isinstance(value, dict | list) else value for value in values]
            messages = Counter(values)
        flagged = Counter(values[row] for row in np.flatnonzero(flags).tolist())
        times = self.counts.times
        known = {v: times.add(v, messages=n, flagged=flagged[v]) for v, n in messages.items()}
        return [known[value] for value in values]

    def _each_text(self, rows: _Rows) -> None:
        """Count what rows with the same text have in common, once for all of them."""
        counts, outcomes = self.counts, rows.outcomes
        counts.actions[Action.ALLOW.value] += int(outcomes.counts[outcomes.plain].sum())
        messages = outcomes.counts.tolist()
        verdicts: Counter[tuple[Action, tuple[Label, ...]]] = Counter()
        for i, outcome in outcomes.found.items():
            count = messages[i]
            if not isinstance(outcome, Decision):
                counts.problems[outcome.value] += count
                continue
            verdicts[outcome.action, outcome.labels] += count
            if outcome.spans:
                counts.expressions.add(outcomes.texts[i] or "", outcome, count)
        for (action, labels), count in verdicts.items():
            counts.actions[action.value] += count
            for label in labels:
                counts.labels[label.value] += count
        places = np.flatnonzero(outcomes.judged)
        if len(places):
            texts = [outcomes.texts[i] or "" for i in places.tolist()]
            self._characters.count(texts, outcomes.counts[places], counts.signals)
            scores = outcomes.scores[places]
            counts.signals.add_scores(scores, outcomes.counts[places])
            self._offer(rows, outcomes.first[places], scores)

    def _offer(self, rows: _Rows, places: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
        """Offer what is flagged or near to it, of distinct texts, to be looked at."""
        ruled_apart = places if self._moderator.policy.channels else places[:1]
        every = [list(self._limits_of(rows.channels[i]).values()) for i in ruled_apart]
        found = margins(scores, np.array(every))
        for place in np.flatnonzero(rows.flags[places] | (abs(found) <= REVIEW_MARGIN)).tolist():
            row = int(places[place])
            decision: Any = rows.outcomes[row]
            self.counts.lines.add(
                rows.texts[row],
                decision,
                self._limits_of(rows.channels[row]),
                row=rows.start + row,
                seconds=rows.seconds[row],
                margin=float(found[place]),
            )

    def _draw(self, rows: _Rows) -> None:
        """Keep some rows by chance: for the review queue, and of every moment."""
        outcomes = rows.outcomes
        places = np.flatnonzero(outcomes.judged[outcomes.places])
        if not len(places):
            return
        texts = digests([text or "" for text in outcomes.texts]).take(outcomes.places)
        keys = ranks(texts, digests(rows.times), digests(rows.users)).take(places)
        flagged = rows.flags[places]
        for place in smallest(keys, flagged.astype(np.int64), DRAWN).tolist():
            row, rank = int(places[place]), (0.0, int(keys[place]))
            kept = self.counts.lines.drawn[bool(rows.flags[row])]
            if kept.wants(rank):
                kept.add(rank, self._seen(rows, row, text=rows.texts[row]))
        self._draw_moments(rows, places, keys)

    def _draw_moments(
        self, rows: _Rows, judged: NDArray[np.int64], keys: NDArray[np.uint64]
    ) -> None:
        """Keep some rows of every bucket of the timeline."""
        moments, width = self.counts.moments, self.counts.times.width
        moments.widen(width)
        when = np.array(rows.seconds, float)[judged]
        timed = ~np.isnan(when)
        judged, keys = judged[timed], keys[timed]
        cells = (when[timed] // width).astype(np.int64)
        flagged = rows.flags[judged]
        for flag, number in SHOWN.items():
            own = np.flatnonzero(flagged == flag)
            for place in own[smallest(keys[own], cells[own], number)].tolist():
                row, cell, rank = int(judged[place]), int(cells[place]), int(keys[place])
                if moments.wants(cell, rank, flagged=flag):
                    moments.add(cell, rank, self._seen(rows, row), flagged=flag)

    def _seen(self, rows: _Rows, row: int, *, text: str = "") -> Seen:
        """A row that was judged, on its way to the summary."""
        decision: Any = rows.outcomes[row]
        limits = self._limits_of(rows.channels[row])
        number, seconds = rows.start + row, rows.seconds[row]
        return Seen.of(decision, limits, row=number, seconds=seconds, text=text)

    def _limits_of(self, channel: Any) -> Mapping[Label, float]:
        """The thresholds in force for a channel."""
        moderator = self._moderator
        name = ruled(channel, moderator.policy.channels)
        if name not in self._limits:
            policy = moderator.policy.for_channel(name)
            limits = {**moderator.scorer.thresholds[policy.mode], **policy.thresholds}
            self._limits[name] = {label: limits[label] for label in LABELS}
        return self._limits[name]


_COLUMNS = (Role.TEXT, Role.TIME, Role.USER, Role.CHANNEL)
