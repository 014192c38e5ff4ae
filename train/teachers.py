"""Networks and linear models that tell the student what they think of each text.

A teacher repeats the labels of the texts that it was trained on, noise and all. Crossed, each of a
few is not shown one part of the sources' texts, and speaks of that part (cross-fitting): tried, and
not what ships (docs/experiments.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.special import expit, logit

from train import floor
from train.fit import FitConfig, fit, logits_of
from train.mixture import WRITTEN_SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from train.batches import Encodings
    from train.data import Dataset
    from train.fit import Supervision
    from train.mixture import Mixture

ALL_SEE = -1
"""Instead of a part: texts that every teacher is shown."""


@dataclass(frozen=True, slots=True)
class TeachersConfig:
    """How many there are, and how they are trained."""

    count: int = 2
    crossed: bool = False
    """Is each of them not shown one part of the sources' texts, of which it then speaks alone?"""
    honest: bool = False
    """Of a disguised copy, or of a line with a look-alike in it, is the honest line spoken of?"""
    linear_share: float = 0.4
    """How much of what is said comes from linear models, which err differently."""
    fit: FitConfig = field(default_factory=lambda: FitConfig(epochs=2))


def teach(  # noqa: PLR0913  (all that is known of the texts, and the settings)
    dataset: Dataset,
    mixture: Mixture,
    encodings: Encodings,
    supervision: Supervision,
    *,
    network: Callable[[], nn.Module],
    config: TeachersConfig,
    seed: int,
    progress: Callable[[str], None],
) -> NDArray[np.float32]:
    """What the student is told of each text of a mixture: float32[n, labels] probabilities.

    Args:
        dataset: labelled texts.
        mixture: the `n` texts of a training run.
        encodings: of them.
        supervision: what is known of them.
        network: makes one that is not trained.
        config: the settings.
        seed: of everything random.
        progress: called with a line now and then.
    """
    parts = parts_of(dataset, config.count if config.crossed else 0)
    part_of_text = np.append(parts, ALL_SEE)[mixture.origin]
    labelled = np.asarray([o >= 0 or i in mixture.labels for i, o in enumerate(mixture.origin)])
    train = dataset.rows("train")
    voices = []
    linear = None
    for part in range(config.count):
        shown = np.flatnonzero(labelled & (part_of_text != part))
        torch.manual_seed(seed + part)
        teacher = fit(
            network(),
            encodings.of(shown),
            supervision.of(shown),
            config=config.fit,
            seed=seed + part,
            progress=partial(_named, progress, part),
        )
        if linear is None or config.crossed:
            linear = floor.fit(dataset, train[parts[train] != part])
        said = logit(np.clip(linear.scores(mixture.texts), 1e-6, 1 - 1e-6))
        voices.append(_mean(said, logits_of(teacher, encodings), config.linear_share))
    said = heard(mixture, parts, voices, honest=config.honest)
    return np.asarray(expit(said), np.float32)


def parts_of(dataset: Dataset, count: int) -> NDArray[np.int64]:
    """Which teacher is not shown a text: int64[n], near-duplicates the same.

    `ALL_SEE` for our own lines: their labels are no noise, and whoever has not seen a look-alike
    takes it for abuse. For every text, where `count` is 0.
    """
    own = np.asarray([source in WRITTEN_SOURCES for source in dataset.source])
    return np.where(own | (count == 0), ALL_SEE, dataset.group % max(count, 1))


def heard(
    mixture: Mixture,
    parts: NDArray[np.int64],
    voices: Sequence[NDArray[np.float32]],
    *,
    honest: bool,
) -> NDArray[np.float32]:
    """Which teacher is listened to: float32[n, labels] logits.

    Of a text that one of them was not shown, that one; of any other, all of them.
    """
    every = np.stack(voices)
    said = every.mean(axis=0)
    first: dict[int, int] = {}
    for i, row in enumerate(mixture.origin):
        if row >= 0:
            about = every[:, first.setdefault(row, i) if honest else i]
            said[i] = about.mean(axis=0) if parts[row] == ALL_SEE else about[parts[row]]
    return np.asarray(said, np.float32)


def _named(progress: Callable[[str], None], part: int, line: str) -> None:
    progress(f"teacher {part + 1}: {line}")


def _mean(
    linear: NDArray[np.float32], network: NDArray[np.float32], share: float
) -> NDArray[np.float32]:
    return np.asarray(share * linear + (1 - share) * network, np.float32)
