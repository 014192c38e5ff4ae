"""For scale: what a web framework costs without a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.online.contenders.core import judge, load

if TYPE_CHECKING:
    from starlette.requests import Request

SAID = orjson.dumps(judge(load(), [{"text": "안녕하세요", "id": "0"}])[0])


async def bare(request: Request) -> Response:
    """A Decision that was made long ago."""
    orjson.loads(await request.body())
    return Response(SAID, media_type="application/json")


app = Starlette(routes=[Route("/bare", bare, methods=["POST"])])
