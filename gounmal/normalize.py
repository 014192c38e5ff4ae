"""Pure text → views for the encoder, each with a map back to the original's code points.

A first, thin version: see the functions' docstrings for what each view folds.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class View:
    """One form of a text; character `i` stands for `original[starts[i]:ends[i]]`."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """The code points of the original that characters `[start, end)` of this view stand for."""
        return self.starts[start], max(self.ends[start:end])


@dataclass(frozen=True, slots=True)
class Normalized:
    """A text and its views."""

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
        return bool(self.canonical.text.strip())

    def find(self, expression: str) -> Iterator[tuple[int, int]]:
        """Where in the original an expression (in canonical form) stands, in any view."""
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
    """All views of a text. Never fails, for any string."""
    starts, ends, out = [], [], []
    i = 0
    while i < len(text):
        j = i + 1
        while j < len(text) and (unicodedata.combining(text[j]) or "\u1160" <= text[j] <= "\u11ff"):
            j += 1
        for character in unicodedata.normalize("NFC", text[i:j]).lower():
            out.append(character)
            starts.append(i)
            ends.append(j)
        i = j
    return Normalized(text, View("".join(out), tuple(starts), tuple(ends)), None)
