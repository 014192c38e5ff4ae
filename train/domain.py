"""Which kind of text a message looks like: a linear model on what the network makes of it.

See `train.model.Domain`. Fitted once the network is trained, on the training texts; the sources
tell the kinds. What a kind adds to logits is found by `train/form.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax

from train.batches import batches
from train.model import Domain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from train.batches import Encodings
    from train.model import GounmalModel

KIND_OF = {
    "kodoli": "community",
    "curse": "community",
    "malicious": "community",
    "kmhas": "news",
    "beep": "entertainment",
    "kotox/easy": "disguised",
    "kotox/normal": "disguised",
    "kotox/hard": "disguised",
    "kotox/plain": "composed",
    "kda": "composed",
    "safety": "composed",
    "chatbot": "chat",
    "3i4k": "chat",
    "3i4k/fragment": "chat",
    "negatives": "written",
    "positives": "written",
}
"""Of each source, the kind of its texts."""

PENALTY = 1e-4
"""On the squared weights, beside the mean loss of a text."""
ITERATIONS = 100
BATCH_TOKENS = 16_384


def fit_domain(model: GounmalModel, encodings: Encodings, sources: Sequence[str]) -> None:
    """Multinomial logistic regression on `pooled`, in place; every kind counts the same in all.

    Args:
        model: trained; what its domain adds to logits stays as it is.
        encodings: of the texts.
        sources: of each text, one of `KIND_OF`.
    """
    kind = np.array([Domain.KINDS.index(KIND_OF[source]) for source in sources])
    features = pooled(model, encodings).astype(np.float64)
    center, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
    features = (features - center) / spread
    often = np.bincount(kind, minlength=len(Domain.KINDS))
    counts = 1 / (np.maximum(often, 1) * (often > 0).sum())[kind]
    truth = np.eye(len(Domain.KINDS))[kind]
    shape = (features.shape[1] + 1, len(Domain.KINDS))

    def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(shape)
        told = log_softmax(features @ weights[:-1] + weights[-1], axis=1)
        slope = counts[:, None] * (np.exp(told) - truth)
        gradient = np.vstack((features.T @ slope + PENALTY * weights[:-1], slope.sum(axis=0)))
        loss = -(counts * (told * truth).sum(axis=1)).sum()
        return float(loss + PENALTY / 2 * (weights[:-1] ** 2).sum()), gradient.ravel()

    start = np.zeros(shape).ravel()
    options = {"maxiter": ITERATIONS}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
    weights = found.x.reshape(shape)
    scaled = weights[:-1] / spread[:, None]
    domain = model.head.domain
    domain.weight.copy_(torch.from_numpy(scaled.T))
    domain.bias.copy_(torch.from_numpy(weights[-1] - center @ scaled))


def shares(model: GounmalModel, encodings: Encodings) -> NDArray[np.float32]:
    """How much each text looks like each kind: float32[n, kinds], rows add up to 1."""
    told = model.head.domain.shares(torch.from_numpy(pooled(model, encodings)))
    return np.asarray(told.numpy(), np.float32)


def pooled(model: GounmalModel, encodings: Encodings) -> NDArray[np.float32]:
    """What the network makes of whole texts, see `train.model.EvidenceHead.pooled`."""
    model.train(mode=False)
    out = np.zeros((len(encodings), 2 * model.config.hidden), np.float32)
    with torch.inference_mode():
        for rows in batches(encodings.lengths, max_tokens=BATCH_TOKENS):
            ids, mask = encodings.padded(rows)
            out[rows] = model.head.pooled(model.hidden(ids, mask)[0], mask).numpy()
    return out
