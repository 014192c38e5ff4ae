"""How much of the machine is ours: cores and memory, as affinity and control groups allow.

A container that may use two of sixty-four cores sees all of them in `os.cpu_count()`. What limits
it is its affinity (`cpuset`, `taskset`) and its control group's quota, of version 1 or 2.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")

MAX_WORKERS = 8
"""Chosen by itself. More share less: each has a cache and a queue of its own."""

WORKER_BYTES = 400 << 20
"""Of memory for one worker, with room for what waits."""


def usable_cores() -> int:
    """Cores that this process may use, a part of one counted as one."""
    return max(1, math.ceil(_cores()))


def fitting_workers(*, beside: int = 0) -> int:
    """Worker processes that this machine has room for.

    A worker is one event loop with the engine on it, so that it fills one core. A part of a core
    gets none: the quota would stop all of them in the middle of each period.

    Args:
        beside: cores that something else fills.
    """
    memory = _limit("memory.max", "memory/memory.limit_in_bytes")
    room = MAX_WORKERS if memory is None else int(memory // WORKER_BYTES)
    return max(1, min(int(_cores()) - beside, room, MAX_WORKERS))


def _cores() -> float:
    affine = hasattr(os, "sched_getaffinity")  # macOS has none
    allowed = len(os.sched_getaffinity(0)) if affine else os.cpu_count() or 1
    quota = _limit("cpu.max", "cpu/cpu.cfs_quota_us")
    return allowed if quota is None else min(allowed, quota)


def _limit(name: str, older: str) -> float | None:
    """The tightest limit of this process's control groups; None where there is none.

    Args:
        name: of the file in a group of version 2; of two numbers in it, the quotient.
        older: of the file of version 1, below its controller's folder.
    """
    controller, _, file = older.partition("/")
    found = []
    for line in _read(OWN).splitlines():
        _, controllers, path = line.split(":", 2)
        inside = Path(path.lstrip("/"))
        # In a container the path may be the host's: the root stands for the container then.
        for folder in {inside, *inside.parents, Path()}:
            if not controllers:
                found.append(_quotient(_read(CGROUPS / folder / name)))
            elif controller in controllers.split(","):
                own = CGROUPS / controller / folder
                period = _read(own / "cpu.cfs_period_us") if controller == "cpu" else ""
                found.append(_quotient(f"{_read(own / file)} {period}"))
    return min((limit for limit in found if limit is not None), default=None)


def _quotient(content: str) -> float | None:
    """`200000 100000` → 2.0, `4096` → 4096.0, and None of what means no limit."""
    match content.split():
        case [limit] if limit.isdigit():
            return float(limit)
        case [limit, period] if limit.isdigit() and period.isdigit() and int(period):
            return int(limit) / int(period)
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
