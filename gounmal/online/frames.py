"""One message of a stream, in and out: a WebSocket frame, or a line of newline-delimited JSON.

In: `{"text", "id"?, "channel"?}`. Out: a Decision, or what is wrong with this one message,
`{"id", "error": {"field", "message", "retry_after"?}}`, after which the stream goes on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from gounmal.errors import InvalidMessage, Overloaded, ScoringFailed
from gounmal.online.bodies import Refused, parse, to_message
from gounmal.online.faults import explain
from gounmal.online.wire import encode
from gounmal.schema import MAX_ID_LENGTH, Message, check_string

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gounmal.schema import Decision

MAX_FRAME = 1 << 16
"""Longest frame or line, in bytes (of a text frame, characters): no valid message needs more."""

MAX_IN_FLIGHT = 256
"""Messages of one connection that were read and not yet answered; beyond, it is not read from."""

PATH = "/stream"

Asked = Message | bytes
"""What was read: a message, or the answer to something that is none."""


class Judge(Protocol):
    """The part of `Online` that is needed here."""

    async def moderate_many(self, messages: Sequence[Message], /) -> list[Decision]:
        """One Decision each, in order."""


def read(data: bytes | str, *, whole: str) -> Asked:
    """A frame or line → its message, or the answer to a bad one.

    Args:
        data: at most `MAX_FRAME` of it is looked at.
        whole: what to call it, where no field is at fault.
    """
    if len(data) > MAX_FRAME:
        return failed(Refused(413, f"expected at most {MAX_FRAME} bytes"), id_=None, whole=whole)
    value: Any = None
    try:
        value = parse(data)
        return to_message(value)
    except (InvalidMessage, Refused) as error:
        return failed(error, id_=_id_of(value), whole=whole)


async def answer(judge: Judge, asked: list[Asked], *, patient: bool = False) -> list[bytes]:
    """The answers, in order, as JSON.

    Args:
        judge: gives the Decisions; cancelled with this.
        asked: judged as one list, but at fault one by one.
        patient: while too much is waiting, wait as well rather than answer so.
    """
    messages = [one for one in asked if isinstance(one, Message)]
    judged = iter(await _judge(judge, messages, patient=patient))
    return [next(judged) if isinstance(one, Message) else one for one in asked]


async def _judge(judge: Judge, messages: list[Message], *, patient: bool) -> list[bytes]:
    while True:
        try:
            decisions = await judge.moderate_many(messages)
        except Overloaded as error:
            if not patient:
                return [failed(error, id_=message.id) for message in messages]
            await asyncio.sleep(min(max(error.retry_after_s / 4, 0.01), 0.25))
        except ScoringFailed as error:
            if len(messages) == 1:
                return [failed(error, id_=messages[0].id)]
            # One of them is bad: who sent the others should not hear of it.
            return [
                line for one in messages for line in await _judge(judge, [one], patient=patient)
            ]
        except Exception as error:  # noqa: BLE001  (its text may quote ours, and the stream goes on)
            return [failed(error, id_=message.id) for message in messages]
        else:
            return [encode(decision) for decision in decisions]


def failed(error: Exception, *, id_: str | None, whole: str = "frame") -> bytes:
    """The answer to one message that came to nothing, as JSON."""
    fault = explain(error, whole=whole, door=PATH)
    said: dict[str, Any] = {"field": fault.field, "message": fault.message}
    if fault.retry_after_s is not None:
        said["retry_after"] = max(0.01, round(fault.retry_after_s, 2))
        said["message"] += f": try again in {said['retry_after']:g} s"
    return orjson.dumps({"id": id_, "error": said})


def _id_of(value: Any) -> str | None:
    """The id of something that is no message, where it has one."""
    id_ = value.get("id") if isinstance(value, dict) else None
    try:
        check_string("id", id_, MAX_ID_LENGTH)
    except InvalidMessage:
        return None
    return str(id_)
