"""JSON that came over the wire → Messages, or one clear fault.

Every door checks by hand what it reads: no fault quotes the text, a fault of one field is named,
and an unknown field (a misspelt `channel`, say) is refused rather than overlooked.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from gounmal.errors import InvalidMessage
from gounmal.online.wire import MAX_TEXTS
from gounmal.schema import MAX_ID_LENGTH, Message, check_string

MAX_BODY_BYTES = 1 << 20
"""Of one message: far more than the longest valid one needs, so that its fault can be named."""

MAX_LIST_BODY_BYTES = 1 << 24
"""Of a list: 1,024 texts of the greatest length, each character three bytes, and some."""

BYTES_A_VALUE = 16
"""Of JSON longer than one message's, on average: `{},{},…` takes thirty times its length in memory
once it is read."""

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"')

MESSAGE_FIELDS = frozenset(("text", "id", "channel"))
LIST_FIELDS = frozenset(("texts", "channel"))


class Refused(Exception):  # noqa: N818  (named by what is wrong, like those in `errors`)
    """Something that is at fault before its content is.

    Attributes:
        status: of the answer over HTTP.
        message: what was expected.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def parse(body: bytes | str) -> Any:
    """JSON → what it says.

    Raises:
        Refused: it is not JSON, or of more values than anything valid.
    """
    if len(body) > MAX_BODY_BYTES and isinstance(body, bytes) and _crowded(body):
        raise Refused(400, f"expected at most {MAX_TEXTS} texts")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    # A lone surrogate is such an error too, but one whose field can be named: json lets it pass.
    try:
        return json.loads(body if isinstance(body, str) else body.decode())
    except (ValueError, RecursionError):
        raise Refused(400, "expected valid JSON in UTF-8") from None


def _crowded(body: bytes) -> bool:
    """Does JSON hold more values than any valid request of its length, strings not looked into?"""
    most = 4 * MAX_TEXTS + len(body) // BYTES_A_VALUE
    return _values(body) > most and _values(_STRING.sub(b"", body)) > most


def _values(body: bytes) -> int:
    return sum(map(body.count, (b",", b"[", b"{")))


def to_message(value: Any) -> Message:
    """`{"text", "id"?, "channel"?}` → a message.

    Raises:
        InvalidMessage: a field is not what it should be.
        Refused: it is not such an object.
    """
    _check_fields(value, "text", MESSAGE_FIELDS)
    return Message(value["text"], value.get("id"), value.get("channel"))


def to_messages(value: Any) -> list[Message]:
    """`{"texts", "channel"?}` → messages.

    Raises:
        InvalidMessage: a field is not what it should be.
        Refused: it is not such an object.
    """
    _check_fields(value, "texts", LIST_FIELDS)
    texts, channel = value["texts"], value.get("channel")
    if not isinstance(texts, list):
        raise InvalidMessage("texts", f"expected a list of strings, got {type(texts).__name__}")
    if len(texts) > MAX_TEXTS:
        raise InvalidMessage("texts", f"expected at most {MAX_TEXTS} texts, got {len(texts)}")
    if channel is not None:
        check_string("channel", channel, MAX_ID_LENGTH)  # of an empty list too
    messages = []
    for i, text in enumerate(texts):
        try:
            messages.append(Message(text, channel=channel))
        except InvalidMessage as error:
            field = f"texts[{i}]" if error.field == "text" else error.field
            raise InvalidMessage(field, error.expected) from None
    return messages


def _check_fields(value: Any, needed: str, known: frozenset[str]) -> None:
    if not isinstance(value, dict):
        raise Refused(400, "expected a JSON object")
    if needed not in value:
        raise InvalidMessage(needed, "expected, but not there")
    if not value.keys() <= known:
        names = sorted(known, key=["text", "texts", "id", "channel"].index)
        raise Refused(400, f"expected no fields but {', '.join(names)}")
