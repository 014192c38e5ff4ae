"""The part of the OpenAPI document that is about jobs."""

from __future__ import annotations

from typing import Any

from gounmal.api.operations import JSON, responses
from gounmal.jobs.form import CHOICES, COLUMNS, MAX_OPTION
from gounmal.jobs.job import JobState

TAG = "Jobs"
USUAL = (401, 403, 408, 429, 431, 500, 503)
OF_ONE = (*USUAL, 404)

TEXT_OR_NULL = {"type": ["string", "null"]}
NUMBER_OR_NULL = {"type": ["number", "null"]}

JOB: dict[str, Any] = {
    "type": "object",
    "required": ["id", "state", "input", "output", "title", "created_at", "reason"],
    "properties": {
        "id": {"type": "string"},
        "state": {"enum": [state.value for state in JobState]},
        **dict.fromkeys(("input", "output", "title", "reason", "result", "report"), TEXT_OR_NULL),
        **dict.fromkeys(("created_at", "started_at", "finished_at"), TEXT_OR_NULL),
        **dict.fromkeys(("rows_done", "rows", "rate", "eta_s"), NUMBER_OR_NULL),
        **dict.fromkeys(("progress", "shards", "shards_done"), NUMBER_OR_NULL),
        "failed": {"type": "array", "items": {"type": "object"}},
    },
}
PAGE = {
    "type": "object",
    "required": ["jobs", "cursor"],
    "properties": {"jobs": {"type": "array", "items": JOB}, "cursor": TEXT_OR_NULL},
}

OPTIONS: dict[str, Any] = {
    **{
        name: {"type": "string", "maxLength": MAX_OPTION}
        for name in (*COLUMNS, "title", "previous")
    },
    **{name: {"enum": ["", *values]} for name, values in CHOICES.items()},
}
PLACES = {"input": {"type": "string"}, "output": {"type": "string"}}
FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "format": "binary"}, **OPTIONS},
}
BODY = {
    "type": "object",
    "required": ["input", "output"],
    "additionalProperties": False,
    "properties": {**PLACES, **OPTIONS},
}

ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same request is the same job.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
}
LIMIT = {
    "name": "limit",
    "in": "query",
    "required": False,
    "schema": {"type": "integer", "minimum": 1, "maximum": 100},
}
CURSOR = {"name": "cursor", "in": "query", "required": False, "schema": {"type": "string"}}


def _created() -> dict[str, Any]:
    answers = responses({JSON: {"schema": JOB}}, (*USUAL, 400, 410, 413, 415, 422, 507))
    answers["202"] = {"description": "Accepted.", "content": {JSON: {"schema": JOB}}}
    return answers


def _job(*, statuses: tuple[int, ...], content: dict[str, Any] | None = None) -> dict[str, Any]:
    answers = responses(content or {JSON: {"schema": JOB}}, statuses)
    return {"tags": [TAG], "parameters": [ID], "responses": answers}


PATHS: dict[str, Any] = {
    "/jobs": {
        "post": {
            "tags": [TAG],
            "description": "Judge a file: one that is sent, or one below GOUNMAL_JOB_PREFIXES.",
            "parameters": [KEY],
            "requestBody": {
                "required": True,
                "content": {"multipart/form-data": {"schema": FORM}, JSON: {"schema": BODY}},
            },
            "responses": _created(),
        },
        "get": {
            "tags": [TAG],
            "parameters": [LIMIT, CURSOR],
            "responses": responses({JSON: {"schema": PAGE}}, (*USUAL, 400)),
        },
    },
    "/jobs/{id}": {"get": _job(statuses=OF_ONE)},
    "/jobs/{id}/result": {"get": _job(statuses=(*OF_ONE, 409, 410), content={"*/*": {}})},
    "/jobs/{id}/report": {"get": _job(statuses=(*OF_ONE, 409, 410), content={"text/html": {}})},
    "/jobs/{id}/cancel": {"post": _job(statuses=(*OF_ONE, 409))},
}
