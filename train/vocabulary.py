"""Which n-grams the network knows: the frequent ones, and those that tell abuse from its absence.

By frequency alone, an n-gram has to stand in many texts to be kept, and a rare curse or a harmless
word with a curse in it ("시발점") is as unknown as random letters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import xlogy

from gounmal.model.encoder import hash_features, keep, sequence
from gounmal.text.normalize import normalize
from train.batches import chunks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gounmal.model.encoder import Vocabulary

FREQUENT_SHARE = 0.35
"""Of the vocabulary, so many n-grams are there for their frequency alone."""


def build_vocabulary(
    texts: Sequence[str], truth: NDArray[np.float32], *, size: int, min_count: int
) -> Vocabulary:
    """Choose `size` n-grams.

    Args:
        texts: `n` of them.
        truth: float32[n, k]: for each text and each of k questions 1, 0 or NaN for unknown; other
            values count as unknown.
        size: how many to keep at most.
        min_count: each is seen so often at least.
    """
    parts = [_keys(chunk) for chunk in chunks(texts)]
    seen, counts = np.unique(np.concatenate([keys for keys, _ in parts]), return_counts=True)
    enough = counts >= min_count
    seen, counts = seen[enough], counts[enough]
    yes, no = (np.zeros((len(seen), truth.shape[1])) for _ in range(2))
    first = 0
    for keys, lengths in parts:
        at = np.searchsorted(seen, keys)
        at[at == len(seen)] = 0
        known = seen[at] == keys
        owner = first + np.repeat(np.arange(len(lengths)), lengths)[known]
        for column in range(truth.shape[1]):
            for value, tally in ((1, yes), (0, no)):
                says = truth[owner, column] == value
                tally[:, column] += np.bincount(at[known][says], minlength=len(seen))
        first += len(lengths)
    order = _ranked(counts, telling(yes, no), int(size * FREQUENT_SHARE))
    # `keep` wants numbers that fall with the rank, and lets the better of two in one slot have it.
    return keep(seen[order], np.arange(len(order), 0, -1), size)


def telling(yes: NDArray[np.float64], no: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far n-grams tell yes from no: the largest log-likelihood ratio over the questions.

    Dunning's G squared of an n-gram's share of yes against that of all n-grams together.

    Args:
        yes: float64[m, k], occurrences in texts whose answer is yes.
        no: the same for no.

    Returns:
        float64[m]
    """
    share = (yes.sum(axis=0) + 1) / (yes.sum(axis=0) + no.sum(axis=0) + 2)
    total = yes + no
    own = np.divide(yes, total, out=np.zeros_like(yes), where=total > 0)
    ratio = xlogy(yes, own) + xlogy(no, 1 - own) - yes * np.log(share) - no * np.log(1 - share)
    return np.asarray(2 * ratio.max(axis=1, initial=0))


def _ranked(
    counts: NDArray[np.int64], scores: NDArray[np.float64], n_frequent: int
) -> NDArray[np.int64]:
    """The most frequent first, then the most telling ones."""
    frequent = np.argsort(-counts, kind="stable")[:n_frequent]
    rest = np.argsort(-scores, kind="stable")
    return np.concatenate([frequent, rest[~np.isin(rest, frequent)]])


def _keys(texts: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Hashed n-grams of the texts, one after the other, and how many each text has."""
    keys, lengths = hash_features([sequence(normalize(text)) for text in texts])
    there = keys != 0
    owner = np.repeat(np.arange(len(lengths)), lengths)
    per_text = np.bincount(owner, weights=there.sum(axis=1), minlength=len(lengths))
    return keys[there], per_text.astype(np.int64)
