"""The vocabulary of the contract: Message in, Decision out.

Plain dataclasses: they are made once a message on the hot path. The doors (service, command line)
turn foreign input into them and them into JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gounmal.errors import InvalidMessage

MAX_TEXT_LENGTH = 4_000
"""Longest text of one message, in Unicode code points."""

MAX_ID_LENGTH = 256
"""Longest `id` and `channel`, in Unicode code points."""


class Label(StrEnum):
    """Taxonomy v1. The order is that of every score vector."""

    PROFANITY = "profanity"
    INSULT = "insult"
    HATE = "hate"
    HATE_GENDER = "hate/gender"
    HATE_AGE = "hate/age"
    HATE_ORIGIN = "hate/origin"
    HATE_RELIGION = "hate/religion"
    HATE_POLITICS = "hate/politics"
    HATE_APPEARANCE = "hate/appearance"

    # Enum's own hash is a Python call, and labels are dictionary keys on the hot path.
    __hash__ = str.__hash__

    @property
    def parent(self) -> Label | None:
        """The label that this one is a kind of: `hate` for `hate/…`, else None."""
        return _PARENTS[self]


LABELS: tuple[Label, ...] = tuple(Label)

PLACES = {label: i for i, label in enumerate(LABELS)}
"""Where each label stands in `LABELS`."""

_PARENTS = {label: Label.HATE if label.startswith("hate/") else None for label in LABELS}


class Action(StrEnum):
    """What should happen to a message, mildest first."""

    ALLOW = "allow"
    MASK = "mask"
    HOLD = "hold"
    BLOCK = "block"

    __hash__ = str.__hash__  # as above

    @property
    def severity(self) -> int:
        """0 (allow) to 3 (block)."""
        return _SEVERITY[self]


_SEVERITY = {action: i for i, action in enumerate(Action)}


class Mode(StrEnum):
    """A named threshold set that ships with the model."""

    LENIENT = "lenient"
    BALANCED = "balanced"
    STRICT = "strict"


class Reason(StrEnum):
    """Why a Decision is what it is."""

    CLEAN = "clean"
    """No label reached its threshold."""
    MODEL = "model"
    """A label reached its threshold."""
    BLOCKLIST = "blocklist"
    """A blocklist expression is in the text (whatever the model says)."""
    EMPTY = "empty"
    """There is nothing to judge: no letter, digit or symbol in the text."""
    INVALID = "invalid"
    """The row could not be judged (files only: over HTTP this is a 4xx)."""


class Source(StrEnum):
    """Who found a span."""

    MODEL = "model"
    BLOCKLIST = "blocklist"


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `[start, end)` of the original text, in Unicode code points."""

    start: int
    end: int
    label: Label
    source: Source


@dataclass(frozen=True, slots=True)
class Message:
    """One validated chat line.

    Raises:
        InvalidMessage: text over `MAX_TEXT_LENGTH`, a lone surrogate, or an id or channel over
            `MAX_ID_LENGTH`.
    """

    text: str
    id: str | None = None
    channel: str | None = None

    def __post_init__(self) -> None:
        check_string("text", self.text, MAX_TEXT_LENGTH)
        if self.id is not None:
            check_string("id", self.id, MAX_ID_LENGTH)
        if self.channel is not None:
            check_string("channel", self.channel, MAX_ID_LENGTH)


def check_string(name: str, value: object, limit: int) -> None:
    """Raise `InvalidMessage` unless `value` is a string of at most `limit` encodable characters."""
    if not isinstance(value, str):
        raise InvalidMessage(name, f"expected a string, got {type(value).__name__}")
    if len(value) > limit:
        raise InvalidMessage(name, f"expected at most {limit} characters, got {len(value)}")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise InvalidMessage(
                name, f"expected valid Unicode, got a lone surrogate at character {error.start}"
            ) from None


@dataclass(frozen=True, slots=True)
class Decision:
    """What was found in one message, and what should happen to it."""

    action: Action
    flagged: bool
    labels: tuple[Label, ...]
    """Labels at or over their threshold, and those of blocklist spans, in taxonomy order."""
    scores: dict[Label, float]
    """A calibrated probability for every label of the taxonomy."""
    spans: tuple[Span, ...]
    """Sorted by start; spans of one label do not overlap."""
    masked: str
    """The text with every visible character of a span replaced by `*`; same length."""
    reason: Reason
    model: str
    mode: Mode
    id: str | None = field(default=None)

    def with_id(self, id_: str | None) -> Decision:
        """The same Decision on another message of the same text."""
        if self.id == id_:
            return self
        # Three times as fast as dataclasses.replace, and once for each answer from the cache.
        return Decision(
            self.action,
            self.flagged,
            self.labels,
            self.scores,
            self.spans,
            self.masked,
            self.reason,
            self.model,
            self.mode,
            id_,
        )

    def to_dict(self) -> dict[str, Any]:
        """The Decision as JSON-ready values, keys in the order of the contract."""
        return {
            "id": self.id,
            "action": self.action.value,
            "flagged": self.flagged,
            "labels": [label.value for label in self.labels],
            "scores": {label.value: score for label, score in self.scores.items()},
            "spans": [
                {"start": s.start, "end": s.end, "label": s.label.value, "source": s.source.value}
                for s in self.spans
            ],
            "masked": self.masked,
            "reason": self.reason.value,
            "model": self.model,
            "mode": self.mode.value,
        }
