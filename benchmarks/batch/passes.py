"""How many padded tokens a forward pass should have at most: its time, and a process's memory.

    python -m benchmarks.batch.passes [--artifact models/gounmal-ko] [--rounds 3]

Writes passes.json and passes.md beside this file. Each size judges the same distinct lines, sorted
by length as a scan does, in a process of its own; the sizes take turns. Processor time, so that a
core that others use counts for nothing.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from textwrap import fill
from typing import Any

import orjson

from benchmarks.batch import million
from gounmal.model import classifier
from gounmal.moderator import Moderator
from gounmal.scan.judge import passes
from train.facts import machine
from train.tables import table

HERE = Path(__file__).parent
SIZES = (256, 512, 1_024, 2_048, 4_096)
LINES = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--artifact", type=Path, default=Path("models/gounmal-ko"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, help="measure this one, here; used by itself")
    options = parser.parse_args()
    if options.size:
        print(json.dumps(judged(options.artifact, options.size)))
        return
    found = defaultdict(list)
    for _ in range(options.rounds):
        for size in SIZES:
            found[size].append(_apart(options.artifact, size))
    results = {
        "model": classifier.Classifier.load(options.artifact).tag,
        "machine": machine(),
        "lines": LINES,
        "rounds": options.rounds,
        "shipped": classifier.MAX_BATCH_TOKENS,
        "sizes": [
            {
                "tokens": size,
                "microseconds_a_line": round(median(run["us"] for run in runs), 1),
                "peak_mib": round(median(run["mib"] for run in runs), 1),
            }
            for size, runs in found.items()
        ],
    }
    (HERE / "passes.json").write_bytes(orjson.dumps(results, option=orjson.OPT_INDENT_2) + b"\n")
    (HERE / "passes.md").write_text(markdown(results), encoding="utf-8")
    print(markdown(results))


def judged(artifact: Path, size: int) -> dict[str, float]:
    """Microseconds of processor time a line, and this process's peak of memory, in MiB."""
    classifier.MAX_BATCH_TOKENS = size
    distinct = dict.fromkeys(row[3] for row in million.rows(3 * LINES))
    texts = sorted(list(distinct)[:LINES], key=len)
    moderator = Moderator(classifier.Classifier.load(artifact))
    moderator.moderate(texts[::40])
    begun = time.process_time()
    for part in passes(map(len, texts)):
        moderator.moderate(texts[part])
    took = time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"us": 1e6 * took / len(texts), "mib": peak}


def markdown(results: dict[str, Any]) -> str:
    """The table."""
    rows = [
        [f"{one['tokens']:,}", f"{one['microseconds_a_line']:.1f}", f"{one['peak_mib']:.0f}"]
        for one in results["sizes"]
    ]
    text = f"""`{results["model"]}` on {results["machine"]["processor"]}, {results["lines"]:,}
distinct lines of live chat, sorted by length; medians of {results["rounds"]} rounds, in which
the sizes took turns. {results["shipped"]:,} is what is shipped."""
    return f"""# Tokens of a forward pass

{fill(text, 100)}

{table(["padded tokens, at most", "µs of processor time a line", "peak, MiB"], rows, words=0)}
"""


def _apart(artifact: Path, size: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.batch.passes", "--artifact", str(artifact)]
    done = subprocess.run([*command, "--size", str(size)], check=True, stdout=subprocess.PIPE)
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
