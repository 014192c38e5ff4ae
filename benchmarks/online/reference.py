"""What the engine can do with nothing around it: on the same lines, in one process, in a loop.

    python -m benchmarks.online.reference --seconds 3

`compare` runs this in gounmal's own environment, on the core that servers get. Prints JSON.
"""

from __future__ import annotations

import argparse
import os
import sys
from itertools import cycle
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from benchmarks.online.contenders.core import load
from benchmarks.online.lines import chat
from gounmal import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gounmal import Moderator

BATCH = 32
SIZES = (1, 2, 4, 8, 16, 32)
LINES = 8_192


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--cores", type=int, nargs="+", help="on which to run")
    options = parser.parse_args()
    os.sched_setaffinity(0, options.cores or os.sched_getaffinity(0))
    messages = [Message(text, id=str(i)) for i, text in enumerate(chat(LINES))]
    found = measured(load(), messages, options.seconds)
    sys.stdout.buffer.write(orjson.dumps(found) + b"\n")


def measured(moderator: Moderator, messages: Sequence[Message], seconds: float) -> dict[str, Any]:
    """Lines per second, text to Decision and scoring alone; milliseconds of one batch, by size."""
    prepared = [moderator.prepare(message) for message in messages]
    return {
        "batch": BATCH,
        "decisions_per_second": _rate(moderator.moderate, messages, seconds),
        "scored_per_second": _rate(moderator.score, prepared, seconds),
        "decision_ms": {
            str(n): _median(moderator.moderate, messages, n, seconds / 6) for n in SIZES
        },
        "score_ms": {str(n): _median(moderator.score, prepared, n, seconds / 6) for n in SIZES},
    }


def _rate(do: Callable[[Any], object], items: Sequence[Any], seconds: float) -> float:
    times = _times(do, items, BATCH, seconds)
    return round(BATCH * len(times) / sum(times), 1)


def _median(do: Callable[[Any], object], items: Sequence[Any], size: int, seconds: float) -> float:
    return round(1e3 * float(np.median(_times(do, items, size, seconds))), 4)


def _times(
    do: Callable[[Any], object], items: Sequence[Any], size: int, seconds: float
) -> list[float]:
    """Of one call for each batch, in seconds."""
    batches = cycle([items[i : i + size] for i in range(0, len(items) - size + 1, size)])
    for _ in range(20):
        do(next(batches))
    times: list[float] = []
    end = perf_counter() + seconds
    while not times or perf_counter() < end:
        begun = perf_counter()
        do(next(batches))
        times.append(perf_counter() - begun)
    return times


if __name__ == "__main__":
    main()
