"""How each server wants to be asked and how it answers, as bodies of requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Line = tuple[str, str]
"""Id and text."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One form of request and answer."""

    encode: Callable[[Sequence[Line]], bytes]
    decode: Callable[[bytes], list[Any]]
    """Body of an answer → Decisions as JSON."""
    lines: int = 1
    """Of one request."""
    websocket: bool = False
    kind: str = "application/json"
    ids: bool = True
    """Do ids come back?"""


def _one(lines: Sequence[Line]) -> bytes:
    [(key, text)] = lines
    return orjson.dumps({"text": text, "id": key})


def _v2(lines: Sequence[Line]) -> bytes:
    [(key, text)] = lines
    column = {"shape": [1], "datatype": "BYTES", "parameters": {"content_type": "str"}}
    return orjson.dumps(
        {
            "inputs": [
                {"name": "text", **column, "data": [text]},
                {"name": "id", **column, "data": [key]},
            ]
        }
    )


def _rows(lines: Sequence[Line]) -> bytes:
    return orjson.dumps({"inputs": [{"text": text, "id": key} for key, text in lines]})


def _column(body: bytes) -> list[Any]:
    [output] = orjson.loads(body)["outputs"]
    return [orjson.loads(value) for value in output["data"]]


PLAIN = Codec(_one, lambda body: [orjson.loads(body)])
"""`{"text": …, "id": …}`, answered by one Decision."""

WRAPPED = Codec(
    lambda lines: orjson.dumps({"message": orjson.Fragment(_one(lines))}),
    lambda body: [orjson.loads(body)],
)
"""The same with the Message as the only argument of a method."""

BATCHED = Codec(
    lambda lines: orjson.dumps({"messages": [{"text": text, "id": key} for key, text in lines]}),
    orjson.loads,
)
"""A list of one Message: the batch dimension is on the wire."""

MANY = Codec(
    lambda lines: orjson.dumps({"texts": [text for _, text in lines]}),
    orjson.loads,
    lines=64,
    ids=False,
)
"""A list of texts, answered by a list of Decisions."""

FRAMES = Codec(_one, lambda body: [orjson.loads(body)], websocket=True)
"""A frame for each line."""

LINES = Codec(
    lambda lines: b"".join(_one([line]) + b"\n" for line in lines),
    lambda body: sorted(map(orjson.loads, body.splitlines()), key=lambda said: int(said["id"])),
    lines=1_024,
    kind="application/x-ndjson",
)
"""A line for each line of chat, in one request; answers may come in any order."""

V2 = Codec(_v2, _column)
"""The Open Inference Protocol, with columns of strings."""

ROWS = Codec(_rows, lambda body: orjson.loads(body)["predictions"])
"""MLflow's form of a list of inputs."""
