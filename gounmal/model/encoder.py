"""Views → feature ids: what the network sees of a message.

Each character of a view becomes one token, described by the n-grams that end in it:

- characters, 1 to 4;
- jamo, 3 to 6, ending with the whole syllable and ending with its vowel. The silent initial ㅇ is
  left out, so that 씹알 and 씨발 (resyllabified) or 시이발 and 시발 (elongated) share n-grams;
- the same with tense and aspirated consonants and neighbouring vowels folded into one class, so
  that 씌발, 시뱔 and 쉬팔 share n-grams with 시발.

N-grams are hashed to 32 bits and looked up in the vocabulary of those that training kept; an n-gram
that training never saw gets id 0, which the network reads as nothing at all. Everything is computed
for a whole batch at once in numpy: there is no Python loop over characters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gounmal.text.normalize import Normalized

CHAR_ORDERS = (1, 2, 3, 4)
JAMO_ORDERS = (3, 4, 5, 6)
VOWEL_ORDERS = (3, 4, 5)
FOLDED_ORDERS = (3, 4, 5, 6)
N_FEATURES = len(CHAR_ORDERS) + len(JAMO_ORDERS) + len(VOWEL_ORDERS) + len(FOLDED_ORDERS)
"""How many feature ids each token has."""

SEPARATOR = "\x1e"
"""Stands between the canonical view and the skeleton of one message."""

_SLOT_BITS = 20
_PAD = 3  # boundary characters between messages: no n-gram reaches from one into the next
_BOUNDARY = "\x02"

_CHO = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_JUNG = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_JONG = "\0ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_FOLDS = (
    *("ㄱㄲㅋ", "ㄷㄸㅌ", "ㅂㅃㅍ", "ㅅㅆ", "ㅈㅉㅊ", "ㄴㄵㄶ", "ㄹㄺㄻㄼㄽㄾㄿㅀ"),
    *("ㅏㅑㅘ", "ㅓㅕㅝ", "ㅗㅛ", "ㅜㅠㅡ", "ㅐㅔㅒㅖㅙㅚㅞ", "ㅣㅟㅢ"),
)
"""Consonants, then vowels, that evasive spelling swaps for each other."""


def _tables() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The up to three jamo of each BMP code point, plain and folded: uint32[65536, 3], 0 = none."""
    plain = np.zeros((0x10000, 3), np.uint32)
    plain[:, 0] = np.arange(0x10000)
    syllables = np.arange(11172)
    cho = np.array([0 if c == "ㅇ" else ord(c) for c in _CHO], np.uint32)
    jung = np.array([ord(c) for c in _JUNG], np.uint32)
    jong = np.array([ord(c) for c in _JONG], np.uint32)
    plain[0xAC00:0xD7A4, 0] = cho[syllables // 588]
    plain[0xAC00:0xD7A4, 1] = jung[syllables // 28 % 21]
    plain[0xAC00:0xD7A4, 2] = jong[syllables % 28]
    fold = np.arange(0x10000, dtype=np.uint32)
    for group in _FOLDS:
        for character in group:
            fold[ord(character)] = ord(group[0])
    return plain, fold[plain]


_PLAIN, _FOLDED = _tables()


def _powers(orders: Sequence[int], width: int) -> NDArray[np.uint64]:
    """uint64[width, len(orders)]: a window times this gives the polynomial hash of each n-gram."""
    base = 0x9E3779B97F4A7C15
    matrix = np.zeros((width, len(orders)), np.uint64)
    for column, order in enumerate(orders):
        for back in range(order):
            matrix[width - 1 - back, column] = pow(base, back + 1, 2**64)
    return matrix


_CHAR_POWERS = _powers(CHAR_ORDERS, 4)
_JAMO_POWERS = _powers(JAMO_ORDERS, 6)
_VOWEL_POWERS = _powers(VOWEL_ORDERS, 6)
_FOLDED_POWERS = _powers(FOLDED_ORDERS, 6)
_WINDOW_4 = np.arange(-3, 1)
_WINDOW_6 = np.arange(-5, 1)
# A salt for each n-gram family keeps a character 3-gram apart from a jamo 3-gram.
_SALTS = np.arange(1, N_FEATURES + 1, dtype=np.uint64) * np.uint64(0xD1B54A32D192ED03)
# Vowel-final jamo n-grams and syllable-final ones are the same kind of thing.
_VOWEL_AT = len(CHAR_ORDERS) + len(JAMO_ORDERS)
_SALTS[_VOWEL_AT : _VOWEL_AT + len(VOWEL_ORDERS)] = _SALTS[4 : 4 + len(VOWEL_ORDERS)]
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_SHIFT = np.uint64(32)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch of messages, token rows one after the other."""

    ids: NDArray[np.int32]
    """int32[n_tokens, N_FEATURES] n-gram ids, or int32[n_tokens] ids of a tokenizer."""
    lengths: NDArray[np.int64]
    """int64[n_messages], tokens of each message; they add up to n_tokens."""

    def padded(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """These messages side by side.

        Returns:
            int32[len(rows), longest, …] ids, 0 for padding, and
            float32[len(rows), longest, 1], 1 for tokens and 0 for padding.
        """
        lengths = self.lengths[rows]
        if len(self.lengths) == 1 and self.lengths[0]:  # a lone message needs no padding
            return self.ids[None], np.ones((1, len(self.ids), 1), np.float32)
        starts = (np.cumsum(self.lengths) - self.lengths)[rows]
        position = np.arange(max(1, int(lengths.max(initial=0))))
        inside = position < lengths[:, None]
        ids = np.zeros((*inside.shape, *self.ids.shape[1:]), np.int32)
        ids[inside] = self.ids[(starts[:, None] + position)[inside]]
        return ids, inside[..., None].astype(np.float32)


class Encoder(Protocol):
    """Texts → what a network takes."""

    def encode(self, texts: Sequence[Normalized]) -> Encoded:
        """Ids of a batch of messages."""

    def project(self, text: Normalized, tokens: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values of one message's tokens → values of the original's code points (the largest).

        Args:
            text: the message.
            tokens: float32[n_tokens, n_labels].

        Returns:
            float32[len(text.original), n_labels]
        """


def sequence(text: Normalized) -> str:
    """The characters that become the tokens of one message, in order."""
    if text.skeleton is None:
        return text.canonical.text
    return text.canonical.text + SEPARATOR + text.skeleton.text


def hash_features(sequences: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Hash every n-gram of every token.

    Args:
        sequences: of messages, see `sequence`.

    Returns:
        uint32[n_tokens, N_FEATURES], 0 where a family has no n-gram of its own at that token, and
        int64[n_messages], how many tokens each message has.
    """
    pad = _BOUNDARY * _PAD
    flat = pad + pad.join(sequences) + pad
    codes = np.frombuffer(flat.encode("utf-32-le", "replace"), np.uint32)
    lengths = np.array([len(s) for s in sequences], np.int64)
    starts = np.cumsum(lengths + _PAD) - lengths
    tokens = np.arange(lengths.sum()) + np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)

    narrow = np.minimum(codes, 0xFFFF)
    parts = _PLAIN[narrow]
    has = parts != 0
    # Boundaries count twice, so that three of them fill the longest jamo window.
    has[:, 1] |= codes == ord(_BOUNDARY)
    stream = parts[has]
    folded = _FOLDED[narrow][has]
    ends = np.cumsum(has.sum(1)) - 1
    last = ends[tokens]
    coda = has[tokens, 2]
    vowel = last - coda

    hashes = np.concatenate(
        (
            codes[tokens[:, None] + _WINDOW_4].astype(np.uint64) @ _CHAR_POWERS,
            stream[last[:, None] + _WINDOW_6].astype(np.uint64) @ _JAMO_POWERS,
            stream[vowel[:, None] + _WINDOW_6].astype(np.uint64) @ _VOWEL_POWERS,
            folded[last[:, None] + _WINDOW_6].astype(np.uint64) @ _FOLDED_POWERS,
        ),
        axis=1,
    )
    mixed = ((hashes + _SALTS) ^ ((hashes + _SALTS) >> _SHIFT)) * _MIX
    keys = (mixed >> _SHIFT).astype(np.uint32)
    keys[~coda, _VOWEL_AT : _VOWEL_AT + len(VOWEL_ORDERS)] = 0
    return keys, lengths


class Vocabulary:
    """The n-grams that training kept: hash → id, 1 to `len(self)`.

    Args:
        keys: uint32[n], in the order of their ids, no two with the same lowest 20 bits.
    """

    def __init__(self, keys: NDArray[np.uint32]) -> None:
        self.keys = keys
        self._keys = np.concatenate((np.zeros(1, np.uint32), keys))
        self._slots = np.zeros(1 << _SLOT_BITS, np.int32)
        self._slots[slots(keys)] = np.arange(1, len(keys) + 1)

    def __len__(self) -> int:
        return len(self.keys)

    def lookup(self, keys: NDArray[np.uint32]) -> NDArray[np.int32]:
        """Ids of hashed n-grams, same shape; 0 for those not kept."""
        ids = self._slots[slots(keys)]
        ids[self._keys[ids] != keys] = 0
        return ids

    def encode(self, texts: Sequence[Normalized]) -> Encoded:
        """Feature ids of a batch of messages."""
        keys, lengths = hash_features([sequence(text) for text in texts])
        return Encoded(self.lookup(keys), lengths)

    def project(self, text: Normalized, tokens: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Encoder.project`."""
        size = len(text.original)
        identity = range(size)
        if text.skeleton is None and tuple(text.canonical.starts) == tuple(identity):
            return tokens[:size]
        out = np.zeros((size, tokens.shape[1]), np.float32)
        first = 0
        for view in text.views:
            values = tokens[first : first + len(view.text)]
            spread(out, values, view.starts, view.ends)
            first += len(view.text) + 1  # the separator
        return out


def spread(
    out: NDArray[np.float32],
    values: NDArray[np.float32],
    starts: Sequence[int],
    ends: Sequence[int],
) -> None:
    """Raise `out[starts[i]:ends[i]]` to `values[i]` at least, for each i."""
    for value, start, end in zip(values, starts, ends, strict=True):
        np.maximum(out[start:end], value, out=out[start:end])


def slots(keys: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The slot of the look-up table that a hashed n-gram may stand in."""
    return keys & np.uint32((1 << _SLOT_BITS) - 1)


def keep(keys: NDArray[np.uint32], counts: NDArray[np.int64], size: int) -> Vocabulary:
    """The `size` most frequent n-grams, less those whose slot a more frequent one has taken."""
    order = np.argsort(-counts, kind="stable")
    ordered = keys[order]
    ordered = ordered[ordered != 0]
    _, first = np.unique(slots(ordered), return_index=True)
    return Vocabulary(ordered[np.sort(first)][:size].copy())
