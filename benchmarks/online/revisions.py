"""Two revisions of gounmal, side by side: flat out at every door, and one message after the other.

    python -m benchmarks.online.revisions REVISION [--rounds 3] [--seconds 3]

Writes revisions.json and revisions.md beside this file. The other side is the checkout as it is;
both serve its artifact. They take turns, round after round, on the last core, and with them the
engine alone, scoring batches of 32; the load generator has the first. What is shown are medians.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from benchmarks.online.compare import HERE, store
from benchmarks.online.contest import BULK_CONNECTIONS, Bench, variables
from benchmarks.online.environments import ROOT, environment
from benchmarks.online.lines import chat
from benchmarks.online.processes import Server
from benchmarks.online.registry import CONTENDERS, OFF
from benchmarks.online.scenarios import Plan, Scenarios
from benchmarks.online.target import Chat, Target
from benchmarks.online.workers import medians
from gounmal import Moderator, Policy
from gounmal.model.classifier import Classifier
from train.facts import machine
from train.tables import table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.online.registry import Contender

LINES = 16_384
DOORS = [c for c in CONTENDERS if c.ours and c.variables == OFF]
HERE_NOW, LIMIT, SCORED = "this checkout", "the engine's limit", "lines/s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("revision", help="what to compare the checkout with")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--port", type=int, default=3450)
    parser.add_argument("--envs", type=Path, default=Path("runs/bench-envs"))
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[0]})
    artifact = (ROOT / "models" / "gounmal-ko").resolve()
    moderator = Moderator(Classifier.load(artifact), Policy.load(ROOT / "policy.yaml"))
    bench = Bench(
        chat=Chat(chat(LINES), moderator),
        artifact=artifact,
        folder=options.envs.resolve(),
        cores={cores[-1]},
        port=options.port,
        overload_s=0,
    )
    store(bench)
    plan = Plan(single=options.seconds, offline=options.seconds)
    commit = _git("rev-parse", "--short", options.revision)
    with tempfile.TemporaryDirectory() as home:
        before = Path(home) / "before"
        _git("worktree", "add", "--quiet", "--detach", str(before), commit)
        try:
            sides = {commit: before, HERE_NOW: ROOT}
            rounds = []
            for _ in range(options.rounds):
                found = {name: _measured(folder, bench, plan) for name, folder in sides.items()}
                rounds.append({**found, LIMIT: {SCORED: scored_alone(bench, options.seconds)}})
        finally:
            _git("worktree", "remove", "--force", str(before))
    results = {
        "model": moderator.scorer.tag,
        "machine": machine(),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "sides": {name: medians([one[name] for one in rounds]) for name in rounds[0]},
    }
    (options.out / "revisions.json").write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    (options.out / "revisions.md").write_text(markdown(results), "utf-8")
    print(markdown(results))


def _measured(folder: Path, bench: Bench, plan: Plan) -> dict[str, float]:
    """One round of one side; every answer is compared with the right one."""
    programs = environment("bentoml", bench.folder)
    found = {}
    with Server(
        DOORS[0].fill(programs, bench.port, bench.folder / "state" / "revisions"),
        variables={**variables(programs, bench), **OFF, "PYTHONPATH": str(folder)},
        folder=folder,
        log=bench.folder / "logs" / "revisions.log",
        cores=bench.cores,
    ) as server:
        for door in DOORS:
            target = Target(door, server, bench.chat, port=bench.port)
            target.wait()
            found |= {f"{door.name}: {figure}": v for figure, v in _asked(door, target, plan)}
    return found


def _asked(door: Contender, target: Target, plan: Plan) -> list[tuple[str, float]]:
    scenarios = Scenarios(target, plan)
    figures = []
    if not door.bulk and (alone := scenarios.single_stream()):
        figures = [("alone, p50 ms", alone.p50), ("alone, p99 ms", alone.p99)]
    before = target.counted()
    found = scenarios.offline(BULK_CONNECTIONS) if door.bulk else scenarios.offline()
    if found["outcome"]["wrong"] or found["outcome"]["lost"]:
        raise AssertionError(f"{door.name}: answers were lost or wrong")
    after = target.counted()
    messages, batches = (
        after[f"gounmal_batch_messages_{what}"] - before.get(f"gounmal_batch_messages_{what}", 0)
        for what in ("sum", "count")
    )
    return [
        *figures,
        ("lines/s", found["lines_per_second"]),
        ("CPU s per 1,000 lines", found["cpu_s_per_1000_lines"]),
        ("messages a batch", messages / batches),
    ]


def scored_alone(bench: Bench, seconds: float) -> float:
    """Lines a second of the engine on the servers' core, with nothing around it."""
    programs = environment("bentoml", bench.folder)
    command = [str(programs / "python"), "-m", "benchmarks.online.reference"]
    done = subprocess.run(
        [*command, "--seconds", str(seconds), "--cores", *map(str, sorted(bench.cores))],
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, **variables(programs, bench)},
    )
    return float(json.loads(done.stdout)["scored_per_second"])


def markdown(results: Mapping[str, Any]) -> str:
    """The whole page."""
    sides = dict(results["sides"])
    limit = sides.pop(LIMIT)[SCORED]
    rows = []
    for figure in next(iter(sides.values())):
        values = [side[figure] for side in sides.values()]
        rows.append([figure, *(f"{value:,.2f}" for value in values)])
        if figure.endswith(SCORED):
            rows.append(["… of the engine's limit", *(f"{value / limit:.2f}" for value in values)])
    text = f"""`{results["model"]}` on {results["machine"]["processor"]}, cache off, one worker on a
core of its own; 64 connections with single lines, {BULK_CONNECTIONS} with many. Medians of
{results["rounds"]} rounds of {results["seconds"]:g} s each, in which the two took turns with the
engine alone, scoring {limit:,.0f} lines/s in batches of 32."""
    return f"# Before and after\n\n{fill(text, 100)}\n\n{table(['', *sides], rows)}\n"


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return done.stdout.decode().strip()


if __name__ == "__main__":
    main()
