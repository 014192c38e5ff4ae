"""A form of a text that remembers where each of its characters came from, and how to rewrite one.

Every normalisation step is a function `View -> View`. A step never counts offsets itself: it says
which stretch of the view each of its new characters stands for, and `rewrite` does the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re
    from collections.abc import Callable

Piece = tuple[str, int, int]
"""New characters, and the stretch `[start, end)` of the old view that each of them stands for."""

_SHORT = 128
_STARTS = [tuple(range(n)) for n in range(_SHORT)]
_ENDS = [tuple(range(1, n + 1)) for n in range(_SHORT)]
"""Offsets of short texts in which nothing moved: shared, which spares making them."""


@dataclass(slots=True)  # one a message: frozen, it would take twice as long to make
class View:
    """One form of a text; character `i` stands for `original[starts[i]:ends[i]]`. Never changed."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    @classmethod
    def identity(cls, text: str) -> View:
        """The view in which every character stands for itself."""
        n = len(text)
        if n < _SHORT:
            return cls(text, _STARTS[n], _ENDS[n])
        return cls(text, tuple(range(n)), tuple(range(1, n + 1)))

    @property
    def is_identity(self) -> bool:
        """Does every character stand for itself, as far as this view goes?"""
        n = len(self.starts)
        return self.starts == (_STARTS[n] if n < _SHORT else tuple(range(n)))

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """The code points of the original that characters `[start, end)` of this view stand for.

        Both `starts` and `ends` never fall from left to right, so the outermost two decide.
        """
        return self.starts[start], self.ends[end - 1]


def rewrite(
    view: View, pattern: re.Pattern[str], edit: Callable[[re.Match[str]], list[Piece] | None]
) -> View:
    """Replace the matches of a pattern.

    Args:
        view: what to rewrite; comes back itself when nothing changes.
        pattern: what to look for in its text.
        edit: gets a match; returns what replaces it, left to right, or None to leave it alone.
            Characters of the match that no piece covers vanish.
    """
    if not pattern.search(view.text):  # the rule: nothing to set up
        return view
    text: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    done = 0
    for match in pattern.finditer(view.text):
        pieces = edit(match)
        if pieces is None:
            continue
        start = match.start()
        text.append(view.text[done:start])
        starts.extend(view.starts[done:start])
        ends.extend(view.ends[done:start])
        for new, first, last in pieces:
            text.append(new)
            starts.extend([view.starts[first]] * len(new))
            ends.extend([view.ends[last - 1]] * len(new))
        done = match.end()
    if not done:
        return view
    text.append(view.text[done:])
    starts.extend(view.starts[done:])
    ends.extend(view.ends[done:])
    return View("".join(text), tuple(starts), tuple(ends))


def dropped(_match: re.Match[str]) -> list[Piece]:
    """The edit that removes every match."""
    return []


def replaced(match: re.Match[str], new: str) -> list[Piece]:
    """The edit in which the new characters stand for the whole match."""
    return [(new, match.start(), match.end())]
