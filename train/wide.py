"""A linear model on the network's own n-grams, added to its wide path: an ensemble for nothing.

A logistic regression errs differently from a network, and the wide path is one already: its columns
of the table are summed over a message's n-grams. So a part of the linear model's weights is added
to them, for the labels that gain from it.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from gounmal.model.encoder import N_FEATURES
from gounmal.schema import LABELS, Label
from train.floor import loss_and_slope
from train.mixture import MixtureConfig, mix

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from train.batches import Encodings
    from train.data import Dataset
    from train.mixture import Mixture


@dataclass(frozen=True, slots=True)
class WideConfig:
    """What the linear model learns from, and how much of it is added."""

    share: float = 0.1
    labels: tuple[Label, ...] = (Label.PROFANITY, Label.INSULT)
    """Of the kinds of hate, the linear model knows less than the network."""
    strength: float = 3.0
    """Inverse of the L2 penalty."""
    iterations: int = 40
    own_harmless: float = 10.0
    """How often a harmless line of our own counts, and a disguised copy of it. Else a look-alike's
    n-grams say what they say in the sources, where they stand in abuse."""
    decoys: float = 5.0
    """The same of a line that a look-alike was put into: of one of our own, as often again."""
    mixture: MixtureConfig = field(default_factory=lambda: MixtureConfig(inserted=0, decoys=6_000))


def widen(
    model: nn.Module,
    dataset: Dataset,
    *,
    encoded: Callable[[Sequence[str]], Encodings],
    config: WideConfig,
    seed: int,
) -> nn.Module:
    """A network with a share of a linear model in its wide path; `model` is left alone.

    Args:
        model: a trained `GounmalModel`.
        dataset: labelled texts.
        encoded: texts as the model takes them.
        config: the settings.
        seed: of the mixture.
    """
    mixture = mix(dataset, expressions=(), unlabelled=(), config=config.mixture, seed=seed)
    wide = deepcopy(model)
    table = wide.get_parameter("table.weight")
    weights = torch.from_numpy(
        fit_linear(
            encoded(mixture.texts),
            len(table) - 1,
            dataset,
            np.asarray(mixture.origin),
            counts=times(mixture, dataset, config),
            config=config,
        )
    )
    first = table.shape[1] - len(LABELS)
    with torch.no_grad():
        for label in config.labels:
            column = LABELS.index(label)
            table[:, first + column] += config.share * weights[:, column]
    return wide


def fit_linear(  # noqa: PLR0913  (one array for each thing that is known of a text)
    encodings: Encodings,
    vocab_size: int,
    dataset: Dataset,
    rows: NDArray[np.int64],
    *,
    counts: NDArray[np.float32],
    config: WideConfig,
) -> NDArray[np.float32]:
    """Weights of a logistic regression on n-grams, to be summed over a text's tokens.

    As the wide path has it, the sum is divided by the root of the number of tokens. An n-gram that
    stands in few texts is weighted by its inverse document frequency, so the penalty spares it.

    Args:
        encodings: of `n` texts.
        vocab_size: how many n-grams there are.
        dataset: has the targets.
        rows: int64[n], whose targets each text has.
        counts: float32[n], how often each text counts.
        config: the settings.

    Returns:
        float32[vocab_size + 1, labels]; of id 0, which stands for no n-gram, 0.
    """
    features = _counts(encodings, vocab_size + 1)
    seen = np.asarray((features > 0).sum(axis=0)).ravel()
    idf = (np.log((1 + len(rows)) / (1 + seen)) + 1).astype(np.float32)
    features.data *= idf[features.indices]
    roots = N_FEATURES * np.sqrt(np.maximum(encodings.lengths, 1)).astype(np.float32)
    features.data /= np.repeat(roots, np.diff(features.indptr))
    transposed = features.T.tocsr()
    shape = (vocab_size + 2, len(LABELS))
    unit = np.append(np.ones(vocab_size + 1), 1 / np.sqrt(len(rows)))  # see `floor.fit`
    start = np.zeros(shape)
    start[-1] = -2.0 / unit[-1]

    def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        parameters = flat.reshape(shape) * unit[:, None]
        at = parameters.astype(np.float32)
        loss, slope = loss_and_slope(features @ at[:-1] + at[-1], dataset, rows, 1.0, counts)
        gradient = np.empty(shape)
        gradient[:-1] = config.strength * (transposed @ slope) + parameters[:-1]
        gradient[-1] = config.strength * slope.sum(axis=0)
        penalty = 0.5 * float((parameters[:-1] ** 2).sum())
        return config.strength * loss + penalty, (gradient * unit[:, None]).ravel()

    options = {"maxiter": config.iterations, "maxcor": 6}
    found = minimize(objective, start.ravel(), jac=True, method="L-BFGS-B", options=options)
    weights = found.x.reshape(shape)[:-1] * idf[:, None] / N_FEATURES
    return np.asarray(weights, np.float32)


def times(mixture: Mixture, dataset: Dataset, config: WideConfig) -> NDArray[np.float32]:
    """How often each text of a mixture counts: float32[n]."""
    counts = np.ones(len(mixture.texts), np.float32)
    own = [dataset.source[row] == "negatives" for row in mixture.origin]
    counts[own] = config.own_harmless
    counts[mixture.decoys] *= config.decoys
    return counts


def _counts(encodings: Encodings, columns: int) -> csr_matrix:
    """How often each text has each n-gram: float32[n, columns], with none in column 0."""
    ids = encodings.ids[: int(encodings.lengths.sum())]
    owner = np.repeat(np.arange(len(encodings), dtype=np.int32), encodings.lengths)
    there = ids != 0
    at = (np.repeat(owner, there.sum(axis=1)), ids[there])
    ones = np.ones(len(at[1]), np.float32)
    counts = csr_matrix((ones, at), shape=(len(encodings), columns))
    counts.sum_duplicates()
    return counts
