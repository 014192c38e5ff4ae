"""The dev split laid out for trying thresholds: what each of many would flag, right and wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gounmal.evaluation.measure import known_truth
from gounmal.policy import SCORE_DIGITS
from gounmal.schema import LABELS, Label
from train import benchmarks, probes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from train.data import Dataset

HATE = LABELS.index(Label.HATE)
KINDS = [i for i, label in enumerate(LABELS) if label.parent]

CANDIDATES = 80
"""Thresholds tried for each label at most: quantiles of its score where it holds."""

STRIDE = 12
"""How far a restart moves a threshold at most, in candidates."""

PRICES = (0.0, 0.02, 0.1, 0.5, 1_000.0)
"""Of flagging twice as many harmless lines as allowed, in points of quality: round by round."""

LABEL_SHARE = 0.5
"""What the labels' mean F1 counts against the benchmarks' mean: six of nine labels are hate."""

SHORTFALL = 2.0
"""How much more a point counts of a benchmark that is below what is asked of it."""

_NEVER = np.full(len(LABELS), np.inf)
"""Thresholds that no score reaches."""


@dataclass(frozen=True, slots=True)
class Goal:
    """F-beta, and the shares of harmless lines that may be flagged."""

    beta: float
    chat: float
    lookalikes: float


@dataclass(frozen=True, slots=True)
class Part:
    """Some texts, of which the first `positives` should have one of some labels."""

    scores: NDArray[np.float64]
    """float64[n, k]"""
    columns: list[int]
    """The k labels."""
    positives: int
    accuracy: bool = False
    """Is that what counts here, and not F-beta?"""
    asked: float = 0.0
    """What is below this counts `SHORTFALL` times more."""

    @classmethod
    def of(
        cls,
        scores: NDArray[np.float64],
        columns: Sequence[int],
        truth: NDArray[np.bool_],
        *,
        accuracy: bool = False,
        asked: float = 0.0,
    ) -> Part:
        """Positive texts first; with `hate`, its kinds, as each of them is hate."""
        wanted = sorted({*columns, *(KINDS if HATE in columns else ())})
        order = np.argsort(~truth, kind="stable")
        return cls(scores[order][:, wanted].copy(), wanted, int(truth.sum()), accuracy, asked)

    def counts(
        self, limits: NDArray[np.float64], label: int, tried: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """How many are flagged that should be, and that should not: int64[len(tried)] each.

        For each threshold of one label in `tried` (rising), those of the others as in `limits`.
        """
        above = self.scores >= limits[self.columns]
        ranks = np.zeros(len(self.scores), np.int64)
        if label in self.columns:
            column = self.columns.index(label)
            above[:, column] = False
            ranks = np.searchsorted(tried, self.scores[:, column], side="right")
        others = np.asarray(above.any(axis=1))

        def flagged(rows: slice) -> NDArray[np.int64]:
            free = np.bincount(ranks[rows][~others[rows]], minlength=len(tried) + 1)
            return np.asarray(free[::-1].cumsum()[::-1][1:] + np.count_nonzero(others[rows]))

        return flagged(slice(self.positives)), flagged(slice(self.positives, None))

    def qualities(
        self,
        limits: NDArray[np.float64],
        label: int,
        tried: NDArray[np.float64],
        beta: float,
    ) -> NDArray[np.float64]:
        """F-beta for each of them; where beta is 1, accuracy if that counts, and what is asked."""
        right, wrong = self.counts(limits, label, tried)
        below = beta * beta * self.positives + right + wrong
        quality = (1 + beta * beta) * right / np.maximum(below, 1e-9)
        if beta != 1:
            return np.asarray(quality)
        if self.accuracy:
            quality = 1 - (self.positives - right + wrong) / max(len(self.scores), 1)
        return np.asarray(quality - SHORTFALL * np.maximum(0, self.asked - quality))


@dataclass(frozen=True, slots=True)
class Board:
    """The dev split, scored, laid out for trying many thresholds."""

    labels: list[Part]
    tasks: list[Part]
    chat: Part
    lookalikes: Part
    candidates: list[NDArray[np.float64]]

    @classmethod
    def of(
        cls, dataset: Dataset, score: Callable[[Sequence[str]], NDArray[np.float32]], split: str
    ) -> Board:
        """Score a split: its labelled texts, its benchmarks and its harmless lines."""
        rows = dataset.rows(split)
        merged = [dataset.texts[i] for i in rows.tolist()]
        asked = [task for task in benchmarks.tasks(dataset, split) if not task.by_order]
        chat, ours = probes.chat_like(dataset, split), probes.own_harmless(dataset, split)
        lines = [*merged, *chat, *ours, *(e.text for task in asked for e in task.examples)]
        index = {text: i for i, text in enumerate(dict.fromkeys(lines))}
        scores = np.asarray(np.round(score(list(index)).astype(float), SCORE_DIGITS), np.float64)
        scores[:, HATE] = scores[:, [HATE, *KINDS]].max(axis=1, initial=0.0)  # as the policy has it

        def part(
            texts: Sequence[str], columns: Sequence[int], truth: Sequence[bool] | NDArray[np.bool_]
        ) -> Part:
            at = [index[text] for text in texts]
            return Part.of(scores[at], columns, np.asarray(truth, np.bool_))

        labels, candidates = [], []
        for i, label in enumerate(LABELS):
            sure, truth = known_truth(dataset.targets[rows], i)
            own = part([merged[j] for j in np.flatnonzero(sure)], [i], truth)
            own = replace(own, asked=benchmarks.ASKED_OF_LABELS.get(label, 0.0))
            column = own.scores[: own.positives, own.columns.index(i)]
            labels.append(own)
            candidates.append(_levels(column))
        every = range(len(LABELS))
        return cls(
            labels=labels,
            tasks=[
                Part.of(
                    scores[[index[e.text] for e in task.examples]],
                    [LABELS.index(label) for label in task.labels],
                    task.truth,
                    accuracy=task.metric == "accuracy",
                    asked=task.asked,
                )
                for task in asked
            ],
            chat=part(chat, every, [False] * len(chat)),
            lookalikes=part(ours, every, [False] * len(ours)),
            candidates=candidates,
        )

    def climb(
        self, goal: Goal, restarts: int, *, below: NDArray[np.float64] | None = None
    ) -> tuple[NDArray[np.float64], float]:
        """Thresholds float64[n_labels], none over `below`, and what they are worth.

        Coordinate ascent from each label's own best. Flagging too many harmless lines costs little
        at first and more in every round, so that the labels share the burden: with a hard limit
        from the start, whichever label is looked at first would bear all of it. Then the same from
        many places nearby, as a line may be flagged by several labels. The same every time.
        """
        most = np.ones(len(LABELS)) if below is None else below
        tried = [np.append(c[c < most[i]], most[i]) for i, c in enumerate(self.candidates)]
        limits = np.asarray([self._alone(i, own, goal.beta) for i, own in enumerate(tried)])
        best = -np.inf
        for price in PRICES:
            limits, best = self._ascend(limits, tried, goal, price)
        rng = np.random.default_rng(0)
        for _ in range(restarts):
            moved = limits.copy()
            for i in rng.choice(len(LABELS), rng.integers(1, 4), replace=False):
                at = np.searchsorted(tried[i], moved[i]) + rng.integers(-STRIDE, STRIDE + 1)
                moved[i] = tried[i][np.clip(at, 0, len(tried[i]) - 1)]
            value = -np.inf
            for price in PRICES[-3:]:
                moved, value = self._ascend(moved, tried, goal, price)
            if value > best:
                limits, best = moved, value
        return limits, best

    def precise(self, precision: float, *, above: NDArray[np.float64]) -> NDArray[np.float64]:
        """The lowest candidates with this precision, else the most precise; none under `above`."""
        out = []
        for i, (part, every) in enumerate(zip(self.labels, self.candidates, strict=True)):
            candidates = np.append(above[i], every[every > above[i]])
            right, wrong = part.counts(_NEVER, i, candidates)
            ratios = (right / np.maximum(right + wrong, 1)).tolist()
            found = list(zip(right.tolist(), wrong.tolist(), strict=True))
            enough = [j for j, ratio in enumerate(ratios) if ratio >= precision]
            best = max(range(len(ratios)), key=lambda j: (ratios[j], found[j]))
            out.append(candidates[enough[0] if enough else best])
        return np.asarray(out)

    def _alone(self, label: int, tried: NDArray[np.float64], beta: float) -> float:
        """The threshold that is best for a label by itself."""
        return float(tried[np.argmax(self.labels[label].qualities(_NEVER, label, tried, beta))])

    def _ascend(
        self,
        limits: NDArray[np.float64],
        candidates: list[NDArray[np.float64]],
        goal: Goal,
        price: float,
    ) -> tuple[NDArray[np.float64], float]:
        """Change one threshold at a time while that is worth it; what came of it, and its value."""
        best = -np.inf
        while True:
            before = best
            for i, own in enumerate(candidates):
                values = self._values(limits, i, own, goal, price)
                at = int(np.argmax(values))
                if values[at] > best:
                    limits, best = limits.copy(), float(values[at])
                    limits[i] = own[at]
            if best == before:
                return limits, best

    def _values(
        self,
        limits: NDArray[np.float64],
        label: int,
        tried: NDArray[np.float64],
        goal: Goal,
        price: float,
    ) -> NDArray[np.float64]:
        """What is maximised: quality, less the price of what is flagged beyond the limits."""
        over = np.zeros(len(tried))
        for calm, allowed in ((self.chat, goal.chat), (self.lookalikes, goal.lookalikes)):
            share = calm.counts(limits, label, tried)[1] / max(len(calm.scores), 1)
            over += np.maximum(0.0, share / max(allowed, 1e-6) - 1)
        each = [p.qualities(limits, label, tried, goal.beta) for p in self.labels if p.positives]
        wide = [p.qualities(limits, label, tried, goal.beta) for p in self.tasks]
        quality = sum(wide) / max(len(wide), 1) + LABEL_SHARE * sum(each) / max(len(each), 1)
        return np.asarray(quality - price * over)


def _levels(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Thresholds to try, given a label's scores where it holds: the best is always one of those."""
    levels = np.append(scores, 1.0)
    if len(levels) > CANDIDATES:
        levels = np.quantile(levels, np.linspace(0, 1, CANDIDATES), method="nearest")
    return np.unique(np.round(levels, SCORE_DIGITS))
