"""A command and all that it starts: how long it takes, how much memory they have together."""

from __future__ import annotations

import math
import os
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERVAL_S = 0.5
"""Looking takes a few milliseconds a process, of the cores that are watched."""


@dataclass(frozen=True)
class Watched:
    """What a command took."""

    code: int
    seconds: float
    cpu_seconds: float
    """Of all its processes, each to within the last `INTERVAL_S`."""
    peak_mb: float
    """Proportional set size, of all processes at once: what they share is counted once."""
    quarters_mb: list[float]
    """The same at the ends of the quarters of its time."""


def watch(command: Sequence[str], *, kill_after: float = math.inf) -> Watched:
    """Run a command; `kill -9` to its first process after so many seconds."""
    begun = time.perf_counter()
    memory = [0.0]
    used: dict[int, float] = {}
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0
    )
    try:
        while process.poll() is None:
            found = family(process.pid)
            memory.append(sum(map(_mb, found)))
            used |= {pid: seconds for pid in found if (seconds := _cpu_seconds(pid))}
            left = begun + kill_after - time.perf_counter()
            if left <= 0:
                process.kill()
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, min(INTERVAL_S, left)) or None)
    finally:  # whoever ends us ends it
        process.kill()
    seconds = time.perf_counter() - begun
    quarters = [memory[min(len(memory) * n // 4, len(memory) - 1)] for n in range(1, 5)]
    return Watched(process.returncode, seconds, sum(used.values()), max(memory), quarters)


def family(pid: int) -> list[int]:
    """A process and those that it started, and so on."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(path.parent.name)] = int(fields[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def _mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6


def _cpu_seconds(pid: int) -> float:
    # What a process waited for would be told by `getrusage`, but not what others did for it.
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0.0
    user, system = fields.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
