"""The gate before every endpoint: who may come in, and with how much.

ASGI middleware. In order: what a browser should not have sent is turned away (403, see
`gounmal.gate.browsers`), then callers without a key (401), then what is more than one caller, or
this worker, may have (413, 429). `gounmal.gate.exposure` has the variables; the answers have the
form of every other fault. A WebSocket gets them before it is accepted.

Without a key there are `/livez`, `/readyz` and a cloud's health check, nothing else. `/metrics`
tells how much is said and how much of it is flagged, so it needs one too: Prometheus can send one
(`authorization` in its configuration), and `GOUNMAL_METRICS_OPEN=1` is for who cannot.
"""

from __future__ import annotations

import asyncio
import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING

import uvicorn.config
from prometheus_client import Counter

from gounmal.api.clouds import Platform
from gounmal.gate.browsers import allowing, dressed, from_elsewhere
from gounmal.gate.exposure import Exposure, listening, only_local
from gounmal.gate.limits import CALLERS_BUCKET, Bucket, retry_after
from gounmal.gate.refusals import NO_KEY, WRONG_KEY, Refusal, later, too_large
from gounmal.online.frames import PATH as STREAM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prometheus_client import CollectorRegistry
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

COUNTER = "gounmal.refused"
"""In the state of an ASGI lifespan: what counts refusals, for those before there is a request."""

OPEN = ("/livez", "/readyz", "/healthz")
"""What the machinery around asks, which has no key."""

MAX_BODY_BYTES = 1 << 24
"""Of a body, where no door says another number."""

MAX_BUFFERED_BYTES = 1 << 26
"""Of all bodies that are being read and answered; one that does not say its length counts as the
longest that its door allows."""

UNBUFFERED = (STREAM, "/jobs")
"""Paths that take a body piece by piece, and bound it by themselves."""


def bound_connections() -> None:
    """Have uvicorn, which BentoML starts, bound connections (`gounmal.gate.connections`).

    Under the name by which uvicorn finds its own protocol: BentoML hands on no other. Where
    httptools is missing, all stays as it is.
    """
    if find_spec("httptools"):
        uvicorn.config.HTTP_PROTOCOLS["auto"] = "gounmal.gate.connections:BoundedProtocol"


class Caller:
    """What one key, or everybody without one, is asking for just now."""

    __slots__ = ("bucket", "in_flight")

    def __init__(self, bucket: Bucket | None) -> None:
        self.in_flight = 0
        self.bucket = bucket


class Gate:
    """ASGI middleware.

    Args:
        app: what it stands before.
        exposure: by default what the environment says.
        bodies: the longest body in bytes, by path.
        local: is this machine all that can reach us? By default found out.
        registry: where to count who was turned away, if anywhere.
    """

    def __init__(
        self,
        app: ASGIApp,
        exposure: Exposure | None = None,
        *,
        bodies: Mapping[str, int] | None = None,
        local: bool | None = None,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self._app = app
        self._exposure = exposure = exposure or Exposure.read()
        self._bodies = bodies or {}
        local = only_local(listening()) if local is None else local
        self._keys = exposure.keys
        if self._keys is not None:
            self._keys.watch()
        self._key_needed = exposure.keys is not None or not (exposure.open or local)
        if self._key_needed and self._keys is None:
            logger.error("no API keys, and others may reach this server: it lets nobody in")
        self._only_this_machine = local and not self._key_needed and not exposure.open
        platform = Platform.read()
        health = (platform.health,) if platform else ()
        self._streams = frozenset((STREAM, *((platform.predict,) if platform else ())))
        metrics = ("/metrics",) if exposure.metrics_open else ()
        self._open = frozenset((*OPEN, *health, *metrics))
        self._callers: dict[str, Caller] = {}
        self._buffered = 0
        self._refused = registry and Counter(
            "gounmal_refused", "Requests turned away at the gate.", ("status",), registry=registry
        )
        self._entrance = allowing(self._check, exposure.origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or one connection."""
        await self._entrance(scope, receive, send)

    async def _check(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let in who may come."""
        kind = scope["type"]
        if kind == "lifespan":
            scope.get("state", {})[COUNTER] = self._refused
        if kind == "lifespan" or (
            kind == "http" and scope["path"] in self._open and scope["method"] in {"GET", "HEAD"}
        ):
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        name = ""
        refusal = from_elsewhere(
            headers, self._exposure.origins, only_this_machine=self._only_this_machine
        )
        if refusal is None and self._key_needed:
            presented = _key(headers)
            found = self._keys.name_of(presented) if presented and self._keys else None
            if found is None:
                refusal = WRONG_KEY if presented else NO_KEY
            name = found or ""
        if refusal is None:
            await self._admit(self._caller(name), headers, scope, receive, send)
        else:
            await self._turn_away(refusal, scope, send)

    async def _turn_away(self, refusal: Refusal, scope: Scope, send: Send) -> None:
        if self._refused:
            self._refused.labels(refusal.status).inc()
        await refusal.send(scope, send)

    async def _admit(
        self,
        caller: Caller,
        headers: dict[bytes, bytes],
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """Let in who is known, unless it is too much."""
        length = self._length(headers, scope["path"])
        refusal = self._too_much(caller, length, scope["path"])
        if refusal is not None:
            await self._turn_away(refusal, scope, send)
            return
        if caller.bucket is not None:
            CALLERS_BUCKET.set(caller.bucket)
            if scope["path"] in self._streams:
                receive = _paced(receive, caller.bucket)
            if scope["path"] != STREAM:
                caller.bucket.spend(1)
        if scope["type"] == "http" and scope["method"] == "GET":
            send = dressed(send)
        caller.in_flight += 1
        self._buffered += length
        try:
            await self._app(scope, receive, send)
        finally:
            caller.in_flight -= 1
            self._buffered -= length

    def _too_much(self, caller: Caller, length: int, path: str) -> Refusal | None:
        most = self._exposure.in_flight
        if caller.in_flight >= most:
            return later(f"at most {most} requests at once", 1)
        if caller.bucket is not None and (wait := caller.bucket.wait_s(1)):
            return later(f"at most {caller.bucket.rate:g} lines a second", retry_after(wait))
        if length:
            limit = self._bodies.get(path, MAX_BODY_BYTES)
            if length > limit:
                return too_large(limit)
            if self._buffered + length > MAX_BUFFERED_BYTES:
                return later("too much is being read", 1)
        return None

    def _length(self, headers: dict[bytes, bytes], path: str) -> int:
        """Bytes of the body that may have to be kept until it is answered."""
        length = headers.get(b"content-length")
        if (length is None and b"transfer-encoding" not in headers) or path.startswith(UNBUFFERED):
            return 0
        return self._bodies.get(path, MAX_BODY_BYTES) if length is None else int(length)

    def _caller(self, name: str) -> Caller:
        caller = self._callers.get(name)
        if caller is None:
            rate = self._exposure.rate
            caller = self._callers[name] = Caller(Bucket(*rate) if rate else None)
        return caller


def _key(headers: dict[bytes, bytes]) -> bytes:
    """The key that came, or nothing."""
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return token.strip()
    return headers.get(b"x-api-key", b"")


def _paced(receive: Receive, bucket: Bucket) -> Receive:
    """Hand over a stream no faster than its caller may send: who reads lines counts them."""

    async def paced() -> Message:
        event = await receive()
        if event["type"] == "websocket.receive":
            bucket.spend(1)
        wait = bucket.wait_s()
        if wait:
            await asyncio.sleep(wait)
        return event

    return paced
