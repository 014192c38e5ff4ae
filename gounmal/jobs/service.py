"""Jobs as a part of the service: its doors, and workers beside it."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from gounmal.jobs.supervisor import END_WITHIN_S, supervise_alone
from gounmal.jobs.web import JobDoors

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.routing import Route

    from gounmal.jobs.settings import JobSettings


class Jobs:
    """What service.py has of them; nothing at all where they are switched off."""

    def __init__(self, settings: JobSettings) -> None:
        self._settings = settings
        self._doors = JobDoors(settings)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def routes(self) -> list[Route]:
        """The doors."""
        return self._doors.routes() if self._settings.enabled else []

    def start(self, artifact: Path, policy: Path) -> None:
        """Have workers beside the service, in the one of its processes that comes first.

        Args:
            artifact: folder of the model that judges.
            policy: the policy file.
        """
        if not self._settings.enabled:
            return
        settings = self._settings
        self._thread = threading.Thread(
            target=supervise_alone,
            args=(settings.state / "workers", self._stop, settings.processes),
            kwargs={"GOUNMAL_MODEL": str(artifact), "GOUNMAL_POLICY": str(policy)},
            name="jobs",
            daemon=True,
        )
        self._thread.start()

    async def stop(self) -> None:
        """End the workers; what they are at goes on with the next start."""
        self._stop.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, END_WITHIN_S + 1)
