"""What a report lists one by one: expressions and repeat offenders; bounded."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

from gounmal.report.items import Expression, Offender, Variant
from gounmal.report.sketch import Frequent
from gounmal.schema import PLACES, Label, Source
from gounmal.text.normalize import normalize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from gounmal.report.timeline import Times
    from gounmal.schema import Decision, Span

EXPRESSIONS = 2_000
"""Different expressions that are counted exactly; see `Frequent`."""
VARIANTS = 8_000
SHOWN_EXPRESSIONS = 30
SHOWN_VARIANTS = 12
REMEMBERED = 4_096
"""Spellings whose expression is not worked out again."""
MAX_EXPRESSION = 30
"""A longer span is a sentence and no expression."""

USERS = 20_000
SHOWN_USERS = 20
REPEATED = 2
"""Flagged messages that make a repeat offender."""


class Expressions:
    """Abusive expressions by their normalised form, with their spellings."""

    def __init__(self) -> None:
        self.keys: Frequent[str] = Frequent(EXPRESSIONS)
        self.variants: Frequent[tuple[str, str, Label]] = Frequent(VARIANTS)

    def add(self, text: str, decision: Decision, count: int) -> None:
        """Count the expressions of a text that occurred `count` times."""
        for span in _apart(decision.spans):
            variant = text[span.start : span.end].strip()
            key = _expression(variant) if len(variant) <= MAX_EXPRESSION else ""
            if key:
                self.keys.add(key, count)
                self.variants.add((key, variant, span.label), count)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, for `merge_dict`."""
        return {"keys": self.keys.to_dict(), "variants": self.variants.to_dict()}

    def merge_dict(self, content: Mapping[str, Any]) -> None:
        """Add what another one's `to_dict` said."""
        self.keys.merge_dict(content["keys"], str)
        self.variants.merge_dict(content["variants"], lambda raw: (raw[0], raw[1], Label(raw[2])))

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
    """Who sent flagged messages: digests here, pseudonyms in the summary."""

    def __init__(self) -> None:
        self.counts: Frequent[str] = Frequent(USERS)
        self._times: dict[str, _Range] = {}

    def add(self, user: object, seconds: float | None) -> None:
        """Count a flagged message of this user."""
        name = _digest(str(user))
        self.counts.add(name)
        self._extend(name, seconds, seconds)
        self._trim()

    def top(self, times: Times, *, key: bytes) -> list[Offender]:
        """Those with most flagged messages, under pseudonyms made with this key."""
        counts = self.counts.counts
        least = max(min(heapq.nlargest(SHOWN_USERS, counts.values()), default=0), REPEATED)
        named = [(-n, _pseudonym(name, key), name) for name, n in counts.items() if n >= least]
        return [
            Offender(pseudonym, -count, *(times.offset(t) for t in self._times[name]))
            for count, pseudonym, name in sorted(named)[:SHOWN_USERS]
        ]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, for `merge_dict`."""
        users = [(name, n, *self._times[name]) for name, n in self.counts.counts.items()]
        return {"error": self.counts.error, "users": users}

    def merge_dict(self, content: Mapping[str, Any]) -> None:
        """Add what another one's `to_dict` said."""
        for name, _, first, last in content["users"]:
            self._extend(name, first, last)
        self.counts.merge({user[0]: user[1] for user in content["users"]}, content["error"])
        self._trim()

    def _extend(self, name: str, first: float | None, last: float | None) -> None:
        before, after = self._times.get(name, _UNKNOWN)
        if before is None or after is None:
            self._times[name] = first, last
        elif first is not None and last is not None and (first < before or last > after):
            self._times[name] = min(before, first), max(after, last)

    def _trim(self) -> None:
        if len(self._times) > 4 * USERS:
            self._times = {n: t for n, t in self._times.items() if n in self.counts.counts}


_Range = tuple[float | None, float | None]  # the first and the last time, if any is known
_UNKNOWN: _Range = (None, None)


def pseudonym(user: str, key: bytes) -> str:
    """A name for this user that only who knows the key can tell is theirs.

    Args:
        user: as in the file.
        key: at most 64 bytes.
    """
    return _pseudonym(_digest(user), key)


def pseudonym_key(secret: str) -> bytes:
    """A secret of any length as a key for pseudonyms."""
    return hashlib.blake2b(secret.encode("utf-8", "surrogateescape"), digest_size=32).digest()


def _digest(user: str) -> str:
    """Short, however long the name; who guesses the name can tell it, so it is never shown."""
    return hashlib.blake2b(user.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _pseudonym(digest: str, key: bytes) -> str:
    return hashlib.blake2b(digest.encode(), key=key, digest_size=5).hexdigest()


@lru_cache(REMEMBERED)
def _expression(variant: str) -> str:
    """What its spellings have in common."""
    return "".join(normalize(variant).views[-1].text.split())


def _apart(spans: Sequence[Span]) -> list[Span]:
    """Of spans that overlap, the one that is most of an expression.

    What a blocklist names, then abusive vocabulary, then what the other labels point at.
    """
    kept: list[Span] = []
    for span in sorted(spans, key=_telling):
        for other in kept:
            if span.start < other.end and other.start < span.end:
                break
        else:
            kept.append(span)
    return kept


def _telling(span: Span) -> tuple[bool, int, int]:
    return span.source is not Source.BLOCKLIST, PLACES[span.label], span.start


def _most(item: tuple[Any, int]) -> tuple[int, str]:
    """Sorts counts from the highest, ties by text."""
    return -item[1], str(item[0])
