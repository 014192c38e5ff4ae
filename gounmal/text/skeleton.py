"""The skeleton: what a canonical view reads like with its disguises undone.

Each step is a function `View -> View` that undoes one kind of disguise and leaves everything else
alone; `skeleton` runs them in order. Steps may be wrong about honest text (구운 becomes 군): the
skeleton is an additional view, the canonical one stays beside it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gounmal.text import hangul
from gounmal.text.standins import (
    COUNTERS,
    HANGUL,
    emoji_read,
    hanja_read,
    numbers_read,
    romanised_read,
    shapes_read,
    turned_upright,
    typed_in_hangul,
)
from gounmal.text.views import View, dropped, rewrite

if TYPE_CHECKING:
    from collections.abc import Callable

    from gounmal.text.views import Piece

_NAME = "놈년넘련새쉐럼롬것"
_PHRASE = _NAME + "이아같들노하떨까"
SPLIT_WORDS = (
    ("시씨싀씌쉬쒸슈쓔쓰스씹십", "발팔빨벌뻘벨뱔밸바빠", _NAME),
    ("병븅빙뵹뱅", "신싄씬쉰딱", _PHRASE),
    ("지즤쥐찌쮜", "랄럴", _PHRASE),
    ("새색쌔쉐세섀", "끼기키꺄퀴", "야들가"),
    ("존졸죤쫀", "나라내", ""),
    ("좆좃졷죶", "같까대도만밥", _PHRASE),
    ("미믜", "친췬칀", _NAME),
    ("꺼꺄", "져저", "라"),
    ("닥닭닦", "쳐처치", "라"),
    ("느니", "금", "마"),
    ("엠", "창", ""),
    ("호후", "로", "새자"),
    ("썅쌍샹쌰", "년놈", "아들"),
    ("창", "녀년", "아들"),
    ("찐", "따다", "들새"),
    ("또", "라", ""),
    ("뒤디뒈", "져저질", ""),
    ("애에", "미비", ""),
    ("염옘", "병", "할"),
)
"""Syllables that people set apart: first, second, and what goes on after them within a word."""

_PAIR = "|".join(f"[{first}]{{gap}}[{second}]" for first, second, _ in SPLIT_WORDS)


def _goes_on(tails: str) -> str:
    """Ahead stands one of `tails`; 아 only where it ends the word, as in 병신아 but not 씨 발아."""
    return f"[{tails.replace('아', '')}]" + ("|아(?![가-힣])" if "아" in tails else "")


_PAIR_WITHIN = "|".join(
    f"[{first}]{{gap}}[{second}](?={_goes_on(tails)})"
    for first, second, tails in SPLIT_WORDS
    if tails
)

PREFIXES = "개씹"
"""Syllables after which 새 끼 is one word wherever it stands."""
_SEPARATORS = frozenset(".,~-–/·:;+()[]<>'\"")
"""Symbols that also stand between honest words."""
_ENDS = frozenset(".…!?")
"""Symbols that end a sentence, several of them in any case, a full stop alone not always."""
_COVERS = "○●◯〇"
"""Circles that cover up a syllable."""


def skeleton(view: View, original: str) -> View | None:
    """The skeleton of a canonical view, or None where it says the same.

    Args:
        view: the canonical view.
        original: the text that it is a view of; the case of Latin keys stands there only.
    """
    text = view.text
    tame = _TAME.fullmatch(text) and not _STRETCHED.search(text)
    if tame or not _SUSPICIOUS.search(text):
        return None
    result, steps = view, _HANGUL_STEPS
    if _ANY_OTHER.search(text):
        result, steps = typed_in_hangul(view, original), _STEPS
    for step in steps:
        result = step(result)
    return None if result.text == text else result


_ANY_OTHER = re.compile(f"[^{HANGUL} ]")
_FILLER = re.compile(f"(?<=[{HANGUL}])[^{HANGUL} ]+(?=[{HANGUL}])")
_SPACED_FILLER = re.compile(r"(?<=(?<![가-힣])[가-힣]) ?[^\sㄱ-ㅎㅏ-ㅣ가-힣]{1,3} ?(?=[가-힣])")
_LAUGHING_FILLER = re.compile("(?<=[가-힣])(?:[ㅋㅎㅠㅜ]+|ㅡ+)(?=[가-힣])")
_PICTOGRAPHS = "\U0001f000-\U0001faff"  # emoji between words are words themselves
_DECORATION = re.compile(
    rf"(?!(?<=[가-힣])[{_COVERS}]+[가-힣])"
    rf"(?:(?<=[ {HANGUL}])|\A)(?:[^\w\s!-~…、。·{_PICTOGRAPHS}]+(?: |(?=[{HANGUL}])))+(?=\S)"
)
_FACES = re.compile(r"(?:≥.?≤|ε.з|∏[-_]∏|t[\^_]t)(?: |(?=\S))")
_PAIR_HERE = re.compile(_PAIR.replace("{gap}", ""))
_PAIR_WITHIN_HERE = re.compile(_PAIR_WITHIN.replace("{gap}", ""))


def without_fillers(view: View) -> View:
    """Symbols and digits inside Hangul gone: 시1발, 씨@발 and 병~신 are 시발, 씨발 and 병신."""
    if _ANY_OTHER.search(view.text):
        view = rewrite(rewrite(view, _FACES, dropped), _DECORATION, dropped)
        view = rewrite(view, _FILLER, _drop_filler)
        view = rewrite(view, _SPACED_FILLER, _drop_inside_pair)
    return rewrite(view, _LAUGHING_FILLER, _drop_inside_pair)


def _drop_filler(match: re.Match[str]) -> list[Piece] | None:
    text, (start, end), filler = match.string, match.span(), match[0]
    before, after = _is_alone(text, start - 1, -1), _is_alone(text, end, 1)
    if _ENDS.issuperset(filler) and filler != ".":
        is_disguise = before and after
    elif _SEPARATORS.issuperset(filler):
        is_disguise = before or after
    elif filler.isdigit():
        is_disguise = len(set(filler)) == 1 and text[end] not in COUNTERS
        is_disguise |= _is_pair(text, start, end)
    else:
        # Letters of other scripts are words, or masks that the model knows (시X, 개○○).
        is_word = any(c.isalnum() for c in filler.strip("ㆍᆞ")) or not filler.strip(_COVERS)
        is_disguise = not is_word or _is_pair(text, start, end)
    goes_on = _PAIR_WITHIN_HERE.match(text[start - 1] + text[end : end + 3])
    return [] if is_disguise or goes_on else None


def _drop_inside_pair(match: re.Match[str]) -> list[Piece] | None:
    inside = _is_pair(match.string, *match.span())
    return [] if inside or match[0][0] == "ㅡ" else None


def _is_pair(text: str, start: int, end: int) -> bool:
    """Do the syllables on both sides of `[start, end)` make an abusive word together?"""
    return bool(_PAIR_HERE.match(text[start - 1] + text[end]))


def _is_alone(text: str, at: int, step: int) -> bool:
    """Is the Hangul at `at` a part of a syllable, or one syllable with no other behind it?"""
    behind = at + step
    return not hangul.is_syllable(text[at]) or not (
        0 <= behind < len(text) and hangul.is_syllable(text[behind])
    )


_SPACED = re.compile(
    f"(?=[{HANGUL}] )(?:"  # most characters go no further
    f"(?<![{HANGUL}a-z0-9])[{HANGUL}](?: [{HANGUL}]){{2,}}(?![가-힣])"
    f"|(?<![{HANGUL}a-z0-9])[ㄱ-ㅊㅌㅍ](?: [{HANGUL}])+(?![가-힣])"
    f"|(?<![{HANGUL}a-z0-9])[가-힣] [ㄱ-ㅊㅌㅍ](?![{HANGUL}])"
    f"|(?<![가-힣])(?:{_PAIR.replace('{gap}', ' +')})(?![가-힣])"
    f"|{_PAIR_WITHIN.replace('{gap}', ' ')})|[{PREFIXES}][새색쉐섀] [끼기키]"
)


def unspaced(view: View) -> View:
    """Single syllables and jamo joined: 병 신 and ㅅ ㅂ. Longer words stay apart: 다시 발견."""
    return rewrite(view, _SPACED, _join)


def _join(match: re.Match[str]) -> list[Piece]:
    return [
        (character, i, i + 1)
        for i, character in enumerate(match[0], match.start())
        if character != " "
    ]


_ANY_JAMO = re.compile("[ㄱ-ㅎㅏ-ㅣ]")
_ANY_VOWEL = re.compile("[ㅏ-ㅣ]")
_JAMO_RUN = re.compile("[가-힣]?[ㄱ-ㅎㅏ-ㅣ]+")


def composed(view: View) -> View:
    """Jamo as the syllables that they spell: ㅅㅣㅂㅏㄹ and 씨바ㄹ are 시발 and 씨발."""
    return rewrite(view, _JAMO_RUN, _compose) if _ANY_JAMO.search(view.text) else view


def _compose(match: re.Match[str]) -> list[Piece] | None:
    start, run = match.start(), match[0]
    if not hangul.is_syllable(run[0]) and not _ANY_VOWEL.search(run):
        return None  # consonants alone spell nothing
    pieces = hangul.compose(run)
    if len(pieces) == len(run):
        return None
    return [(character, start + i, start + j) for character, i, j in pieces]


ECHOES = {
    "ㅏ": "ㅏㅑㅘ", "ㅓ": "ㅓㅕㅝ", "ㅗ": "ㅗㅛ", "ㅜ": "ㅜㅠ", "ㅡ": "ㅡ", "ㅣ": "ㅣㅟㅢ",
    "ㅐ": "ㅐㅔㅒㅙㅚ", "ㅔ": "ㅐㅔㅖㅞㅚ", "ㅕ": "ㅕ", "ㅑ": "ㅑ", "ㅛ": "ㅛ", "ㅠ": "ㅠ",
}  # fmt: skip
"""Vowel of an echo (a syllable without a lead that draws out the one before) → vowels before it."""


def _echoes(vowel: str) -> str:
    return f"{hangul.join('ㅇ', vowel)}-{hangul.join('ㅇ', vowel, 'ㅎ')}"


_STRETCHED = re.compile(
    f"(?=[가-힣][{''.join(_echoes(v) for v in ECHOES)}])"
    "(?!.에(?![가-힣]))"
    "(?:"
    + "|".join(f"[{hangul.open_syllables(before)}][{_echoes(v)}]+" for v, before in ECHOES.items())
    + ")"
)


def unstretched(view: View) -> View:
    """Drawn-out syllables at their length: 시이이발 is 시발, 병시인 is 병신."""
    return rewrite(view, _STRETCHED, _shorten)


def _shorten(match: re.Match[str]) -> list[Piece]:
    pieces: list[Piece] = []
    for at, character in enumerate(match[0], match.start()):
        tail = hangul.split(character)[2]
        if not pieces or hangul.split(pieces[-1][0])[2]:
            pieces.append((character, at, at + 1))
        else:
            lead, vowel, _ = hangul.split(pieces[-1][0])
            pieces[-1] = (hangul.join(lead, vowel, tail), pieces[-1][1], at + 1)
    return pieces


_STEPS: tuple[Callable[[View], View], ...] = (
    emoji_read,
    numbers_read,
    shapes_read,
    hanja_read,
    turned_upright,
    romanised_read,
    without_fillers,
    unspaced,
    composed,
    unstretched,
)
_HANGUL_STEPS: tuple[Callable[[View], View], ...] = (
    turned_upright,
    without_fillers,
    unspaced,
    composed,
    unstretched,
)
"""Those that find something to undo in Hangul alone."""

UNTAME = "".join(first for first, _, _ in SPLIT_WORDS) + "끼기키"
"""Syllables that may be a part of an abusive word where they stand alone."""
NUMBERED = "놈넘새색쉐련럼롬년아쌔창덕베끼"
"""Syllables before which a number may stand for its sound."""
_TAME = re.compile(
    f"(?:(?:[가-힣]{{2,}}+|[가-힣](?<![{UNTAME}])(?! [가-힣](?![가-힣]))"
    f"|[0-9]++(?![{NUMBERED}])[가-힣]*+)?"
    "[.,!?~^;]*+[ㅋㅎ]*+[ㅠㅜ]*+(?: |\\Z))*+"
)
"""What most chat looks like: told at a glance, stretched syllables apart."""

_SUSPICIOUS = re.compile(
    "[^가-힣ㄱ-ㅎㅠㅜㅡa-z0-9 .,!?~:;^'\"()/-]|[ㄱ-ㅊㅌㅍ][ㅠㅜㅡ]|[a-z]{3}|[가-힣ㄱ-ㅎ][a-z]"
    f"|[a-z][가-힣ㄱ-ㅎ]|[가-힣][ㄱㄴㄹㅁㅇㅈㅡ](?![ㄱ-ㅎ])|[가-힣ㄱ-ㅎ]8|[0-9][{NUMBERED}]"
    f"|{_FILLER.pattern}|{_SPACED_FILLER.pattern}|{_LAUGHING_FILLER.pattern}|{_SPACED.pattern}"
    f"|{_STRETCHED.pattern}"
)
