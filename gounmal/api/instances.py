"""JSON in any of the forms in which clouds' platforms bring questions → messages.

`{"instances": [{"text", …}], "parameters"?: {"channel"}}`, and the forms of `/moderate` and
`/moderate_many`. What is in them is checked by `gounmal.online.bodies`, as at every door.
"""

from __future__ import annotations

from typing import Any

from gounmal.errors import InvalidMessage
from gounmal.gate.limits import spend
from gounmal.online.bodies import Refused, to_message, to_messages
from gounmal.online.wire import MAX_TEXTS
from gounmal.schema import Message


class Question:
    """One body, in any of the forms above."""

    has_instances = False

    def read(self, value: Any) -> Message | list[Message]:
        """JSON → what is to be judged.

        Raises:
            InvalidMessage: a field is not what it should be.
            Refused: it is in none of the forms.
        """
        if isinstance(value, dict) and "instances" in value:
            self.has_instances = True
            messages = to_instances(value)
        elif isinstance(value, dict) and "texts" in value:
            messages = to_messages(value)
        elif isinstance(value, dict) and "text" in value:
            return to_message(value)
        else:
            raise Refused(400, "expected a JSON object with instances, texts or text")
        spend(len(messages) - 1)
        return messages


def to_instances(value: dict[str, Any]) -> list[Message]:
    """`{"instances": [{"text", …}], "parameters"?}` → messages.

    Raises:
        InvalidMessage: a field is not what it should be.
        Refused: there are other fields.
    """
    if not value.keys() <= {"instances", "parameters"}:
        raise Refused(400, "expected no fields but instances, parameters")
    instances, channel = value["instances"], _channel(value.get("parameters"))
    if not isinstance(instances, list):
        kind = type(instances).__name__
        raise InvalidMessage("instances", f"expected a list of objects, got {kind}")
    if len(instances) > MAX_TEXTS:
        expected = f"expected at most {MAX_TEXTS} instances, got {len(instances)}"
        raise InvalidMessage("instances", expected)
    messages = []
    for i, instance in enumerate(instances):
        try:
            message = to_message(instance)
            if channel is not None and message.channel is None:
                message = Message(message.text, message.id, channel)
        except InvalidMessage as error:
            raise InvalidMessage(f"instances[{i}].{error.field}", error.expected) from None
        except Refused as error:
            raise InvalidMessage(f"instances[{i}]", error.message) from None
        messages.append(message)
    return messages


def _channel(parameters: Any) -> str | None:
    """The channel of all instances that name none."""
    if parameters is None:
        return None
    if not (isinstance(parameters, dict) and parameters.keys() <= {"channel"}):
        raise InvalidMessage("parameters", "expected an object with no field but channel")
    channel = parameters.get("channel")
    try:
        return Message("", channel=channel).channel
    except InvalidMessage as error:
        raise InvalidMessage("parameters.channel", error.expected) from None
