"""Why somebody is not let in, and how they hear of it: over HTTP, or before a WebSocket is open."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

import orjson

if TYPE_CHECKING:
    from starlette.types import Scope, Send


class Refusal(NamedTuple):
    """An answer of the gate's own, in the form of every fault."""

    status: int
    field: str | None
    message: str
    headers: tuple[tuple[bytes, bytes], ...] = ()

    async def send(self, scope: Scope, send: Send) -> None:
        """Answer with it; a WebSocket that cannot be so answered is closed with 4000 + status."""
        prefix = ""
        if scope["type"] == "websocket":
            if "websocket.http.response" not in scope.get("extensions", {}):
                code = 4000 + self.status
                await send({"type": "websocket.close", "code": code, "reason": self.message})
                return
            prefix = "websocket."
        headers, body = self._answer()
        start = f"{prefix}http.response.start"
        await send({"type": start, "status": self.status, "headers": headers})
        await send({"type": f"{prefix}http.response.body", "body": body})

    def as_http(self) -> bytes:
        """The answer as it goes over a connection, which it is the last on."""
        headers, body = self._answer()
        phrase = HTTPStatus(self.status).phrase.encode()
        lines = [b"HTTP/1.1 %d %s" % (self.status, phrase), b"connection: close"]
        lines += [b"%s: %s" % pair for pair in headers]
        return b"\r\n".join([*lines, b"", body])

    def _answer(self) -> tuple[list[tuple[bytes, bytes]], bytes]:
        body = orjson.dumps({"error": {"field": self.field, "message": self.message}})
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        return [*headers, *self.headers], body


NO_KEY = Refusal(
    401,
    "authorization",
    "expected an API key, as `Authorization: Bearer …` or as `x-api-key: …`",
    ((b"www-authenticate", b'Bearer realm="gounmal"'),),
)
WRONG_KEY = Refusal(
    401,
    "authorization",
    "there is no such API key",
    ((b"www-authenticate", b'Bearer realm="gounmal", error="invalid_token"'),),
)


def too_large(limit: int) -> Refusal:
    """For a body of more bytes."""
    return Refusal(413, "body", f"expected at most {limit} bytes")


def later(message: str, seconds: int) -> Refusal:
    """For one who may come again in so many seconds."""
    said = f"{message}: try again in {seconds} s"
    return Refusal(429, None, said, ((b"retry-after", b"%d" % seconds),))
