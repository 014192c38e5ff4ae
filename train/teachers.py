"""Networks and a linear model that tell the student what they think of each text.

A teacher is never served, so it may be larger. Teachers err alike where they were shown the same:
most of them see nothing that we wrote, since our own lines bend the order of the sources' texts,
and say nothing of it, since whoever has not seen a look-alike takes it for abuse.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, logit

from train.abreast import abreast
from train.fit import FitConfig, fit, logits_of
from train.mixture import WRITTEN_SOURCES
from train.pretrain import PretrainConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from train.abreast import Arrays
    from train.batches import Encodings
    from train.data import Dataset
    from train.fit import Supervision
    from train.floor import Linear
    from train.mixture import Mixture


@dataclass(frozen=True, slots=True)
class TeachersConfig:
    """How many there are, and how they are trained."""

    shown_ours: tuple[bool, ...] = (True, False, False)
    """Of each teacher: is it shown what we wrote?"""
    linear_share: float = 0.3
    """How much of what is said comes from the linear model, which errs differently."""
    dim: int = 96
    hidden: int = 176
    dropout: float = 0.2
    pretraining: PretrainConfig = field(default_factory=PretrainConfig)
    fit: FitConfig = field(default_factory=lambda: FitConfig(epochs=1))


def teach(  # noqa: PLR0913  (all that is known of the texts, and the settings)
    dataset: Dataset,
    mixture: Mixture,
    encodings: Encodings,
    supervision: Supervision,
    *,
    network: Callable[[], nn.Module],
    linear: Linear,
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
        network: makes one to train.
        linear: fitted on the dataset.
        config: the settings.
        seed: of everything random.
        progress: called with a line now and then.
    """
    ours = written(dataset, mixture)
    labelled = np.asarray([o >= 0 or i in mixture.labels for i, o in enumerate(mixture.origin)])

    def voice(number: int) -> Arrays:
        shown = np.flatnonzero(labelled & (config.shown_ours[number] | ~ours))
        teacher = fit(
            network(),
            encodings.of(shown),
            supervision.of(shown),
            config=config.fit,
            seed=seed + number,
            progress=partial(_named, progress, number),
        )
        return {"logits": logits_of(teacher, encodings)}

    voices = abreast([partial(voice, number) for number in range(len(config.shown_ours))])
    said = heard([one["logits"] for one in voices], ours, config.shown_ours)
    floor = logit(np.clip(linear.scores(mixture.texts), 1e-6, 1 - 1e-6))
    share = config.linear_share
    return np.asarray(expit(share * floor + (1 - share) * said), np.float32)


def written(dataset: Dataset, mixture: Mixture) -> NDArray[np.bool_]:
    """Which texts of a mixture are our own, or have something of our own put into them: bool[n]."""
    own = np.asarray([source in WRITTEN_SOURCES for source in dataset.source])
    origin = np.asarray(mixture.origin)
    found = (origin >= 0) & own[origin]
    found[[*mixture.labels, *mixture.decoys]] = True
    return np.asarray(found)


def heard(
    voices: Sequence[NDArray[np.float32]], ours: NDArray[np.bool_], shown_ours: Sequence[bool]
) -> NDArray[np.float32]:
    """The mean of whom a text's kind was shown to: float32[n, labels] logits.

    Args:
        voices: of each teacher, float32[n, labels].
        ours: bool[n], which texts are our own.
        shown_ours: of each teacher: has it seen such texts? At least one has.
    """
    every = np.stack(voices)
    said = every.mean(axis=0)
    said[ours] = every[list(shown_ours)][:, ours].mean(axis=0)
    return np.asarray(said, np.float32)


def _named(progress: Callable[[str], None], number: int, line: str) -> None:
    progress(f"teacher {number + 1}: {line}")
