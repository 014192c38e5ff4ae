"""Pure text → views for the encoder, each with a map back to the original's code points.

The canonical view loses nothing that carries meaning, so it stands in for the text. The skeleton
undoes disguises, which may destroy meaning, so it comes in addition, and only where it differs.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import chain
from typing import TYPE_CHECKING

from gounmal.text.hangul import LEADS, TAILS, VOWELS
from gounmal.text.views import View, rewrite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gounmal.text.views import Piece

__all__ = ["Normalized", "View", "canonical", "normalize"]

MAX_REPEATS = 3
"""More of the same character in a row say no more than this many."""

_MARKS = "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f\u3099\u309a"
"""Combining marks that decorate; those of scripts that spell with marks are no part of it."""

_SELF = r"가-힣ㄱ-ㅎㅏ-ㅣa-z0-9!-/:-@\[-`{-~"
"""Characters that fold to themselves."""
_ORDINARY = re.compile(rf"(?:[{_SELF}]++(?: (?! |\Z))?)*+")
"""Nothing but those, with single spaces between them."""
_CLUSTER = re.compile(
    rf"(?P<selves>[{_SELF} ]+(?![\u11a8-\u11c2{_MARKS}]))"
    "|[\u1100-\u1112][\u1161-\u1175][\u11a8-\u11c2]?|[가-힣][\u11a8-\u11c2]"
    f"|.[{_MARKS}]*",
    re.DOTALL,
)
"""What folds to itself, as far as nothing joins it; else conjoining jamo that make one syllable, or
a character with its marks."""
_MARK = re.compile(f"[{_MARKS}]")
_MAX_MARKS = 4
"""No letter is spelled with more: what follows is decoration, and slow to put in order."""

_REPEATS = re.compile(rf"(.)\1(?<![0-9])\1{{{MAX_REPEATS - 1},}}", re.DOTALL)
"""Digits stay: 10000 is not 1000. Most characters are not even doubled: that is looked at first."""
_SPACES = re.compile(r"\A +| +\Z|  +")

_TO_COMPATIBILITY = str.maketrans(
    dict(
        chain(
            zip((chr(0x1100 + i) for i in range(19)), LEADS, strict=True),
            zip((chr(0x1161 + i) for i in range(21)), VOWELS, strict=True),
            zip((chr(0x11A8 + i) for i in range(27)), TAILS[1:], strict=True),
        )
    )
)
_BLANK = frozenset("\u3164\uffa0\u2800")
"""Fillers that show as a space but are not one to Unicode."""
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0100-\U000e01ef]"
)
"""Fillers, variation selectors and skin tones; controls are told by their category."""
_MAX_FOLDED = 4
"""A few signs stand for whole sentences, up to 18 characters: such a sign stays what it is, so that
no message grows by more than this factor."""
_KEPT = {"Ŀ": "ŀ", "ŀ": "ŀ"}
"""Letters used for their shape, which NFKC would take apart."""


@dataclass(slots=True)  # as `View`
class Normalized:
    """A text and its views. Never changed."""

    original: str
    canonical: View
    """Loses nothing that carries meaning: composed, width and case folded, invisible removed."""
    skeleton: View | None
    """What is left when disguises are undone; None where that equals `canonical`."""

    @property
    def views(self) -> tuple[View, ...]:
        """The views that there are, canonical first."""
        return (self.canonical,) if self.skeleton is None else (self.canonical, self.skeleton)

    @property
    def visible(self) -> bool:
        """Is there anything to judge?"""
        return bool(self.canonical.text)

    def find(self, expression: str) -> Iterator[tuple[int, int]]:
        """Where in the original an expression (in canonical form) stands, in any view."""
        if not expression:
            return
        seen = set()
        for view in self.views:
            at = view.text.find(expression)
            while at >= 0:
                span = view.original_span(at, at + len(expression))
                if span not in seen:
                    seen.add(span)
                    yield span
                at = view.text.find(expression, at + len(expression))


def normalize(text: str) -> Normalized:
    """All views of a text. Never fails, for any string; takes time in proportion to its length."""
    view = canonical(text)
    return Normalized(text, view, _skeleton()(view, text))


@cache
def _skeleton() -> Callable[[View, str], View | None]:
    """The other module's, whose patterns take .07 s to compile: many a process never needs one."""
    from gounmal.text.skeleton import skeleton  # noqa: PLC0415

    return skeleton


def canonical(text: str) -> View:
    """The canonical view: jamo composed, forms and case folded, the invisible and repeats gone."""
    if _ORDINARY.fullmatch(text):
        return rewrite(View.identity(text), _REPEATS, _shortened)
    return rewrite(rewrite(_folded(text), _SPACES, _one_space), _REPEATS, _shortened)


def _folded(text: str) -> View:
    """Each cluster (a character and what joins it) in its folded form."""
    characters: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for match in _CLUSTER.finditer(text):
        start, end = match.span()
        if selves := match["selves"]:
            characters.append(selves)
            starts.extend(range(start, end))
            ends.extend(range(start + 1, end + 1))
            continue
        folded = _fold(text[start : min(end, start + 1 + _MAX_MARKS)])
        if not folded and ends:
            ends[-1] = end  # a joiner or variation selector belongs to what it follows
        for character in folded:
            characters.append(character)
            starts.append(start)
            ends.append(end)
    return View("".join(characters), tuple(starts), tuple(ends))


@lru_cache(maxsize=16_384)
def _fold(cluster: str) -> str:
    """The canonical form of one character with what joins it; "" if there is nothing to see."""
    composed = unicodedata.normalize("NFC", cluster)
    return _MARK.sub("", "".join(map(_fold_character, composed)))


def _fold_character(character: str) -> str:
    if character in _KEPT or "ㄱ" <= character <= "ㅣ" or "ㅥ" <= character <= "ㆎ":
        return _KEPT.get(character, character)  # NFKC would make conjoining jamo of ㅋ
    if character.isspace() or character in _BLANK:
        return " "
    category = unicodedata.category(character)
    if category in {"Cc", "Cf"} or _INVISIBLE.match(character):
        return ""
    if category == "Cs":
        return "\ufffd"  # a lone surrogate: no encoder takes it
    folded = unicodedata.normalize("NFKC", character)
    if folded[0] == " ":
        return character  # a spacing accent, as in ´◡`
    if "\u3200" <= character <= "\u321e":
        folded = folded[1:-1]  # ㈎ is 가 in a box, as ㉮ is
    folded = unicodedata.normalize("NFKC", folded.casefold())
    return character if len(folded) > _MAX_FOLDED else folded.translate(_TO_COMPATIBILITY)


def _shortened(match: re.Match[str]) -> list[Piece]:
    """The first of the repeated characters, the last one standing for all that are gone."""
    start, end = match.span()
    kept = [(match[1], start + i, start + i + 1) for i in range(MAX_REPEATS - 1)]
    return [*kept, (match[1], start + MAX_REPEATS - 1, end)]


def _one_space(match: re.Match[str]) -> list[Piece]:
    """Nothing at either end of the text, one space anywhere else."""
    start, end = match.span()
    return [] if start == 0 or end == len(match.string) else [(" ", start, end)]
