"""MLPerf's scenarios, and overload, for one target.

SingleStream: one request after the other. Offline: as many lines as it manages, over all
connections. Server: an open loop, and the highest rate at which all is answered rightly and the
99th percentile stays below a bound. Overload: twice that rate.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.online.arrivals import ARRIVALS
from benchmarks.online.figures import Latency, outcome
from benchmarks.online.search import highest

if TYPE_CHECKING:
    from benchmarks.online.figures import Outcome
    from benchmarks.online.target import Target

P99_MS = 20.0
"""Bound of the Server scenario."""

CONNECTIONS = 64
FLOOD_CONNECTIONS = 1_024
"""Under overload, more requests wait at the server than usual: each needs a connection."""

HOPELESS_S = 1.0
"""A probe in which a request could not even be sent for so long has failed: no need to go on."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long everything takes, in seconds."""

    warm_up: float = 0.5
    """Before each measurement, and no part of it."""
    single: float = 3
    offline: float = 3
    probe: float = 1.2
    """Of each rate that is tried."""
    confirm: float = 4
    """Of the rate that was found."""
    load: float = 2
    """Of each share of it."""
    overload: float = 5
    apart: float = 0.07
    """How exactly the rate is found, as a share."""
    tries: int = 7
    """Most rates that are tried."""
    patience: float = 45
    """Of one search: then no further rate is tried."""
    chances: int = 2
    """Of a rate: a machine may hiccup."""
    shares: tuple[float, ...] = (0.1, 0.25, 0.75)
    """Of the highest rate, at which latency is measured for the chart, beside half of it."""


QUICK = Plan(0.1, 0.3, 0.3, 0.4, 0.4, 0.3, 0.5, 0.5, 2, 10, 1, ())


@dataclass(frozen=True, slots=True)
class Probe:
    """One rate that was tried."""

    arrivals: str
    rate: float
    outcome: Outcome
    late: bool
    """Given up, because requests were waiting unsent."""

    @property
    def holds(self) -> bool:
        """Was all of it answered, rightly and in time?"""
        latency = self.outcome.latency
        return (
            not self.late and self.outcome.clean and latency is not None and latency.p99 <= P99_MS
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {**asdict(self), "holds": self.holds}


class Scenarios:
    """All scenarios of one target.

    Args:
        target: what is asked.
        plan: for how long.
        seed: of the arrivals, which are the same for every contender at the same rate.
    """

    def __init__(self, target: Target, plan: Plan, *, seed: int = 0) -> None:
        self.target, self.plan, self.seed = target, plan, seed
        self.probes: list[Probe] = []

    def single_stream(self) -> Latency | None:
        """Latency of one request after the other."""
        self._closed(1, self.plan.warm_up)
        found: Outcome = self._closed(1, self.plan.single)["outcome"]
        return found.latency

    def offline(self, connections: int = CONNECTIONS) -> dict[str, Any]:
        """Lines per second in a closed loop, what they cost, and what became of them."""
        self._closed(connections, self.plan.warm_up)
        before = self.target.server.usage()
        found = self._closed(connections, self.plan.offline)
        after = self.target.server.usage()
        lines = found["outcome"].accepted * self.target.contender.codec.lines
        return {
            "lines_per_second": round(lines / found["seconds"], 1),
            "cpu_s_per_1000_lines": round(1e3 * (after.cpu_s - before.cpu_s) / lines, 3)
            if lines
            else None,
            "memory_mib": round(after.memory_mib, 1),
            "processes": after.processes,
            "outcome": found["outcome"].to_dict(),
        }

    def server(self, arrivals: str, guess: float) -> float:
        """The highest rate that holds; its probes are kept. 0 if none does."""
        end = time.monotonic() + self.plan.patience
        rate = highest(
            lambda rate: time.monotonic() < end and self._holds(arrivals, rate, self.plan.probe),
            guess,
            apart=self.plan.apart,
            tries=self.plan.tries,
        )
        # Short probes flatter: go down in growing steps until a longer one holds.
        for step in range(1, 2 + self.plan.tries):
            if not rate or self._holds(arrivals, rate, self.plan.confirm):
                return rate
            rate *= 1 - step * self.plan.apart / 2
        return 0.0

    def at(self, rate: float) -> Probe:
        """Poisson arrivals of this rate."""
        probe = self._probe("poisson", rate, self.plan.load)
        self.probes.append(probe)
        return probe

    def half_load(self, rate: float) -> dict[str, Any]:
        """Half of this rate, with what the server itself counted meanwhile."""
        before = self.target.counted()
        found = self.at(rate / 2).to_dict()
        after = self.target.counted()
        return {**found, "counted": {k: v - before.get(k, 0) for k, v in after.items()}}

    def overload(self, rate: float, seconds: float) -> Outcome:
        """Poisson arrivals of this rate, however many of them must wait."""
        due = ARRIVALS["poisson"](rate, seconds, np.random.default_rng(self.seed))
        run = self.target.run(due, connections=FLOOD_CONNECTIONS)
        found = outcome(run, self.target.right)
        self._settle()
        return found

    def _closed(self, connections: int, seconds: float) -> dict[str, Any]:
        """As fast as answers come."""
        # More than anything here can answer in that time.
        due = np.zeros(round(40_000 * seconds / self.target.contender.codec.lines) + connections)
        run = self.target.run(due, connections=connections, stop_s=seconds)
        found = outcome(run, self.target.right, closed=True)
        self._settle()
        return {"outcome": found, "seconds": run.seconds}

    def _holds(self, arrivals: str, rate: float, seconds: float) -> bool:
        """Try a rate, and if it fails as often as the plan says."""
        for _ in range(self.plan.chances):
            probe = self._probe(arrivals, rate, seconds)
            self.probes.append(probe)
            if probe.holds:
                return True
            if probe.late:
                return False
        return False

    def _probe(self, arrivals: str, rate: float, seconds: float) -> Probe:
        warm_up = self.plan.warm_up
        # At least a thousand requests: a 99th percentile of fewer says little.
        seconds = min(max(seconds, 1_000 / rate), 4 * seconds)
        self.seed += 1
        due = ARRIVALS[arrivals](rate, warm_up + seconds, np.random.default_rng(self.seed))
        run = self.target.run(due, connections=CONNECTIONS, abort_s=HOPELESS_S)
        found = outcome(run, self.target.right, since=warm_up)
        self._settle()
        return Probe(arrivals, round(rate, 1), found, run.aborted)

    def _settle(self) -> None:
        """Let the server finish what nobody waits for any more."""
        time.sleep(0.1)
