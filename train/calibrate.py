"""Logits → probabilities that can be believed.

An artifact carries a scale and a shift for each label, so the choice is between temperature (scale
only) and Platt scaling; isotonic regression is not on offer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from gounmal.evaluation.measure import known_truth
from gounmal.evaluation.metrics import expected_calibration_error
from gounmal.schema import LABELS

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDS = 5


@dataclass(frozen=True, slots=True)
class Calibration:
    """score = sigmoid(scale × logit + shift), label by label. Rising, as scale > 0."""

    scale: NDArray[np.float32]
    shift: NDArray[np.float32]
    method: tuple[str, ...]
    """`temperature` (shift 0) or `platt`, for each label."""

    def __call__(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities, of the same shape."""
        return np.asarray(expit(logits * self.scale + self.shift), np.float32)


def calibrate(
    logits: NDArray[np.float32], targets: NDArray[np.float32], groups: NDArray[np.int64]
) -> Calibration:
    """Fit each label on its own, with the method that has the lower ECE across folds.

    Args:
        logits: float32[n, n_labels] of the dev split.
        targets: float32[n, n_labels], NaN where unknown.
        groups: int64[n]; near-duplicates stay in one fold.
    """
    scale, shift = np.ones(len(LABELS), np.float32), np.zeros(len(LABELS), np.float32)
    methods = []
    for i in range(len(LABELS)):
        sure, y = known_truth(targets, i)
        x, fold = logits[sure, i].astype(np.float64), groups[sure] % FOLDS
        method = min(("temperature", "platt"), key=lambda m: _crossed(x, y, fold, m))
        scale[i], shift[i] = _fit(x, y, method)
        methods.append(method)
    return Calibration(scale, shift, tuple(methods))


def _fit(x: NDArray[np.float64], y: NDArray[np.bool_], method: str) -> tuple[float, float]:
    """Scale and shift of least cross entropy, truths drawn in a little as Platt does."""
    positive, negative = int(y.sum()), int((~y).sum())
    if not positive or not negative:
        return 1.0, 0.0
    target = np.where(y, (positive + 1) / (positive + 2), 1 / (negative + 2))

    def loss(parameters: NDArray[np.float64]) -> float:
        z = np.exp(parameters[0]) * x + (parameters[1] if method == "platt" else 0.0)
        return float(-(target * log_expit(z) + (1 - target) * log_expit(-z)).mean())

    slope, shift = minimize(loss, np.zeros(2), method="L-BFGS-B", bounds=[(-3, 3), (-6, 6)]).x
    return float(np.exp(slope)), float(shift) if method == "platt" else 0.0


def _crossed(
    x: NDArray[np.float64], y: NDArray[np.bool_], fold: NDArray[np.int64], method: str
) -> float:
    """ECE of scores that were each calibrated on the other folds."""
    scores = np.zeros(len(x))
    for k in range(FOLDS):
        scale, shift = _fit(x[fold != k], y[fold != k], method)
        scores[fold == k] = expit(scale * x[fold == k] + shift)
    return expected_calibration_error(y, scores)
