"""What goes over the wire: Decisions as JSON, and a description for the API's documentation page.

The models describe; they do not validate. The doors check what they read by hand
(`gounmal.online.web`), because each fault should get one short answer that never quotes the text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, RootModel

from gounmal.schema import MAX_ID_LENGTH, MAX_TEXT_LENGTH, Action, Label, Mode, Reason, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gounmal.schema import Decision

MAX_TEXTS = 1024
"""Most texts of one `/moderate_many`."""


def encode(decision: Decision) -> bytes:
    """A Decision as JSON: `Decision.to_dict`, in half the time."""
    return orjson.dumps(_fields(decision), option=orjson.OPT_NON_STR_KEYS)


def encode_many(decisions: Sequence[Decision]) -> bytes:
    """Decisions as a JSON list."""
    return orjson.dumps([_fields(one) for one in decisions], option=orjson.OPT_NON_STR_KEYS)


def _fields(decision: Decision) -> dict[str, Any]:
    # Enums and spans as they are: orjson writes them faster than Python looks up their values.
    return {
        "id": decision.id,
        "action": decision.action,
        "flagged": decision.flagged,
        "labels": decision.labels,
        "scores": decision.scores,
        "spans": decision.spans,
        "masked": decision.masked,
        "reason": decision.reason,
        "model": decision.model,
        "mode": decision.mode,
    }


class MessageBody(BaseModel):
    """What `/moderate` takes."""

    text: str = Field(max_length=MAX_TEXT_LENGTH, description="The chat line.")
    id: str | None = Field(
        None, max_length=MAX_ID_LENGTH, description="Comes back in the Decision."
    )
    channel: str | None = Field(
        None, max_length=MAX_ID_LENGTH, description="Picks the channel's own rules in the policy."
    )


class MessagesBody(BaseModel):
    """What `/moderate_many` takes."""

    texts: list[str] = Field(
        max_length=MAX_TEXTS,
        description=f"Chat lines, each of at most {MAX_TEXT_LENGTH} characters.",
    )
    channel: str | None = Field(
        None, max_length=MAX_ID_LENGTH, description="Of all these lines; see `/moderate`."
    )


class SpanBody(BaseModel):
    """Characters `[start, end)` of the original text, in Unicode code points."""

    start: int = Field(ge=0)
    end: int = Field(ge=1)
    label: Label
    source: Source = Field(description="Who found it.")


class DecisionBody(BaseModel):
    """What was found in one message, and what should happen to it."""

    model_config = ConfigDict(title="Decision")

    id: str | None = Field(description="As it was sent.")
    action: Action = Field(description="What should happen to the message.")
    flagged: bool = Field(description="Is there any label?")
    labels: list[Label] = Field(description="Labels that were found, in taxonomy order.")
    scores: dict[Label, float] = Field(description="A calibrated probability for every label.")
    spans: list[SpanBody] = Field(description="Where in the text; sorted by start.")
    masked: str = Field(description="The text with `*` for every visible character of a span.")
    reason: Reason = Field(description="Why the Decision is what it is.")
    model: str = Field(description="Store tag of the model, `name:version`.")
    mode: Mode = Field(description="The threshold set that was in force.")


class DecisionsBody(RootModel[list[DecisionBody]]):
    """One Decision for each text, in order."""

    model_config = ConfigDict(title="Decisions")
