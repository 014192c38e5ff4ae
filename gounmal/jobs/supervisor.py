"""Keeps workers running: starts them, starts again those that end, ends them with itself."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

logger = logging.getLogger(__name__)

EVERY_S = 0.5
"""Between looks at the workers."""

LOCK_EVERY_S = 2.0
"""Between tries to become the one that supervises."""

PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
"""Before a worker is started again: twice as long each time, unless it lived for longer."""

END_WITHIN_S = 10.0
"""What a worker gets to end by itself."""

LOWEST = 19
"""`nice` of workers beside a service: they get what it leaves."""


@dataclass(slots=True)
class Slot:
    """A place that one worker fills."""

    command: Sequence[str]
    environment: Mapping[str, str]
    nice: int
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    due: float = 0.0
    pause: float = field(default=PAUSE_S)

    def look(self, now: float) -> None:
        """Start a worker where there is none."""
        if self.process is not None and (status := self.process.poll()) is not None:
            lived = now - self.started
            self.pause = PAUSE_S if lived > LONGEST_PAUSE_S else self.pause * 2
            self.due = now + min(self.pause, LONGEST_PAUSE_S) if lived < PAUSE_S * 10 else now
            logger.warning("worker %d ended with %d", self.process.pid, status)
            self._hang_up()
            self.process = None
        if self.process is None and now >= self.due:
            self.started = now
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, env=dict(self.environment)
            )
            # Before it has a second thread: each would have to be told.
            with suppress(ProcessLookupError):
                # Never above our own: a niced process may not.
                nice = max(self.nice, os.getpriority(os.PRIO_PROCESS, 0))
                os.setpriority(os.PRIO_PROCESS, self.process.pid, nice)

    def end(self) -> None:
        """Ask its worker to end."""
        if self.process is not None:
            self._hang_up()
            self.process.terminate()

    def wait(self, within: float) -> None:
        """Wait for its worker's end, which comes one way or the other."""
        if self.process is not None:
            try:
                self.process.wait(within)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def _hang_up(self) -> None:
        if self.process is not None and self.process.stdin is not None:
            with suppress(OSError):
                self.process.stdin.close()


def supervise(
    processes: int,
    stop: threading.Event,
    *,
    nice: int = 0,
    owns_schedule: bool = False,
    **environment: str,
) -> None:
    """Keep so many workers running until told to stop.

    Args:
        processes: workers.
        stop: set to end.
        nice: how much others come before them, 0 to 19.
        owns_schedule: where no nightly scan is set, there shall be none.
        environment: of the workers, beside this process's own.
    """
    command = [sys.executable, "-m", "gounmal.jobs.worker"]
    if owns_schedule:
        command.append("--owns-schedule")
    variables = {**os.environ, **environment}
    # The package of this process, wherever it was imported from.
    root = str(Path(__file__).resolve().parents[2])
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, (root, variables.get("PYTHONPATH"))))
    slots = [Slot(command, variables, nice) for _ in range(processes)]
    try:
        while True:
            for slot in slots:
                slot.look(time.monotonic())
            if stop.wait(EVERY_S):
                return
    finally:
        for slot in slots:
            slot.end()
        deadline = time.monotonic() + END_WITHIN_S
        for slot in slots:
            slot.wait(max(0.0, deadline - time.monotonic()))


def supervise_here(processes: int | None, *, nice: int = 0) -> None:
    """As `supervise`, on the main thread, until SIGTERM or SIGINT.

    Args:
        processes: workers; by default one for each core.
        nice: as for `supervise`.
    """
    from gounmal.cores import usable_cores  # noqa: PLC0415  (the service does without the engine)

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    supervise(processes or usable_cores(), stop, nice=nice)


def supervise_alone(
    folder: Path, stop: threading.Event, processes: int, **environment: str
) -> None:
    """As `supervise` beside a service, in the one of its processes that gets the lock.

    Whoever holds the lock and dies lets it go: another one takes over.

    Args:
        folder: for the lock.
        stop: set to end.
        processes: workers.
        environment: of the workers, beside this process's own.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    host = re.sub(r"[^A-Za-z0-9.-]", "_", socket.gethostname())
    lock = os.open(folder / f"{host}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if stop.wait(LOCK_EVERY_S):
                return
        supervise(processes, stop, nice=LOWEST, owns_schedule=True, **environment)
    finally:
        os.close(lock)
