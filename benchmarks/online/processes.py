"""A server as a tree of processes: started on its cores, counted, and stopped to the last one.

Its processes are known by a variable in their environment: some servers start daemons of their own,
which are nobody's children any more.
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from uuid import uuid4

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MARK = "GOUNMAL_BENCH_RUN"
GRACE_S = 10


@dataclass(frozen=True, slots=True)
class Usage:
    """Of all processes of a server."""

    cpu_s: float
    """So far."""
    memory_mib: float
    """Resident now, with what several processes share counted once."""
    processes: int


class Server:
    """A started server.

    Args:
        command: and its arguments.
        variables: of the environment, beside those of this process.
        folder: its working directory.
        log: gets what it prints.
        cores: on which it runs.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        variables: Mapping[str, str],
        folder: Path,
        log: Path,
        cores: set[int],
    ) -> None:
        self.log = log
        self._mark = uuid4().hex
        log.parent.mkdir(parents=True, exist_ok=True)
        mine = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cores)  # what is started now inherits them
        try:
            with log.open("wb") as out:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    cwd=folder,
                    env={**os.environ, **variables, MARK: self._mark},
                    start_new_session=True,
                )
        finally:
            os.sched_setaffinity(0, mine)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Is the process that was started still there?"""
        return self._process.poll() is None

    def usage(self) -> Usage:
        """Count now."""
        cpu = memory = 0.0
        processes = self.processes()
        for process in processes:
            try:
                times = process.cpu_times()
                cpu += times.user + times.system
                memory += process.memory_full_info().pss
            except psutil.NoSuchProcess:
                continue
        return Usage(cpu, memory / 2**20, len(processes))

    def stop(self) -> None:
        """End all of its processes: first politely, after a while not."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_S)
        for number in (signal.SIGTERM, signal.SIGKILL):
            left = self.processes()
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
            psutil.wait_procs(left, GRACE_S / 2)
        self._process.wait()

    def complaint(self) -> str:
        """The last line of its log that says what went wrong."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        said = [line.strip() for line in lines if line.strip()]
        errors = [line for line in said if "error" in line.lower()]
        return (errors or said or ["it said nothing"])[-1][:200]

    def processes(self) -> list[psutil.Process]:
        """All that are there now."""
        found = []
        for process in psutil.process_iter():
            try:
                # A zombie has no environment any more, nor anything else to count.
                if process.environ().get(MARK) == self._mark:
                    found.append(process)
            except psutil.Error:
                continue
        return found
