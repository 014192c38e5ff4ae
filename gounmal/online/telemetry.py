"""What happens, counted: plain numbers, cheap to keep, shown by `gounmal.online.exposition`.

Written without locks, so a number may be missed where the runner has a thread of its own. Nothing
here knows a message's text.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from gounmal.schema import LABELS, Action

if TYPE_CHECKING:
    from gounmal.schema import Decision

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
TOKENS = (8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0)


@dataclass(slots=True)
class Distribution:
    """How many values lay at or below each bound, and above the last."""

    bounds: tuple[float, ...]
    counts: list[int] = field(init=False)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """Note one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def take(self) -> tuple[list[int], float]:
        """What was noted since the last time: counts, not cumulated, and the sum of the values."""
        counts, total = self.counts, self.total
        self.counts, self.total = [0] * len(counts), 0.0
        return counts, total


def _seconds() -> Distribution:
    return Distribution(SECONDS)


@dataclass(slots=True)
class Recorder:
    """Everything counted about online moderation since the last `take` of each."""

    wait: Distribution = field(default_factory=_seconds)
    """Seconds from arrival to the start of the batch."""
    forward: Distribution = field(default_factory=_seconds)
    """Seconds in the engine for one batch."""
    messages: Distribution = field(default_factory=lambda: Distribution(SIZES))
    """Of one batch."""
    tokens: Distribution = field(default_factory=lambda: Distribution(TOKENS))
    """Of one batch, without padding."""
    padded_tokens: int = 0
    shed: int = 0
    """Messages refused because too much was waiting."""
    late: int = 0
    """Requests whose deadline passed."""
    dropped: int = 0
    """Messages not scored because nobody waited for them any more."""
    failed: int = 0
    """Messages that could not be scored."""
    hits: int = 0
    misses: int = 0
    actions: dict[Action, int] = field(default_factory=lambda: dict.fromkeys(Action, 0))
    labels: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LABELS, 0))

    def decided(self, decision: Decision) -> None:
        """Note a Decision that was given."""
        self.actions[decision.action] += 1
        for label in decision.labels:
            self.labels[label] += 1

    def clear(self) -> None:
        """Forget everything."""
        new = Recorder()
        for one in fields(self):
            setattr(self, one.name, getattr(new, one.name))
