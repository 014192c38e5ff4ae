"""Encoded messages, and what the network says of them, as bytes between a door and the scorer.

A header of fixed size, then the arrays as they are: no JSON of floats, no pickle, and of a text
nothing but its ids. All numbers are little-endian.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2b
from struct import Struct, error
from typing import TYPE_CHECKING

import numpy as np

from gounmal.errors import ScoringFailed
from gounmal.model.encoder import Encoded

if TYPE_CHECKING:
    from numpy.typing import NDArray

_QUESTION = Struct("<4sQQIII")
"""Magic, echo, model, messages, tokens, ids of each token (0: one, without an axis of its own)."""
_ANSWER = Struct("<4sQBdIIII")
"""Magic, echo, status, seconds, padded tokens, messages, tokens, labels."""
_MAGIC = b"gqs1"


class Status(IntEnum):
    """What became of a question."""

    SCORED = 0
    UNREADABLE = 1
    OTHER_MODEL = 2


def digest(tag: str) -> int:
    """A model's tag in 64 bits."""
    return int.from_bytes(blake2b(tag.encode(), digest_size=8).digest(), "little")


@dataclass(frozen=True, slots=True)
class Question:
    """Messages to be scored."""

    echo: int
    """Comes back with the answer: whose answer it is."""
    model: int
    """Digest of the tag; ids mean nothing to another model."""
    encoded: Encoded

    def to_bytes(self) -> bytes:
        """As sent."""
        ids, lengths = self.encoded.ids, self.encoded.lengths
        width = ids.shape[1] if ids.ndim == 2 else 0
        head = _QUESTION.pack(_MAGIC, self.echo, self.model, len(lengths), len(ids), width)
        return b"".join((head, lengths.astype("<u4").tobytes(), ids.astype("<i4").tobytes()))

    @classmethod
    def from_bytes(cls, content: bytes) -> Question:
        """As received.

        Raises:
            ScoringFailed: it is none.
        """
        try:
            magic, echo, model, messages, tokens, width = _QUESTION.unpack_from(content)
            at = _QUESTION.size
            lengths = np.frombuffer(content, "<u4", messages, at).astype(np.int64)
            ids = np.frombuffer(content, "<i4", tokens * (width or 1), at + 4 * messages)
        except (error, ValueError) as cause:
            raise ScoringFailed("a question that breaks off") from cause
        size = at + 4 * messages + 4 * len(ids)
        if magic != _MAGIC or size != len(content) or lengths.sum() != tokens:
            raise ScoringFailed("a question that contradicts itself")
        shaped = ids.reshape(tokens, width) if width else ids
        return cls(echo, model, Encoded(shaped.astype(np.int32, copy=False), lengths))


@dataclass(frozen=True, slots=True)
class Answer:
    """What the network says of the messages of one question, in order."""

    echo: int
    status: Status
    scores: NDArray[np.float32]
    """float32[n_messages, n_labels], calibrated; not finite where a message could not be scored."""
    evidence: NDArray[np.float32]
    """float32[n_tokens, n_labels]"""
    seconds: float = 0.0
    """In the engine: this question's share of its batch."""
    padded: int = 0
    """Tokens with padding, likewise."""

    @classmethod
    def refused(cls, echo: int, status: Status) -> Answer:
        """That says of nothing anything but why."""
        nothing = np.zeros((0, 0), np.float32)
        return cls(echo, status, nothing, nothing)

    def to_bytes(self) -> bytes:
        """As sent."""
        messages, labels = self.scores.shape
        sizes = self.padded, messages, len(self.evidence), labels
        head = _ANSWER.pack(_MAGIC, self.echo, self.status, self.seconds, *sizes)
        arrays = (self.scores.astype("<f4").tobytes(), self.evidence.astype("<f4").tobytes())
        return b"".join((head, *arrays))

    @classmethod
    def from_bytes(cls, content: bytes) -> Answer:
        """As received.

        Raises:
            ScoringFailed: it is none.
        """
        try:
            head = _ANSWER.unpack_from(content)
            magic, echo, status, seconds, padded, messages, tokens, labels = head
            at = _ANSWER.size
            scores = np.frombuffer(content, "<f4", messages * labels, at)
            at += 4 * len(scores)
            evidence = np.frombuffer(content, "<f4", tokens * labels, at)
            known = Status(status)
        except (error, ValueError) as cause:
            raise ScoringFailed("an answer that breaks off") from cause
        if magic != _MAGIC or at + 4 * len(evidence) != len(content):
            raise ScoringFailed("an answer that contradicts itself")
        return cls(
            echo,
            known,
            scores.reshape(messages, labels).astype(np.float32, copy=False),
            evidence.reshape(tokens, labels).astype(np.float32, copy=False),
            seconds,
            padded,
        )
