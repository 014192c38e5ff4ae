"""Where doors stand: in front of everything that BentoML puts around a service.

BentoML's own middleware (tracing that is off, a timeout with a task and a timer for each request,
Starlette's handlers) costs more than a short line's judging. Doors need none of it, so `Fronted`
puts them before it, unless BentoML was told to watch each request: then they stand behind it.
"""

# BentoML's base classes come without types.
# mypy: allow-subclassing-any

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bentoml
from starlette.middleware import Middleware

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.applications import Starlette
    from starlette.types import ASGIApp

WATCHING = ("AccessLogMiddleware", "MaxConcurrencyMiddleware", "RunnerTrafficMetricsMiddleware")
"""BentoML's middleware that does something with each request; none of it by default."""

TRACING = "OpenTelemetryMiddleware"
"""This is there always, and passes on what it is told to exclude."""


class Fronted(bentoml.Service):
    """A service with ASGI middleware before BentoML's own.

    Attributes:
        front: what stands there, the outermost first: a class and what it takes beside the app.
    """

    front: Sequence[tuple[Any, dict[str, Any]]] = ()

    def to_asgi(self, is_main: bool = True) -> ASGIApp:  # noqa: FBT001, FBT002  (BentoML's signature)
        """The application that is served."""
        app: Starlette = super().to_asgi(is_main)
        if is_watched(app):
            app.user_middleware.extend(Middleware(cls, **options) for cls, options in self.front)
            return app
        outer: ASGIApp = app
        for cls, options in reversed(self.front):
            outer = cls(outer, **options)
        return outer


def is_watched(app: Starlette) -> bool:
    """Has BentoML been told to log, limit, count or trace requests?"""
    for middleware in app.user_middleware:
        name = getattr(middleware.cls, "__name__", "")
        if name in WATCHING:
            return True
        if name == TRACING:
            excluded: Any = middleware.kwargs.get("excluded_urls")
            if not (excluded and excluded.url_disabled("http://localhost/moderate")):
                return True
    return False
