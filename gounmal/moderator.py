"""The core that both ways call: normalise → score → decide, for a list of messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from operator import ge
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, overload

import numpy as np

from gounmal.errors import InvalidMessage
from gounmal.policy import (
    Policy,
    decide,
    exempt,
    harmless,
    is_listed,
    limits_of,
    shown,
    shown_alone,
)
from gounmal.schema import LABELS, Decision, Label, Message, Mode
from gounmal.text.normalize import Normalized, normalize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

FEW = 3
"""Numpy takes longer to begin than so few messages take without it."""


class Scored:
    """What a scorer says of one text.

    Args:
        scores: float32[n_labels], calibrated probabilities in the order of `LABELS`.
        evidence: float32[len(text), n_labels], for each code point of the original; or what works
            it out when it is asked for, which is so for the few messages that are flagged.
    """

    __slots__ = ("_evidence", "scores")

    def __init__(
        self,
        scores: NDArray[np.float32],
        evidence: NDArray[np.float32] | Callable[[], NDArray[np.float32]],
    ) -> None:
        self.scores = scores
        self._evidence = evidence

    @property
    def evidence(self) -> NDArray[np.float32]:
        """How much each code point speaks for each label: float32[len(text), n_labels]."""
        if callable(self._evidence):
            self._evidence = self._evidence()
        return self._evidence


class Scores(Sequence[Scored]):
    """What a scorer says of many texts, in columns: no `Scored` is made until it is asked for.

    Args:
        values: float32[n, n_labels], the scores of each.
        evidence: works out the evidence of one.
    """

    __slots__ = ("_evidence", "values")

    def __init__(
        self, values: NDArray[np.float32], evidence: Callable[[int], NDArray[np.float32]]
    ) -> None:
        self.values = values
        self._evidence = evidence

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Scored]:
        return map(self.__getitem__, range(len(self.values)))

    @overload
    def __getitem__(self, place: int) -> Scored: ...
    @overload
    def __getitem__(self, place: slice) -> list[Scored]: ...
    def __getitem__(self, place: int | slice) -> Scored | list[Scored]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        place = range(len(self))[place]  # from the end, too, and none that is not there
        return Scored(self.values[place], partial(self._evidence, place))


def values_of(scored: Sequence[Scored]) -> NDArray[np.float32]:
    """float32[n, n_labels], the scores of at least one text."""
    return scored.values if isinstance(scored, Scores) else np.array([s.scores for s in scored])


class Scorer(Protocol):
    """What the core needs of a model, and all that it knows of one."""

    @property
    def tag(self) -> str:
        """Store tag, `name:version`."""

    @property
    def thresholds(self) -> Mapping[Mode, Mapping[Label, float]]:
        """Of every mode and label."""

    @property
    def span_threshold(self) -> float:
        """A character with at least this much evidence belongs to a span."""

    def score(self, texts: Sequence[Normalized]) -> Sequence[Scored]:
        """One `Scored` for each text, in order.

        Raises:
            ScoringFailed: the engine failed; none of the texts was scored.
        """


@dataclass(slots=True)  # one a message: frozen, it would take twice as long to make
class Prepared:
    """A message on its way to the scorer. Never changed."""

    message: Message
    policy: Policy
    normalized: Normalized
    visible: Normalized
    """The views that the scorer sees: those of the text without allowlisted expressions."""


class Moderator:
    """Judges messages with one model under one policy. Safe to share between threads."""

    def __init__(self, scorer: Scorer, policy: Policy | None = None) -> None:
        self.scorer = scorer
        self.policy = policy or Policy()

    @classmethod
    def load(
        cls, model: str | Path | None = None, *, policy: str | Path | None = None
    ) -> Moderator:
        """Load a model and a policy.

        Args:
            model: artifact folder or store tag; by default the newest in the Bento store, else the
                artifact shipped with a checkout.
            policy: a policy file; by default the shipped defaults.

        Raises:
            ModelNotFound: there is no such model.
            InvalidArtifact: its folder cannot be used.
            InvalidPolicy: the policy file cannot be used.
        """
        from gounmal.model.classifier import Classifier  # noqa: PLC0415  (the engine loads on demand)
        from gounmal.model.locate import locate  # noqa: PLC0415  (as above)

        scorer = Classifier.load(locate(model))
        return cls(scorer, Policy.load(Path(policy)) if policy is not None else None)

    def moderate(self, messages: Sequence[str | Message]) -> list[Decision]:
        """Judge messages: one Decision each, in order.

        Raises:
            InvalidMessage: one of them is outside the contract; none was judged.
            ScoringFailed: the engine failed.
        """
        if isinstance(messages, str):
            raise InvalidMessage("messages", "expected a list of texts or messages, got one text")
        prepared = [self.prepare(m if isinstance(m, Message) else Message(m)) for m in messages]
        scored = self.score(prepared)
        return self.decide_many(prepared, scored)

    def prepare(self, message: Message) -> Prepared:
        """Normalise one message."""
        policy = self.policy.for_channel(message.channel)
        normalized = normalize(message.text)
        return Prepared(message, policy, normalized, visible(normalized, policy))

    def score(self, prepared: Sequence[Prepared]) -> Sequence[Scored]:
        """Score prepared messages in one go; see `Scorer.score`.

        Where nothing is visible there is nothing to ask: the scores are 0, whatever the model.
        """
        return self.score_views([p.visible for p in prepared])

    def score_views(self, texts: Sequence[Normalized]) -> Sequence[Scored]:
        """Score texts by what is visible of them; see `score`."""
        if all([text.canonical.text for text in texts]):  # noqa: C419  (a list is faster)
            return self.scorer.score(texts)
        asked = [i for i, text in enumerate(texts) if text.visible]
        found = [nothing(text) for text in texts]
        for i, scored in zip(asked, self.scorer.score([texts[i] for i in asked]), strict=True):
            found[i] = scored
        return found

    def decide(self, prepared: Prepared, scored: Scored) -> Decision:
        """Apply the policy to one scored message."""
        values = shown_alone(scored.scores)
        limits = limits_of(prepared.policy, self.scorer.thresholds)
        reached = any(map(ge, values, limits))
        return self._decided(prepared, scored, values, limits, reached=reached)

    def decide_many(self, prepared: Sequence[Prepared], scored: Sequence[Scored]) -> list[Decision]:
        """Apply the policy to scored messages: one Decision each, in order.

        Most chat is harmless: all scores are compared with the thresholds at once, and only what
        reaches one, or may be on a blocklist, is looked into by `policy.decide`.
        """
        if len(prepared) < FEW:
            return [self.decide(p, s) for p, s in zip(prepared, scored, strict=True)]
        values = shown(values_of(scored))
        limits = self.limits([p.policy for p in prepared])
        reached: list[bool] = np.any(values >= limits, axis=1).tolist()
        asked = each(limits, len(values))
        return [
            self._decided(p, s, row, limit, reached=look)
            for p, s, row, limit, look in zip(
                prepared, scored, values.tolist(), asked, reached, strict=True
            )
        ]

    def limits(self, policies: Sequence[Policy]) -> NDArray[np.float64]:
        """The thresholds under each policy, or float64[1, n_labels] where they are all the same."""
        distinct = {id(policy): policy for policy in policies}
        limits = {i: limits_of(one, self.scorer.thresholds) for i, one in distinct.items()}
        if len(limits) == 1:
            return np.array(list(limits.values()))
        return np.array([limits[id(policy)] for policy in policies])

    def _decided(
        self,
        prepared: Prepared,
        scored: Scored,
        values: list[float],
        limits: list[float],
        *,
        reached: bool,
    ) -> Decision:
        policy, text = prepared.policy, prepared.normalized
        if not reached and not (policy.blocklist and is_listed(text, policy)):
            return harmless(
                prepared.message,
                values,
                visible=text.visible,
                policy=policy,
                model=self.scorer.tag,
            )
        return decide(
            prepared.message,
            prepared.normalized,
            scored.scores,
            scored.evidence,
            limits=limits,
            span_threshold=self.scorer.span_threshold,
            policy=prepared.policy,
            model=self.scorer.tag,
            values=values,
        )


def each(limits: NDArray[np.float64], number: int) -> list[list[float]]:
    """Of so many messages, the thresholds from `Moderator.limits`."""
    rows: list[list[float]] = limits.tolist()
    return rows if len(rows) == number else rows * number


def visible(normalized: Normalized, policy: Policy) -> Normalized:
    """What the scorer sees of a text: not what its policy allowlists."""
    if not policy.allowlist:
        return normalized
    shown = exempt(normalized, policy)
    return normalized if shown == normalized.original else normalize(shown)


def nothing(text: Normalized) -> Scored:
    """What is said of a text in which nothing is visible."""
    labels = len(LABELS)
    return Scored(np.zeros(labels, np.float32), np.zeros((len(text.original), labels), np.float32))
