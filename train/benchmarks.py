"""The sources as benchmarks: what each one's labels ask of a scorer, as in the acceptance table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gounmal.metrics import Counts, average_precision, best_f1, flags
from gounmal.schema import LABELS, Label
from train.example import HATE, HATE_KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from train.data import Dataset
    from train.example import Example

SOURCES = ("kodoli", "curse", "kmhas", "beep", "kotox")
LEVELS = ("easy", "normal", "hard")
ABUSE = (Label.PROFANITY, Label.INSULT, Label.HATE)


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


def measure(dataset: Dataset, split: str, judged: Judged) -> list[Measure]:
    """Every benchmark on one split."""
    return [
        *_kodoli(dataset.examples_of(split, "kodoli"), judged),
        *_curse(dataset.examples_of(split, "curse"), judged),
        *_kmhas(dataset.examples_of(split, "kmhas"), judged),
        *_beep(dataset.examples_of(split, "beep"), judged),
        *_kotox(dataset.examples_of(split, "kotox"), judged),
    ]


def _kodoli(examples: Sequence[Example], judged: Judged) -> list[Measure]:
    abusive = truth(examples, Label.PROFANITY) == 1
    clear = [e for e in examples if e.targets[LABELS.index(Label.INSULT)] in {0.0, 1.0}]
    offensive = truth(clear, Label.INSULT) == 1
    return [
        *_binary("KODOLI profanity", abusive, examples, judged, (Label.PROFANITY,)),
        *_binary("KODOLI OFFEN vs NOT (insult)", offensive, clear, judged, (Label.INSULT,)),
    ]


def _curse(examples: Sequence[Example], judged: Judged) -> list[Measure]:
    y = np.asarray([bool(e.any_of) for e in examples], np.bool_)
    return _binary("Curse (profanity or insult)", y, examples, judged, ABUSE[:2])


def _kmhas(examples: Sequence[Example], judged: Judged) -> list[Measure]:
    labels = (Label.PROFANITY, *HATE_KINDS)
    y = np.stack([truth(examples, label) == 1 for label in labels], axis=1)
    p = np.stack([judged.found(examples, label) for label in labels], axis=1)
    any_of = np.asarray(y.any(axis=1))
    # The source's own label 8 is "none of these".
    y = np.concatenate([y, ~any_of[:, None]], axis=1)
    p = np.concatenate([p, ~p.any(axis=1, keepdims=True)], axis=1)
    each = [Counts.of(y[:, i], p[:, i]).f1 for i in range(y.shape[1])]
    size = (len(examples), int(any_of.sum()))
    name = "K-MHaS all labels"
    return [
        *_binary("K-MHaS any (profanity or hate)", any_of, examples, judged, (labels[0], *HATE)),
        *_binary("K-MHaS any (any label)", any_of, examples, judged, LABELS),
        *_binary("K-MHaS profanity", y[:, 0], examples, judged, labels[:1]),
        Measure(name, "micro F1", Counts.of(y, p).f1 if len(y) else float("nan"), *size),
        Measure(name, "macro F1", float(np.mean(each)) if len(y) else float("nan"), *size),
    ]


def _beep(examples: Sequence[Example], judged: Judged) -> list[Measure]:
    y = np.asarray([bool(e.any_of) for e in examples], np.bool_)
    return _binary("BEEP (insult or hate)", y, examples, judged, ABUSE[1:])


def _kotox(examples: Sequence[Example], judged: Judged) -> list[Measure]:
    """On the source's own validation part only, where the split has it."""
    out = []
    for level in (*LEVELS, "plain"):
        held = [e for e in examples if e.source == f"kotox/{level}" and e.held]
        y = np.asarray([bool(e.any_of) for e in held], np.bool_)
        out += _binary(f"KOTOX {level}", y, held, judged, LABELS)
    return out


def _binary(
    name: str,
    y: NDArray[np.bool_],
    examples: Sequence[Example],
    judged: Judged,
    labels: Sequence[Label],
) -> list[Measure]:
    """F1 and accuracy at the thresholds; AP and best F1 without."""
    size = (len(y), int(y.sum()))
    if not size[1]:
        return []
    counts = Counts.of(y, judged.found(examples, *labels))
    score = judged.score(examples, *labels)
    return [
        Measure(name, "F1", counts.f1, *size),
        Measure(name, "accuracy", counts.accuracy, *size),
        Measure(name, "AP", average_precision(y, score), *size),
        Measure(name, "best F1", best_f1(y, score)[0], *size),
    ]


def truth(examples: Sequence[Example], label: Label) -> NDArray[np.float64]:
    """float64[n]: the target of a label, NaN where unknown."""
    return np.asarray([e.targets[LABELS.index(label)] for e in examples], np.float64)
