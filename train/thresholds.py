"""The thresholds of the three modes, chosen on the dev split by stated targets (`Targets`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gounmal.evaluation import known_truth
from gounmal.metrics import Counts, flags
from gounmal.policy import SCORE_DIGITS
from gounmal.schema import LABELS, Label, Mode
from train import benchmarks, probes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from train.data import Dataset

CANDIDATES = 40
"""Thresholds tried for each label: quantiles of its score where it holds."""

ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Targets:
    """What the modes are chosen for."""

    balanced_harmless: float = 0.002
    """Of harmless lines, the share that `balanced` may flag, over all labels together."""
    strict_harmless: float = 0.01
    strict_beta: float = 2.0
    """`strict` maximises F-beta: recall counts beta times as much as precision."""
    lenient_precision: float = 0.95
    """Of each label where it can be reached; else its most precise threshold."""


def choose_thresholds(
    dataset: Dataset,
    score: Callable[[Sequence[str]], NDArray[np.float32]],
    *,
    split: str = "dev",
    targets: Targets = Targets(),
) -> dict[Mode, dict[Label, float]]:
    """The thresholds of the three modes; those of a milder mode are never the lower ones.

    `balanced` maximises the mean of the benchmarks' metrics and of the labels' F1 while it flags at
    most so many harmless lines; `strict` the same with F-beta and recall; `lenient` asks every
    label for precision.
    """
    board = _Board.of(dataset, score, split)
    balanced = board.climb(beta=1.0, harmless=targets.balanced_harmless)
    strict = board.climb(beta=targets.strict_beta, harmless=targets.strict_harmless, below=balanced)
    lenient = np.maximum(board.precise(targets.lenient_precision), balanced)
    return {
        mode: {label: float(v) for label, v in zip(LABELS, values, strict=True)}
        for mode, values in (
            (Mode.LENIENT, lenient),
            (Mode.BALANCED, balanced),
            (Mode.STRICT, strict),
        )
    }


@dataclass(frozen=True, slots=True)
class _Board:
    """The dev split, scored, laid out for trying many thresholds."""

    scores: NDArray[np.float32]
    labels: list[tuple[NDArray[np.int64], NDArray[np.bool_]]]
    """Of each label: rows where it is known, and truth."""
    tasks: list[tuple[benchmarks.Task, NDArray[np.int64], list[int]]]
    """Benchmarks with their rows and label columns."""
    harmless: NDArray[np.int64]
    candidates: list[NDArray[np.float64]]

    @classmethod
    def of(
        cls, dataset: Dataset, score: Callable[[Sequence[str]], NDArray[np.float32]], split: str
    ) -> _Board:
        rows = dataset.rows(split)
        merged = [dataset.texts[i] for i in rows.tolist()]
        asked = benchmarks.tasks(dataset, split)
        calm = probes.chat_like(dataset, split) + probes.own_harmless(dataset, split)
        texts = dict.fromkeys([*merged, *(e.text for t in asked for e in t.examples), *calm])
        index = {text: i for i, text in enumerate(texts)}
        scores = np.round(score(list(texts)).astype(np.float64), SCORE_DIGITS)
        own = np.asarray([index[text] for text in merged], np.int64)
        labels, candidates = [], []
        for i in range(len(LABELS)):
            sure, y = known_truth(dataset.targets[rows], i)
            labels.append((own[sure], y))
            positive = scores[own[sure][y], i] if y.any() else np.asarray([0.5])
            levels = np.quantile(positive, np.linspace(0, 1, CANDIDATES))
            candidates.append(np.unique(np.append(np.round(levels, SCORE_DIGITS), 1.0)))
        return cls(
            scores=scores.astype(np.float32),
            labels=labels,
            tasks=[
                (
                    task,
                    np.asarray([index[e.text] for e in task.examples], np.int64),
                    [LABELS.index(label) for label in task.labels],
                )
                for task in asked
            ],
            harmless=np.asarray([index[text] for text in dict.fromkeys(calm)], np.int64),
            candidates=candidates,
        )

    def climb(
        self, *, beta: float, harmless: float, below: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """Coordinate ascent from two starts: thresholds float64[n_labels], none over `below`."""
        most = np.ones(len(LABELS)) if below is None else below
        own = np.asarray([self._best(i, beta) for i in range(len(LABELS))])
        starts = [np.minimum(own, most), most]
        found = [self._ascend(start, most, beta, harmless) for start in starts]
        return max(found, key=lambda limits: self._value(limits, beta, harmless))

    def precise(self, precision: float) -> NDArray[np.float64]:
        """The lowest candidates with this precision, else the most precise ones."""
        out = []
        for i, (rows, y) in enumerate(self.labels):
            counts = [Counts.of(y, self.scores[rows, i] >= t) for t in self.candidates[i]]
            enough = [j for j, c in enumerate(counts) if c.precision >= precision and c.tp]
            best = max(range(len(counts)), key=lambda j: (counts[j].precision, counts[j].tp))
            out.append(self.candidates[i][enough[0] if enough else best])
        return np.asarray(out)

    def _ascend(
        self,
        limits: NDArray[np.float64],
        most: NDArray[np.float64],
        beta: float,
        harmless: float,
    ) -> NDArray[np.float64]:
        best = self._value(limits, beta, harmless)
        for _ in range(ROUNDS):
            before = best
            for i, candidates in enumerate(self.candidates):
                for candidate in candidates[candidates <= most[i]].tolist():
                    tried = limits.copy()
                    tried[i] = candidate
                    value = self._value(tried, beta, harmless)
                    if value > best:
                        limits, best = tried, value
            if best == before:
                break
        return limits

    def _value(self, limits: NDArray[np.float64], beta: float, harmless: float) -> float:
        """What is maximised; below 0 while too many harmless lines are flagged."""
        flagged = flags(self.scores, dict(zip(LABELS, limits.tolist(), strict=True)))
        share = float(flagged[self.harmless].any(axis=1).mean()) if len(self.harmless) else 0.0
        if share > harmless:
            return -share
        each = [
            _f_beta(Counts.of(y, flagged[rows, i]), beta)
            for i, (rows, y) in enumerate(self.labels)
            if y.any()
        ]
        wide = []
        for task, rows, columns in self.tasks:
            found = np.asarray(flagged[rows][:, columns].any(axis=1))
            plain = beta == 1.0
            wide.append(task.value(found) if plain else _f_beta(Counts.of(task.truth, found), beta))
        return float(np.mean(each)) + (float(np.mean(wide)) if wide else 0.0)

    def _best(self, label: int, beta: float) -> float:
        rows, y = self.labels[label]
        tried: list[float] = self.candidates[label].tolist()
        return max(tried, key=lambda t: _f_beta(Counts.of(y, self.scores[rows, label] >= t), beta))


def _f_beta(counts: Counts, beta: float) -> float:
    weight = beta * beta
    below = (1 + weight) * counts.tp + weight * counts.fn + counts.fp
    return float((1 + weight) * counts.tp / below) if below else 0.0
