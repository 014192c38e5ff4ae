"""Lines worth a look: samples of what was flagged, and the queue of what a moderator should see."""

from __future__ import annotations

import hashlib
from collections import Counter
from enum import StrEnum
from operator import sub
from typing import TYPE_CHECKING, NamedTuple

from gounmal.report.items import Line, ReviewLine
from gounmal.report.sketch import Smallest
from gounmal.schema import LABELS, Action, Label, Reason, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from gounmal.report.timeline import Times
    from gounmal.schema import Decision

SAMPLES = 8
"""Lines shown for each action."""
REVIEWS = 15
"""Lines for each side of the threshold, and for disagreement."""
DRAWN = 100
"""Rows of each random sample: enough to tell a share to within a tenth."""
REVIEW_MARGIN = 0.1
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
        margins = _margins(decision, limits)
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

    def add(
        self,
        text: str,
        decision: Decision,
        limits: Mapping[Label, float],
        *,
        row: int,
        seconds: float | None,
    ) -> None:
        """Offer a distinct text with its first row.

        Args:
            text: the message.
            decision: on it.
            limits: the thresholds in force, in the order of the labels.
            row: within the shard.
            seconds: when it was sent, if that is known.
        """
        # Each distinct text of a file comes by here, and most are far below every threshold.
        margin = max(_margins(decision, limits))
        listed = decision.reason is Reason.BLOCKLIST
        near = abs(margin) <= REVIEW_MARGIN and not listed
        if not (decision.flagged or near):
            return
        rank = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
        seen = Seen.of(decision, limits, row=row, seconds=seconds, text=text)
        if near:
            (self._below if margin < 0 else self._above).add((abs(margin), rank), seen)
        if listed and margin < 0:
            self._disagreement.add((0.0, rank), seen)
        if decision.action in self._samples:
            self._samples[decision.action].add((0.0, rank), seen._replace(text=""))

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


def _margins(decision: Decision, limits: Mapping[Label, float]) -> list[float]:
    return list(map(sub, decision.scores.values(), limits.values()))


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
