"""How good scores are on labelled lines: per label and mode, by slice, and what is taken for what.

`gounmal evaluate` and the model card are made by this code. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gounmal.evaluation.metrics import Counts, average_precision, expected_calibration_error
from gounmal.schema import LABELS, Label, Mode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from gounmal.evaluation.metrics import Bin

SURE = 0.25
"""A target this near to 0 or 1 counts as known; what is between is left out."""

LENGTHS = (8, 18, 54, 4_000)
"""Upper bounds of the slices, in characters: median, 90 % and 99 % of live chat, and the rest."""

MOST_SLICES = 40
"""Of one sort: a column of ids is none to sort lines by."""

IDENTITY = (
    *("여자", "남자", "여성", "남성", "아줌마", "아저씨", "할머니", "할아버지", "노인", "청소년"),
    *("장애인", "외국인", "다문화", "탈북", "조선족", "중국", "일본", "베트남", "흑인", "백인"),
    *(
        "전라도",
        "경상도",
        "교회",
        "기독교",
        "불교",
        "이슬람",
        "무슬림",
        "동성애",
        "성소수자",
        "임산부",
    ),
)
"""Words that name groups of people: neutral in themselves, and easily taken for abuse."""

NONE = "none"
"""Stands for no label at all, in a table of confusions."""


@dataclass(frozen=True, slots=True)
class LabelResult:
    """One label, on every text about which it is known."""

    label: Label
    n: int
    positives: int
    average_precision: float
    calibration_error: float
    modes: dict[Mode, Counts]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "n": self.n,
            "positives": self.positives,
            "average_precision": round(self.average_precision, 4),
            "calibration_error": round(self.calibration_error, 4),
            "modes": {mode.value: counts.to_dict() for mode, counts in self.modes.items()},
        }


@dataclass(frozen=True, slots=True)
class WorstError:
    """A line that was judged wrongly, and by how much."""

    row: int
    """In the file, from 1."""
    missed: bool
    """Abusive and not flagged; else flagged and harmless."""
    label: Label
    score: float
    masked: str


@dataclass(frozen=True, slots=True)
class FileEvaluation:
    """What was measured on a file; at the thresholds of `balanced` where not said."""

    source: str
    model: str
    policy: str | None
    rows: int
    judged: int
    skipped: dict[str, int]
    labels: list[LabelResult]
    overall: dict[Mode, Counts]
    """Any label."""
    confusion: dict[str, dict[str, int]]
    """Of lines that have a label (or `none`): how many were flagged for each (or `none`)."""
    bins: dict[Label, list[Bin]]
    slices: dict[str, dict[str, Counts]]
    """Any label, by `length`, `kind` and `identity`."""
    errors: list[WorstError]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready. Holds no text."""
        return {
            "source": self.source,
            "model": self.model,
            "policy": self.policy,
            "rows": self.rows,
            "judged": self.judged,
            "skipped": self.skipped,
            "any": {mode.value: counts.to_dict() for mode, counts in self.overall.items()},
            "labels": {result.label.value: result.to_dict() for result in self.labels},
            "confusion": self.confusion,
            "calibration": {
                label.value: [[b.score, b.share, b.n] for b in bins]
                for label, bins in self.bins.items()
            },
            "slices": {
                by: {name: counts.to_dict() for name, counts in found.items()}
                for by, found in self.slices.items()
            },
            "worst": [
                {"row": e.row, "missed": e.missed, "label": e.label.value, "score": e.score}
                for e in self.errors
            ],
        }


def known_truth(
    targets: NDArray[np.float32] | NDArray[np.float64], column: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Rows where a label is surely known, bool[n], and whether it holds there, bool[m]."""
    values = targets[:, column]
    sure = np.asarray((values <= SURE) | (values >= 1 - SURE))
    return sure, np.asarray(values[sure] > 0.5)


def label_results(
    scores: NDArray[np.float32],
    targets: NDArray[np.float32] | NDArray[np.float64],
    flagged: Mapping[Mode, NDArray[np.bool_]],
) -> list[LabelResult]:
    """Judge every label.

    Args:
        scores: float[n, n_labels], calibrated.
        targets: float[n, n_labels], 0 to 1, NaN where unknown.
        flagged: of each mode, bool[n, n_labels].
    """
    out = []
    for i, label in enumerate(LABELS):
        sure, y = known_truth(targets, i)
        p = scores[sure, i]
        out.append(
            LabelResult(
                label,
                len(y),
                int(y.sum()),
                average_precision(y, p),
                expected_calibration_error(y, p),
                {mode: Counts.of(y, found[sure, i]) for mode, found in flagged.items()},
            )
        )
    return out


def confusion(
    truth: NDArray[np.float64], any_truth: NDArray[np.float64], flagged: NDArray[np.bool_]
) -> dict[str, dict[str, int]]:
    """What is taken for what; a line with two labels counts for both.

    Args:
        truth: float64[n, n_labels]: 1, 0, or NaN where unknown.
        any_truth: float64[n]: the same of any label.
        flagged: bool[n, n_labels].
    """
    names = [*(label.value for label in LABELS), NONE]
    held = np.column_stack([truth == 1, any_truth == 0])
    found = np.column_stack([flagged, ~flagged.any(axis=1)])
    counts = held.T.astype(np.int64) @ found
    return {
        name: dict(zip(names, row.tolist(), strict=True))
        for name, row, own in zip(names, counts, held.T, strict=True)
        if own.any()
    }


def slices(
    names: Iterable[Sequence[str]], truth: NDArray[np.bool_], flagged: NDArray[np.bool_]
) -> dict[str, Counts]:
    """Counts of the slices with most lines, by name: numbers by their value, then words.

    Args:
        names: of the slices that each line belongs to; any number of them.
        truth: bool[n].
        flagged: bool[n].
    """
    rows: dict[str, list[int]] = {}
    for i, own in enumerate(names):
        for name in own:
            rows.setdefault(name, []).append(i)
    shown = sorted(rows, key=lambda name: (-len(rows[name]), name))[:MOST_SLICES]
    return {
        name: Counts.of(truth[rows[name]], flagged[rows[name]])
        for name in sorted(shown, key=_by_value)
    }


def _by_value(name: str) -> tuple[float, str]:
    digits = name.partition("–")[0]
    return (float(digits), name) if digits.isdecimal() else (float("inf"), name)


def length_slice(text: str) -> str:
    """How long a text is, as the name of a slice."""
    shortest = 0
    for longest in LENGTHS:
        if len(text) <= longest:
            break
        shortest = longest
    return f"{shortest + 1}–{longest}"


def identity_slices(text: str) -> list[str]:
    """Which groups of people a text names."""
    return [term for term in IDENTITY if term in text]
