"""How good a model is on labelled lines: per label and mode, by slice, and where it errs most.

`gounmal evaluate` and the model card are made by this code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gounmal.metrics import (
    Bin,
    Counts,
    average_precision,
    expected_calibration_error,
    flags,
    reliability,
)
from gounmal.normalize import normalize
from gounmal.policy import Policy, decide
from gounmal.schema import LABELS, Label, Message, Mode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from gounmal.labelled import Labelled
    from gounmal.moderator import Scored, Scorer

SURE = 0.25
"""A target this near to 0 or 1 counts as known; what is between is left out."""

PASS_TEXTS = 256
LENGTHS = (8, 18, 54, 4_000)
"""Upper bounds of the slices, in characters: median, 90 % and 99 % of live chat, and the rest."""

WORST = 20
"""Errors of each sort that are kept."""

IDENTITY = (
    *("여자", "남자", "여성", "남성", "아줌마", "아저씨", "할머니", "할아버지", "노인", "청소년"),
    *("장애인", "외국인", "다문화", "탈북", "조선족", "중국", "일본", "베트남", "흑인", "백인"),
    *("전라도", "경상도", "교회", "기독교", "불교", "이슬람", "무슬림", "동성애", "게이", "임산부"),
)
"""Words that name groups of people: neutral in themselves, and easily taken for abuse."""


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
    """What was measured on a file, any label at the thresholds of `balanced` where not said."""

    model: str
    rows: int
    judged: int
    skipped: dict[str, int]
    labels: list[LabelResult]
    overall: dict[Mode, Counts]
    bins: dict[Label, list[Bin]]
    slices: dict[str, dict[str, Counts]]
    """By `length`, `kind` and `identity`."""
    errors: list[WorstError]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready. Holds no text."""
        return {
            "model": self.model,
            "rows": self.rows,
            "judged": self.judged,
            "skipped": self.skipped,
            "any": {mode.value: counts.to_dict() for mode, counts in self.overall.items()},
            "labels": {result.label.value: result.to_dict() for result in self.labels},
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
    thresholds: Mapping[Mode, Mapping[Label, float]],
) -> list[LabelResult]:
    """Judge every label.

    Args:
        scores: float[n, n_labels], calibrated.
        targets: float[n, n_labels], 0 to 1, NaN where unknown.
        thresholds: of each mode.
    """
    flagged = {mode: flags(scores, limits) for mode, limits in thresholds.items()}
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


def evaluate_file(lines: Labelled, scorer: Scorer) -> FileEvaluation:
    """Judge a model on labelled lines.

    Raises:
        ScoringFailed: the engine failed.
    """
    scored = _scored(lines.texts, scorer)
    scores = np.stack([one.scores for one in scored])
    sure = ~np.isnan(lines.any_truth)
    truth = lines.any_truth[sure] == 1
    found = {
        mode: np.asarray(flags(scores[sure], limits).any(axis=1))
        for mode, limits in scorer.thresholds.items()
    }
    results = [r for r in label_results(scores, lines.truth, scorer.thresholds) if r.n]
    keys = {
        "length": [_length(text) for text in lines.texts],
        "kind": lines.kinds,
        "identity": [_identity(text) for text in lines.texts],
    }
    return FileEvaluation(
        model=scorer.tag,
        rows=lines.rows,
        judged=len(lines.texts),
        skipped=lines.skipped,
        labels=results,
        overall={mode: Counts.of(truth, yes) for mode, yes in found.items()},
        bins={r.label: reliability(*_known(scores, lines.truth, r.label)) for r in results},
        slices={
            by: _slices([names[i] for i in np.flatnonzero(sure)], truth, found[Mode.BALANCED])
            for by, names in keys.items()
        },
        errors=_worst(lines, scored, np.flatnonzero(sure), truth, found[Mode.BALANCED]),
    )


def _scored(texts: Sequence[str], scorer: Scorer) -> list[Scored]:
    """Score in the order given, texts of alike length together."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    out: list[Scored | None] = [None] * len(texts)
    for start in range(0, len(order), PASS_TEXTS):
        rows = order[start : start + PASS_TEXTS]
        for row, one in zip(rows, scorer.score([normalize(texts[i]) for i in rows]), strict=True):
            out[row] = one
    return [one for one in out if one is not None]


def _known(
    scores: NDArray[np.float32], truth: NDArray[np.float64], label: Label
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    sure, y = known_truth(truth, LABELS.index(label))
    return y, scores[sure, LABELS.index(label)]


def _slices(
    names: Sequence[str], truth: NDArray[np.bool_], flagged: NDArray[np.bool_]
) -> dict[str, Counts]:
    """Counts for each name, lines without one left out."""
    rows: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        if name:
            rows.setdefault(name, []).append(i)
    return {name: Counts.of(truth[rows[name]], flagged[rows[name]]) for name in sorted(rows)}


def _length(text: str) -> str:
    shortest = 0
    for longest in LENGTHS:
        if len(text) <= longest:
            break
        shortest = longest
    return f"{shortest + 1:>4}–{longest:,} characters" if text else ""


def _identity(text: str) -> str:
    return "with an identity term" if any(term in text for term in IDENTITY) else "without"


def _worst(
    lines: Labelled,
    scored: Sequence[Scored],
    rows: NDArray[np.int64],
    truth: NDArray[np.bool_],
    flagged: NDArray[np.bool_],
) -> list[WorstError]:
    """Harmless lines with the highest scores that were flagged; abusive ones with the lowest."""
    top = np.asarray([scored[row].scores.max() for row in rows])
    wrong = np.flatnonzero(truth != flagged)
    false_alarms = sorted((i for i in wrong if flagged[i]), key=lambda i: -top[i])[:WORST]
    missed = sorted((i for i in wrong if truth[i]), key=lambda i: top[i])[:WORST]
    return [
        _error(lines, scored[rows[i]], int(rows[i]), missed=bool(truth[i]))
        for i in (*false_alarms, *missed)
    ]


def _error(lines: Labelled, scored: Scored, row: int, *, missed: bool) -> WorstError:
    """What the model thinks likeliest, of those labels that should have been found if missed."""
    held = [i for i in range(len(LABELS)) if lines.truth[row, i] == 1] if missed else []
    label = LABELS[max(held or range(len(LABELS)), key=lambda i: float(scored.scores[i]))]
    # Flagged for this one label, a line is masked where the model sees most evidence for it.
    only = {one: 0.0 if one is label else 2.0 for one in LABELS}
    decision = decide(
        Message(lines.texts[row]),
        normalize(lines.texts[row]),
        scored.scores,
        scored.evidence,
        thresholds={Mode.BALANCED: only},
        span_threshold=0.5,
        policy=Policy(),
        model="",
    )
    score = round(float(scored.scores[LABELS.index(label)]), 4)
    return WorstError(lines.numbers[row], missed, label, score, decision.masked)
