"""Two summaries → what has changed between the broadcasts, and how far the model's view moved."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gounmal.report.items import Change, Comparison, Drift
from gounmal.schema import Action

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gounmal.report.items import Signals
    from gounmal.report.summary import Summary


_JUDGE = ("model", "mode", "policy")


def compare(before: Summary, now: Summary) -> Comparison:
    """What has changed.

    Args:
        before: of the broadcast before.
        now: of this one.
    """
    counts = {expression.key: expression.count for expression in before.expressions}
    named = {offender.pseudonym for offender in before.offenders}
    return Comparison(
        title=before.title,
        source=before.source,
        start=before.timeline.start if before.timeline else None,
        model=before.model,
        mode=before.mode,
        same_judge=all(getattr(before, name) == getattr(now, name) for name in _JUDGE),
        changes=_changes(before, now),
        expressions={e.key: counts[e.key] for e in now.expressions if e.key in counts},
        offenders=[o.pseudonym for o in now.offenders if o.pseudonym in named],
        drift=_drift(before.signals, now.signals),
    )


def distance(before: Sequence[int], now: Sequence[int]) -> float | None:
    """The Jensen-Shannon distance of two histograms, 0 to 1; None if one of them is empty.

    The square root of the divergence in bits: Lin, Divergence Measures Based on the Shannon Entropy
    (1991); Endres and Schindelin, A New Metric for Probability Distributions (2003).
    """
    p, q = np.array(before, float), np.array(now, float)
    if len(p) != len(q) or not p.sum() or not q.sum():
        return None
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    divergences = [
        float((share[share > 0] * np.log2(share[share > 0] / middle[share > 0])).sum())
        for share in (p, q)
    ]
    return round(math.sqrt(max(sum(divergences) / 2, 0.0)), 6)


def _changes(before: Summary, now: Summary) -> list[Change]:
    changes = [
        Change("rows", before.rows, now.rows, None, None),
        _change("flagged", before.flagged, now.flagged, before, now),
    ]
    for action in Action:
        if action is not Action.ALLOW:
            counts = before.actions.get(action.value, 0), now.actions.get(action.value, 0)
            changes.append(_change(f"actions/{action}", *counts, before, now))
    for label, count in now.labels.items():
        counts = before.labels.get(label, 0), count
        changes.append(_change(f"labels/{label}", *counts, before, now))
    return [*changes, Change("invalid", before.invalid, now.invalid, None, None)]


def _change(figure: str, count: int, count_now: int, before: Summary, now: Summary) -> Change:
    shares = (c / s.judged if s.judged else None for c, s in ((count, before), (count_now, now)))
    return Change(figure, count, count_now, *shares)


def _drift(before: Signals | None, now: Signals | None) -> Drift:
    scores_before = before.scores if before else {}
    return Drift(
        scores={
            label: distance(scores_before.get(label, ()), scores)
            for label, scores in (now.scores if now else {}).items()
        },
        unknown_before=before.unknown_share if before else None,
        unknown_now=now.unknown_share if now else None,
    )
