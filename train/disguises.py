"""The ways in which people hide what they write, one small rule each.

A rule gets a `View` of the honest line and gives one of the disguised line, so that every disguised
character still knows which characters of the honest line it stands for. Only characters that lie
in `where` (offsets of the honest line) are touched; of those that can change, about `share` do, and
at least one. Given the same `random.Random`, a rule does the same.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, NamedTuple

from gounmal.text import hangul
from gounmal.text.hangul import is_syllable
from gounmal.text.views import View

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

    Rule = Callable[[View, Random, range, float], View]
    Change = Callable[[str, Random], str]


class Stretch(NamedTuple):
    """Characters `[start, end)` of a view and what becomes of them."""

    start: int
    end: int
    new: str


def apply(view: View, stretches: Sequence[Stretch]) -> View:
    """Replace stretches (in order, not overlapping); what is new stands for all that it replaces.

    An empty stretch inserts: what is new stands for the character before it.
    """
    text, starts, ends = [], [], []
    done = 0
    for start, end, new in stretches:
        first = start if start < end else max(0, start - 1)
        text += [view.text[done:start], new]
        starts += [*view.starts[done:start], *[view.starts[first]] * len(new)]
        ends += [*view.ends[done:start], *[view.ends[max(first, end - 1)]] * len(new)]
        done = end
    text.append(view.text[done:])
    starts.extend(view.starts[done:])
    ends.extend(view.ends[done:])
    return View("".join(text), tuple(starts), tuple(ends))


def inside(view: View, where: range) -> list[int]:
    """The characters of the view that lie in `where`."""
    spans = enumerate(zip(view.starts, view.ends, strict=True))
    return [i for i, (start, end) in spans if where.start <= start and end <= where.stop]


def chosen(candidates: Sequence[int], rng: Random, share: float) -> list[int]:
    """About `share` of the candidates, at least one, in order."""
    if not candidates:
        return []
    wanted = max(1, round(share * len(candidates)))
    return sorted(rng.sample(list(candidates), min(wanted, len(candidates))))


def runs(view: View, where: range) -> list[tuple[int, int]]:
    """Runs `[start, end)` of syllables within `where`: words, roughly."""
    found: list[tuple[int, int]] = []
    for i in inside(view, where):
        if not is_syllable(view.text[i]):
            continue
        if found and found[-1][1] == i:
            found[-1] = (found[-1][0], i + 1)
        else:
            found.append((i, i + 1))
    return found


def each(view: View, rng: Random, where: range, share: float, change: Change) -> View:
    """Change single syllables; a change that gives the syllable back was not possible."""
    candidates = [i for i in inside(view, where) if is_syllable(view.text[i])]
    possible = [i for i in candidates if change(view.text[i], rng) != view.text[i]]
    picked = chosen(possible, rng, share)
    return apply(view, [Stretch(i, i + 1, change(view.text[i], rng)) for i in picked])


def between(view: View, rng: Random, where: range, share: float, new: Callable[[], str]) -> View:
    """Put something between syllables of a word."""
    words = runs(view, where)
    gaps = [i for start, end in words for i in range(start + 1, end)]
    return apply(view, [Stretch(i, i, new()) for i in chosen(gaps, rng, share)])


def words(view: View, rng: Random, where: range, share: float, change: Change) -> View:
    """Change whole words."""
    found = runs(view, where)
    picked = chosen(range(len(found)), rng, share)
    return apply(
        view, [Stretch(*found[i], change(view.text[slice(*found[i])], rng)) for i in picked]
    )


# Letters taken apart ------------------------------------------------------------------------------


def choseong(view: View, rng: Random, where: range, share: float) -> View:
    """시발 → ㅅㅂ: initials of whole words, few enough that the rest explains them."""
    return words(
        view, rng, where, min(share, 0.4), lambda w, _: "".join(hangul.split(s)[0] for s in w)
    )


def partial_choseong(view: View, rng: Random, where: range, share: float) -> View:
    """병신 → ㅂ신: the initial of some syllables."""
    return each(view, rng, where, min(share, 0.5), lambda s, _: hangul.split(s)[0])


def jamo(view: View, rng: Random, where: range, share: float) -> View:
    """시발 → ㅅㅣㅂㅏㄹ, 씨ㅂㅏㄹ."""
    return each(view, rng, where, share, lambda s, _: "".join(hangul.split(s)))


def loose_tail(view: View, rng: Random, where: range, share: float) -> View:
    """씨발 → 씨바ㄹ."""
    return each(view, rng, where, share, _with_loose_tail)


def _with_loose_tail(syllable: str, _rng: Random) -> str:
    lead, vowel, tail = hangul.split(syllable)
    return hangul.join(lead, vowel) + tail


def decomposed(view: View, rng: Random, where: range, share: float) -> View:
    """Unicode's own decomposition (NFD), as some systems write file names and text."""
    return each(view, rng, where, share, lambda s, _: unicodedata.normalize("NFD", s))


# Things put in between ----------------------------------------------------------------------------

SYMBOLS = (
    "@",
    ".",
    "~",
    "!",
    "*",
    "^",
    "-",
    "_",
    "#",
    "/",
    "'",
    ",",
    ";",
    "+",
    "♥",
    "★",
    "ㆍ",
    "..",
)
ZERO_WIDTH = ("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u180e", "\ufe0f")
ORNAMENTS = ("♥", "♡", "★", "☆", "✦", "✧", "♪", "◈", "●", "◎", "※", "♣", "◇", "≥ㅅ≤", "^^", "S2")
BRACKETS = tuple(zip("[(《「【『〃*◀", "])》」】』〃*▶", strict=True))


def spaced(view: View, rng: Random, where: range, share: float) -> View:
    """병신 → 병 신."""
    return between(view, rng, where, share, lambda: " ")


def symbols(view: View, rng: Random, where: range, share: float) -> View:
    """병신 → 병~신, 씨@발."""
    return between(view, rng, where, share, lambda: rng.choice(SYMBOLS) * rng.choice((1, 1, 1, 2)))


def digits(view: View, rng: Random, where: range, share: float) -> View:
    """시발 → 시1발."""
    return between(view, rng, where, share, lambda: rng.choice("1112378"))


def laughter(view: View, rng: Random, where: range, share: float) -> View:
    """병신 → 병ㅋㅋ신."""
    return between(
        view, rng, where, share / 2, lambda: rng.choice("ㅋㅎㅠㅡ") * rng.choice((1, 2, 2, 3))
    )


def invisible(view: View, rng: Random, where: range, share: float) -> View:
    """Characters without width between the syllables."""
    return between(view, rng, where, share, lambda: rng.choice(ZERO_WIDTH))


def ornaments(view: View, rng: Random, where: range, share: float) -> View:
    """개새끼 진짜 → 【개새끼】 ♥ 진짜."""
    found = runs(view, where)
    stretches = []
    for i in chosen(range(len(found)), rng, share):
        start, end = found[i]
        opening, closing = rng.choice(BRACKETS) if rng.random() < 0.5 else ("", "")
        after = closing + (f" {rng.choice(ORNAMENTS)}" if not closing or rng.random() < 0.5 else "")
        stretches.append(Stretch(start, end, opening + view.text[start:end] + after))
    return apply(view, stretches)


def unspaced(view: View, rng: Random, where: range, share: float) -> View:
    """이 개 새끼 → 이개새끼."""
    gaps = [i for i in inside(view, where) if view.text[i] == " "]
    return apply(view, [Stretch(i, i + 1, "") for i in chosen(gaps, rng, share)])


def masked(view: View, rng: Random, where: range, share: float) -> View:
    """시발 → 시X, 병신 → 병*: a syllable covered up, which says as much as the whole word."""
    mark = rng.choice("XXXx**○oO0")
    return each(view, rng, where, min(share, 0.5), lambda _, __: mark)


# Sounds -------------------------------------------------------------------------------------------

_LEAD_VARIANTS = {
    "ㄱ": "ㄲㅋ", "ㄲ": "ㄱㅋ", "ㄷ": "ㄸㅌ", "ㄸ": "ㄷㅌ", "ㅂ": "ㅃㅍ", "ㅃ": "ㅂㅍ", "ㅅ": "ㅆ",
    "ㅆ": "ㅅ", "ㅈ": "ㅉㅊ", "ㅉ": "ㅈㅊ", "ㅊ": "ㅉ", "ㅋ": "ㄲ", "ㅌ": "ㄸ", "ㅍ": "ㅃ",
    "ㄹ": "ㄴ",
}  # fmt: skip
_VOWEL_VARIANTS = {
    "ㅏ": "ㅑㅘ", "ㅐ": "ㅔㅒㅙ", "ㅑ": "ㅏ", "ㅒ": "ㅐ", "ㅓ": "ㅕㅝㅗ", "ㅔ": "ㅐㅖㅞ",
    "ㅕ": "ㅓ",
    "ㅖ": "ㅔ", "ㅗ": "ㅛㅓ", "ㅘ": "ㅏ", "ㅙ": "ㅚㅐ", "ㅚ": "ㅙㅔ", "ㅛ": "ㅗ", "ㅜ": "ㅠㅡ",
    "ㅝ": "ㅓ", "ㅞ": "ㅔ", "ㅟ": "ㅣ", "ㅠ": "ㅜ", "ㅡ": "ㅢㅜ", "ㅢ": "ㅡㅣ", "ㅣ": "ㅟㅢㅡ",
}  # fmt: skip
_TAIL_VARIANTS = {
    "ㄱ": "ㄲㅋㄳ", "ㄲ": "ㄱㅋ", "ㄴ": "ㄵㄶ", "ㄷ": "ㅅㅌㅈ", "ㄹ": "ㄼㄽㄾㅀ", "ㅁ": "ㄻ",
    "ㅂ": "ㅍㅄ", "ㅅ": "ㄷㅆㅈㅌ", "ㅆ": "ㅅㄷ", "ㅇ": "ㅁ", "ㅈ": "ㅅㄷㅊ", "ㅊ": "ㅅㅈ",
    "ㅌ": "ㅅㄷ", "ㅍ": "ㅂ",
    "ㄶ": "ㄴ", "ㅀ": "ㄹ", "ㅄ": "ㅂ", "ㅎ": "ㅅ",
}  # fmt: skip


def _varied(table: Mapping[str, str], part: int) -> Change:
    def change(syllable: str, rng: Random) -> str:
        parts = list(hangul.split(syllable))
        if parts[part] in table:
            parts[part] = rng.choice(table[parts[part]])
        return hangul.join(*parts)

    return change


def lead_sound(view: View, rng: Random, where: range, share: float) -> View:
    """시발 → 씨발, 개새끼 → 깨쌔끼: tense and aspirated initials."""
    return each(view, rng, where, share, _varied(_LEAD_VARIANTS, 0))


def vowel_sound(view: View, rng: Random, where: range, share: float) -> View:
    """병신 → 븅신, 지랄 → 쥐랄: a neighbouring vowel."""
    return each(view, rng, where, share, _varied(_VOWEL_VARIANTS, 1))


def tail_sound(view: View, rng: Random, where: range, share: float) -> View:
    """좆같 → 좃같, 박은 → 밖은: another tail of the same sound."""
    return each(view, rng, where, share, _varied(_TAIL_VARIANTS, 2))


def extra_tail(view: View, rng: Random, where: range, share: float) -> View:
    """하지마 → 핳짓맙: a tail where there is none."""
    return each(view, rng, where, share, _with_extra_tail)


def _with_extra_tail(syllable: str, rng: Random) -> str:
    lead, vowel, tail = hangul.split(syllable)
    return hangul.join(lead, vowel, tail or rng.choice("ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅎ"))


def stretched(view: View, rng: Random, where: range, share: float) -> View:
    """시발 → 시이발, 병신 → 병시이인."""
    return each(view, rng, where, min(share, 0.5), _drawn_out)


_ECHO = {
    "ㅑ": "ㅏ",
    "ㅕ": "ㅓ",
    "ㅛ": "ㅗ",
    "ㅠ": "ㅜ",
    "ㅘ": "ㅏ",
    "ㅝ": "ㅓ",
    "ㅟ": "ㅣ",
    "ㅢ": "ㅣ",
}


def _drawn_out(syllable: str, rng: Random) -> str:
    lead, vowel, tail = hangul.split(syllable)
    echo = hangul.join("ㅇ", _ECHO.get(vowel, vowel))
    last = hangul.join("ㅇ", _ECHO.get(vowel, vowel), tail)
    return hangul.join(lead, vowel) + echo * rng.choice((0, 0, 1, 2)) + last


def linked(view: View, rng: Random, where: range, share: float) -> View:
    """박아 → 바가, and the other way, 시발 → 십알: a consonant moves to the neighbour syllable."""
    moved = {}
    for start, end in runs(view, where):
        for i in range(start, end - 1):
            new = _moved(view.text[i], view.text[i + 1])
            if new and i - 1 not in moved:
                moved[i] = new
    picked = chosen(sorted(moved), rng, share)
    both = [Stretch(at, at + 1, moved[i][at - i]) for i in picked for at in (i, i + 1)]
    return apply(view, both)


def _moved(first: str, second: str) -> str:
    """Both syllables with one consonant moved across their border, or "" if none can."""
    lead, vowel, tail = hangul.split(first)
    onset, nucleus, coda = hangul.split(second)
    if onset == "ㅇ" and tail in hangul.LEAD_INDEX and tail != "ㅇ":
        return hangul.join(lead, vowel) + hangul.join(tail, nucleus, coda)
    if not tail and onset != "ㅇ" and onset in hangul.TAIL_INDEX:
        return hangul.join(lead, vowel, onset) + hangul.join("ㅇ", nucleus, coda)
    return ""


def swapped(view: View, rng: Random, where: range, share: float) -> View:
    """시발 → 발시: two neighbours change places."""
    firsts = [i for start, end in runs(view, where) for i in range(start, end - 1)]
    picked: list[int] = []
    for i in chosen(firsts, rng, min(share, 0.4)):
        if not picked or i > picked[-1] + 1:
            picked.append(i)
    return apply(view, [Stretch(i, i + 2, view.text[i + 1] + view.text[i]) for i in picked])
