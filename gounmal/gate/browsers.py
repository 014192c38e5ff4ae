"""Browsers, which send what any page tells them to: to any address that they reach.

- A page of another origin may call only if it is named; a WebSocket would not even be asked first.
- A server for this machine alone hears no names but localhost: another name is that of a page that
  has pointed it here (DNS rebinding), or of a proxy, and then this is no server for one machine.
- Pages that we serve load nothing from elsewhere, and are shown in no other page.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING

from starlette.middleware.cors import CORSMiddleware

from gounmal.gate.refusals import Refusal

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Send

POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    b"frame-ancestors 'none'"
)
"""For pages that bring none of their own. BentoML's page of documentation would load a tracker from
elsewhere; under this policy it does not."""

PAGE_HEADERS = (
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)

OTHER_NAME = Refusal(403, "host", "expected an address or localhost: for others, set API keys")
OTHER_ORIGIN = Refusal(403, "origin", "expected an origin that GOUNMAL_CORS_ORIGINS names")


def from_elsewhere(
    headers: dict[bytes, bytes], origins: tuple[str, ...], *, only_this_machine: bool
) -> Refusal | None:
    """Is this a request that a browser should not have sent?"""
    host = headers.get(b"host", b"")
    if only_this_machine and not is_this_machine(host):
        return OTHER_NAME
    origin = headers.get(b"origin")
    if origin is None or origin.partition(b"://")[2] == host:
        return None
    return None if origin.decode("latin-1") in origins else OTHER_ORIGIN


@lru_cache(maxsize=64)
def is_this_machine(host: bytes) -> bool:
    """Is a Host header what a program on this machine would send?"""
    name = host.decode("latin-1")
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    if name in {"", "localhost"}:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def allowing(app: ASGIApp, origins: tuple[str, ...]) -> ASGIApp:
    """Tell browsers that pages of these origins may call, keys and all; without any, nothing."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET", "POST"),
        allow_headers=("authorization", "content-type", "x-api-key", "x-gounmal-deadline-ms"),
        expose_headers=("retry-after",),
    )


def dressed(send: Send) -> Send:
    """Add the headers above to pages."""

    async def dressing(event: Message) -> None:
        if event["type"] == "http.response.start":
            given = dict(event["headers"])
            if given.get(b"content-type", b"").startswith(b"text/html"):
                more = [pair for pair in PAGE_HEADERS if pair[0] not in given]
                event = {**event, "headers": [*event["headers"], *more]}
        await send(event)

    return dressing
