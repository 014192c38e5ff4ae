"""What became of rows, and the decision columns that say so."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from gounmal.files.records import Problem
from gounmal.schema import LABELS, Action, Decision, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

Outcome = Decision | Problem
"""What became of a row: it was judged, or it could not be."""

_SPAN = pa.struct(
    {"start": pa.int32(), "end": pa.int32(), "label": pa.string(), "source": pa.string()}
)
_SCORES = {f"score_{label.replace('/', '_')}": pa.float32() for label in LABELS}
_TYPES = {
    "action": pa.string(),
    "flagged": pa.bool_(),
    "labels": pa.list_(pa.string()),
    **_SCORES,
    "spans": pa.list_(_SPAN),
    "masked": pa.string(),
    "reason": pa.string(),
    "status": pa.string(),
    "problem": pa.string(),
}
COLUMNS = tuple(_TYPES)
"""The decision columns of CSV and Parquet; JSONL has `scores` as one object, as over HTTP."""

_LABELS = tuple(label.value for label in LABELS)


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcomes:
    """What became of each row of a chunk, column by column; rows with the same text share it.

    Most chat is harmless: there is no Decision of such a text until somebody asks for it.
    """

    places: NDArray[np.int32]
    """int32[rows], which of the distinct outcomes each has: by their first rows, from 0."""
    texts: Sequence[str | None]
    """Of each distinct outcome; None where it was not judged."""
    scores: NDArray[np.float64]
    """float64[distinct, labels], as they are shown; NaN where it was not judged."""
    empty: NDArray[np.bool_]
    """bool[distinct], is there nothing in it to judge?"""
    found: Mapping[int, Outcome]
    """The few, in order, that are not harmless: Decisions, and Problems of what was not judged."""
    harmless: Callable[[int], Decision]
    """Makes the Decision of another one."""

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, row: int) -> Outcome:
        return self._outcome(int(self.places[row]))

    def __iter__(self) -> Iterator[Outcome]:
        return map(self.distinct.__getitem__, self.places.tolist())

    def _outcome(self, place: int) -> Outcome:
        return self.found[place] if place in self.found else self.harmless(place)

    @cached_property
    def distinct(self) -> list[Outcome]:
        """Each outcome once."""
        return list(map(self._outcome, range(len(self.texts))))

    @cached_property
    def first(self) -> NDArray[np.int64]:
        """int64[distinct], the first row of each."""
        highest = np.maximum.accumulate(self.places)
        return np.flatnonzero(np.diff(highest, prepend=-1))

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """int64[distinct], how many rows have each."""
        return np.bincount(self.places, minlength=len(self.texts))

    @cached_property
    def judged(self) -> NDArray[np.bool_]:
        """bool[distinct], is it a Decision?"""
        return self._mark(True, (i for i, o in self.found.items() if isinstance(o, Problem)))

    @cached_property
    def flagged(self) -> NDArray[np.bool_]:
        """bool[distinct], is it a Decision that flags the message?"""
        found = self.found.items()
        return self._mark(False, (i for i, o in found if isinstance(o, Decision) and o.flagged))

    @cached_property
    def plain(self) -> NDArray[np.bool_]:
        """bool[distinct], is it harmless?"""
        return self._mark(True, self.found)

    def _mark(self, others: bool, places: Iterable[int]) -> NDArray[np.bool_]:  # noqa: FBT001
        """bool[distinct], the opposite of the others at these places."""
        marks = np.full(len(self.texts), others)
        marks[list(places)] = not others
        return marks


def decision_names(columns: Sequence[str], wanted: Sequence[str] = COLUMNS) -> dict[str, str]:
    """What the decision columns are called: they step aside for input columns of the same name."""
    prefix = ""
    while any(prefix + name in columns for name in wanted):
        prefix += "gounmal_"
    return {name: prefix + name for name in wanted}


def decision_fields(columns: Sequence[str]) -> list[pa.Field]:
    """The decision columns of Parquet beside input columns of these names."""
    return named_fields(decision_names(columns).values())


def named_fields(names: Iterable[str]) -> list[pa.Field]:
    """The decision columns of Parquet by these names."""
    return [pa.field(name, kind) for name, kind in zip(names, _TYPES.values(), strict=True)]


def decided(outcomes: Outcomes) -> list[pa.Array]:
    """What was decided of at least one row, as the decision columns of Parquet."""
    places = outcomes.places
    kinds = outcomes.empty.astype(np.int32)  # what is harmless is one of two kinds
    kinds[list(outcomes.found)] = np.arange(len(outcomes.found)) + len(_HARMLESS)
    table = zip(*_HARMLESS, *map(_unscored, outcomes.found.values()), strict=True)
    columns: dict[str, Any] = dict(zip(_UNSCORED, table, strict=True))
    rows = pa.array(kinds[places])
    made = {name: pa.array(columns[name], _TYPES[name]).take(rows) for name in _UNSCORED}
    made["masked"] = _masked(outcomes).take(pa.array(places))
    missing = ~outcomes.judged[places]
    scores = np.ascontiguousarray(outcomes.scores.T, np.float32).take(places, axis=1)
    made |= {name: pa.array(scores[i], mask=missing) for i, name in enumerate(_SCORES)}
    return [made[name] for name in _TYPES]


_UNSCORED = tuple(name for name in COLUMNS if name not in {*_SCORES, "masked"})


def _masked(outcomes: Outcomes) -> pa.Array:
    """Each distinct text, masked; null where it was not judged."""
    texts = list(outcomes.texts)
    for i, outcome in outcomes.found.items():
        texts[i] = None if isinstance(outcome, Problem) else outcome.masked
    return pa.array(texts, pa.string())


def _unscored(outcome: Outcome) -> tuple[Any, ...]:
    """What was decided, by `_UNSCORED`, as Arrow takes it."""
    if isinstance(outcome, Problem):
        return None, None, None, None, *refused(outcome).values()
    spans = outcome.spans and [(s.start, s.end, s.label, s.source) for s in outcome.spans]
    head = outcome.action, outcome.flagged, outcome.labels, spans
    return *head, outcome.reason, "ok", None


_HARMLESS = [
    (Action.ALLOW, False, (), (), reason, "ok", None) for reason in (Reason.CLEAN, Reason.EMPTY)
]
"""What `_unscored` says of what is harmless: with something to judge in it, and with nothing."""


def flat(outcome: Outcome) -> tuple[Any, ...]:
    """What was decided, by `COLUMNS`; labels and spans as the Decision has them."""
    if isinstance(outcome, Problem):
        blank = {**dict.fromkeys(COLUMNS), **refused(outcome)}
        return tuple(blank.values())
    head = outcome.action, outcome.flagged, outcome.labels, *outcome.scores.values()
    return (*head, outcome.spans, outcome.masked, outcome.reason, "ok", None)


def nested(outcome: Outcome) -> dict[str, Any]:
    """The same as over HTTP, less what is the same for the whole file."""
    if isinstance(outcome, Problem):
        return refused(outcome)
    return {
        "action": outcome.action,
        "flagged": outcome.flagged,
        "labels": outcome.labels,
        "scores": dict(zip(_LABELS, outcome.scores.values(), strict=True)),
        "spans": outcome.spans,
        "masked": outcome.masked,
        "reason": outcome.reason,
        "status": "ok",
        "problem": None,
    }


def refused(problem: Problem) -> dict[str, Any]:
    """What is said of a row that could not be judged."""
    return {"reason": Reason.INVALID, "status": "invalid", "problem": problem}
