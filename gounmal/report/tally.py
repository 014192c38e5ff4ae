"""Adds up what a summary says, chunk by chunk, in memory that does not grow with the file."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gounmal.files.columns import Role
from gounmal.report.findings import Expressions, Lines, Offenders
from gounmal.report.summary import VERSION, Summary
from gounmal.report.timeline import Times
from gounmal.schema import LABELS, Action, Decision

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from gounmal.files.reader import Chunk
    from gounmal.files.times import Clock
    from gounmal.files.writers import Outcome
    from gounmal.moderator import Moderator
    from gounmal.schema import Label


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
        self.counts = Counts(clock)

    def add(self, chunk: Chunk, outcomes: Sequence[Outcome]) -> None:
        """Count the rows of a chunk, each with its outcome."""
        counts = self.counts
        counts.rows += len(outcomes)
        seconds = self._each_row(chunk, outcomes)
        texts = chunk.values(self._roles[Role.TEXT])
        channels = chunk.values(self._roles.get(Role.CHANNEL))
        identities = list(map(id, outcomes))
        first = dict(zip(reversed(identities), range(len(outcomes) - 1, -1, -1), strict=True))
        for identity, count in Counter(identities).items():
            i = first[identity]
            outcome = outcomes[i]
            if not isinstance(outcome, Decision):
                counts.problems[outcome.value] += count
                continue
            counts.actions[outcome.action.value] += count
            for label in outcome.labels:
                counts.labels[label.value] += count
            if outcome.spans:
                counts.expressions.add(texts[i], outcome, count)
            limits = self._limits_of(channels[i])
            counts.lines.add(texts[i], outcome, limits, row=chunk.start + i, seconds=seconds[i])

    def _each_row(self, chunk: Chunk, outcomes: Sequence[Outcome]) -> list[float | None]:
        """Count what differs between duplicates: when, and who. Returns each row's time."""
        flags = [isinstance(outcome, Decision) and outcome.flagged for outcome in outcomes]
        self.counts.flagged += sum(flags)
        seconds: list[float | None] = [None] * len(outcomes)
        if Role.TIME in self._roles:
            seconds = self._timed(chunk.values(self._roles[Role.TIME]), flags)
        if Role.USER in self._roles:
            users = chunk.values(self._roles[Role.USER])
            for user, when, flagged in zip(users, seconds, flags, strict=True):
                if flagged and user not in {None, ""}:
                    self.counts.offenders.add(user, when)
        return seconds

    def _timed(self, values: list[Any], flags: list[bool]) -> list[float | None]:
        """Each row's time; what was sent in the same second is read once."""
        try:
            messages = Counter(values)
        except TypeError:  # JSON may have lists for times
            values = [None if isinstance(value, dict | list) else value for value in values]
            messages = Counter(values)
        flagged = Counter(v for v, flag in zip(values, flags, strict=True) if flag)
        times = self.counts.times
        known = {v: times.add(v, messages=n, flagged=flagged[v]) for v, n in messages.items()}
        return [known[value] for value in values]

    def _limits_of(self, channel: Any) -> Mapping[Label, float]:
        """The thresholds in force for a channel."""
        moderator = self._moderator
        name = ruled(channel, moderator.policy.channels)
        if name not in self._limits:
            policy = moderator.policy.for_channel(name)
            limits = {**moderator.scorer.thresholds[policy.mode], **policy.thresholds}
            self._limits[name] = {label: limits[label] for label in LABELS}
        return self._limits[name]


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
        self.expressions = Expressions()
        self.offenders = Offenders()
        self.lines = Lines()
        self._rows_of: Counter[int] = Counter()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, for `merge_dict`."""
        plain = {name: getattr(self, name) for name in ("rows", "flagged", *_COUNTERS)}
        return {**plain, **{name: getattr(self, name).to_dict() for name in _PARTS}}

    def merge_dict(self, content: Mapping[str, Any], *, file: int) -> None:
        """Add what another one's `to_dict` said of the next shard of this input."""
        self.lines.merge_dict(content["lines"], file=file, rows=self._rows_of[file])
        self._rows_of[file] += content["rows"]
        self.rows += content["rows"]
        self.flagged += content["flagged"]
        for name in _COUNTERS:
            getattr(self, name).update(content[name])
        self.times.merge_dict(content["times"])
        self.expressions.merge_dict(content["expressions"])
        self.offenders.merge_dict(content["offenders"])

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
            timeline=self.times.timeline(),
            expressions=self.expressions.top(),
            expressions_error=self.expressions.keys.error,
            variants_error=self.expressions.variants.error,
            offenders=self.offenders.top(self.times, key=key),
            offenders_error=self.offenders.counts.error,
            samples=self.lines.samples(self.times, files),
            review=self.lines.review(self.times, files),
            **about,
        )


_COUNTERS = ("problems", "actions", "labels")
_PARTS = ("times", "expressions", "offenders", "lines")


def ruled(channel: object, rules: Mapping[str, object]) -> str | None:
    """The name of a channel that has rules of its own in the policy; None for any other."""
    if not rules:
        return None
    name = str(channel) if isinstance(channel, str | int) else None
    return name if name in rules else None
