"""The sources as benchmarks: what each one's labels ask of a scorer, as in the acceptance table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gounmal.evaluation.metrics import Counts, average_precision, best_f1, flags
from gounmal.schema import LABELS, Label
from train.example import HATE, HATE_KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from train.data import Dataset
    from train.example import Example

SOURCES = ("kodoli", "curse", "kmhas", "beep", "kotox", "positives", "negatives")
LEVELS = ("easy", "normal", "hard")

ASKED = {
    "KODOLI profanity": 0.885,
    "Curse (profanity or insult)": 0.9,
    "K-MHaS any label but insult": 0.86,
    "K-MHaS profanity": 0.825,
    "KOTOX easy": 0.9,
    "KOTOX normal": 0.875,
    "KOTOX hard": 0.855,
}
"""What acceptance asks of kept-back texts, moved half of the way to what is as hard on dev: there
the linear floor is .02 better than on kept-back texts for KODOLI and for any label of K-MHaS, and
.01 to .03 worse for the others (docs/experiments.md)."""

ASKED_OF_LABELS = {Label.PROFANITY: 0.84, Label.INSULT: 0.785}
"""F1 that keeps the two apart, as their default actions are: an insult threshold so low that it
catches swearing and hate as well would do for most benchmarks."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of one benchmark.

    Attributes:
        benchmark: which texts, and what was asked of them.
        metric: `F1`, `accuracy`, `AP`, `best F1`, `micro F1`, `macro F1`.
        value: 0 to 1, higher is better; NaN where the split has no such text.
        n: how many texts.
        positives: how many of them are what was asked for.
    """

    benchmark: str
    metric: str
    value: float
    n: int
    positives: int


@dataclass(frozen=True, slots=True)
class Judged:
    """Texts with their scores, and what is flagged at some thresholds."""

    index: Mapping[str, int]
    scores: NDArray[np.float32]
    """float32[n, n_labels]"""
    flagged: NDArray[np.bool_]
    """bool[n, n_labels]"""

    @classmethod
    def of(
        cls, texts: Sequence[str], scores: NDArray[np.float32], thresholds: Mapping[Label, float]
    ) -> Judged:
        """Pair distinct texts with their scores."""
        return cls({t: i for i, t in enumerate(texts)}, scores, flags(scores, thresholds))

    def score(self, examples: Sequence[Example], *labels: Label) -> NDArray[np.float32]:
        """float32[n]: the highest score of these labels for each example."""
        rows = [self.index[e.text] for e in examples]
        columns = [LABELS.index(label) for label in labels]
        return np.asarray(self.scores[rows][:, columns].max(axis=1, initial=0.0))

    def found(self, examples: Sequence[Example], *labels: Label) -> NDArray[np.bool_]:
        """bool[n]: is any of these labels flagged?"""
        rows = [self.index[e.text] for e in examples]
        columns = [LABELS.index(label) for label in labels]
        return np.asarray(self.flagged[rows][:, columns].any(axis=1))


@dataclass(frozen=True, slots=True)
class Task:
    """Texts of which some should have one of some labels.

    Attributes:
        metric: the one that counts at the thresholds, `F1` or `accuracy`.
        by_order: does only the order of the scores count, and no threshold?
        asked: the least that its metric should be on dev; 0 where nothing is asked.
    """

    name: str
    examples: Sequence[Example]
    truth: NDArray[np.bool_]
    labels: tuple[Label, ...]
    metric: str = "F1"
    by_order: bool = False
    asked: float = 0.0

    def value(self, flagged: NDArray[np.bool_]) -> float:
        """Its metric, from bool[n]: is one of the labels flagged?"""
        counts = Counts.of(self.truth, flagged)
        return counts.f1 if self.metric == "F1" else counts.accuracy


def tasks(dataset: Dataset, split: str) -> list[Task]:
    """Every benchmark that asks a yes-or-no question, as far as the split has texts for it."""
    kodoli = dataset.examples_of(split, "kodoli")
    clear = [e for e in kodoli if e.targets[LABELS.index(Label.INSULT)] in {0.0, 1.0}]
    curse = dataset.examples_of(split, "curse")
    kmhas = dataset.examples_of(split, "kmhas")
    beep = dataset.examples_of(split, "beep")
    ours = dataset.examples_of(split, "positives", "negatives")
    hateful = _holds(kmhas, Label.PROFANITY) | _holds(kmhas, Label.HATE)
    profanity, insult = (Label.PROFANITY,), (Label.INSULT,)
    out = [
        Task("KODOLI profanity", kodoli, _holds(kodoli, Label.PROFANITY), profanity),
        Task("KODOLI OFFEN vs NOT (insult)", clear, _holds(clear, Label.INSULT), insult),
        Task("Curse (profanity or insult)", curse, _some(curse), profanity + insult, "accuracy"),
        Task("K-MHaS any label", kmhas, hateful, LABELS),
        Task("K-MHaS any label but insult", kmhas, hateful, (Label.PROFANITY, *HATE)),
        Task("K-MHaS profanity", kmhas, _holds(kmhas, Label.PROFANITY), profanity),
        Task("own lines, any label", ours, _harmful(ours), LABELS),
        # Calls every rude or sarcastic line offensive: thresholds chosen for it accuse too much.
        Task("BEEP (insult or hate)", beep, _some(beep), (Label.INSULT, Label.HATE), by_order=True),
    ]
    for level in (*LEVELS, "plain"):
        # The source's own validation part only.
        held = [e for e in dataset.examples_of(split, f"kotox/{level}") if e.held]
        out.append(Task(f"KOTOX {level}", held, _some(held), LABELS))
    return [replace(t, asked=ASKED.get(t.name, 0.0)) for t in out if t.truth.any()]


def measure(dataset: Dataset, split: str, judged: Judged) -> list[Measure]:
    """Every benchmark on one split."""
    out = []
    for task in tasks(dataset, split):
        size = (len(task.truth), int(task.truth.sum()))
        counts = Counts.of(task.truth, judged.found(task.examples, *task.labels))
        score = judged.score(task.examples, *task.labels)
        out += [
            Measure(task.name, "F1", counts.f1, *size),
            Measure(task.name, "accuracy", counts.accuracy, *size),
            Measure(task.name, "AP", average_precision(task.truth, score), *size),
            Measure(task.name, "best F1", best_f1(task.truth, score)[0], *size),
        ]
    return [*out, *_multilabel(dataset.examples_of(split, "kmhas"), judged)]


def _multilabel(examples: Sequence[Example], judged: Judged) -> list[Measure]:
    """K-MHaS as its authors measure it: every label, and "none of these" as one more."""
    if not examples:
        return []
    labels = (Label.PROFANITY, *HATE_KINDS)
    y = np.stack([_holds(examples, label) for label in labels], axis=1)
    p = np.stack([judged.found(examples, label) for label in labels], axis=1)
    size = (len(examples), int(y.any(axis=1).sum()))
    y, p = (np.concatenate([m, ~m.any(axis=1, keepdims=True)], axis=1) for m in (y, p))
    each = [Counts.of(y[:, i], p[:, i]).f1 for i in np.flatnonzero((y | p).any(axis=0))]
    return [
        Measure("K-MHaS all labels", "micro F1", Counts.of(y, p).f1, *size),
        Measure("K-MHaS all labels", "macro F1", float(np.mean(each)), *size),
    ]


def _holds(examples: Sequence[Example], label: Label) -> NDArray[np.bool_]:
    return np.asarray([e.targets[LABELS.index(label)] == 1 for e in examples], np.bool_)


def _harmful(examples: Sequence[Example]) -> NDArray[np.bool_]:
    return np.asarray([bool(e.any_of) or 1.0 in e.targets for e in examples], np.bool_)


def _some(examples: Sequence[Example]) -> NDArray[np.bool_]:
    return np.asarray([bool(e.any_of) for e in examples], np.bool_)
