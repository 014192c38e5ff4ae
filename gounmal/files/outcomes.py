"""What became of rows, and the decision columns that say so."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from gounmal.files.records import Problem
from gounmal.schema import LABELS, Decision, Reason

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

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


class Outcomes:
    """What became of each row of a chunk; rows with the same text share it.

    Args:
        distinct: each outcome once, in the order of their first rows.
        places: int32[rows], which of them each row has.
    """

    def __init__(self, distinct: Sequence[Outcome], places: NDArray[np.int32]) -> None:
        self.distinct = distinct
        self.places = places

    @classmethod
    def of(cls, keys: Iterable[Hashable], found: Mapping[Any, Outcome]) -> Outcomes:
        """Of rows with these keys, by what was found of each key, in the order of first rows."""
        place = {key: i for i, key in enumerate(found)}
        return cls(list(found.values()), np.array([place[key] for key in keys], np.int32))

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, row: int) -> Outcome:
        return self.distinct[int(self.places[row])]

    def __iter__(self) -> Iterator[Outcome]:
        return map(self.distinct.__getitem__, self.places.tolist())

    @cached_property
    def first(self) -> list[int]:
        """The first row of each distinct outcome."""
        rows: list[int] = np.unique(self.places, return_index=True)[1].tolist()
        return rows

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """int64[distinct], how many rows have each."""
        return np.bincount(self.places, minlength=len(self.distinct))

    @cached_property
    def judged(self) -> NDArray[np.bool_]:
        """bool[distinct], is it a Decision?"""
        return np.array([isinstance(outcome, Decision) for outcome in self.distinct], bool)

    @cached_property
    def flagged(self) -> NDArray[np.bool_]:
        """bool[distinct], is it a Decision that flags the message?"""
        return np.array([isinstance(o, Decision) and o.flagged for o in self.distinct], bool)

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """float64[distinct, labels], NaN where it is no Decision."""
        scores = np.full((len(self.distinct), len(LABELS)), np.nan)
        decisions = [outcome for outcome in self.distinct if isinstance(outcome, Decision)]
        if decisions:
            scores[self.judged] = [tuple(decision.scores.values()) for decision in decisions]
        return scores


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
    rows = pa.array(outcomes.places)
    found = list(map(_unscored, outcomes.distinct))
    columns: dict[str, Any] = dict(zip(_UNSCORED, zip(*found, strict=True), strict=True))
    missing = ~outcomes.judged
    scores = outcomes.scores.astype(np.float32)
    columns |= {name: pa.array(scores[:, i].copy(), mask=missing) for i, name in enumerate(_SCORES)}
    return [pa.array(columns[name], kind).take(rows) for name, kind in _TYPES.items()]


_UNSCORED = tuple(name for name in COLUMNS if name not in _SCORES)


def _unscored(outcome: Outcome) -> tuple[Any, ...]:
    """What was decided, by `_UNSCORED`, as Arrow takes it."""
    if isinstance(outcome, Problem):
        return None, None, None, None, None, *refused(outcome).values()
    spans = outcome.spans and [(s.start, s.end, s.label, s.source) for s in outcome.spans]
    head = outcome.action, outcome.flagged, outcome.labels, spans
    return *head, outcome.masked, outcome.reason, "ok", None


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
