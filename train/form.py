"""The weights of `train.model.Form` and `Domain`: found on dev, once the network is trained.

A network learns from its mixture how much evidence is enough, and the mixture is not like what it
will judge: half of its short lines were written to be mistaken, its disguises are our own, and
those who labelled the sources draw the line in different places. So for profanity, insult and hate
a few numbers each are found afterwards, with thresholds chosen anew for each value that is tried.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.special import expit

from gounmal.evaluation.metrics import average_precision
from gounmal.schema import LABELS, Label
from train import benchmarks
from train.batches import batches
from train.board import Board
from train.calibrate import calibrate
from train.domain import fit_domain, shares
from train.evaluate import scored
from train.model import Domain, Form, GounmalModel
from train.thresholds import Targets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from train.data import Dataset
    from train.network import Network

GROUPS = (
    [LABELS.index(Label.PROFANITY)],
    [LABELS.index(Label.INSULT)],
    [i for i, label in enumerate(LABELS) if Label.HATE in {label, label.parent}],
)
"""Labels that share their weights: of most kinds of hate there are few lines."""

LENGTHS = (-0.25, 0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 1.0, 1.25, 1.5)
UNKNOWN = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
FORMS = 3
"""Measures of `Form`; those after them are shares of the kinds."""
SHIFTS = (-1.0, -0.7, -0.4, -0.2, 0.0, 0.2, 0.4, 0.7, 1.0)
Grid = tuple[tuple[float, ...], ...]
GRID: Grid = (LENGTHS, LENGTHS, UNKNOWN, *[SHIFTS] * len(Domain.KINDS))
"""What is tried for each measure of `Form`, then each kind of `Domain`, in calibrated logits."""

SMOKE_GRID: Grid = ((0.0, 1.0), (0.0, 1.0), (0.0, 2.0), (0.5,), *[()] * (len(Domain.KINDS) - 1))
"""Shows that it runs."""

GAIN = 2e-4
"""The least that a change is made for: less is an accident of the texts of dev."""

ORDERED = ("KODOLI OFFEN vs NOT (insult)", "BEEP (insult or hate)")
"""Benchmarks that are asked for the order of their texts, which thresholds cannot mend ..."""
LOSS = 0.0005
"""... and may lose so much AP."""

ROUNDS = 3
BATCH_TOKENS = 16_384


Score = Callable[[Sequence[str]], "NDArray[np.float32]"]


def formed(
    network: Network,
    dataset: Dataset,
    *,
    grid: Grid = GRID,
    progress: Callable[[str], None] = lambda _: None,
) -> Network:
    """The network with weights for messages' form and kind; another than the small one as it is.

    What is maximised, one weight after the other, is what `balanced` is chosen for and the mean AP
    of the benchmarks; the same data give the same weights.
    """
    if not isinstance(network.model, GounmalModel):
        return network
    model = deepcopy(network.model)
    model.form.weight.zero_()
    model.head.domain.shift.zero_()
    network = replace(network, model=model)
    known = dataset.rows("train").tolist()
    encodings = network.encode([dataset.texts[i] for i in known])
    fit_domain(model, encodings, [dataset.source[i] for i in known])
    progress("kinds of texts are told apart")
    lines = _Lines(network, model)
    dev = dataset.part("dev")
    logits, _ = lines.of(dev.texts)
    calibration = calibrate(logits, dev.targets, dev.group)

    def scorer(weights: NDArray[np.float64]) -> Score:
        def score(texts: Sequence[str]) -> NDArray[np.float32]:
            logits, measures = lines.of(texts)
            calibrated = logits * calibration.scale + calibration.shift
            return np.asarray(expit(calibrated + measures @ _spread(weights).T), np.float32)

        return score

    found = _climb(lambda weights: _Worth.of(dev, scorer(weights)), grid, progress)
    scale = calibration.scale[:, None]  # what was found is added to calibrated logits
    form, kinds = np.split(_spread(found) / scale, [FORMS], axis=1)
    model.form.weight.copy_(torch.from_numpy(form))
    model.head.domain.shift.copy_(torch.from_numpy(kinds))
    return network


@dataclass(frozen=True, slots=True)
class _Worth:
    """What scores are worth."""

    quality: float
    """Of the best thresholds, as `Board.climb` has it."""
    orders: dict[str, float]
    """AP of each benchmark."""

    @classmethod
    def of(cls, dataset: Dataset, score: Score) -> _Worth:
        """Choose thresholds for them, and measure."""
        _, quality = Board.of(dataset, score, "dev").climb(Targets().balanced(), 0)
        orders = {}
        for task in benchmarks.tasks(dataset, "dev"):
            scores = score([example.text for example in task.examples])
            columns = [LABELS.index(label) for label in task.labels]
            orders[task.name] = average_precision(task.truth, scores[:, columns].max(axis=1))
        return cls(quality, orders)

    def total(self) -> float:
        """One number."""
        return self.quality + sum(self.orders.values()) / max(len(self.orders), 1)

    def keeps(self, other: _Worth) -> bool:
        """Is no order lost that is asked for?"""
        asked = [name for name in ORDERED if name in other.orders]
        return all(self.orders[name] >= other.orders[name] - LOSS for name in asked)


def _climb(
    worth: Callable[[NDArray[np.float64]], _Worth],
    grid: Grid,
    progress: Callable[[str], None],
) -> NDArray[np.float64]:
    """Change one weight at a time while that is worth it: float64[groups, measures]."""
    weights = np.zeros((len(GROUPS), len(grid)))
    start = best = worth(weights)
    for turn in range(ROUNDS):
        before = best
        for group, measure in product(range(len(GROUPS)), range(len(grid))):
            for value in grid[measure]:
                moved = weights.copy()
                moved[group, measure] = value
                found = worth(moved)
                if found.total() > best.total() + GAIN and found.keeps(start):
                    weights, best = moved, found
        progress(f"form, round {turn + 1}: {start.total():.4f} → {best.total():.4f}")
        if best is before:
            break
    return weights


def _spread(weights: NDArray[np.float64]) -> NDArray[np.float32]:
    """Weights of groups → float32[labels, measures]."""
    spread = np.zeros((len(LABELS), len(GRID)), np.float32)
    for group, own in zip(GROUPS, weights, strict=True):
        spread[group] = own
    return spread


@dataclass(slots=True)
class _Lines:
    """A network's logits, and the measures of form and kind, of every text asked for so far."""

    network: Network
    model: GounmalModel
    _known: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def of(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """float32[n, labels] logits and float32[n, measures]."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            both = np.hstack((scored(self.network.logits, new), self._measures(new)))
            self._known |= zip(new, both, strict=True)
        both = np.stack([self._known[text] for text in texts])
        return both[:, : len(LABELS)], both[:, len(LABELS) :]

    def _measures(self, texts: Sequence[str]) -> NDArray[np.float32]:
        encodings = self.network.encode(texts)
        measures = np.zeros((len(texts), FORMS), np.float32)
        for rows in batches(encodings.lengths, max_tokens=BATCH_TOKENS):
            measures[rows] = Form.measures(*encodings.padded(rows)).numpy()
        return np.hstack((measures, shares(self.model, encodings)))
