"""Does the service's memory stay where it is? Good and bad input mixed, for a long time.

    .venv-dev/bin/python -m benchmarks.online.endure [--seconds 3600]

Serves from this environment, asks over 64 connections without pause, compares every answer, and
looks at the memory of all of the service's processes (shared pages counted once) every two seconds.
Growth is the median of the last tenth over that of the second tenth: by then caches are full.
Writes endurance.json; exits with 1 after a wrong or lost answer, or growth over 5 %.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.online.processes import Server
from benchmarks.online.soak import drive, exchanges
from gounmal import Moderator
from train.facts import machine

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    from benchmarks.online.soak import Exchange

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ARTIFACT = ROOT / "models" / "gounmal-ko"
DIFFERENT = 25_000
"""Requests before they come again: more than a cache holds."""

CONNECTIONS = 64
PERIOD_S = 2.0
READY_S = 60
MOST_GROWTH = 0.05


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600)
    options = parser.parse_args()
    moderator = Moderator.load(ARTIFACT)
    work = list(exchanges(DIFFERENT, moderator))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, _served(port, Path(folder)) as server:
        _wait(server, f"http://127.0.0.1:{port}/readyz")
        tally, memory = asyncio.run(_asked(server, port, work, options.seconds))
    result = {
        "model": moderator.scorer.tag,
        "machine": machine(),
        "date": datetime.now(UTC).date().isoformat(),
        "seconds": options.seconds,
        "wrong": 0,
        "lost": 0,
        **tally,
        "memory_mib": [round(value, 1) for value in memory],
        "growth": round(growth(memory), 4),
    }
    (HERE / "endurance.json").write_text(json.dumps(result) + "\n", encoding="utf-8")
    print({key: value for key, value in result.items() if key != "memory_mib"})
    return int(bool(result["wrong"] or result["lost"]) or result["growth"] > MOST_GROWTH)


def growth(memory: list[float]) -> float:
    """By how much the last tenth of these lies above the second, as a share."""
    tenth = max(1, len(memory) // 10)
    return statistics.median(memory[-tenth:]) / statistics.median(memory[tenth : 2 * tenth]) - 1


def _served(port: int, folder: Path) -> Server:
    return Server(
        [sys.executable, "-m", "gounmal.cli", "serve", "--port", str(port), "--workers", "1"],
        variables={"BENTOML_HOME": str(folder / "home"), "GOUNMAL_STATE": str(folder / "state")},
        folder=ROOT,
        log=folder / "log",
        cores=os.sched_getaffinity(0),
    )


def _wait(server: Server, url: str) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            if not server.running or time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


async def _asked(
    server: Server, port: int, work: list[Exchange], seconds: float
) -> tuple[Counter[str], list[float]]:
    """What became of the requests, and the memory that was seen meanwhile."""
    memory: list[float] = []
    end = time.monotonic() + seconds

    async def look() -> None:
        while True:
            memory.append((await asyncio.to_thread(server.usage)).memory_mib)
            await asyncio.sleep(PERIOD_S)

    def until_then() -> Iterator[Exchange]:
        for exchange in cycle(work):
            if time.monotonic() > end:
                return
            yield exchange

    looking = asyncio.create_task(look())
    tally = await drive(f"http://127.0.0.1:{port}", until_then(), CONNECTIONS)
    looking.cancel()
    return tally, memory


if __name__ == "__main__":
    sys.exit(main())
