"""Every way to serve the artifact, one after the other: same lines, same machine, one run.

    python -m benchmarks.online.compare [--quick] [--only NAME] [--seconds 60]

Writes results.json, results.md and latency.svg beside this file; a run with --quick or --only
writes below `runs/`, since it is no comparison. Each contender is installed into an environment of
its own on first use. This process is the load generator: it gets the first core, servers the last.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from benchmarks.online import chart, report
from benchmarks.online.contest import Bench, measure, variables
from benchmarks.online.environments import NotInstallable, environment
from benchmarks.online.lines import chat, repeats
from benchmarks.online.processes import Server
from benchmarks.online.registry import CONTENDERS, SCALE, Contender
from benchmarks.online.scenarios import CONNECTIONS, P99_MS, QUICK, Plan, Scenarios
from benchmarks.online.target import Chat, NotStarted, Target
from gounmal import Moderator, Policy
from gounmal.model.classifier import Classifier
from train.facts import machine

if TYPE_CHECKING:
    from benchmarks.online.figures import Latency

HERE = Path(__file__).parent
LINES = 32_768


def main() -> None:
    options = _options()
    # So that what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    plan = QUICK if options.quick else Plan()
    cores = sorted(os.sched_getaffinity(0))
    serving = set(cores[-options.server_cores :])
    os.sched_setaffinity(0, {cores[0]})
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    texts = chat(LINES // 8 if options.quick else LINES)
    moderator = Moderator(Classifier.load(options.artifact), Policy.load(Path("policy.yaml")))
    bench = Bench(
        chat=Chat(texts, moderator),
        artifact=options.artifact.resolve(),
        folder=options.envs.resolve(),
        cores=serving,
        port=options.port,
        overload_s=plan.overload if options.quick else options.seconds,
    )
    out = options.out or (Path("runs/bench-online") if options.quick or options.only else HERE)
    out.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {
        "model": moderator.scorer.tag,
        "machine": machine(),
        "cores": {"generator": [cores[0]], "server": sorted(serving)},
        "lines": {"count": len(texts), "repeats": round(repeats(texts), 3)},
        "p99_bound_ms": P99_MS,
        "connections": CONNECTIONS,
        "contenders": [],
        "absent": [],
        "endurance": _endurance(),
    }
    begun = time.monotonic()
    store(bench)
    results["reference"] = _reference(bench, plan, seconds=plan.single)
    for doors in _servers(options.only):
        _contest(doors, bench, plan, results)
        results["seconds"] = round(time.monotonic() - begun)
        _write(out, results)
    print((out / "results.md").read_text(encoding="utf-8"))


def _endurance() -> dict[str, Any] | None:
    """What `endure.py` found last, without the samples."""
    if not (HERE / "endurance.json").exists():
        return None
    found = orjson.loads((HERE / "endurance.json").read_bytes())
    return {key: found[key] for key in ("seconds", "requests", "wrong", "lost", "growth")}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="does it all work? no figures to keep")
    parser.add_argument("--only", action="append", help="contenders with this in their name")
    parser.add_argument(
        "--seconds", type=float, default=60, help="of the overload of gounmal's /moderate"
    )
    parser.add_argument("--server-cores", type=int, default=1)
    parser.add_argument("--port", type=int, default=3430, help="the first of five")
    parser.add_argument("--artifact", type=Path, default=Path("models/gounmal-ko"))
    parser.add_argument("--envs", type=Path, default=Path("runs/bench-envs"))
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def _servers(only: list[str] | None) -> list[list[Contender]]:
    """Contenders that are asked for, those that are doors of one server together."""
    found: dict[tuple[object, ...], list[Contender]] = {}
    for contender in CONTENDERS:
        if only is None or any(name in contender.name for name in only):
            found.setdefault(contender.server, []).append(contender)
    return list(found.values())


def _contest(doors: list[Contender], bench: Bench, plan: Plan, results: dict[str, Any]) -> None:
    """Measure one server; why it could not be is a finding as well."""
    begun = time.monotonic()
    try:
        for found in measure(doors, bench=bench, plan=plan):
            results["absent" if "absent" in found else "contenders"].append(found)
    except (NotInstallable, NotStarted) as error:
        results["absent"] += [{"name": door.name, "absent": str(error)} for door in doors]
    print(f"{doors[0].name}: {time.monotonic() - begun:.0f} s", flush=True)


def store(bench: Bench) -> None:
    """A Bento store of its own, with this very artifact in it."""
    shutil.rmtree(bench.folder / "state", ignore_errors=True)
    programs = environment("bentoml", bench.folder)
    subprocess.run(
        [programs / "python", "-m", "gounmal.cli", "models", "import", bench.artifact],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, **variables(programs, bench)},
    )


def _reference(bench: Bench, plan: Plan, *, seconds: float) -> dict[str, Any]:
    """The engine with nothing around it, and web frameworks with nothing in them."""
    programs = environment("bentoml", bench.folder)
    command = [str(programs / "python"), "-m", "benchmarks.online.reference"]
    found = subprocess.run(
        [*command, "--seconds", str(seconds), "--cores", *map(str, sorted(bench.cores))],
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, **variables(programs, bench)},
    )
    bare = {}
    for contender in SCALE:
        programs = environment(contender.environment, bench.folder)
        with Server(
            contender.fill(programs, bench.port, bench.folder),
            variables=variables(programs, bench),
            folder=HERE.parents[1],
            log=bench.folder / "logs" / f"{contender.path[1:]}.log",
            cores=bench.cores,
        ) as server:
            target = Target(contender, server, bench.chat, port=bench.port)
            target.wait()
            scenarios = Scenarios(target, plan)
            single: Latency | None = scenarios.single_stream()
            assert single is not None
            bare[contender.name] = {
                "single_stream_ms": single.p50,
                "requests_per_second": scenarios.offline()["lines_per_second"],
            }
    return {**orjson.loads(found.stdout), "bare": bare}


def _write(out: Path, results: dict[str, Any]) -> None:
    content = orjson.dumps(results, option=orjson.OPT_INDENT_2)
    (out / "results.json").write_bytes(content + b"\n")
    (out / "results.md").write_text(report.markdown(results), encoding="utf-8")
    (out / "latency.svg").write_text(chart.latency(results), encoding="utf-8")


if __name__ == "__main__":
    main()
