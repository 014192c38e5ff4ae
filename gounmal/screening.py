"""The core in bulk: texts → scores column by column, and Decisions of those few that need one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gounmal.moderator import each, values_of, visible
from gounmal.policy import decide, harmless, is_listed, shown
from gounmal.schema import LABELS, Decision, Message
from gounmal.text.bulk import normalize_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gounmal.moderator import Moderator
    from gounmal.policy import Policy


@dataclass(slots=True)
class Screened:
    """What was found in texts, by their places: most chat is harmless, and a row of numbers."""

    scores: NDArray[np.float64]
    """float64[n, labels], as `policy.shown`; NaN where nothing is known."""
    empty: NDArray[np.bool_]
    """bool[n], is there nothing to judge?"""
    found: dict[int, Decision]
    """On those that reach a threshold or hold a blocklisted expression."""

    @classmethod
    def blank(cls, size: int) -> Screened:
        """Room for so many texts."""
        return cls(np.full((size, len(LABELS)), np.nan), np.zeros(size, bool), {})

    def put(self, places: Sequence[int], others: Screened) -> None:
        """Write down what was found in others, which are given these places."""
        self.scores[places] = others.scores
        self.empty[places] = others.empty
        for place in self.found.keys() & set(places):
            del self.found[place]
        self.found.update((places[i], decision) for i, decision in others.found.items())

    def take(self, places: Sequence[int]) -> Screened:
        """What is known of these, each in a place of its own."""
        known = self.found.keys()
        found = {i: self.found[place] for i, place in enumerate(places) if place in known}
        return Screened(self.scores[places], self.empty[places], found)


def screen(moderator: Moderator, texts: Sequence[str], policies: Sequence[Policy]) -> Screened:
    """Judge texts under these policies, one each: what `Moderator.moderate` finds, in columns.

    Args:
        moderator: whose model scores them.
        texts: at least one; each may be that of a `Message`.
        policies: the rules for each.

    Raises:
        ScoringFailed: the engine failed.
    """
    normalized = normalize_all(texts)
    distinct = {id(policy): policy for policy in policies}.values()
    seen = normalized
    if any(policy.allowlist for policy in distinct):
        seen = list(map(visible, normalized, policies))
    scored = moderator.score_views(seen)
    values = shown(values_of(scored))
    limits = moderator.limits(policies)
    reached = np.any(values >= limits, axis=1)
    if any(policy.blocklist for policy in distinct):
        reached |= list(map(is_listed, normalized, policies))
    empty = np.array([not one.canonical.text for one in normalized])
    found = Screened(values, empty, {})
    asked = each(limits, len(texts))
    for i in np.flatnonzero(reached).tolist():
        one = scored[i]
        found.found[i] = decide(
            Message(texts[i]),
            normalized[i],
            one.scores,
            one.evidence,
            limits=asked[i],
            span_threshold=moderator.scorer.span_threshold,
            policy=policies[i],
            model=moderator.scorer.tag,
            values=values[i].tolist(),
        )
    return found


def harmless_decision(
    moderator: Moderator, text: str, screened: Screened, place: int, policy: Policy
) -> Decision:
    """The Decision on a text of which nothing was found."""
    return harmless(
        Message(text),
        screened.scores[place].tolist(),
        visible=not screened.empty[place],
        policy=policy,
        model=moderator.scorer.tag,
    )
