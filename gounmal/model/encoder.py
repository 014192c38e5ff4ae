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

from gounmal.text.hangul import LEADS, TAILS, VOWELS

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
_SLOT = np.uint32((1 << _SLOT_BITS) - 1)
_PAD = 3  # boundary characters between messages: no n-gram reaches from one into the next
_BOUNDARY = "\x02"

_FOLDS = (
    *("ㄱㄲㅋ", "ㄷㄸㅌ", "ㅂㅃㅍ", "ㅅㅆ", "ㅈㅉㅊ", "ㄴㄵㄶ", "ㄹㄺㄻㄼㄽㄾㄿㅀ"),
    *("ㅏㅑㅘ", "ㅓㅕㅝ", "ㅗㅛ", "ㅜㅠㅡ", "ㅐㅔㅒㅖㅙㅚㅞ", "ㅣㅟㅢ"),
)
"""Consonants, then vowels, that evasive spelling swaps for each other."""


def _tables() -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.bool_]]:
    """The up to three jamo of each BMP code point.

    Returns:
        uint64[65536, 3], 0 for none; the same folded; bool[65536, 3], which of them there are.
    """
    plain = np.zeros((0x10000, 3), np.uint64)
    plain[:, 0] = np.arange(0x10000)
    syllables = np.arange(11172)
    cho = np.array([0 if c == "ㅇ" else ord(c) for c in LEADS], np.uint64)
    jung = np.array([ord(c) for c in VOWELS], np.uint64)
    jong = np.array([ord(c) if c else 0 for c in TAILS], np.uint64)
    plain[0xAC00:0xD7A4, 0] = cho[syllables // 588]
    plain[0xAC00:0xD7A4, 1] = jung[syllables // 28 % 21]
    plain[0xAC00:0xD7A4, 2] = jong[syllables % 28]
    fold = np.arange(0x10000, dtype=np.uint64)
    for group in _FOLDS:
        for character in group:
            fold[ord(character)] = ord(group[0])
    has = plain != 0
    # Boundaries count twice, so that three of them fill the longest jamo window.
    has[ord(_BOUNDARY), 1] = True
    return plain, fold[plain], has


_PLAIN, _FOLDED, _HAS = _tables()
_COUNT = _HAS.sum(axis=1)
_HAS_CODA = _HAS[:, 2].copy()

_BASE = 0x9E3779B97F4A7C15
_LONGEST = 6
_BACK = np.arange(_LONGEST)[:, None]
_POWERS = np.array([[pow(_BASE, back + 1, 2**64)] for back in range(_LONGEST)], np.uint64)
"""uint64[6, 1]: what a character so far back is multiplied by in the polynomial hash."""
_FAMILIES = (CHAR_ORDERS, JAMO_ORDERS, VOWEL_ORDERS, FOLDED_ORDERS)
_ROWS = np.concatenate(
    [len(_FAMILIES) * (np.array(o) - 1) + family for family, o in enumerate(_FAMILIES)]
)
"""Which of the hashes are features: those of order n of a family stand in row 4(n - 1) + family."""
# A salt for each n-gram family keeps a character 3-gram apart from a jamo 3-gram.
_SALTS = np.arange(1, N_FEATURES + 1, dtype=np.uint64) * np.uint64(0xD1B54A32D192ED03)
# Vowel-final jamo n-grams and syllable-final ones are the same kind of thing.
_VOWEL_AT = len(CHAR_ORDERS) + len(JAMO_ORDERS)
_VOWELS = slice(_VOWEL_AT, _VOWEL_AT + len(VOWEL_ORDERS))
_SALTS[_VOWELS] = _SALTS[4 : 4 + len(VOWEL_ORDERS)]
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
        # Rows past the last one are padding, too: "clip" spares numpy the check.
        ids = self.ids.take(starts[:, None] + position, axis=0, mode="clip")
        if not inside.all():
            ids[~inside] = 0
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
    if len(sequences) == 1:
        tokens = np.arange(_PAD, len(codes) - _PAD)
    else:
        shifts = np.arange(1, len(lengths) + 1) * _PAD
        tokens = np.arange(lengths.sum()) + np.repeat(shifts, lengths)

    # `take` is faster than brackets.
    narrow = np.minimum(codes, 0xFFFF).astype(np.intp)
    present = np.flatnonzero(_HAS.take(narrow, axis=0))
    plain = _PLAIN.take(narrow, axis=0).take(present)
    folded = _FOLDED.take(narrow, axis=0).take(present)
    last = (np.cumsum(_COUNT.take(narrow)) - 1).take(tokens)
    coda = _HAS_CODA.take(narrow.take(tokens))

    # One stream of characters, jamo and folded jamo, and where in it the n-grams of each family
    # end: so all of them are hashed together, in few steps, which is what a lone message pays for.
    stream = np.concatenate((codes, plain, folded), dtype=np.uint64)
    jamo = len(codes)
    ends = np.concatenate((tokens, last + jamo, last + (jamo - coda), last + (jamo + len(plain))))
    hashes = stream.take(ends - _BACK)
    hashes *= _POWERS
    # The sum of the first n products is the hash of the n-gram.
    for n in range(1, _LONGEST):  # faster than numpy's own running sum
        hashes[n] += hashes[n - 1]
    by_family = hashes.reshape(_LONGEST * len(_FAMILIES), len(tokens))
    keys = by_family.take(_ROWS, axis=0)
    keys += _SALTS[:, None]
    keys ^= keys >> _SHIFT
    keys *= _MIX
    keys >>= _SHIFT
    keys[_VOWELS] *= coda
    return keys.T.astype(np.uint32, order="C"), lengths


class Vocabulary:
    """The n-grams that training kept: hash → id, 1 to `len(self)`.

    Args:
        keys: uint32[n], in the order of their ids, no two with the same lowest 20 bits.
    """

    def __init__(self, keys: NDArray[np.uint32]) -> None:
        self.keys = keys
        # A slot's number is the lower part of its key: beside the rest of it there is room for an
        # id, and both are found with one look.
        self._slots = np.zeros(1 << _SLOT_BITS, np.uint32)
        ids = np.arange(1, len(keys) + 1, dtype=np.uint32)
        self._slots[slots(keys)] = (keys & ~_SLOT) | ids

    def __len__(self) -> int:
        return len(self.keys)

    def lookup(self, keys: NDArray[np.uint32]) -> NDArray[np.int32]:
        """Ids of hashed n-grams, same shape; 0 for those not kept."""
        found = self._slots.take(slots(keys))
        known = (found ^ keys) <= _SLOT
        found &= _SLOT
        found *= known
        return found.view(np.int32)

    def encode(self, texts: Sequence[Normalized]) -> Encoded:
        """Feature ids of a batch of messages."""
        keys, lengths = hash_features([sequence(text) for text in texts])
        return Encoded(self.lookup(keys), lengths)

    def project(self, text: Normalized, tokens: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Encoder.project`."""
        size = len(text.original)
        view = text.canonical
        plain = len(view.text) == size and view.is_identity
        if plain and text.skeleton is None:
            return tokens[:size]
        out = np.zeros((size, tokens.shape[1]), np.float32)
        if plain:
            out[:] = tokens[:size]
        else:
            spread(out, tokens[: len(view.text)], view.starts, view.ends)
        if text.skeleton is not None:
            first = len(view.text) + 1  # the separator
            spread(out, tokens[first:], text.skeleton.starts, text.skeleton.ends)
        return out


def spread(
    out: NDArray[np.float32],
    values: NDArray[np.float32],
    starts: Sequence[int],
    ends: Sequence[int],
) -> None:
    """Raise `out[starts[i]:ends[i]]` to `values[i]` at least, for each i."""
    first, sizes = np.array(starts, np.int64), np.array(ends, np.int64)
    sizes -= first
    # A row for each place that is raised, whichever value does it.
    values = values.repeat(sizes, axis=0)
    first -= np.cumsum(sizes) - sizes
    np.maximum.at(out, np.arange(len(values)) + first.repeat(sizes), values)


def slots(keys: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The slot of the look-up table that a hashed n-gram may stand in."""
    return keys & _SLOT


def keep(keys: NDArray[np.uint32], counts: NDArray[np.int64], size: int) -> Vocabulary:
    """The `size` most frequent n-grams, less those whose slot a more frequent one has taken."""
    order = np.argsort(-counts, kind="stable")
    ordered = keys[order]
    ordered = ordered[ordered != 0]
    _, first = np.unique(slots(ordered), return_index=True)
    return Vocabulary(ordered[np.sort(first)][:size].copy())
