"""Lines worth a look: samples of what was flagged, and the queue of what a moderator should see."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gounmal.report.items import Line, ReviewLine
from gounmal.report.sketch import Smallest
from gounmal.schema import LABELS, Action, Label, Reason, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from gounmal.report.timeline import Times
    from gounmal.schema import Decision

SAMPLES = 8
"""Lines shown for each action."""
REVIEWS = 15
"""Lines for each side of the threshold, and for disagreement."""
DRAWN = 100
"""Rows of each random sample: enough to tell a share to within a tenth."""
REVIEW_MARGIN = 0.5
"""In log-odds, as all margins here, since thresholds differ by label: a score of 0 is not as near
to one of 0.07 as 0.43 is to one of 0.5. There, half a unit is 0.38 to 0.62."""
_LEAST = 5e-5
"""Scores have four digits: 0 is less than half of the last one."""
SHOWN_CHARACTERS = 300
"""Of a line in a report; all of it is in the decisions."""


class Kind(StrEnum):
    """Why a line is for review."""

    NEAR = "near"
    """Its score is close to a threshold, on either side."""
    DISAGREEMENT = "disagreement"
    """The blocklist flags it, and the model sees nothing in it."""
    UNFLAGGED = "unflagged"
    """One of a random sample of the rows that were not flagged."""
    FLAGGED = "flagged"
    """One of a random sample of the rows that were."""


class Seen(NamedTuple):
    """A line on its way to the summary, its time still in the file's seconds."""

    row: int
    """Within its shard, from 0; from the beginning of the input once merged."""
    seconds: float | None
    masked: str
    action: str
    label: str
    score: float
    threshold: float
    margin: float
    text: str = ""
    """As it was sent, for who has to say what it is."""
    file: int = 0
    """Which input it is in."""

    @classmethod
    def of(
        cls,
        decision: Decision,
        limits: Mapping[Label, float],
        *,
        row: int,
        seconds: float | None,
        text: str = "",
    ) -> Seen:
        """What there is to say of a row."""
        pairs = zip(decision.scores.values(), limits.values(), strict=True)
        margins = [_log_odds(score) - _log_odds(limit) for score, limit in pairs]
        margin = max(margins)
        label = LABELS[margins.index(margin)]
        if decision.reason is Reason.BLOCKLIST:
            label = next(s.label for s in decision.spans if s.source is Source.BLOCKLIST)
        return cls(
            row=row,
            seconds=seconds,
            masked=_cut(decision.masked),
            action=decision.action.value,
            label=label.value,
            score=decision.scores[label],
            threshold=limits[label],
            margin=margin,
            text=text,
        )

    def line(self, times: Times, files: Sequence[str]) -> Line:
        """Its entry in the summary."""
        return Line(
            row=self.row + 1,
            offset_s=times.offset(self.seconds),
            masked=self.masked,
            action=self.action,
            label=self.label,
            score=self.score,
            threshold=self.threshold,
            file=files[self.file] if len(files) > 1 else "",
        )

    @property
    def place(self) -> tuple[int, int]:
        """Sorts by where it stands in the input."""
        return self.file, self.row


class Lines:
    """Masked lines worth a look; only what is for review has its text too."""

    def __init__(self) -> None:
        flagged = [action for action in reversed(Action) if action is not Action.ALLOW]
        self._samples: dict[Action, Smallest[Seen]] = {a: Smallest(SAMPLES) for a in flagged}
        self._below: Smallest[Seen] = Smallest(REVIEWS)
        self._above: Smallest[Seen] = Smallest(REVIEWS)
        self._disagreement: Smallest[Seen] = Smallest(REVIEWS)
        self.drawn: dict[bool, Smallest[Seen]] = {f: Smallest(DRAWN) for f in (False, True)}
        """The random samples of rows: not flagged, flagged."""

    def add(  # noqa: PLR0913  (a text, what was decided of it, and where it stands)
        self,
        text: str,
        decision: Decision,
        limits: Mapping[Label, float],
        *,
        row: int,
        seconds: float | None,
        margin: float,
    ) -> None:
        """Offer a distinct text, flagged or near to it, with its first row.

        Args:
            text: the message.
            decision: on it.
            limits: the thresholds in force, in the order of the labels.
            row: within the shard.
            seconds: when it was sent, if that is known.
            margin: of `margins`.
        """
        rank = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
        listed = decision.reason is Reason.BLOCKLIST
        queues: list[tuple[Smallest[Seen], float]] = []
        if abs(margin) <= REVIEW_MARGIN and not listed:
            queues.append((self._below if margin < 0 else self._above, abs(margin)))
        if listed and margin < 0:
            queues.append((self._disagreement, 0.0))
        if decision.action in self._samples:
            queues.append((self._samples[decision.action], 0.0))
        for queue, distance in queues:
            if queue.wants((distance, rank)):
                seen = Seen.of(decision, limits, row=row, seconds=seconds, text=text)
                queue.add((distance, rank), seen)

    def samples(self, times: Times, files: Sequence[str] = ()) -> list[Line]:
        """Of each action, most severe first."""
        kept = [seen for samples in self._samples.values() for seen in samples.values()]
        return [seen.line(times, files) for seen in kept]

    def review(self, times: Times, files: Sequence[str] = ()) -> list[tuple[ReviewLine, str]]:
        """The review queue, each line with its text: nearest to the threshold first."""
        near = [*self._below.values(), *self._above.values()]
        queues = {
            Kind.NEAR: sorted(near, key=lambda seen: abs(seen.margin)),
            Kind.DISAGREEMENT: self._disagreement.values(),
            Kind.UNFLAGGED: self.drawn[False].values(),
            Kind.FLAGGED: self.drawn[True].values(),
        }
        return [
            (_review_line(first.line(times, files), kinds), first.text)
            for first, kinds in _together(queues)
        ]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, for `merge_dict`."""
        return {
            name: [(*rank, *seen) for rank, seen in kept.items()]
            for name, kept in self._lists().items()
        }

    def merge_dict(self, content: Mapping[str, Any], *, file: int, rows: int) -> None:
        """Add what another one's `to_dict` said of the rows after so many of this input."""
        for name, kept in self._lists().items():
            for margin, rank, *raw in content[name]:
                seen = Seen(*raw)
                kept.add((margin, rank), seen._replace(file=file, row=rows + seen.row))

    def _lists(self) -> dict[str, Smallest[Seen]]:
        samples = {action.value: kept for action, kept in self._samples.items()}
        drawn = {Kind.UNFLAGGED.value: self.drawn[False], Kind.FLAGGED.value: self.drawn[True]}
        near = {"below": self._below, "above": self._above, "disagreement": self._disagreement}
        return {**samples, **near, **drawn}


def margins(scores: NDArray[np.float64], limits: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each text is from a threshold: below 0 under all of them, in log-odds.

    Args:
        scores: float64[texts, labels].
        limits: the thresholds in force: float64[labels], or of each text.
    """
    odds, bound = (np.clip(values, _LEAST, 1 - _LEAST) for values in (scores, limits))
    distances = np.log(odds / (1 - odds)) - np.log(bound / (1 - bound))
    found: NDArray[np.float64] = distances.max(axis=1).round(6)
    return found


def _log_odds(share: float) -> float:
    bounded = min(max(share, _LEAST), 1 - _LEAST)
    return math.log(bounded / (1 - bounded))


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


def _together(queues: Mapping[Kind, Iterable[Seen]]) -> list[tuple[Seen, Counter[Kind]]]:
    """Each text once, as its first row, with how often it is in which queue."""
    found: dict[tuple[object, ...], tuple[Seen, Counter[Kind]]] = {}
    for kind, queue in queues.items():
        for seen in queue:
            # The same text may fare otherwise in a channel with rules of its own.
            key = seen.text, seen.action, seen.label, seen.threshold
            first, kinds = found.get(key, (seen, Counter()))
            kinds[kind] += 1
            found[key] = min(first, seen, key=lambda seen: seen.place), kinds
    return list(found.values())


def _review_line(line: Line, kinds: Counter[Kind]) -> ReviewLine:
    return ReviewLine(
        **{name: getattr(line, name) for name in Line.__slots__},
        kinds=[kind.value for kind in kinds],
        drawn=kinds[Kind.UNFLAGGED] + kinds[Kind.FLAGGED],
    )
