"""What the core takes around the engine: microseconds a message, stage by stage, before and after.

    python -m benchmarks.core.measure --before CHECKOUT [--artifact models/gounmal-ko]

`CHECKOUT` is a folder with another state of this repository, as `git worktree add` makes one. Both
states have a process of their own on the same core, and take turns within each repeat. Writes
results.json and results.md beside this file. Times are of the processor, the least of the repeats.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import fill
from typing import Any

from benchmarks.engine.sample import LINES
from gounmal.model.artifact import ArtifactConfig
from train.facts import machine
from train.tables import table

HERE = Path(__file__).resolve().parent
SIZES = (1, 32, 512)
STAGES = ("normalise", "encode", "engine", "decide", "whole")


class Checkout:
    """A state of the repository, in a process that times its stages."""

    def __init__(self, folder: Path, artifact: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "stages.py"), str(artifact.resolve()), str(LINES)],
            env={**os.environ, "PYTHONPATH": str(folder.resolve())},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def seconds(self, stage: str, size: int) -> float:
        """What this stage takes for all lines in batches of this size."""
        asked, answered = self._process.stdin, self._process.stdout
        assert asked
        assert answered
        asked.write(f"{stage} {size}\n")
        asked.flush()
        return float(answered.readline())

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--artifact", type=Path, default=Path("models/gounmal-ko"))
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    found = measured(options.before, options.artifact, options.repeats)
    results = {
        "model": ArtifactConfig.read(options.artifact).tag,
        "machine": machine(),
        "repeats": options.repeats,
        "microseconds": found,
    }
    (HERE / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    text = markdown(results)
    (HERE / "results.md").write_text(text, encoding="utf-8")
    print(text)


def measured(before: Path, artifact: Path, repeats: int) -> dict[str, Any]:
    """Microseconds a message: of each stage, by size, before and after."""
    states = {"before": Checkout(before, artifact), "after": Checkout(HERE.parents[1], artifact)}
    count = len(LINES.read_text(encoding="utf-8").splitlines())
    least: dict[str, Any] = {}
    for stage in STAGES:
        for size in SIZES:
            times: dict[str, list[float]] = {name: [] for name in states}
            for number in range(repeats + 1):
                for name, state in states.items():
                    took = state.seconds(stage, size)
                    if number:  # the first one warms up
                        times[name].append(1e6 * took / count)
            least.setdefault(stage, {})[str(size)] = {n: round(min(t), 1) for n, t in times.items()}
    for state in states.values():
        state.close()
    return least


def markdown(results: dict[str, Any]) -> str:
    """The table that is committed."""
    found = results["microseconds"]
    head = f"""`{results["model"]}`, {results["machine"]["processor"]}, one core. Microseconds of
processor time a message, before → after, the least of {results["repeats"]} repeats in turn. Engine:
the forward passes alone. Around it: the whole, from text to Decision, less the engine."""
    rows = [[stage, *(_cell(found[stage][str(n)]) for n in SIZES)] for stage in STAGES]
    around = {str(n): _less(found["whole"][str(n)], found["engine"][str(n)]) for n in SIZES}
    shares = {str(n): _over(found["engine"][str(n)], found["whole"][str(n)]) for n in SIZES}
    rows.append(["around the engine", *(_cell(around[str(n)]) for n in SIZES)])
    rows.append(["engine over whole", *(_cell(shares[str(n)], ".0%") for n in SIZES)])
    sizes = ("alone", *(f"batches of {n}" for n in SIZES[1:]))
    return f"# Core\n\n{fill(head, 100)}\n\n{table(['', *sizes], rows)}\n"


def _less(whole: dict[str, float], part: dict[str, float]) -> dict[str, float]:
    return {name: whole[name] - part[name] for name in whole}


def _over(part: dict[str, float], whole: dict[str, float]) -> dict[str, float]:
    return {name: part[name] / whole[name] for name in whole}


def _cell(both: dict[str, float], form: str = ".1f") -> str:
    return f"{both['before']:{form}} → {both['after']:{form}}"


if __name__ == "__main__":
    main()
