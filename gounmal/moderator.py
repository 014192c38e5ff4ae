"""The core that both ways call: normalise → score → decide, for a list of messages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from gounmal.policy import Policy, decide, exempt
from gounmal.schema import LABELS, Decision, Label, Message, Mode
from gounmal.text.normalize import Normalized, normalize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Scored:
    """What a scorer says of one text."""

    scores: NDArray[np.float32]
    """float32[n_labels], calibrated probabilities in the order of `LABELS`."""
    evidence: NDArray[np.float32]
    """float32[len(text), n_labels], for each code point of the original."""


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

    def score(self, texts: Sequence[Normalized]) -> list[Scored]:
        """One `Scored` for each text, in order.

        Raises:
            ScoringFailed: the engine failed; none of the texts was scored.
        """


@dataclass(frozen=True, slots=True)
class Prepared:
    """A message on its way to the scorer."""

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
        from gounmal.model.store import find  # noqa: PLC0415  (BentoML takes a second to import)

        scorer = Classifier.load(find(model))
        return cls(scorer, Policy.load(Path(policy)) if policy is not None else None)

    def moderate(self, messages: Sequence[str | Message]) -> list[Decision]:
        """Judge messages: one Decision each, in order.

        Raises:
            InvalidMessage: one of them is outside the contract; none was judged.
            ScoringFailed: the engine failed.
        """
        prepared = [self.prepare(m if isinstance(m, Message) else Message(m)) for m in messages]
        scored = self.score(prepared)
        return [self.decide(p, s) for p, s in zip(prepared, scored, strict=True)]

    def prepare(self, message: Message) -> Prepared:
        """Normalise one message."""
        policy = self.policy.for_channel(message.channel)
        normalized = normalize(message.text)
        shown = exempt(normalized, policy) if policy.allowlist else message.text
        visible = normalized if shown == message.text else normalize(shown)
        return Prepared(message, policy, normalized, visible)

    def score(self, prepared: Sequence[Prepared]) -> list[Scored]:
        """Score prepared messages in one go; see `Scorer.score`.

        Where nothing is visible there is nothing to ask: the scores are 0, whatever the model.
        """
        texts = [p.visible for p in prepared]
        if all(text.visible for text in texts):
            return self.scorer.score(texts)
        asked = [i for i, text in enumerate(texts) if text.visible]
        found = [nothing(text) for text in texts]
        for i, scored in zip(asked, self.scorer.score([texts[i] for i in asked]), strict=True):
            found[i] = scored
        return found

    def decide(self, prepared: Prepared, scored: Scored) -> Decision:
        """Apply the policy to one scored message."""
        return decide(
            prepared.message,
            prepared.normalized,
            scored.scores,
            scored.evidence,
            thresholds=self.scorer.thresholds,
            span_threshold=self.scorer.span_threshold,
            policy=prepared.policy,
            model=self.scorer.tag,
        )


def nothing(text: Normalized) -> Scored:
    """What is said of a text in which nothing is visible."""
    labels = len(LABELS)
    return Scored(np.zeros(labels, np.float32), np.zeros((len(text.original), labels), np.float32))
