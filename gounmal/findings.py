"""What a report lists one by one: expressions, repeat offenders, lines worth a look; bounded."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gounmal.normalize import normalize
from gounmal.schema import LABELS, Action, Label, Reason, Source
from gounmal.sketch import Frequent, Smallest
from gounmal.summary import Expression, Line, Offender, Variant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from gounmal.schema import Decision, Span
    from gounmal.timeline import Times

EXPRESSIONS = 2_000
"""Different expressions that are counted exactly; see `Frequent`."""
VARIANTS = 8_000
SHOWN_EXPRESSIONS = 30
SHOWN_VARIANTS = 12
MAX_EXPRESSION = 30
"""A longer span is a sentence and no expression."""

USERS = 20_000
SHOWN_USERS = 20
REPEATED = 2
"""Flagged messages that make a repeat offender."""

SAMPLES = 8
"""Lines shown for each action."""
REVIEWS = 15
"""Lines shown for each side of the threshold."""
REVIEW_MARGIN = 0.1


class Expressions:
    """Abusive expressions by their normalised form, with their spellings."""

    def __init__(self) -> None:
        self.keys: Frequent[str] = Frequent(EXPRESSIONS)
        self.variants: Frequent[tuple[str, str, Label]] = Frequent(VARIANTS)

    def add(self, text: str, decision: Decision, count: int) -> None:
        """Count the expressions of a text that occurred `count` times."""
        for span in _apart(decision.spans):
            variant = text[span.start : span.end].strip()
            key = "".join(normalize(variant).views[-1].text.split())
            if key and len(variant) <= MAX_EXPRESSION:
                self.keys.add(key, count)
                self.variants.add((key, variant, span.label), count)

    def top(self) -> list[Expression]:
        """The most frequent, with their most frequent spellings."""
        spellings: dict[str, Counter[str]] = {}
        labels: dict[str, Counter[Label]] = {}
        shown = self.keys.top(SHOWN_EXPRESSIONS)
        for (key, variant, label), count in self.variants.counts.items():
            spellings.setdefault(key, Counter())[variant] += count
            labels.setdefault(key, Counter())[label] += count
        return [
            Expression(
                key=key,
                label=min(labels.get(key, {Label.PROFANITY: 1}).items(), key=_most)[0].value,
                count=count,
                variants=[
                    Variant(text, n)
                    for text, n in sorted(spellings.get(key, Counter()).items(), key=_most)
                ][:SHOWN_VARIANTS],
            )
            for key, count in shown
        ]


class Offenders:
    """Who sent flagged messages, under pseudonyms."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.counts: Frequent[str] = Frequent(USERS)
        self._times: dict[str, tuple[float | None, float | None]] = {}

    def add(self, user: object, seconds: float | None) -> None:
        """Count a flagged message of this user."""
        name = pseudonym(str(user), self._key)
        self.counts.add(name)
        first, last = self._times.get(name, (seconds, seconds))
        if seconds is not None:
            first = seconds if first is None else min(first, seconds)
            last = seconds if last is None else max(last, seconds)
        self._times[name] = first, last
        if len(self._times) > 4 * USERS:
            self._times = {n: t for n, t in self._times.items() if n in self.counts.counts}

    def top(self, times: Times) -> list[Offender]:
        """Those with most flagged messages."""
        return [
            Offender(name, count, *(times.offset(t) for t in self._times[name]))
            for name, count in self.counts.top(SHOWN_USERS)
            if count >= REPEATED
        ]


def pseudonym(user: str, key: bytes) -> str:
    """A name for this user that only who knows the key can tell is theirs.

    Args:
        user: as in the file.
        key: at most 64 bytes.
    """
    raw = user.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(raw, key=key, digest_size=5).hexdigest()


@dataclass(slots=True)
class _Seen:
    """A line on its way to the summary, its time still in the file's seconds."""

    row: int
    seconds: float | None
    decision: Decision
    label: Label
    margin: float
    threshold: float

    def line(self, times: Times) -> Line:
        return Line(
            row=self.row + 1,
            offset_s=times.offset(self.seconds),
            masked=self.decision.masked,
            action=self.decision.action.value,
            label=self.label.value,
            score=self.decision.scores[self.label],
            threshold=self.threshold,
        )


class Lines:
    """Masked lines worth a look: a sample of what was flagged, and what nearly was or was not."""

    def __init__(self) -> None:
        flagged = [action for action in reversed(Action) if action is not Action.ALLOW]
        self._samples: dict[Action, Smallest[_Seen]] = {a: Smallest(SAMPLES) for a in flagged}
        self._below: Smallest[_Seen] = Smallest(REVIEWS)
        self._above: Smallest[_Seen] = Smallest(REVIEWS)

    def add(
        self,
        text: str,
        decision: Decision,
        limits: Mapping[Label, float],
        *,
        row: int,
        seconds: float | None,
    ) -> None:
        """Offer a distinct text with its first row."""
        scores = decision.scores
        label = max(LABELS, key=lambda label: scores[label] - limits[label])
        margin = scores[label] - limits[label]
        near = abs(margin) <= REVIEW_MARGIN and decision.reason is not Reason.BLOCKLIST
        if not (decision.flagged or near):
            return
        rank = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
        if decision.reason is Reason.BLOCKLIST:
            label = decision.spans[0].label
        seen = _Seen(row, seconds, decision, label, margin, limits[label])
        if near:
            (self._below if margin < 0 else self._above).add((abs(margin), rank), seen)
        if decision.action in self._samples:
            self._samples[decision.action].add((0.0, rank), seen)

    def samples(self, times: Times) -> list[Line]:
        """Of each action, most severe first."""
        return [seen.line(times) for kept in self._samples.values() for seen in kept.values()]

    def review(self, times: Times) -> list[Line]:
        """Nearest to the threshold first."""
        both = sorted([*self._below.values(), *self._above.values()], key=lambda s: abs(s.margin))
        return [seen.line(times) for seen in both]


def _apart(spans: Sequence[Span]) -> list[Span]:
    """Of spans that overlap, the one that is most of an expression.

    What a blocklist names, then abusive vocabulary, then what the other labels point at.
    """
    kept: list[Span] = []
    for span in sorted(
        spans, key=lambda s: (s.source is not Source.BLOCKLIST, LABELS.index(s.label), s.start)
    ):
        if all(span.end <= other.start or other.end <= span.start for other in kept):
            kept.append(span)
    return kept


def _most(item: tuple[Any, int]) -> tuple[int, str]:
    """Sorts counts from the highest, ties by text."""
    return -item[1], str(item[0])
