"""How many workers and engine threads, pinned or not, on one core and on two: measured.

    python -m benchmarks.online.workers [--rounds 3] [--seconds 3]

Writes workers.json and workers.md beside this file. The load generator shares the last of the cores
with the server, as there are no others: so lines in lists, which cost it little, say most. Settings
take turns, round after round; what is shown are medians.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from textwrap import fill
from typing import TYPE_CHECKING, Any

from benchmarks.online.compare import HERE, store
from benchmarks.online.contest import BULK_CONNECTIONS, Bench, variables
from benchmarks.online.environments import ROOT, environment
from benchmarks.online.lines import chat
from benchmarks.online.processes import Server
from benchmarks.online.registry import CONTENDERS, OURS
from benchmarks.online.scenarios import Plan, Scenarios
from benchmarks.online.target import Chat, Target
from gounmal import Moderator, Policy
from gounmal.model.classifier import Classifier
from train.facts import machine
from train.tables import table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LINES = 16_384
MANY = "gounmal /moderate_many"
WORKER = re.compile(r"_bentoml_impl\.worker\.service .*--worker-id (\d+)")


@dataclass(frozen=True, slots=True)
class Setting:
    """How the service is spread over cores."""

    cores: int
    workers: int
    threads: int = 1
    """Of the engine, in each worker."""
    pinned: bool = False
    """Each worker to one core."""

    @property
    def name(self) -> str:
        """For a table."""
        parts = [_count(self.cores, "core"), _count(self.workers, "worker")]
        parts += [_count(self.threads, "engine thread")] if self.threads > 1 else []
        return ", ".join([*parts, *(["pinned"] if self.pinned else [])])


SETTINGS = (
    Setting(1, 1),
    Setting(1, 1, threads=2),
    Setting(1, 2),
    Setting(2, 1),
    Setting(2, 1, threads=2),
    Setting(2, 2),
    Setting(2, 2, pinned=True),
    Setting(2, 2, threads=2),
    Setting(2, 3),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--port", type=int, default=3440)
    parser.add_argument("--envs", type=Path, default=Path("runs/bench-envs"))
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    artifact = (ROOT / "models" / "gounmal-ko").resolve()
    moderator = Moderator(Classifier.load(artifact), Policy.load(ROOT / "policy.yaml"))
    bench = Bench(
        chat=Chat(chat(LINES), moderator),
        artifact=artifact,
        folder=options.envs.resolve(),
        cores=set(cores),
        port=options.port,
        overload_s=0,
    )
    store(bench)
    plan = Plan(single=options.seconds, offline=options.seconds)
    settings = [one for one in SETTINGS if one.cores <= len(cores)]
    rounds = [
        [_measured(setting, bench, plan, cores) for setting in settings]
        for _ in range(options.rounds)
    ]
    results = {
        "model": moderator.scorer.tag,
        "machine": machine(),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "settings": [
            {**asdict(setting), "name": setting.name, **medians([one[i] for one in rounds])}
            for i, setting in enumerate(settings)
        ],
    }
    (options.out / "workers.json").write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    (options.out / "workers.md").write_text(markdown(results), "utf-8")
    print(markdown(results))


def _measured(
    setting: Setting, bench: Bench, plan: Plan, cores: Sequence[int]
) -> dict[str, float | None]:
    """One round of one setting; every answer is compared with the right one."""
    own = set(cores[: setting.cores])
    programs = environment("bentoml", bench.folder)
    doors = {c.name: c for c in CONTENDERS if c.name in {OURS, MANY}}
    first = doors[OURS]
    workers = {"services": {"gounmal": {"workers": setting.workers}}}
    chosen = {
        "GOUNMAL_THREADS": str(setting.threads),
        "BENTOML_CONFIG_OVERRIDES": json.dumps(workers),
    }
    with Server(
        first.fill(programs, bench.port, bench.folder / "state" / "workers"),
        variables={**variables(programs, bench), **first.variables, **chosen},
        folder=ROOT,
        log=bench.folder / "logs" / "workers.log",
        cores=own,
    ) as server:
        asked = {
            name: Target(door, server, bench.chat, port=bench.port) for name, door in doors.items()
        }
        asked[OURS].wait()
        if setting.pinned:
            _pin(server, sorted(own))
        single = Scenarios(asked[OURS], plan).single_stream()
        alone = Scenarios(asked[OURS], plan).offline()
        many = Scenarios(asked[MANY], plan).offline(BULK_CONNECTIONS)
    if any(found["outcome"]["wrong"] or found["outcome"]["lost"] for found in (alone, many)):
        raise AssertionError(f"{setting.name}: answers were lost or wrong")
    return {
        "single_p50_ms": single and single.p50,
        "single_p99_ms": single and single.p99,
        "requests_per_second": alone["lines_per_second"],
        "many_lines_per_second": many["lines_per_second"],
        "memory_mib": many["memory_mib"],
    }


def _pin(server: Server, cores: Sequence[int]) -> None:
    """Each worker, with all of its threads, to a core of its own."""
    for process in server.processes():
        if (core := pinned(process.cmdline(), cores)) is not None:
            for thread in process.threads():
                os.sched_setaffinity(thread.id, {core})


def pinned(command: Sequence[str], cores: Sequence[int]) -> int | None:
    """The core of the worker that runs as this command; None of other processes."""
    found = WORKER.search(" ".join(command))
    return cores[(int(found[1]) - 1) % len(cores)] if found else None


def medians(rounds: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Of each figure, over the rounds."""
    return {key: round(median(one[key] for one in rounds), 3) for key in rounds[0]}


def markdown(results: Mapping[str, Any]) -> str:
    """The whole page."""
    head = ["", "alone: p50 / p99, ms", "/moderate, requests/s", "/moderate_many, lines/s", "MiB"]
    rows = [
        [
            one["name"],
            f"{one['single_p50_ms']:.2f} / {one['single_p99_ms']:.2f}",
            f"{one['requests_per_second']:,.0f}",
            f"{one['many_lines_per_second']:,.0f}",
            f"{one['memory_mib']:,.0f}",
        ]
        for one in results["settings"]
    ]
    text = f"""`{results["model"]}` on {results["machine"]["processor"]}, cache off, flat out: 64
connections with single lines, {BULK_CONNECTIONS} with lists of 64. Medians of {results["rounds"]}
rounds of {results["seconds"]:g} s each. The load generator takes its share of the last core, which
is the second one where there are two."""
    return f"# Workers\n\n{fill(text, 100)}\n\n{table(head, rows)}\n"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number > 1)}"


if __name__ == "__main__":
    main()
