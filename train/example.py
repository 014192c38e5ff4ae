"""One labelled text as its source says it, in the taxonomy of `gounmal.schema`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from gounmal.schema import LABELS, Label

UNKNOWN = math.nan
"""The target of a label about which the source says nothing."""

HATE_KINDS: tuple[Label, ...] = tuple(label for label in LABELS if label.parent is Label.HATE)
HATE: tuple[Label, ...] = (Label.HATE, *HATE_KINDS)


@dataclass(frozen=True, slots=True)
class Example:
    """A text and what is known of it.

    Attributes:
        text: as in the source, outer whitespace removed.
        source: folder of the source, and its part where that matters (`kotox/easy`).
        targets: one for each of `LABELS`, 0 to 1, NaN where unknown.
        weights: how much each target counts, 0 where unknown.
        any_of: labels of which at least one holds with probability `any_value`; often none.
        any_value: 0 to 1; NaN without `any_of`.
        any_weight: how much that counts.
        pair: texts with the same pair (a rewrite and its origin) must not be split apart.
        held: never to be trained on, whatever the split says: the source's own validation part.
    """

    text: str
    source: str
    targets: tuple[float, ...]
    weights: tuple[float, ...]
    any_of: tuple[Label, ...] = ()
    any_value: float = UNKNOWN
    any_weight: float = 0.0
    pair: str = ""
    held: bool = False


@cache
def known(
    *facts: tuple[Label, float, float],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Targets and weights, in the order of `LABELS`, from `(label, target, weight)` facts."""
    targets = [UNKNOWN] * len(LABELS)
    weights = [0.0] * len(LABELS)
    for label, target, weight in facts:
        targets[LABELS.index(label)] = target
        weights[LABELS.index(label)] = weight
    return tuple(targets), tuple(weights)


def harmless(
    text: str, source: str, weight: float, *, pair: str = "", held: bool = False
) -> Example:
    """A text of which no label holds."""
    return Example(text, source, *_all_zero(weight), pair=pair, held=held)


def some_of(  # noqa: PLR0913  (an example has that many parts)
    labels: tuple[Label, ...],
    text: str,
    source: str,
    value: float,
    weight: float,
    *,
    pair: str = "",
    held: bool = False,
) -> Example:
    """A text of which at least one of `labels` holds with probability `value`."""
    return Example(text, source, *known(), labels, value, weight, pair=pair, held=held)


def _all_zero(weight: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return known(*((label, 0.0, weight) for label in LABELS))
