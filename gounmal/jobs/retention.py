"""What becomes of jobs that have ended: forgotten in time, with their uploads and results."""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gounmal.jobs.settings import JobSettings
    from gounmal.jobs.store import JobStore

logger = logging.getLogger(__name__)

EVERY_S = 600.0
ABANDONED_AFTER_S = 86_400.0
"""A folder that belongs to no job is what an upload left that was cut off."""


class Retention:
    """Removes what is older than the settings allow; called from time to time."""

    def __init__(self, store: JobStore, settings: JobSettings) -> None:
        self._store = store
        self._settings = settings
        kept = settings.retention_s
        self._every_s = EVERY_S if kept is None else min(EVERY_S, kept / 2)
        self._due = 0.0

    def __call__(self) -> None:
        """Sweep, if that is due."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + self._every_s
            self.sweep(time.time())

    def sweep(self, now: float) -> int:
        """Remove jobs that ended too long ago, and folders that nobody owns.

        Results that went to an output of the user's are left there.

        Args:
            now: seconds since 1970.

        Returns:
            How many jobs were removed.
        """
        removed = 0
        if self._settings.retention_s is not None:
            for job in self._store.finished_before(now - self._settings.retention_s):
                self._remove_folder(Path(job.request.folder))
                self._store.remove(job.id)
                removed += 1
        if removed:
            logger.info("%d jobs removed", removed)
        owned = self._store.folders()
        for folder in self._settings.folders.iterdir():
            if str(folder) not in owned and now - folder.stat().st_mtime > ABANDONED_AFTER_S:
                self._remove_folder(folder)
        return removed

    def _remove_folder(self, folder: Path) -> None:
        if folder.parent == self._settings.folders:  # nothing else is ours to remove
            shutil.rmtree(folder, ignore_errors=True)
