"""The floor and the teacher: logistic regression on hashed n-grams.

What a small network must beat to be worth its keep: TF-IDF of character 1–4-grams (`FLOOR`), fitted
in seconds on the same texts, targets and weights. With jamo 3–7-grams beside it (`JAMO`) it is also
a teacher that errs differently from a network.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, vstack
from scipy.special import expit, log_expit

from gounmal.schema import LABELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from train.data import Dataset

CHUNK = 8192
BITS = 22
"""N-grams are hashed into 2^22 columns, of which those seen once are then dropped."""


@dataclass(frozen=True, slots=True)
class Grams:
    """Which n-grams are the features."""

    orders: tuple[int, ...]
    jamo: bool

    def counts(self, texts: Sequence[str]) -> csr_matrix:
        """Occurrences of each hashed n-gram: float32[n, 2^BITS]."""
        parts = [self._counts(texts[i : i + CHUNK]) for i in range(0, len(texts), CHUNK)]
        return vstack([csr_matrix((0, 1 << BITS), dtype=np.float32), *parts], format="csr")

    def _counts(self, texts: Sequence[str]) -> csr_matrix:
        lines = [f" {' '.join(text.lower().split())} " for text in texts]
        if self.jamo:
            lines = [unicodedata.normalize("NFD", line) for line in lines]
        codes = np.frombuffer("".join(lines).encode("utf-32-le", "replace"), np.uint32)
        lengths = np.asarray([len(line) for line in lines])
        owner = np.repeat(np.arange(len(lines)), lengths)
        rolling = codes.astype(np.uint64)
        rows, columns = [], []
        for order in range(1, max(self.orders) + 1):
            if order > 1:
                rolling = rolling[:-1] * np.uint64(0x100000001B3) ^ codes[order - 1 :]
            if order in self.orders:
                inside = owner[: len(rolling)] == owner[order - 1 :]
                mixed = (rolling + np.uint64(order)) * np.uint64(0x9E3779B97F4A7C15)
                rows.append(owner[: len(rolling)][inside])
                columns.append((mixed >> np.uint64(64 - BITS)).astype(np.int64)[inside])
        at = (np.concatenate(rows), np.concatenate(columns))
        matrix = csr_matrix(
            (np.ones(len(at[0]), np.float32), at), shape=(len(lines), 1 << BITS), dtype=np.float32
        )
        matrix.sum_duplicates()
        return matrix


FLOOR = Grams((1, 2, 3, 4), jamo=False)
JAMO = Grams((3, 4, 5, 6, 7), jamo=True)


@dataclass(frozen=True, slots=True)
class Linear:
    """A fitted model; `scores` makes it a scorer."""

    grams: Grams
    columns: NDArray[np.int64]
    """int64[f], the hashed n-grams that are features."""
    idf: NDArray[np.float32]
    weights: NDArray[np.float32]
    """float32[f, n_labels]"""
    bias: NDArray[np.float32]

    def scores(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Probabilities, float32[n, n_labels]."""
        features = _tfidf(self.grams.counts(texts)[:, self.columns], self.idf)
        return np.asarray(expit(features @ self.weights + self.bias), np.float32)


@dataclass(frozen=True, slots=True)
class Average:
    """The mean of several scorers' probabilities."""

    members: tuple[Linear, ...]

    def scores(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Probabilities, float32[n, n_labels]."""
        return np.asarray(np.mean([m.scores(texts) for m in self.members], axis=0))


def fit(  # noqa: PLR0913  (keyword-only settings)
    dataset: Dataset,
    rows: NDArray[np.int64],
    *,
    grams: Grams = FLOOR,
    strength: float = 5.0,
    any_of: float = 1.0,
    iterations: int = 35,
) -> Linear:
    """Fit all labels at once on `rows`.

    Args:
        dataset: texts, targets and weights; where a target is unknown, it counts for nothing.
        rows: which of them to learn from.
        grams: the features.
        strength: inverse of the L2 penalty, scikit-learn's `C`.
        any_of: how much the any-of statements count (probability of at least one, labels taken as
            independent), against known targets.
        iterations: of L-BFGS at most.
    """
    counts = grams.counts([dataset.texts[i] for i in rows.tolist()])
    seen = np.asarray((counts > 0).sum(axis=0)).ravel()
    columns = np.flatnonzero(seen >= 2)
    idf = (np.log((1 + len(rows)) / (1 + seen[columns])) + 1).astype(np.float32)
    features = _tfidf(counts[:, columns], idf)
    # Every text moves the intercept, few move an n-gram: in its natural unit L-BFGS crawls.
    unit = np.append(np.ones(len(columns)), 1 / np.sqrt(len(rows)))
    transposed = features.T.tocsr()
    shape = (len(columns) + 1, len(LABELS))
    start = np.zeros(shape)
    start[-1] = -2.0 / unit[-1]  # most labels are rare

    def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        parameters = flat.reshape(shape) * unit[:, None]
        at = parameters.astype(np.float32)
        loss, slope = loss_and_slope(features @ at[:-1] + at[-1], dataset, rows, any_of)
        gradient = np.empty(shape)
        gradient[:-1] = strength * (transposed @ slope) + parameters[:-1]
        gradient[-1] = strength * slope.sum(axis=0)
        penalty = 0.5 * float((parameters[:-1] ** 2).sum())
        return strength * loss + penalty, (gradient * unit[:, None]).ravel()

    found = minimize(
        objective,
        start.ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": iterations, "maxcor": 6},
    )
    parameters = (found.x.reshape(shape) * unit[:, None]).astype(np.float32)
    return Linear(grams, columns, idf, parameters[:-1], parameters[-1])


def _tfidf(counts: csr_matrix, idf: NDArray[np.float32]) -> csr_matrix:
    """Sublinear term frequency times inverse document frequency, rows of length 1."""
    counts = counts.copy()
    counts.data = (1 + np.log(counts.data)) * idf[counts.indices]
    norm = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1)).ravel())
    counts.data /= np.repeat(np.maximum(norm, 1e-9), np.diff(counts.indptr)).astype(np.float32)
    return counts


def loss_and_slope(
    logits: NDArray[np.float32],
    dataset: Dataset,
    rows: NDArray[np.int64],
    any_of: float,
    counts: NDArray[np.float32] | None = None,
) -> tuple[float, NDArray[np.float32]]:
    """Masked cross entropy summed over texts and labels, and its slope float32[n, n_labels].

    With `counts`, float32[n], a text counts that many times.
    """
    times = np.ones(len(rows), np.float32) if counts is None else counts
    weights = dataset.weights[rows] * times[:, None]
    targets = np.nan_to_num(dataset.targets[rows])
    positive, negative = log_expit(logits), log_expit(-logits)
    probability = expit(logits)
    loss = -(weights * (targets * positive + (1 - targets) * negative)).sum()
    slope = weights * (probability - targets)

    listed = dataset.any_of[rows]
    stated = listed.any(axis=1)
    listed, none = listed[stated], (negative * listed)[stated].sum(axis=1)
    none = np.minimum(none, -1e-6)  # log P(none of them holds)
    some = np.log(-np.expm1(none))
    value = dataset.any_value[rows][stated]
    weight = (dataset.any_weight[rows] * times)[stated] * any_of
    loss -= (weight * (value * some + (1 - value) * none)).sum()
    pull = weight * ((1 - value) - value * np.exp(none - some))
    slope[stated] += (pull[:, None] * listed * probability[stated]).astype(np.float32)
    return float(loss), slope
