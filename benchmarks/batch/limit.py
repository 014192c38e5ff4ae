"""The engine's own limit: forward passes of prepared batches and nothing else, on every core.

Prints messages per second of this process; `measure` runs one process a core, all at once.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.batch import million
from gounmal.model.classifier import Classifier
from gounmal.moderator import Moderator
from gounmal.scan.judge import PASS_MESSAGES

LINES = 20_000
"""Distinct lines of each process, sorted by length as a scan does."""


class Recorder:
    """Takes the place of a session, and keeps what it was asked."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.asked: list[dict[str, Any]] = []

    def run(self, names: Any, feeds: dict[str, Any]) -> Any:
        """As the session's."""
        self.asked.append(feeds)
        return self._session.run(names, feeds)


def measure(model: Path, processes: int, seconds: float) -> float:
    """Messages per second, of so many processes together."""
    command = [sys.executable, "-m", "benchmarks.batch.limit", str(model), str(processes)]
    running = [
        subprocess.Popen([*command, str(i), str(seconds)], stdout=subprocess.PIPE)
        for i in range(processes)
    ]
    return sum(json.loads(process.communicate()[0]) for process in running)


def main() -> None:
    model, processes, number, seconds = sys.argv[1], *map(int, sys.argv[2:4]), float(sys.argv[4])
    distinct = dict.fromkeys(row[3] for row in million.rows(3 * LINES * processes))
    texts = sorted(islice(distinct, number, LINES * processes, processes), key=len)
    classifier = Classifier.load(Path(model))
    session = classifier.session
    recorder = Recorder(session)
    classifier.session = recorder
    moderator = Moderator(classifier)
    for start in range(0, len(texts), PASS_MESSAGES):
        moderator.moderate(texts[start : start + PASS_MESSAGES])
    done = 0
    begun = time.perf_counter()
    while time.perf_counter() < begun + seconds:
        for feeds in recorder.asked:
            session.run(None, feeds)
            done += len(feeds["ids"])
    print(json.dumps(done / (time.perf_counter() - begun)))


if __name__ == "__main__":
    main()
