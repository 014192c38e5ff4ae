"""FastAPI with a call per request; and, for scale, without a model at all."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import FastAPI, Response

from benchmarks.online.contenders.core import judge, load

MODERATOR = load()
SAID = orjson.dumps(judge(MODERATOR, [{"text": "안녕하세요", "id": "0"}])[0])

app = FastAPI()


@app.post("/moderate")
async def moderate(body: dict[str, Any]) -> Response:
    """One Decision, made on the event loop: on one core a thread of its own only costs."""
    [decision] = judge(MODERATOR, [body])
    return Response(orjson.dumps(decision), media_type="application/json")


@app.post("/bare")
async def bare(body: dict[str, Any]) -> Response:  # noqa: ARG001  (read and parsed, that is all)
    """A Decision that was made long ago."""
    return Response(SAID, media_type="application/json")
