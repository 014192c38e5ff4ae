"""Adds up what a summary says, chunk by chunk, in memory that does not grow with the file."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gounmal.columns import Role
from gounmal.findings import Expressions, Lines, Offenders
from gounmal.schema import LABELS, Action, Decision, Label
from gounmal.summary import VERSION, Summary
from gounmal.timeline import Times

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from gounmal.files import Chunk, Input
    from gounmal.moderator import Moderator
    from gounmal.records import Problem
    from gounmal.writers import Outcome


class Tally:
    """All counts of one file."""

    def __init__(self, source: Input, moderator: Moderator, *, key: bytes) -> None:
        self._source = source
        self._moderator = moderator
        self._limits: dict[str | None, Mapping[Label, float]] = {}
        self.rows = self.flagged = 0
        self.problems: Counter[Problem] = Counter()
        self.actions: Counter[Action] = Counter()
        self.labels: Counter[Label] = Counter()
        self.times = Times()
        self.expressions = Expressions()
        self.offenders = Offenders(key)
        self.lines = Lines()

    def add(self, chunk: Chunk, outcomes: Sequence[Outcome]) -> None:
        """Count the rows of a chunk, each with its outcome."""
        self.rows += len(outcomes)
        seconds = self._each_row(chunk, outcomes)
        texts = chunk.values(self._source.roles[Role.TEXT])
        channels = chunk.values(self._source.roles.get(Role.CHANNEL))
        first: dict[int, int] = {}
        for i, outcome in enumerate(outcomes):
            first.setdefault(id(outcome), i)
        occurrences = Counter(map(id, outcomes))
        for identity, i in first.items():
            outcome, count = outcomes[i], occurrences[identity]
            if not isinstance(outcome, Decision):
                self.problems[outcome] += count
                continue
            self.actions[outcome.action] += count
            for label in outcome.labels:
                self.labels[label] += count
            if outcome.spans:
                self.expressions.add(texts[i], outcome, count)
            limits = self._limits_of(channels[i])
            self.lines.add(texts[i], outcome, limits, row=chunk.start + i, seconds=seconds[i])

    def summary(self, *, title: str, version: str) -> Summary:
        """What was counted so far."""
        judged = sum(self.actions.values())
        source = self._source
        return Summary(
            version=VERSION,
            gounmal=version,
            title=title,
            source=source.path.name,
            format=source.format.value,
            encoding=source.encoding,
            model=self._moderator.scorer.tag,
            mode=self._moderator.policy.mode.value,
            rows=self.rows,
            judged=judged,
            flagged=self.flagged,
            invalid=self.rows - judged,
            untimed=self.times.unread,
            problems={p.value: n for p, n in sorted(self.problems.items())},
            actions={action.value: self.actions[action] for action in Action},
            labels={label.value: self.labels[label] for label in LABELS},
            timeline=self.times.timeline(),
            expressions=self.expressions.top(),
            expressions_error=self.expressions.keys.error,
            variants_error=self.expressions.variants.error,
            offenders=self.offenders.top(self.times),
            offenders_error=self.offenders.counts.error,
            samples=self.lines.samples(self.times),
            review=self.lines.review(self.times),
        )

    def _each_row(self, chunk: Chunk, outcomes: Sequence[Outcome]) -> list[float | None]:
        """Count what differs between duplicates: when, and who. Returns each row's time."""
        roles = self._source.roles
        flags = [isinstance(outcome, Decision) and outcome.flagged for outcome in outcomes]
        self.flagged += sum(flags)
        seconds: list[float | None] = [None] * len(outcomes)
        if Role.TIME in roles:
            values = zip(chunk.values(roles[Role.TIME]), flags, strict=True)
            seconds = [self.times.add(value, flagged=flagged) for value, flagged in values]
        if Role.USER in roles:
            users = chunk.values(roles[Role.USER])
            for user, when, flagged in zip(users, seconds, flags, strict=True):
                if flagged and user not in {None, ""}:
                    self.offenders.add(user, when)
        return seconds

    def _limits_of(self, channel: Any) -> Mapping[Label, float]:
        """The thresholds in force for a channel."""
        moderator = self._moderator
        name = ruled(channel, moderator.policy.channels)
        if name not in self._limits:
            policy = moderator.policy.for_channel(name)
            self._limits[name] = {
                **moderator.scorer.thresholds[policy.mode],
                **policy.thresholds,
            }
        return self._limits[name]


def ruled(channel: object, rules: Mapping[str, object]) -> str | None:
    """The name of a channel that has rules of its own in the policy; None for any other."""
    name = str(channel) if isinstance(channel, str | int) else None
    return name if name in rules else None
