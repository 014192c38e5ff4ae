"""Near-duplicates first, then the split: a comment and its copy never stand on both sides.

Linear in the number of texts: MinHash over character trigrams, banded, each bucket's members
compared with its first one only.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

SPLITS = ("train", "dev", "test")
SHARES = (0.84, 0.08, 0.08)

SIMILAR = 0.7
"""Estimated Jaccard similarity of trigram sets from which on two texts are near-duplicates."""

BANDS, ROWS = 16, 4
"""At similarity 0.7 a pair meets in some band with probability 1 - (1 - 0.7^4)^16 = 0.99."""

SHINGLE = 3
_NO_LETTER = re.compile(r"[\W\d_]+")
_REPEAT = re.compile(r"(.)\1+")


def key(text: str) -> str:
    """The letters of a text, width, case and repeats folded; the text itself if it has none.

    On purpose not `gounmal.text.normalize`: the split must not move whenever that learns a trick.
    """
    letters = _NO_LETTER.sub("", unicodedata.normalize("NFKC", text).lower())
    return _REPEAT.sub(r"\1", letters) or text.strip()


def group(keys: Sequence[str], together: Iterable[tuple[int, int]] = ()) -> NDArray[np.int64]:
    """Number the groups of near-duplicates.

    Args:
        keys: of each text, from `key`.
        together: pairs of indices that belong together for other reasons.

    Returns:
        int64[n]: for each text the number of its group.
    """
    # In the order of the alphabet, so that the order in which texts were read changes nothing.
    index = {text: i for i, text in enumerate(sorted(set(keys)))}
    at = np.asarray([index[text] for text in keys], np.int64)
    pairs = at[np.asarray(list(together), np.int64).reshape(-1, 2)]
    a, b = np.concatenate([pairs, _similar(list(index))]).T
    graph = coo_matrix((np.ones(len(a), np.int8), (a, b)), shape=(len(index), len(index)))
    groups: NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return groups[at]


def assign(
    groups: NDArray[np.int64], keys: Sequence[str], *, salt: str = "gounmal"
) -> NDArray[np.int8]:
    """A split for each group, by a hash of its smallest key: the same on every machine.

    Returns:
        int8[n]: index into `SPLITS`.
    """
    smallest: dict[int, str] = {}
    for number, text in zip(groups.tolist(), keys, strict=True):
        if number not in smallest or text < smallest[number]:
            smallest[number] = text
    limits = np.cumsum(SHARES)
    split = np.zeros(max(smallest, default=-1) + 1, np.int8)
    for number, text in smallest.items():
        digest = hashlib.blake2b(f"{salt} {text}".encode(errors="replace"), digest_size=8).digest()
        share = int.from_bytes(digest, "big") / 2**64
        split[number] = min(int(np.searchsorted(limits, share, side="right")), len(SPLITS) - 1)
    return split[groups]


def _similar(keys: Sequence[str]) -> NDArray[np.int64]:
    """Edges between texts whose trigram sets are similar."""
    owner, signature = _signatures(keys)
    edges = []
    mix = np.arange(1, 2 * ROWS, 2, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    for band in range(BANDS):
        part = signature[:, band * ROWS : (band + 1) * ROWS]
        bucket = ((part + np.uint64(band)) * mix).sum(axis=1, dtype=np.uint64)
        _, first, inverse = np.unique(bucket, return_index=True, return_inverse=True)
        head = first[inverse]
        member = np.flatnonzero(head != np.arange(len(owner)))
        alike = (signature[head[member]] == signature[member]).mean(axis=1) >= SIMILAR
        edges.append(np.stack([owner[head[member[alike]]], owner[member[alike]]], axis=1))
    return np.concatenate(edges)


def _signatures(keys: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """MinHash signatures of the texts that have a trigram.

    Returns:
        int64[m], the texts' indices, and uint64[m, BANDS * ROWS].
    """
    lengths = np.asarray([len(text) for text in keys], np.int64)
    owner = np.flatnonzero(lengths >= SHINGLE)
    codes = np.frombuffer(
        "".join(keys[i] for i in owner.tolist()).encode("utf-32-le", "surrogatepass"), np.uint32
    ).astype(np.uint64)
    lengths = lengths[owner]
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    if not len(owner):
        return owner, np.empty((0, BANDS * ROWS), np.uint64)
    grams = codes.copy()
    for shift in range(1, SHINGLE):
        grams[:-shift] = grams[:-shift] * np.uint64(0x100000001B3) ^ codes[shift:]
    # A trigram that would run over the end of its text is replaced by the text's first one.
    position = np.arange(len(codes)) - np.repeat(starts, lengths)
    over = position > np.repeat(lengths, lengths) - SHINGLE
    grams[over] = grams[np.repeat(starts, lengths)[over]]
    random = np.random.default_rng(0)
    factors = random.integers(1, 2**63, BANDS * ROWS, dtype=np.uint64) | np.uint64(1)
    signature = np.empty((len(owner), BANDS * ROWS), np.uint64)
    for column, factor in enumerate(factors):
        mixed = grams * factor
        mixed ^= mixed >> np.uint64(29)
        signature[:, column] = np.minimum.reduceat(mixed * factor, starts)
    return owner, signature
