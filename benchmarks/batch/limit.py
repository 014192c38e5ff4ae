"""The engine's own limit: forward passes of prepared batches and nothing else, on every core.

    python -m benchmarks.batch.limit MODEL FILE PROCESSES NUMBER

Prints messages per second of this process, the NUMBER-th; `measure` runs one process a core, all at
once. FILE is Parquet and holds each line once; so often it goes through the engine.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from gounmal.model.classifier import Classifier, groups
from gounmal.scan.judge import PASS_MESSAGES
from gounmal.text.bulk import normalize_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WARM_UP = 50
"""Passes of all lengths before the clock starts."""


def measure(model: Path, lines: Path, processes: int) -> float:
    """Messages per second, of so many processes together."""
    module = [sys.executable, "-m", "benchmarks.batch.limit"]
    command = [*module, str(model), str(lines), str(processes)]
    running = [
        subprocess.Popen([*command, str(i)], stdout=subprocess.PIPE) for i in range(processes)
    ]
    said = [process.communicate()[0] for process in running]
    assert not any(process.returncode for process in running), "the engine failed"
    return sum(map(json.loads, said))


def prepared(classifier: Classifier, texts: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What the engine is asked of texts, sorted by length as in a scan's chunk: a pass each."""
    for start in range(0, len(texts), PASS_MESSAGES):
        views = normalize_all(texts[start : start + PASS_MESSAGES])
        encoded = classifier.encoder.encode([view for view in views if view.canonical.text])
        for rows in groups(encoded.lengths):
            ids, mask = encoded.padded(rows)
            yield {"ids": ids, "mask": mask}


def main() -> None:
    model, lines, processes, number = sys.argv[1:]
    texts = pq.read_table(lines, columns=["text"])["text"].to_pylist()
    classifier = Classifier.load(Path(model))
    passes = list(prepared(classifier, sorted(texts[int(number) :: int(processes)], key=len)))
    for feeds in passes[:: max(1, len(passes) // WARM_UP)]:
        classifier.session.run(None, feeds)
    begun = time.perf_counter()
    for feeds in passes:
        classifier.session.run(None, feeds)
    took = time.perf_counter() - begun
    print(json.dumps(sum(len(feeds["ids"]) for feeds in passes) / took))


if __name__ == "__main__":
    main()
