"""What clouds' platforms ask of a container: where to listen, where to ask, and in what form.

- Amazon SageMaker: port 8080 or `SAGEMAKER_BIND_TO_PORT`, `GET /ping`, `POST /invocations`. It runs
  the container with the argument `serve` and, unless for a batch transform (`SAGEMAKER_BATCH`) or
  beside other containers, says nothing else: then `GOUNMAL_CLOUD=sagemaker` has to.
- Vertex AI: port `AIP_HTTP_PORT`, `GET $AIP_HEALTH_ROUTE`, `POST $AIP_PREDICT_ROUTE`.

`GOUNMAL_CLOUD=none` switches all of this off.

| content type | question | answer |
|---|---|---|
| `application/json` | `{"text", "id"?, "channel"?}` | a Decision |
| | `{"texts": […], "channel"?}` | a list of Decisions |
| | `{"instances": [{"text", …}], "parameters"?: {"channel"}}` | `{"predictions": [Decision…]}` |
| `application/jsonlines` or `…/x-ndjson` | a message a line | a Decision or an error, a line |

Questions are read and judged by what every other door uses, so their faults are the same too. The
platform checks who calls: its callers cannot send a key of ours.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.responses import Response
from starlette.routing import Route

from gounmal.api.instances import Question
from gounmal.errors import InvalidConfiguration
from gounmal.online.bodies import MAX_LIST_BODY_BYTES
from gounmal.online.ndjson import MEDIA_TYPE as NDJSON
from gounmal.online.web import Door
from gounmal.schema import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from gounmal.online.decide import Online
    from gounmal.schema import Decision

SAGEMAKER_PORT = 8080
LINES = ("application/jsonlines", NDJSON)
PLATFORMS = ("sagemaker", "vertex", "none")


class Platform(NamedTuple):
    """What one of them asks for."""

    name: str
    port: int
    health: str
    """Path; a GET there is answered with 200 while we are well."""
    predict: str
    """Path, perhaps the same; a POST there is a question."""

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> Platform | None:
        """The platform that the environment says we are on, if any.

        Raises:
            InvalidConfiguration: a variable says what it cannot say.
        """
        told = environ.get("GOUNMAL_CLOUD", "")
        if told and told not in PLATFORMS:
            raise InvalidConfiguration(f"GOUNMAL_CLOUD: expected one of {', '.join(PLATFORMS)}")
        given = environ.get("SAGEMAKER_BIND_TO_PORT")
        if told == "sagemaker" or (not told and (given or environ.get("SAGEMAKER_BATCH"))):
            port = _port("SAGEMAKER_BIND_TO_PORT", given or str(SAGEMAKER_PORT))
            return cls("sagemaker", port, "/ping", "/invocations")
        given = environ.get("AIP_HTTP_PORT")
        if told == "vertex" or (not told and given):
            port = _port("AIP_HTTP_PORT", given or "8080")
            health = _route("AIP_HEALTH_ROUTE", environ, "/health")
            return cls("vertex", port, health, _route("AIP_PREDICT_ROUTE", environ, "/predict"))
        return None

    def routes(self, online: Callable[[], Online], lines: ASGIApp) -> list[Route]:
        """Its endpoints.

        Args:
            online: gives what judges, on the event loop.
            lines: answers newline-delimited JSON.
        """
        predict = Predict(online, lines)

        async def health(request: Request) -> Response:  # noqa: ARG001  (Starlette calls it so)
            return Response(status_code=200 if online().alive else 503)

        return [
            Route(self.health, health, methods=["GET"]),
            Route(self.predict, predict, methods=["POST"]),
        ]


class Predict:
    """The endpoint for questions: an ASGI application."""

    def __init__(self, online: Callable[[], Online], lines: ASGIApp) -> None:
        self._online = online
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        kind = dict(scope["headers"]).get(b"content-type", b"").partition(b";")[0].strip().lower()
        if kind.decode("latin-1") in LINES:
            await self._lines(_labelled(scope, NDJSON), receive, _relabelling(send, kind))
            return
        question = Question()
        door = Door(question.read, lambda: self._judge, MAX_LIST_BODY_BYTES)
        status, body, headers = await door.answer(scope, receive)
        if status == 200 and question.has_instances:
            body = b'{"predictions":' + body + b"}"
        named = {name.decode(): value.decode() for name, value in headers}
        await Response(body, status, named)(scope, receive, send)

    async def _judge(
        self, asked: Message | list[Message], /, *, deadline: float | None = None
    ) -> Decision | list[Decision]:
        allowed: dict[str, Any] = {} if deadline is None else {"deadline": deadline}
        if isinstance(asked, Message):
            return await self._online().moderate(asked, **allowed)
        return await self._online().moderate_many(asked, **allowed)


def _labelled(scope: Scope, kind: str) -> Scope:
    """The same request with another content type."""
    others = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
    return {**scope, "headers": [*others, (b"content-type", kind.encode())]}


def _relabelling(send: Send, kind: bytes) -> Send:
    """Give an answer of lines the content type that was asked with."""

    async def relabelled(event: Any) -> None:
        if event["type"] == "http.response.start" and event["status"] == 200:
            others = [pair for pair in event["headers"] if pair[0] != b"content-type"]
            event = event | {"headers": [*others, (b"content-type", kind)]}
        await send(event)

    return relabelled


def _port(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and 0 < int(value) < 65_536):
        raise InvalidConfiguration(f"{name}: expected a port")
    return int(value)


def _route(name: str, environ: Mapping[str, str], default: str) -> str:
    value = environ.get(name) or default
    if not value.startswith("/") or "{" in value:
        raise InvalidConfiguration(f"{name}: expected a path, such as {default}")
    return value
