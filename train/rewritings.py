"""Rules that write Hangul with something else: other scripts, glyphs, emoji.

See `train.disguises` for what a rule is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gounmal.text import glyphs, hangul
from train.disguises import Stretch, apply, chosen, each, inside, words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from gounmal.text.views import View

_KEYS = {jamo: key for key, jamo in reversed(hangul.DUBEOLSIK.items())}
_STROKES = {whole: parts for parts, whole in (hangul.COMPOUND_VOWELS | hangul.CLUSTERS).items()}
_ROMAN = {
    "ㄱ": "g", "ㄲ": "kk", "ㄴ": "n", "ㄷ": "d", "ㄸ": "tt", "ㄹ": "r", "ㅁ": "m", "ㅂ": "b",
    "ㅃ": "pp", "ㅅ": "s", "ㅆ": "ss", "ㅇ": "", "ㅈ": "j", "ㅉ": "jj", "ㅊ": "ch", "ㅋ": "k",
    "ㅌ": "t", "ㅍ": "p", "ㅎ": "h",
    "ㅏ": "a", "ㅐ": "ae", "ㅑ": "ya", "ㅒ": "yae", "ㅓ": "eo", "ㅔ": "e", "ㅕ": "yeo", "ㅖ": "ye",
    "ㅗ": "o", "ㅘ": "wa", "ㅙ": "wae", "ㅚ": "oe", "ㅛ": "yo", "ㅜ": "u", "ㅝ": "wo", "ㅞ": "we",
    "ㅟ": "wi", "ㅠ": "yu", "ㅡ": "eu", "ㅢ": "ui", "ㅣ": "i",
}  # fmt: skip
_ROMAN_TAILS = {
    "": "", "ㅇ": "ng",
    **dict.fromkeys("ㄱㄲㄳㅋㄺ", "k"),
    **dict.fromkeys("ㄴㄵㄶ", "n"),
    **dict.fromkeys("ㅁㄻ", "m"),
    **dict.fromkeys("ㄹㄼㄽㄾㅀ", "l"),
    **dict.fromkeys("ㅂㅄㅍㄿ", "p"),
    **dict.fromkeys("ㄷㅅㅆㅈㅊㅌㅎ", "t"),
}  # fmt: skip


def _typed(word: str, _rng: Random) -> str:
    letters = "".join("".join(hangul.split(s)) for s in word)
    return "".join(_KEYS[key] for jamo in letters for key in _STROKES.get(jamo, jamo))


def _spelled(word: str, _rng: Random) -> str:
    parts = [hangul.split(s) for s in word]
    return "".join(_ROMAN[a] + _ROMAN[b] + _ROMAN_TAILS[c] for a, b, c in parts)


def keyboard(view: View, rng: Random, where: range, share: float) -> View:
    """시발 → tlqkf: Hangul typed with the Latin layout."""
    return words(view, rng, where, share, _typed)


def romanised(view: View, rng: Random, where: range, share: float) -> View:
    """씨발 → ssibal, and 미친 → mi친."""
    if rng.random() < 0.5:
        return words(view, rng, where, share, _spelled)
    return each(view, rng, where, min(share, 0.4), _spelled)


# Glyphs -------------------------------------------------------------------------------------------


def _spellings(*tables: Mapping[str, str]) -> dict[str, str]:
    """Glyph to meaning → meaning to glyphs."""
    meanings: dict[str, str] = {}
    for table in tables:
        for glyph, meaning in table.items():
            meanings[meaning] = meanings.get(meaning, "") + glyph
    return meanings


_VOWEL_GLYPHS = _spellings(
    glyphs.VOWEL_GLYPHS, glyphs.LATIN_VOWEL_GLYPHS, glyphs.LATIN_VOWEL_GLYPHS
)
_LEAD_GLYPHS = _spellings(glyphs.CONSONANT_GLYPHS)
_SYLLABLE_GLYPHS = _spellings(glyphs.SYLLABLE_GLYPHS)
_HANJA = _spellings(glyphs.HANJA)
_BOXED = "가나다라마바사아자차카타파하"
_BOXES = {s: chr(0x326E + i) + chr(0x320E + i) for i, s in enumerate(_BOXED)}
_HALF_TURN = dict(zip("ㅏㅓㅗㅜㅣㅡㄱㄴㄹㅁㅇㅍㄷ", "ㅓㅏㅜㅗㅣㅡㄴㄱㄹㅁㅇㅍコ", strict=True))
_DRAWN = {"ㅔ": "ㅓㅣ", "ㅐ": "ㅏㅣ", "ㅖ": "ㅕㅣ", "ㅒ": "ㅑㅣ"}


def vowel_glyphs(view: View, rng: Random, where: range, share: float) -> View:
    """나쁜 → ㄴr쁜: the vowel drawn with another character."""
    return each(view, rng, where, share, _with_vowel_glyph)


def _with_vowel_glyph(syllable: str, rng: Random) -> str:
    lead, vowel, tail = hangul.split(syllable)
    if vowel in _DRAWN and rng.random() < 0.5:
        return lead + _DRAWN[vowel] + tail
    if vowel not in _VOWEL_GLYPHS:
        return syllable
    glyph = rng.choice(_VOWEL_GLYPHS[vowel])
    return lead + (glyph.upper() if rng.random() < 0.2 else glyph) + tail


def lead_glyphs(view: View, rng: Random, where: range, share: float) -> View:
    """시발 → 人ㅣ발: the initial drawn with another character."""
    return each(view, rng, where, share, _with_lead_glyph)


def _with_lead_glyph(syllable: str, rng: Random) -> str:
    lead, vowel, tail = hangul.split(syllable)
    if lead not in _LEAD_GLYPHS:
        return syllable
    return rng.choice(_LEAD_GLYPHS[lead]) + vowel + tail


def boxes(view: View, rng: Random, where: range, share: float) -> View:
    """나 → ㉯, ㈏; 그 → ユ: one character that stands for the whole syllable."""
    tables = (_BOXES, _SYLLABLE_GLYPHS)
    return each(view, rng, where, share, lambda s, r: _from(tables, s, r))


def hanja(view: View, rng: Random, where: range, share: float) -> View:
    """화 → 火: Hanja of the same sound."""
    return each(view, rng, where, share, lambda s, r: _from((_HANJA,), s, r))


def _from(tables: tuple[dict[str, str], ...], syllable: str, rng: Random) -> str:
    found = "".join(table.get(syllable, "") for table in tables)
    return rng.choice(found) if found else syllable


def turned(view: View, rng: Random, where: range, share: float) -> View:
    """나 → ㅓㄱ: upside down."""
    return each(view, rng, where, min(share, 0.4), _upside_down)


def _upside_down(syllable: str, _rng: Random) -> str:
    lead, vowel, tail = hangul.split(syllable)
    if tail or vowel not in "ㅏㅓㅣ" or lead not in _HALF_TURN:
        return syllable
    return _HALF_TURN[vowel] + _HALF_TURN[lead]


def widened(view: View, _rng: Random, where: range, _share: float) -> View:
    """Latin letters, digits and symbols in full width: ok 1 → ｏｋ １."""
    plain = [i for i in inside(view, where) if "!" <= view.text[i] <= "~"]
    return apply(view, [Stretch(i, i + 1, chr(ord(view.text[i]) + 0xFEE0)) for i in plain])


_STAND_INS = {
    "시팔": ("18", "시8"),
    "시발": ("18", "시8", "c발", "c8"),
    "씨발": ("c발", "씨8", "18"),
    "씨팔": ("씨8", "18"),
    "십": ("10",),
    "팔": ("8",),
    "이": ("2",),
    "일": ("1",),
    "사": ("4",),
    "오": ("5",),
    "구": ("9",),
    "개": ("🐶", "🐕", "7H"),
    "돼지": ("🐷", "🐖"),
    "쥐": ("🐭", "🐀"),
    "닭": ("🐔",),
    "소": ("🐮",),
    "똥": ("💩",),
    "충": ("🐛", "🪳"),
    "병신": ("b신", "ㅂ신"),
    "지랄": ("g랄", "z랄", "ㅈl랄"),
}


def stand_ins(view: View, rng: Random, where: range, share: float) -> View:
    """개새끼 → 🐶새끼, 씹팔 → 씹8: numbers, letters and emoji by their name."""
    found: dict[int, str] = {}
    end = -1
    for i in inside(view, where):
        for word in (view.text[i : i + 2], view.text[i]):
            if i >= end and word in _STAND_INS:
                found[i], end = word, i + len(word)
    picked = chosen(sorted(found), rng, share)
    return apply(
        view, [Stretch(i, i + len(found[i]), rng.choice(_STAND_INS[found[i]])) for i in picked]
    )
