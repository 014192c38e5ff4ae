"""Parts of the OpenAPI document: operations, and every status that each may answer with."""

from __future__ import annotations

from typing import Any

from gounmal.online.ndjson import MEDIA_TYPE as NDJSON

JSON = "application/json"
REFERENCE = "#/components/schemas/{model}"

STATUSES = {
    400: "A field, or the body as a whole, is not what it should be.",
    401: "No API key came, or none that is known.",
    403: "The request came from another origin's page, or by a name that is not ours.",
    404: "There is no such job, or no longer.",
    408: "Not all of it came in time.",
    409: "The job is not in a state for this.",
    410: "It was there, and is no longer.",
    413: "The body is too large.",
    415: "The body has another content type.",
    422: "The idempotency key was used for something else.",
    429: "Too much at once, or a second.",
    431: "The headers are too long.",
    500: "A bug, of which the log says more.",
    503: "It could not be judged just now.",
    504: "Its turn did not come in time.",
    507: "There is no space left.",
}

JUDGING = (400, 401, 403, 408, 413, 415, 429, 431, 500, 503, 504)
"""What an operation that judges may answer with."""

LOOKING = (401, 403, 408, 429, 431)
"""What one may that only looks."""

FAULT = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["field", "message"],
            "additionalProperties": False,
            "properties": {
                "field": {"type": ["string", "null"], "description": "Which is wrong, if any."},
                "message": {"type": "string", "description": "What was expected."},
            },
        }
    },
}
OUT_OF_TIME = {
    "description": "What BentoML says when `traffic.timeout` has passed.",
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}},
}
COMPONENTS = {"Fault": FAULT, "OutOfTime": OUT_OF_TIME}

DEADLINE = {
    "name": "x-gounmal-deadline-ms",
    "in": "header",
    "required": False,
    "description": "For how many milliseconds an answer is of use.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
}
RETRY_AFTER = {
    "retry-after": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}
}
LINES = {"description": "A message a line, as JSON; an answer a line, whatever the line."}


def judged(asked: dict[str, Any], answered: dict[str, Any], *, lines: str = "") -> dict[str, Any]:
    """One that judges.

    Args:
        asked: schema of the JSON body.
        answered: that of the answer.
        lines: another content type that it takes and answers in, if any; lines have no deadline.
    """
    content, answers = {JSON: {"schema": asked}}, {JSON: {"schema": answered}}
    if lines:
        content[lines] = answers[lines] = {"schema": LINES}
    return {
        "tags": ["Service APIs"],
        "parameters": [] if lines else [DEADLINE],
        "requestBody": {"required": True, "content": content},
        "responses": responses(answers, JUDGING),
    }


def streamed() -> dict[str, Any]:
    """`POST /stream`."""
    content = {NDJSON: {"schema": LINES}}
    return {
        "tags": ["Service APIs"],
        "description": "Each answer is a Decision or an error, in order, while the body still "
        "comes. The same path is a WebSocket, with a message in each frame.",
        "requestBody": {"required": True, "content": content},
        "responses": responses(content, JUDGING),
    }


def looked_at(kind: str) -> dict[str, Any]:
    """One that only looks, and needs a key like all else."""
    return {"tags": ["Infrastructure"], "responses": responses({kind: {}}, LOOKING)}


def probed() -> dict[str, Any]:
    """`/livez` and `/readyz`."""
    plain: dict[str, Any] = {"content": {"text/plain": {}}}
    answers = {
        "200": plain | {"description": "Yes."},
        "500": plain | {"description": "No."},
        "503": plain | {"description": "No."},
    }
    return {"tags": ["Infrastructure"], "responses": answers, "security": []}


def well() -> dict[str, Any]:
    """A cloud's health check."""
    answers = {"200": {"description": "Well."}, "503": {"description": "Not well."}}
    return {"tags": ["Infrastructure"], "responses": answers, "security": []}


def fault(status: int) -> dict[str, Any]:
    """The answer of this status."""
    schema: dict[str, Any] = {"$ref": REFERENCE.format(model="Fault")}
    if status == 504:
        schema = {"anyOf": [schema, {"$ref": REFERENCE.format(model="OutOfTime")}]}
    content: dict[str, Any] = {JSON: {"schema": schema}}
    if status in {400, 404}:
        # The server's own, to what is no HTTP, and to a path that is none of its own.
        content["text/plain"] = {"schema": {"type": "string"}}
    described = {"description": STATUSES[status], "content": content}
    return described | {"headers": RETRY_AFTER} if status == 429 else described


def responses(content: dict[str, Any], statuses: tuple[int, ...]) -> dict[str, Any]:
    """A good answer with this content, by content type, and the faults."""
    good = {"200": {"description": "Here it is.", "content": content}}
    return good | {str(status): fault(status) for status in statuses}
