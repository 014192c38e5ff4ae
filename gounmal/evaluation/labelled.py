"""A file of labelled lines → texts and what is true of them.

Labels stand in one column, comma separated (`profanity,insult`; empty, `-` or `none` for a harmless
line), or in a column for each label (1 or 0, empty where unknown; `hate_age` is `hate/age`). A
column `abusive` or `flagged` says only whether any label holds. A column `kind` or `slice` sorts
lines for reading the results.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gounmal.errors import InvalidInput
from gounmal.files.columns import Role
from gounmal.schema import LABELS, Label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from gounmal.files.reader import Input

NAMES = ("labels", "label", "라벨", "레이블")
ANY_NAMES = ("abusive", "flagged", "toxic")
KIND_NAMES = ("kind", "slice", "종류")

HARMLESS = {"", "-", "none", "clean", "harmless"}
YES = {"1", "true", "yes", "y", "o"}
NO = {"0", "false", "no", "n", "x"}

NOT_UNDERSTOOD = "labels"
"""Why a row does not count, beside the problems that its text may have."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Lines that can be judged, and what is true of them; `rows` and `skipped` count all lines."""

    texts: list[str]
    truth: NDArray[np.float64]
    """float64[n, n_labels]: 1, 0, or NaN where unknown."""
    any_truth: NDArray[np.float64]
    """float64[n]: does any label hold?"""
    kinds: list[str]
    """Of each line; "" where the file does not say."""
    channels: list[object]
    """Of each line, as in the file, for a policy that has rules for some."""
    numbers: list[int]
    """Row of each line in the file, from 1."""
    rows: int
    skipped: dict[str, int] = field(default_factory=dict)
    """Why other rows do not count: a problem of the text, or `labels`."""


def read_labelled(found: Input, *, labels: str | None = None, kind: str | None = None) -> Labelled:
    """Read a labelled file.

    Args:
        found: from `gounmal.files.reader.inspect`.
        labels: the column with the labels' names, if it is not found by its own name.
        kind: the column to sort lines by, likewise.

    Raises:
        InvalidInput: no column has labels, a named one is not there, or no row could be used.
    """
    columns = _Columns.find(found, labels, kind)
    channel = found.roles.get(Role.CHANNEL)
    texts, truth, any_truth, kinds, channels, numbers = [], [], [], [], [], []
    skipped: Counter[str] = Counter()
    rows = 0
    for chunk in found.chunks():
        rows += len(chunk)
        for i, (record, problem) in enumerate(zip(chunk.records(), chunk.problems, strict=True)):
            if problem is not None:
                skipped[problem.value] += 1
                continue
            known = columns.truth(record)
            if known is None:
                skipped[NOT_UNDERSTOOD] += 1
                continue
            texts.append(str(record[found.roles[Role.TEXT]]))
            truth.append(known[0])
            any_truth.append(known[1])
            kinds.append(str(record.get(columns.kind) or "") if columns.kind else "")
            channels.append(record.get(channel) if channel else None)
            numbers.append(chunk.start + i + 1)
    if not texts:
        why = ", ".join(f"{name}: {count:,}" for name, count in skipped.items()) or "no rows"
        raise InvalidInput(f"{found.path}: no row with text and labels ({why})")
    return Labelled(
        texts=texts,
        truth=np.asarray(truth),
        any_truth=np.asarray(any_truth),
        kinds=kinds,
        channels=channels,
        numbers=numbers,
        rows=rows,
        skipped=dict(skipped),
    )


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where the labels are."""

    names: str | None
    each: Mapping[Label, str]
    some: str | None
    kind: str | None

    @classmethod
    def find(cls, found: Input, labels: str | None, kind: str | None) -> _Columns:
        for name in (labels, kind):
            if name is not None and name not in found.columns:
                raise InvalidInput(f"{found.path}: no column {name!r}")
        plain = {column.casefold().strip(): column for column in reversed(found.columns)}
        each = {
            label: plain[name]
            for label in LABELS
            for name in (label.value, label.value.replace("/", "_"))
            if name in plain
        }
        columns = cls(
            names=labels or (None if each else _first(plain, NAMES)),
            each={} if labels else each,
            some=_first(plain, ANY_NAMES),
            kind=kind or _first(plain, KIND_NAMES),
        )
        if not (columns.names or columns.each or columns.some):
            raise InvalidInput(
                f"{found.path}: no column with labels: expected `labels` (comma separated names), "
                f"one named after a label (`{LABELS[0]}` …: 1 or 0), or `{ANY_NAMES[0]}`"
            )
        return columns

    def truth(self, record: Mapping[str, object]) -> tuple[list[float], float] | None:
        """What is true of a row, of each label and of any; None where that is not understood."""
        values = self._values(record)
        stated = _yes_no(record.get(self.some)) if self.some else float("nan")
        if values is None or stated is None:
            return None
        if 1.0 in values.values():
            stated = 1.0
        elif stated == 0:
            values = dict.fromkeys(LABELS, 0.0)
        elif all(values[label] == 0 for label in LABELS if not label.parent):
            # Every label is denied, so none holds, unless the row itself says that some does.
            stated = 0.0 if math.isnan(stated) else stated
        known = not all(map(math.isnan, [*values.values(), stated]))
        return (list(values.values()), stated) if known else None

    def _values(self, record: Mapping[str, object]) -> dict[Label, float] | None:
        """1, 0 or NaN for each label; a label's parent holds with it."""
        if self.names is not None:
            held = _labels(record.get(self.names))
            return None if held is None else {label: float(label in held) for label in LABELS}
        values = dict.fromkeys(LABELS, float("nan"))
        for label, column in self.each.items():
            value = _yes_no(record.get(column))
            if value is None:
                return None
            values[label] = value
        for label in LABELS:
            if label.parent and values[label] == 1:
                values[label.parent] = 1.0
        return values


def _first(plain: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((plain[name] for name in names if name in plain), None)


def _labels(value: object) -> set[Label] | None:
    """The labels of a comma separated list, with their parents; None if one is unknown."""
    listed = value if isinstance(value, list) else str("" if value is None else value).split(",")
    names = {str(name).strip().casefold() for name in listed}
    names -= HARMLESS
    if not names <= {label.value for label in LABELS}:
        return None
    held = {Label(name) for name in names}
    return held | {label.parent for label in held if label.parent}


def _yes_no(value: object) -> float | None:
    """1, 0, NaN for nothing, None for anything else."""
    text = str("" if value is None else value).strip().casefold().removesuffix(".0")
    if not text:
        return float("nan")
    return 1.0 if text in YES else 0.0 if text in NO else None
