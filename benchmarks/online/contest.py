"""Measures one contender from its start to its end."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.online.environments import ROOT, environment, versions
from benchmarks.online.processes import Server
from benchmarks.online.registry import OURS
from benchmarks.online.scenarios import Scenarios
from benchmarks.online.target import NotStarted, Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmarks.online.registry import Contender
    from benchmarks.online.scenarios import Plan
    from benchmarks.online.target import Chat

SHOWN = ("bentoml", "fastapi", "litserve", "mlserver", "ray", "mlflow", "torchserve", "flask")
BULK_CONNECTIONS = 4
"""For requests of many lines."""

LEAST = 10.0
"""Requests per second: the search starts no lower."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What is the same for every contender."""

    chat: Chat
    """What they are asked about."""
    artifact: Path
    """That they serve."""
    folder: Path
    """Where environments are kept, and what servers write."""
    cores: set[int]
    """On which servers run."""
    port: int
    """On which they listen; some take a few after it as well."""
    overload_s: float
    """Of gounmal's `/moderate` without its cache; of the others it is the plan's."""


def measure(doors: Sequence[Contender], *, bench: Bench, plan: Plan) -> Iterator[dict[str, Any]]:
    """All figures of each door of one server.

    Args:
        doors: contenders that are the same server, asked in different ways.
        bench: on which it is measured.
        plan: for how long.

    Raises:
        NotInstallable: it cannot be installed.
        NotStarted: it does not answer.
    """
    first = doors[0]
    _check(first, bench.port)
    programs = environment(first.environment, bench.folder)
    slug = re.sub(r"\W+", "-", first.name)
    state = bench.folder / "state" / slug
    with Server(
        first.fill(programs, bench.port, state),
        variables={**variables(programs, bench), **first.variables},
        folder=ROOT,
        log=bench.folder / "logs" / f"{slug}.log",
        cores=bench.cores,
    ) as server:
        installed = {k: v for k, v in versions(programs).items() if k in SHOWN}
        for door in doors:
            target = Target(door, server, bench.chat, port=bench.port)
            try:
                found = {
                    "name": door.name,
                    "note": door.note,
                    "versions": installed,
                    "ready_s": round(target.wait(), 2),
                }
            except NotStarted as error:
                yield {"name": door.name, "absent": str(error)}
                continue
            scenarios = Scenarios(target, plan)
            if door.bulk:
                yield {**found, "offline": scenarios.offline(BULK_CONNECTIONS)}
            else:
                overload_s = bench.overload_s if door.name == OURS else plan.overload
                yield {**found, **_everything(scenarios, plan, overload_s)}


def _check(contender: Contender, port: int) -> None:
    """Before anything is started: can it be?"""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise NotStarted(f"something else listens on port {port}")
    if contender.needs and not (ROOT / contender.needs).is_file():
        raise NotStarted(f"no {contender.needs}: `python -m train` makes it")
    known = (ROOT / "gounmal" / "config.py").read_text(encoding="utf-8")
    for variable in contender.variables if contender.ours else ():
        if variable not in known:
            raise NotStarted(f"{variable}: gounmal has no such setting yet")


def _everything(scenarios: Scenarios, plan: Plan, overload_s: float) -> dict[str, Any]:
    """SingleStream, Offline, Server with both kinds of arrivals, shares of that rate, overload."""
    single = scenarios.single_stream()
    offline = scenarios.offline()
    guess = max(0.7 * offline["lines_per_second"], LEAST)
    poisson = scenarios.server("poisson", guess)
    # Whoever holds no rate at all with even arrivals holds none with bursts.
    bursty = scenarios.server("bursty", 0.8 * poisson) if poisson else 0.0
    found = {
        "single_stream": single and asdict(single),
        "offline": offline,
        "server": {"poisson": round(poisson, 1), "bursty": round(bursty, 1)},
    }
    if poisson:
        for share in plan.shares:
            scenarios.at(share * poisson)
        found["half_load"] = scenarios.half_load(poisson)
        found["overload"] = {
            "seconds": overload_s,
            "rate": round(2 * poisson, 1),
            **scenarios.overload(2 * poisson, overload_s).to_dict(),
        }
    return {**found, "probes": [probe.to_dict() for probe in scenarios.probes]}


def variables(programs: Path, bench: Bench) -> dict[str, str]:
    """Of the environment of every server."""
    return {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "BENTOML_HOME": str(bench.folder / "state" / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "GOUNMAL_BENCH_ARTIFACT": str(bench.artifact),
    }
