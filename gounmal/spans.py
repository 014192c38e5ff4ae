"""Where in a message: from evidence and blocklist to spans, and from spans to the masked text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from gounmal.schema import PLACES, Label, Source, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from gounmal.text.normalize import Normalized

_RUN = re.compile(b"\1+")
_VISIBLE = re.compile(r"\S")


def blocklist_spans(
    normalized: Normalized, blocklist: Iterable[tuple[str, Label]]
) -> Iterator[Span]:
    """Each place of each blocklisted expression, whichever view of the text shows it."""
    for expression, label in blocklist:
        for start, end in normalized.find(expression):
            yield Span(start, end, label, Source.BLOCKLIST)


def model_spans(
    text: str, evidence: NDArray[np.float32], labels: Iterable[Label], threshold: float
) -> Iterator[Span]:
    """The stretches of text that speak for each of these labels: at least one for each.

    Args:
        text: the original.
        evidence: float32[len(text), n_labels].
        labels: those that were found; `hate` only where none of its kinds was, whose spans would
            be the same.
        threshold: a character with at least this much evidence belongs to a span.
    """
    if not text:
        return
    enough = evidence >= np.float64(threshold)
    for label in labels:
        chosen = enough[:, PLACES[label]].tobytes()
        if 1 not in chosen:
            start, end = _word_around(text, int(evidence[:, PLACES[label]].argmax()))
            yield Span(start, end, label, Source.MODEL)
            continue
        for run in _RUN.finditer(chosen):
            stretch = text[run.start() : run.end()]
            trimmed = stretch.strip()
            if trimmed:
                start = run.start() + stretch.index(trimmed)
                yield Span(start, start + len(trimmed), label, Source.MODEL)


def apart(spans: Iterable[Span]) -> list[Span]:
    """In order, those of one label that overlap as one: a blocklisted one says who found it."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: (PLACES[span.label], span.start, span.end)):
        before = merged[-1] if merged else None
        if before and before.label is span.label and span.start < before.end:
            source = before.source if before.source is Source.BLOCKLIST else span.source
            merged[-1] = Span(before.start, max(before.end, span.end), span.label, source)
        else:
            merged.append(span)
    return sorted(merged, key=lambda span: (span.start, span.end, PLACES[span.label]))


def masked(text: str, spans: Sequence[Span]) -> str:
    """The text with a `*` for each character of a span, blanks kept."""
    for span in spans:
        stars = _VISIBLE.sub("*", text[span.start : span.end])
        text = text[: span.start] + stars + text[span.end :]
    return text


def _word_around(text: str, position: int) -> tuple[int, int]:
    start = end = position
    while start > 0 and not text[start - 1].isspace():
        start -= 1
    while end < len(text) and not text[end].isspace():
        end += 1
    return start, max(end, position + 1)
