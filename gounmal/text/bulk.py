"""Many texts → which of them need no look: all views of a plain text are the text itself.

Most chat is plain. What `normalize` tells with regular expressions, text by text, is told here for
a whole batch at once: each character is of one of a few kinds, and tables say which neighbours a
plain text may have. What they cannot tell for sure is not called plain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gounmal.text import hangul
from gounmal.text.normalize import Normalized, normalize
from gounmal.text.skeleton import ECHOES, NUMBERED, PREFIXES, SPLIT_WORDS, UNTAME
from gounmal.text.views import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_SYLLABLES = slice(ord("가"), ord("힣") + 1)
_CONSONANTS = slice(ord("ㄱ"), ord("ㅎ") + 1)
_VOWELS = slice(ord("ㅏ"), ord("ㅣ") + 1)
_LONGEST_FILLER = 3

_KINDS = {
    "syllable": "",  # but not one of the next three
    "untame": "",
    "numbered": NUMBERED,
    "both": "",
    "laughter": "ㅋㅎ",
    "tail": "ㄱㄴㄹㅁㅇㅈ",
    "consonant": "",  # the others
    "crying": "ㅠㅜ",
    "dash": "ㅡ",
    "vowel": "",  # the others
    "eight": "8",
    "digit": "012345679",
    "latin": "abcdefghijklmnopqrstuvwxyz",
    "stop": ".,!?~^;",
    "mark": ":'\"()/-",
    "sign": "#$%&*+<=>@[\\]_`{|}",
    "space": " ",
    "end": "",
    "odd": "",
}
"""Kinds of characters, and what is of each kind; `_kinds` fills in those that have nothing here."""
_NAMES = tuple(_KINDS)
_N = len(_NAMES)
_END = _NAMES.index("end")


def _kinds() -> NDArray[np.uint16]:
    """uint16[65536], the kind of each BMP code point; the last one stands for all beyond."""
    kinds = np.full(0x10000, _NAMES.index("odd"), np.uint16)
    kinds[_SYLLABLES] = _NAMES.index("syllable")
    kinds[_CONSONANTS] = _NAMES.index("consonant")
    kinds[_VOWELS] = _NAMES.index("vowel")
    for i, characters in enumerate(_KINDS.values()):
        kinds[list(map(ord, characters))] = i
    for character in UNTAME:
        kinds[ord(character)] = _NAMES.index("both" if character in NUMBERED else "untame")
    return kinds


def _is(*names: str) -> NDArray[np.bool_]:
    """bool[kinds], is it one of these?"""
    return np.isin(_NAMES, names)


_SYLLABLE = _is("syllable", "untame", "numbered", "both")
_CONSONANT = _is("laughter", "tail", "consonant")
_HANGUL = _SYLLABLE | _CONSONANT | _is("crying", "dash", "vowel")
_INITIAL = _is("tail", "consonant")
_DIGIT = _is("eight", "digit")
_LATIN, _SPACE, _STOP = _is("latin"), _is("space"), _is("stop")
_LAUGHS, _CRIES = _is("laughter"), _is("crying")
_EDGE = _is("end", "space")
_OTHER = ~(_HANGUL | _EDGE)
_LETTER = _HANGUL | _LATIN | _DIGIT


def _pair(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """bool[kinds, kinds], one of these and then one of those."""
    return first[:, None] & second


def _three(*kinds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """bool[kinds, kinds, kinds], one of each of these in turn."""
    return _pair(kinds[0], kinds[1])[..., None] & kinds[2]


_ANY = np.ones(_N, bool)
_ALONE = _three(_EDGE, _SYLLABLE, ~_SYLLABLE)


def _extraordinary() -> NDArray[np.bool_]:
    """bool[kinds, kinds, kinds], where the middle one is not what `normalize` calls ordinary."""
    odd = _three(_ANY, _is("odd"), _ANY)
    return odd | _three(_EDGE, _SPACE, _ANY) | _three(_ANY, _SPACE, _EDGE)


def _untame() -> NDArray[np.bool_]:
    """bool[kinds, kinds, kinds], where the middle one is not as in the tame text of `skeleton`."""
    ends = _LAUGHS | _CRIES
    follows = _pair(_SYLLABLE, _SYLLABLE | _STOP | ends)
    follows |= _pair(_DIGIT, _DIGIT | _SYLLABLE & ~_is("numbered", "both") | _STOP | ends)
    follows |= _pair(_STOP, _STOP | ends) | _pair(_LAUGHS, ends) | _pair(_CRIES, _CRIES)
    tame = _SYLLABLE | _DIGIT | _STOP | ends
    wrong = _three(_ANY, ~(tame | _EDGE), _ANY) | (_pair(tame, tame) & ~follows)[None]
    return wrong | (_ALONE & _three(_ANY, _is("untame", "both"), _ANY))


def _suspicious() -> NDArray[np.bool_]:
    """bool[kinds, kinds, kinds], where the middle one may be what `skeleton` calls suspicious.

    That is by itself or with what comes next; what reaches further is not in here.
    """
    pairs = _pair(_is("vowel", "sign", "odd"), _ANY)
    pairs |= _pair(_INITIAL, _is("crying", "dash")) | _pair(_DIGIT, _is("numbered", "both"))
    written = _SYLLABLE | _CONSONANT
    pairs |= _pair(written, _LATIN | _is("eight")) | _pair(_LATIN, written)
    pairs |= _pair(_LAUGHS | _CRIES | _is("dash"), _SYLLABLE)
    tailed = _three(_SYLLABLE, _is("tail", "dash"), ~_CONSONANT)
    return pairs[None] | tailed | _three(_LATIN, _LATIN, _LATIN)


_EXTRAORDINARY, _UNTAME, _SUSPECT, _LONE = 1, 2, 4, 8
_MARKS = (
    _EXTRAORDINARY * _extraordinary()
    + _UNTAME * _untame()
    + _SUSPECT * _suspicious()
    + _LONE * _ALONE
).astype(np.uint8)
"""uint8[kinds, kinds, kinds], what is to be said of the one in the middle."""


def _bits(groups: Sequence[str]) -> NDArray[np.uint32]:
    """uint32[65536], in which of these groups each BMP code point is, bit by bit."""
    bits = np.zeros(0x10000, np.uint32)
    for i, characters in enumerate(groups):
        bits[list(map(ord, characters))] |= np.uint32(1 << i)
    return bits


def _echoes(vowel: str) -> str:
    """The syllables with this vowel that begin with nothing."""
    return "".join(hangul.join("ㅇ", vowel, tail) for tail in hangul.TAILS)


_KIND = _kinds()
_FIRST, _SECOND, _THIRD = (_bits(part) for part in zip(*SPLIT_WORDS, strict=True))
"""Of which split words each is the first syllable, the second, or what goes on after them."""
_DRAWN, _ECHO = (
    _bits(list(map(hangul.open_syllables, ECHOES.values()))),
    _bits(list(map(_echoes, ECHOES))),
)
"""Whose echo can follow each, and whose echo each is."""
_PREFIX = _bits([PREFIXES] * len(SPLIT_WORDS))
"""The same of the syllables before which they are abusive whatever goes on after them."""
_PARTICLE = ord("에")


def normalize_all(texts: Sequence[str]) -> list[Normalized]:
    """What `normalize` makes of each text, faster for many of them."""
    return [
        Normalized(text, View.identity(text), None) if is_plain else normalize(text)
        for text, is_plain in zip(texts, plain(texts).tolist(), strict=True)
    ]


def plain(texts: Sequence[str]) -> NDArray[np.bool_]:
    """Which texts are all their views themselves: there is nothing to fold and nothing to undo.

    Args:
        texts: any.

    Returns:
        bool[len(texts)]; of one that is False, this is more than can be told at a glance.
    """
    if not texts:
        return np.zeros(0, bool)
    joined = "\n".join(["", *texts, ""])
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
    sizes = np.fromiter(map(len, texts), np.int64, len(texts)) + 1
    ends = np.cumsum(sizes)  # where the line break after each text stands
    narrow = np.minimum(codes, 0xFFFF).astype(np.intp)
    kinds = _KIND.take(narrow)
    kinds[0] = kinds[ends] = _END
    marks = _marked(kinds)
    never = (marks & _EXTRAORDINARY) != 0
    never[:-3] |= _repeated(codes, kinds)
    never[:-2] |= _stretched(narrow, kinds)
    untame = (marks & _UNTAME) != 0
    lone = (marks & _LONE) != 0
    untame[:-2] |= lone[:-2] & lone[2:] & _SPACE.take(kinds[1:-1])
    suspect = (marks & _SUSPECT) != 0
    suspect[_filled(kinds)] = True
    suspect[_split(narrow, kinds)] = True
    # Of every text with the line break after it.
    found = (np.logical_or.reduceat(m, ends - sizes + 1) for m in (never, untame, suspect))
    is_never, is_untame, is_suspect = found
    return ~(is_never | (is_untame & is_suspect))


def _marked(kinds: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """uint8[n], the marks of each character between its neighbours."""
    threes = kinds[:-2] * np.uint16(_N * _N)
    threes += kinds[1:-1] * np.uint16(_N)
    threes += kinds[2:]
    marks = np.zeros(len(kinds), np.uint8)
    marks[1:-1] = _MARKS.take(threes)
    return marks


def _repeated(codes: NDArray[np.uint32], kinds: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """bool[n - 3], where one character, no digit, stands four times."""
    same = codes[1:] == codes[:-1]
    four: NDArray[np.bool_] = same[:-2] & same[1:-1]
    four &= same[2:]
    if four.any():
        four &= ~_DIGIT.take(kinds[:-3])
    return four


def _stretched(codes: NDArray[np.intp], kinds: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """bool[n - 2], where a syllable is drawn out."""
    drawn: NDArray[np.bool_] = (_DRAWN.take(codes[:-2]) & _ECHO.take(codes[1:-1])) != 0
    if drawn.any():
        drawn &= (codes[1:-1] != _PARTICLE) | _SYLLABLE.take(kinds[2:])
    return drawn


def _filled(kinds: NDArray[np.uint16]) -> NDArray[np.intp]:
    """Where something stands between Hangul that may fill up a word."""
    other = _OTHER.take(kinds)
    borders = np.flatnonzero(other[1:] != other[:-1]) + 1
    starts, ends = borders[::2], borders[1::2]
    before, after = kinds.take(starts - 1), kinds.take(ends)
    inside = _HANGUL.take(before) & _HANGUL.take(after)
    spaced = _SPACE.take(before)
    last = starts - 1 - spaced
    beside = _SYLLABLE.take(kinds.take(last)) & ~_SYLLABLE.take(kinds.take(last - 1))
    following = kinds.take(ends + _SPACE.take(after), mode="clip")
    beside &= _SYLLABLE.take(following) & (ends - starts <= _LONGEST_FILLER)
    return starts[inside | beside]


def _split(codes: NDArray[np.intp], kinds: NDArray[np.uint16]) -> NDArray[np.intp]:
    """Where Hangul stands apart that may belong together."""
    written = _HANGUL.take(kinds)
    at = np.flatnonzero(written[:-2] & _SPACE.take(kinds[1:-1]) & written[2:])
    first, second, third = kinds.take(at), kinds.take(at + 2), kinds.take(at + 3)
    before = kinds.take(at - 1)
    apart = ~_SYLLABLE.take(third)
    words = _FIRST.take(codes.take(at)) & _SECOND.take(codes.take(at + 2))
    named = _PREFIX.take(codes.take(at - 1)) | _THIRD.take(codes.take(at + 3))
    parts = (words & named) != 0
    parts |= (words != 0) & apart & ~_SYLLABLE.take(before)
    # One character alone, and another one after it.
    fourth, fifth = (kinds.take(at + n, mode="clip") for n in (4, 5))
    single = _SPACE.take(third) & _HANGUL.take(fourth) & ~_SYLLABLE.take(fifth)
    single |= _INITIAL.take(first) & apart
    single |= _INITIAL.take(second) & ~_HANGUL.take(third)
    found: NDArray[np.intp] = at[parts | single & ~_LETTER.take(before)]
    return found
