"""For schemathesis: bodies of newline-delimited JSON, and the id of a job that there is."""

from __future__ import annotations

import json
import os
from zlib import crc32

import schemathesis


@schemathesis.serializer("application/x-ndjson", "application/jsonlines")
def lines(_context, value):
    if isinstance(value, bytes):
        return {"data": value}
    messages = value if isinstance(value, list) else [value]
    return {"data": "\n".join(map(json.dumps, messages)).encode()}


@schemathesis.deserializer("application/x-ndjson", "application/jsonlines")
def answers(_context, response):
    return [json.loads(line) for line in response.content.splitlines()]


@schemathesis.hook
def before_call(_context, case, _kwargs):
    """Every other id is that of a job: without this none would be met."""
    parameters = case.path_parameters or {}
    if crc32(str(parameters.get("id", "")).encode("utf-8", "replace")) % 2:
        case.path_parameters = parameters | {"id": os.environ["GOUNMAL_JOB"]}
