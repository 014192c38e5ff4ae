"""The door where Prometheus reads, and requests counted by door and status.

Whichever worker is asked shows the sum of all of them: each writes into a folder of BentoML's,
`PROMETHEUS_MULTIPROC_DIR`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter as Count
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter
from prometheus_client.exposition import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from gounmal.online.exposition import PERIOD_S, Histogram
from gounmal.online.telemetry import SECONDS, Distribution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

DOORS = (
    *("/moderate", "/moderate_many", "/stream", "/jobs", "/livez", "/readyz", "/metrics"),
    "/docs.json",
)
OTHER = "other"
"""Any other path, and any status that is none."""


class Metrics:
    """ASGI middleware: counts requests, and answers `/metrics` where BentoML does not.

    BentoML's own metrics take the path of a request as a label, so that unknown URLs grow them
    without end, and no middleware can come before them. With `metrics.enabled: false` this one
    stands in for them (docs/decisions/0014).

    Args:
        app: what it stands before.
        registry: where to count.
        doors: paths beside `DOORS` that are counted by name.
    """

    def __init__(
        self,
        app: ASGIApp,
        registry: CollectorRegistry = REGISTRY,
        *,
        doors: Sequence[str] = (),
    ) -> None:
        self._app = app
        self._registry = registry
        self._total = Counter(
            "gounmal_requests", "Requests answered.", ("door", "status"), registry=registry
        )
        seconds = Histogram(
            "gounmal_request_seconds",
            "From request to the head of the answer.",
            ("door",),
            buckets=SECONDS,
            registry=registry,
        )
        every = dict.fromkeys((*DOORS, *doors, OTHER))
        self._doors = {door: seconds.labels(door) for door in every}
        self._seconds = {door: Distribution(SECONDS) for door in self._doors}
        self._answered: Count[tuple[str, int]] = Count()
        self._due = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        # Of a job, `/jobs/…` is the same door: its id would be a series of its own.
        door = "/jobs" if path.startswith("/jobs/") else path if path in self._doors else OTHER
        start = time.monotonic()

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._answered[door, message["status"]] += 1
                self._seconds[door].add(time.monotonic() - start)
                if not self._due:
                    self._due = True
                    asyncio.get_running_loop().call_later(PERIOD_S, self.write)
            await send(message)

        if path == "/metrics" and scope["method"] not in {"GET", "HEAD"}:
            headers = [(b"allow", b"GET, HEAD"), (b"content-length", b"0")]
            await noting({"type": "http.response.start", "status": 405, "headers": headers})
            await noting({"type": "http.response.body", "body": b""})
        elif path == "/metrics":
            self.write()
            await _answer(await asyncio.to_thread(exposed, self._registry), noting)
        else:
            await self._app(scope, receive, noting)

    def write(self) -> None:
        """Write what was counted since the last time."""
        self._due = False
        for door, histogram in self._doors.items():
            histogram.add(self._seconds[door])
        for (door, status), count in self._answered.items():
            self._total.labels(door, str(status) if 100 <= status < 600 else OTHER).inc(count)
        self._answered.clear()


async def _answer(body: bytes, send: Send) -> None:
    headers = [
        (b"content-type", CONTENT_TYPE_LATEST.encode()),
        (b"content-length", b"%d" % len(body)),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def exposed(registry: CollectorRegistry) -> bytes:
    """All metrics as Prometheus reads them: of all workers where there are several."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder is None:
        return generate_latest(registry)
    # Of a worker that was killed, what it had counted stays true; what it held is gone.
    for pid in {path.stem.rpartition("_")[2] for path in Path(folder).glob("gauge_live*.db")}:
        if not Path("/proc", pid).exists() and Path("/proc").is_dir():
            mark_process_dead(int(pid), folder)  # type: ignore[no-untyped-call]
    together = CollectorRegistry()
    MultiProcessCollector(together, folder)  # type: ignore[no-untyped-call]
    return generate_latest(together)
