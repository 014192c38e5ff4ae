"""For schemathesis: any value → a body of newline-delimited JSON."""

from __future__ import annotations

import json

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
