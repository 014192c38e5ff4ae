"""Steps that put back the Hangul for which something else stands in.

Keys of a Korean keyboard, emoji, numbers, look-alike glyphs, Hanja, romanised Korean: each step is
a function `View -> View` that undoes one kind and leaves everything else alone.
"""

from __future__ import annotations

import re
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from gounmal.text import glyphs, hangul
from gounmal.text.views import View, replaced, rewrite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gounmal.text.views import Piece

HANGUL = "가-힣ㄱ-ㅎㅏ-ㅣ"
"""Hangul, whole and in parts, inside a character class."""

COUNTERS = "개번원장명분월호층차만천백시일년위회살세대권점구팩통줄켤kgmlcx%"
"""What a number counts: a digit before one of these is a number, not a disguise."""

# Latin keys on a Korean keyboard ------------------------------------------------------------------

_LATIN = re.compile(r"(?<![a-z])[a-z]{3,40}(?![a-z])")
_ANY_LATIN = re.compile("[a-z]")
"""What a step needs to have anything to do: told faster than its patterns fail everywhere."""


def typed_in_hangul(view: View, original: str) -> View:
    """Latin runs as the Hangul that the same keys type: tlqkf is 시발. English words stay."""
    if not _ANY_LATIN.search(view.text):
        return view

    def edit(match: re.Match[str]) -> list[Piece] | None:
        start, end = match.span()
        keys = "".join(_key(original[view.starts[i]], view.text[i]) for i in range(start, end))
        syllables = _typed(keys.lower() if keys.isupper() else keys)
        return syllables and [(s, start + i, start + j) for s, i, j in syllables]

    return rewrite(view, _LATIN, edit)


def _key(typed: str, folded: str) -> str:
    """The key of a letter: its case is that of the original, its shape that of the folded one."""
    return folded.upper() if typed.isupper() else folded


@lru_cache(maxsize=4_096)
def _typed(keys: str) -> list[Piece] | None:
    word = keys.lower()
    laughter = len(word) - len(word.rstrip("z"))
    syllables = hangul.type_dubeolsik(keys[: len(keys) - laughter] if laughter > 1 else keys)
    if syllables is None or word in glyphs.ENGLISH:
        return None
    return syllables if len(syllables) > 1 or word == "whw" else None


# Stand-ins ----------------------------------------------------------------------------------------

_EMOJI = re.compile(
    f"[{''.join(glyphs.EMOJI_PREFIXES)}](?=[새색쉐쉑같놈년소자좆쓰])"
    f"|(?<![{HANGUL}])[{''.join(glyphs.EMOJI_PREFIXES)}](?=[{HANGUL}])"
    f"|(?<=[{HANGUL}])[{''.join(glyphs.EMOJI_SUFFIXES)}]"
)
_ANY_EMOJI = re.compile(f"[{''.join({**glyphs.EMOJI_PREFIXES, **glyphs.EMOJI_SUFFIXES})}]")
_ANY_NUMBER = re.compile("[128]")
_NUMBERS = re.compile(
    rf"(?<!\d)18(?=[놈넘새색쉐련럼롬]|년[아들]|아(?![{HANGUL}]))|(?<![가-힣\d])10(?=[새색쉐쌔창덕])"
    r"|(?<![가-힣\d])2(?=새끼|색히|쉐끼|놈|년아)|(?<![가-힣\d])1(?=베)"
    rf"|(?:(?<=[씹십씨쓰쒸ㅆㅅ])|(?<=(?<![{HANGUL}\d])시))8(?![\d발팔{COUNTERS}])"
)
_NAMES = {**glyphs.EMOJI_PREFIXES, **glyphs.EMOJI_SUFFIXES, **glyphs.NUMBERS}


def _named(match: re.Match[str]) -> list[Piece]:
    return replaced(match, _NAMES[match[0]])


def emoji_read(view: View) -> View:
    """Emoji that Hangul touches, by name: 🐶새끼 is 개새끼."""
    return rewrite(view, _EMOJI, _named) if _ANY_EMOJI.search(view.text) else view


def numbers_read(view: View) -> View:
    """Digits that stand for their sound beside an abusive word: 18놈 is 시팔놈, 씹8 is 씹팔."""
    return rewrite(view, _NUMBERS, _named) if _ANY_NUMBER.search(view.text) else view


# Look-alikes --------------------------------------------------------------------------------------

_C = "ㄱ-ㅎ" + "".join(g for g in glyphs.CONSONANT_GLYPHS if not g.isascii())
_SHAPES = (
    (re.compile(f"(?<=[{_C}])[{''.join(glyphs.VOWEL_GLYPHS)}]"), glyphs.VOWEL_GLYPHS),
    (
        re.compile(rf"(?<=[{_C}])(?<!ㅋㅋ)(?<!ㅎㅎ)[krfjthli](?![a-hjkm-z]|[li][a-z])"),
        glyphs.LATIN_VOWEL_GLYPHS,
    ),
    # A stroke is ㅣ where a syllable goes on after it (but ㅂ1신 hides no vowel), or where it turns
    # ㅓ into ㅔ.
    (
        re.compile(
            r"(?<=(?<![ㄱ-ㅎ])[ㄱ-ㅎ])[1!|](?=[가-싞싡-힣]|[ㄱ-ㅎ][ㅏ-ㅣ])"
            r"|(?<=[ㄱ-ㅎ][ㅏㅓㅗㅜㅡ])[li1!|](?![a-z\d])"
        ),
        dict.fromkeys("li1!|", "ㅣ"),
    ),
    (
        re.compile(rf"(?<![a-z\d])[{re.escape(''.join(glyphs.CONSONANT_GLYPHS))}](?=[ㅏ-ㅣ])"),
        glyphs.CONSONANT_GLYPHS,
    ),
    (re.compile(rf"(?<![a-z\d])(?:{'|'.join(glyphs.LATIN_LEADS)})(?=[ㅏ-ㅣ])"), glyphs.LATIN_LEADS),
    (
        re.compile(rf"(?<=[ㄱ-ㅎ][ㅏ-ㅣ])(?:{'|'.join(glyphs.LATIN_TAILS)})(?![a-z])"),
        glyphs.LATIN_TAILS,
    ),
    (re.compile(f"[{''.join(glyphs.SYLLABLE_GLYPHS)}]"), glyphs.SYLLABLE_GLYPHS),
    (re.compile("|".join(glyphs.WORD_GLYPHS)), glyphs.WORD_GLYPHS),
)
_GLYPHS = {*glyphs.VOWEL_GLYPHS, *glyphs.CONSONANT_GLYPHS, *glyphs.SYLLABLE_GLYPHS}
_GLYPHS |= {glyph for word in glyphs.WORD_GLYPHS for glyph in word}
_ANY_SHAPE = re.compile(
    f"[{''.join(sorted(g for g in _GLYPHS if not g.isascii() and not hangul.is_syllable(g)))}]"
    "|[ㄱ-ㅎㅏ-ㅣ][a-z1!|]|[a-z07^][ㅏ-ㅣ]|7h"
)
_HANJA = re.compile(f"[{''.join(glyphs.HANJA)}]")
_ANY_HANGUL = re.compile(f"[{HANGUL}]")

_HALF_TURN = dict(zip("ㅏㅓㅗㅜㅣㅡㄱㄴㄹㅁㅇㅍコ", "ㅓㅏㅜㅗㅣㅡㄴㄱㄹㅁㅇㅍㄷ", strict=True))
_ANY_TURNED = re.compile("[ㅏㅓㅣ]")
_TURNED = re.compile(
    "(?<![ㄱ-ㅎㅏ-ㅣ])(?<![가개거게고구그기])(?:[ㅏㅓㅣ][ㄱㄴㄹㅁㅇㅍコ])+(?![ㅏ-ㅣ])"
)


def shapes_read(view: View) -> View:
    """Look-alike glyphs by the jamo that they are drawn like: 人ㅣ발 is ㅅㅣ발, ㄴr is ㄴㅏ."""
    if not _ANY_SHAPE.search(view.text):
        return view
    for pattern, table in _SHAPES:
        view = rewrite(view, pattern, partial(_looked_up, table))
    return view


def _looked_up(table: Mapping[str, str], match: re.Match[str]) -> list[Piece]:
    return replaced(match, table[match[0]])


def hanja_read(view: View) -> View:
    """Hanja by sound, in a text that has Hangul: 家지高 is 가지고."""
    if not _HANJA.search(view.text) or not _ANY_HANGUL.search(view.text):
        return view
    return rewrite(view, _HANJA, partial(_looked_up, glyphs.HANJA))


def turned_upright(view: View) -> View:
    """Syllables that were turned upside down: ㅓㄱ is 나."""
    return rewrite(view, _TURNED, _upright) if _ANY_TURNED.search(view.text) else view


def _upright(match: re.Match[str]) -> list[Piece]:
    start, turned = match.start(), match[0]
    return [
        (hangul.join(_HALF_TURN[turned[i + 1]], _HALF_TURN[turned[i]]), start + i, start + i + 2)
        for i in range(0, len(turned), 2)
    ]


# Romanised Korean ---------------------------------------------------------------------------------

_WORDS = "|".join(glyphs.ROMANISED.values())
_ENDINGS = "|".join(glyphs.ROMANISED_ENDINGS.values())
_ROMANISED = re.compile(rf"(?<![a-z])(?:{_WORDS})(?:\s?(?:{_WORDS}|{_ENDINGS}))*(?![a-z])")
_PARTS = {**glyphs.ROMANISED, **glyphs.ROMANISED_ENDINGS}
_PART = re.compile("|".join(f"({pattern})" for pattern in _PARTS.values()))
_MEANINGS = tuple(_PARTS)

_LETTERS = re.compile(
    "|".join(f"(?<![a-z])({pattern})" for pattern in glyphs.LETTER_NAMES.values())
)
_LETTER_NAMES = tuple(glyphs.LETTER_NAMES)

_MIXED = re.compile(r"(?<=[가-힣])[a-z]{2,8}(?![a-z])|(?<![a-z])[a-z]{2,8}(?=[가-힣])")
_ROMAN_SYLLABLE = re.compile(
    rf"({'|'.join(glyphs.LATIN_LEADS)})?({'|'.join(glyphs.LATIN_VOWELS)})"
    rf"((?:{'|'.join(glyphs.LATIN_TAILS)})(?![aeiouyw]))?"
)


def romanised_read(view: View) -> View:
    """Romanised abuse, and Latin syllables that continue a Hangul word: mi친 is 미친."""
    if not _ANY_LATIN.search(view.text):
        return view
    view = rewrite(view, _ROMANISED, _read_words)
    view = rewrite(view, _LETTERS, _read_letter)
    return rewrite(view, _MIXED, _read_syllables)


def _read_words(match: re.Match[str]) -> list[Piece]:
    parts = _PART.finditer(match.string, match.start(), match.end())
    return [(_MEANINGS[(part.lastindex or 1) - 1], *part.span()) for part in parts]


def _read_letter(match: re.Match[str]) -> list[Piece]:
    return replaced(match, _LETTER_NAMES[(match.lastindex or 1) - 1])


def _read_syllables(match: re.Match[str]) -> list[Piece] | None:
    start = match.start()
    syllables = _spoken(match[0])
    return syllables and [(s, start + i, start + j) for s, i, j in syllables]


@lru_cache(maxsize=4_096)
def _spoken(word: str) -> list[Piece] | None:
    """What a romanised word says, syllable by syllable; None for English and for no Korean."""
    if word in glyphs.ENGLISH:
        return None
    pieces = []
    at = 0
    while at < len(word):
        match = _ROMAN_SYLLABLE.match(word, at)
        if not match:
            return None
        lead, vowel, tail = match.groups()
        syllable = hangul.join(
            glyphs.LATIN_LEADS[lead] if lead else "ㅇ",
            glyphs.LATIN_VOWELS[vowel],
            glyphs.LATIN_TAILS[tail] if tail else "",
        )
        pieces.append((syllable, at, match.end()))
        at = match.end()
    return pieces
