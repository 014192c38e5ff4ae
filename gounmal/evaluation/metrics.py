"""Numbers that say how good a model is: counts with ratios, ranking, calibration, spans. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gounmal.policy import SCORE_DIGITS
from gounmal.schema import LABELS, Label

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

ECE_BINS = 15


@dataclass(frozen=True, slots=True)
class Counts:
    """What was flagged against what should have been. A ratio of nothing is 0."""

    tp: int
    fp: int
    fn: int
    tn: int

    @classmethod
    def of(cls, truth: ArrayLike, flagged: ArrayLike) -> Counts:
        """Count two bool arrays of the same shape."""
        y, p = np.asarray(truth, np.bool_), np.asarray(flagged, np.bool_)
        return cls(
            int((y & p).sum()), int((~y & p).sum()), int((y & ~p).sum()), int((~y & ~p).sum())
        )

    @property
    def n(self) -> int:
        """How many were counted."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def precision(self) -> float:
        """Of the flagged, the share that should be."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Of those that should be flagged, the share that is."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def accuracy(self) -> float:
        """Share that is right."""
        return _ratio(self.tp + self.tn, self.n)

    @property
    def false_positive_rate(self) -> float:
        """Of those that should not be flagged, the share that is."""
        return _ratio(self.fp, self.fp + self.tn)

    def to_dict(self) -> dict[str, float]:
        """Counts and ratios, JSON-ready."""
        return {
            "tp": self.tp,
            "fp": self.fp,
            "fn": self.fn,
            "tn": self.tn,
            "precision": round(self.precision, 4),
            "recall": round(self.recall, 4),
            "f1": round(self.f1, 4),
            "accuracy": round(self.accuracy, 4),
        }


def flags(scores: NDArray[np.float32], thresholds: Mapping[Label, float]) -> NDArray[np.bool_]:
    """The labels that `policy.decide` would find, without policy file: bool[n, n_labels].

    Args:
        scores: float[n, n_labels], calibrated.
        thresholds: of one mode.
    """
    kinds = [i for i, label in enumerate(LABELS) if label.parent]
    hate = LABELS.index(Label.HATE)
    values = np.round(scores.astype(np.float64), SCORE_DIGITS)
    values[:, hate] = values[:, [hate, *kinds]].max(axis=1, initial=0.0)
    found = values >= np.asarray([thresholds[label] for label in LABELS])
    found[:, hate] |= found[:, kinds].any(axis=1)
    return found


def average_precision(truth: ArrayLike, scores: ArrayLike) -> float:
    """Area under the precision–recall curve as a step function; ties share one step. NaN if none.

    Σ (recall_k − recall_{k−1}) · precision_k over the distinct scores from high to low.
    """
    precision, recall, _ = _curve(truth, scores)
    if not len(recall) or np.isnan(recall[0]):
        return float("nan")
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def best_f1(truth: ArrayLike, scores: ArrayLike) -> tuple[float, float]:
    """The highest F1 that any threshold reaches, and that threshold. (NaN, 1) if none is true."""
    precision, recall, limits = _curve(truth, scores)
    if not len(recall) or np.isnan(recall[0]):
        return float("nan"), 1.0
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    best = int(f1.argmax())
    return float(f1[best]), float(limits[best])


def recall_at(truth: ArrayLike, scores: ArrayLike, false_positive_rate: float) -> float:
    """The highest recall of any threshold that flags at most this share of what is not true.

    0 where even the highest score is too many; NaN if nothing is true.
    """
    y, p = np.asarray(truth, np.bool_), np.asarray(scores, np.float64)
    if not y.any():
        return float("nan")
    allowed = int(false_positive_rate * int((~y).sum()) + 1e-9)
    false = np.sort(p[~y])[::-1]
    # A threshold just over the first false score too many; no false one is under it otherwise.
    limit = false[allowed] if allowed < len(false) else -np.inf
    return float((p[y] > limit).mean())


def expected_calibration_error(
    truth: ArrayLike, scores: ArrayLike, *, bins: int = ECE_BINS
) -> float:
    """Mean gap between score and share of true over bins of equal width, weighted by size."""
    y, p = np.asarray(truth, np.float64), np.asarray(scores, np.float64)
    if not len(y):
        return float("nan")
    which = np.minimum((p * bins).astype(np.int64), bins - 1)
    gap = np.bincount(which, p - y, minlength=bins)
    return float(np.abs(gap).sum() / len(y))


@dataclass(frozen=True, slots=True)
class Bin:
    """Scores of about the same height."""

    score: float
    """Their mean."""
    share: float
    """Of them, how many are true."""
    n: int


def reliability(truth: ArrayLike, scores: ArrayLike, *, bins: int = 10) -> list[Bin]:
    """For a calibration plot: bins of equal width that are not empty, lowest first."""
    y, p = np.asarray(truth, np.float64), np.asarray(scores, np.float64)
    which = np.minimum((p * bins).astype(np.int64), bins - 1)
    return [
        Bin(
            round(float(p[which == i].mean()), 4),
            round(float(y[which == i].mean()), 4),
            int((which == i).sum()),
        )
        for i in np.unique(which).tolist()
    ]


def span_counts(
    lengths: Sequence[int],
    predicted: Sequence[Iterable[tuple[int, int]]],
    gold: Sequence[Iterable[tuple[int, int]]],
) -> Counts:
    """Count characters inside spans.

    Args:
        lengths: code points of each text.
        predicted: of each text its `[start, end)` spans; they may overlap.
        gold: the same, as they should be.
    """
    total = Counts(0, 0, 0, 0)
    for length, found, right in zip(lengths, predicted, gold, strict=True):
        one = Counts.of(_cover(length, right), _cover(length, found))
        total = Counts(total.tp + one.tp, total.fp + one.fp, total.fn + one.fn, total.tn + one.tn)
    return total


def _cover(length: int, spans: Iterable[tuple[int, int]]) -> NDArray[np.bool_]:
    covered = np.zeros(length, np.bool_)
    for start, end in spans:
        covered[start:end] = True
    return covered


def _curve(
    truth: ArrayLike, scores: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Precision, recall and score at each distinct score, highest first."""
    y, p = np.asarray(truth, np.bool_), np.asarray(scores, np.float64)
    order = np.argsort(-p, kind="stable")
    y, p = y[order], p[order]
    last = np.flatnonzero(np.append(np.diff(p) != 0, True)[: len(p)])
    hits = np.cumsum(y)[last]
    total = float(y.sum())
    recall = hits / total if total else np.full(len(last), np.nan)
    return hits / (last + 1), recall, p[last]


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
