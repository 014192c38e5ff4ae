"""Texts → batches of feature ids, made once and served by length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from gounmal.model.encoder import Vocabulary, hash_features, sequence
from gounmal.text.normalize import normalize

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

CHUNK = 4096
WIDTHS = np.array([4, 8, 12, 16, 20, 26, 32, 40, 50, 64, 80, 100, 128, 160, 200, 256])
"""Padded widths of training batches."""


@dataclass(frozen=True)
class Encodings:
    """Encoded texts, token rows one after the other."""

    ids: NDArray[np.int32]
    """int32[n_tokens, N_FEATURES], or int32[n_tokens] ids of a tokenizer."""
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.lengths)

    def of(self, rows: NDArray[np.int64]) -> Encodings:
        """These texts alone, numbered anew; the token rows are shared."""
        return Encodings(self.ids, self.starts[rows], self.lengths[rows])

    def padded(self, rows: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
        """int32[n, t, …] ids, 0 for padding, and float32[n, t, 1] 1 for tokens, of these rows."""
        lengths = np.maximum(self.lengths[rows], 1)
        t = width_of(int(lengths.max()))
        position = np.arange(t)
        index = self.starts[rows][:, None] + position
        inside = position < self.lengths[rows][:, None]
        ids = self.ids[np.where(inside, index, 0)]
        ids[~inside] = 0
        return torch.from_numpy(ids), torch.from_numpy(inside[..., None].astype(np.float32))


def encode(texts: Sequence[str], vocabulary: Vocabulary, *, max_tokens: int) -> Encodings:
    """Encode texts; of a long one the first `max_tokens` tokens."""
    parts, lengths = [], []
    for chunk in chunks(texts):
        keys, full = hash_features([sequence(normalize(text)) for text in chunk])
        position = np.arange(len(keys)) - np.repeat(np.cumsum(full) - full, full)
        parts.append(vocabulary.lookup(keys[position < max_tokens]))
        lengths.append(np.minimum(full, max_tokens))
    all_lengths = np.concatenate(lengths)
    return Encodings(np.concatenate(parts), np.cumsum(all_lengths) - all_lengths, all_lengths)


def batches(
    lengths: NDArray[np.int64], *, max_tokens: int, rng: np.random.Generator | None = None
) -> Iterator[NDArray[np.int64]]:
    """Row numbers of batches of alike lengths, `max_tokens` padded tokens each.

    Lengths are rounded up to a few widths (see `WIDTHS`), because torch prepares its kernels anew
    for every shape that it has not seen. With `rng` everything is shuffled; without, rows come in
    order of width.
    """
    bucket = np.searchsorted(WIDTHS, lengths)
    made = []
    for i in np.unique(bucket):
        rows = np.flatnonzero(bucket == i)
        if rng is not None:
            rng.shuffle(rows)
        size = max(1, max_tokens // width_of(int(lengths[rows].max())))
        made += [rows[first : first + size] for first in range(0, len(rows), size)]
    order = np.arange(len(made)) if rng is None else rng.permutation(len(made))
    for i in order:
        yield made[i]


def width_of(length: int) -> int:
    """The padded width of a batch whose longest text has `length` tokens."""
    at = int(np.searchsorted(WIDTHS, length))
    return int(WIDTHS[at]) if at < len(WIDTHS) else length


def fitting(limit: int) -> int:
    """The most tokens a text may have, so that its batch is padded to at most `limit` of them."""
    widths = WIDTHS[limit >= WIDTHS]
    return int(widths.max(initial=0)) if len(widths) < len(WIDTHS) else limit


def chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts, some thousands at a time."""
    chunk: list[str] = []
    for text in texts:
        chunk.append(text)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
