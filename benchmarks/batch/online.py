"""The online path while a job is judged beside it: the 99th percentile with and without.

One worker of the service and the one process that judges its jobs share the same cores; the load
generator has a core of its own. Alone and beside take turns, so that what else changes on the
machine changes both.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import numpy as np

from benchmarks.online.arrivals import bursty
from benchmarks.online.figures import Latency, outcome
from benchmarks.online.lines import chat
from benchmarks.online.processes import Server
from benchmarks.online.registry import Contender
from benchmarks.online.target import Chat, Target
from gounmal import Moderator

if TYPE_CHECKING:
    from benchmarks.online.figures import Run

ROOT = Path(__file__).resolve().parents[2]

RATE = 200.0
"""Lines a second, in bursts: what 121 live channels together have in their busiest second."""

LINES = 8_192
CONNECTIONS = 64
WARM_UP_S = 2.0
OVER = {"done", "incomplete", "failed", "cancelled"}


class Beside:
    """A served gounmal that may have a job.

    Args:
        folder: for all that it writes; its jobs read and write here.
        source: of the jobs: more than they manage in one turn.
        port: where it listens.
    """

    def __init__(self, folder: Path, source: Path, *, port: int) -> None:
        self._folder, self._source = folder, source
        self._url = f"http://127.0.0.1:{port}"
        self._jobs = 0

    def begin(self) -> str:
        """Ask for a job and wait until rows are judged."""
        self._jobs += 1
        output = self._folder / f"beside-{self._jobs}"
        job: str = self._ask("/jobs", {"input": str(self._source), "output": str(output)})["id"]
        while not self.rows(job):
            time.sleep(0.5)
        return job

    def rows(self, job: str) -> int:
        """So far; the job must not have ended."""
        found = self._ask(f"/jobs/{job}")
        assert found["state"] not in OVER, found["state"]
        return int(found["rows_done"])

    def end(self, job: str) -> None:
        """Cancel it; its worker notices within a second or two."""
        self._ask(f"/jobs/{job}/cancel", {})
        time.sleep(3)

    def _ask(self, path: str, body: dict[str, str] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        with urlopen(Request(self._url + path, data, headers), timeout=30) as answer:
            return json.load(answer)


def beside(  # noqa: PLR0913  (how, by name)
    source: Path, folder: Path, model: Path, *, port: int, seconds: float, turns: int
) -> dict[str, Any]:
    """Latency of `/moderate` with and without a job, over so many turns of so many seconds."""
    mine = os.sched_getaffinity(0)
    generating, *serving = sorted(mine, reverse=True)
    os.sched_setaffinity(0, {generating})
    try:
        moderator = Moderator.load(model, policy=ROOT / "policy.yaml")
        asked = Chat(chat(LINES), moderator)
        with _served(folder, model, set(serving) or {generating}, port) as server:
            target = Target(Contender("gounmal", "", ()), server, asked, port=port)
            target.wait()
            other = Beside(folder, source, port=port)
            random = np.random.default_rng(0)
            runs: dict[str, list[Run]] = {"alone": [], "beside": []}
            judged = took = 0.0
            _measured(target, WARM_UP_S, random)
            for _ in range(turns):
                runs["alone"].append(_measured(target, seconds, random))
                job, begun = other.begin(), time.perf_counter()
                before = other.rows(job)
                runs["beside"].append(_measured(target, seconds, random))
                judged += other.rows(job) - before
                took += time.perf_counter() - begun
                other.end(job)
    finally:
        os.sched_setaffinity(0, mine)
    found = {name: _latency(each) for name, each in runs.items()}
    return {
        "lines_per_s": RATE,
        "turns": turns,
        "seconds": seconds,
        "serving_cores": serving,
        "unanswered": sum(int((run.status != 200).sum()) for each in runs.values() for run in each),
        **{name: asdict(latency) for name, latency in found.items()},
        "times": round(found["beside"].p99 / found["alone"].p99, 2),
        "job_rows_per_s": round(judged / took),
    }


def _served(folder: Path, model: Path, cores: set[int], port: int) -> Server:
    variables = {
        "BENTOML_HOME": str(folder / "bentoml"),
        "GOUNMAL_STATE": str(folder / "served"),
        "GOUNMAL_JOB_PREFIXES": str(folder),
        "GOUNMAL_CACHE": "0",
    }
    gounmal = [sys.executable, "-m", "gounmal.cli"]
    subprocess.run(
        [*gounmal, "models", "import", str(model)],
        env={**os.environ, **variables},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return Server(
        [*gounmal, "serve", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
        variables=variables,
        folder=ROOT,
        log=folder / "served.log",
        cores=cores,
    )


def _measured(target: Target, seconds: float, random: np.random.Generator) -> Run:
    run = target.run(bursty(RATE, seconds, random), connections=CONNECTIONS)
    found = outcome(run, target.right)
    assert found.clean, f"{found.lost} lost, {found.shed} shed, {found.wrong} wrong"
    return run


def _latency(runs: list[Run]) -> Latency:
    found = Latency.of(np.concatenate([run.done - run.due for run in runs]))
    assert found is not None
    return found
