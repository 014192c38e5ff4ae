"""What was counted → Prometheus's metrics.

A worker writes what it has counted once a second, so that counting costs a request next to nothing.
Every label has a closed set of values, and none comes from a request.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import prometheus_client
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge

from gounmal import __version__
from gounmal.online.telemetry import SECONDS, SIZES, TOKENS, Distribution
from gounmal.schema import LABELS, Action

if TYPE_CHECKING:
    from collections.abc import Hashable

    from gounmal.online.decide import Online

K = TypeVar("K", bound="Hashable")

PERIOD_S = 1.0
"""Seconds between two writings."""


class Histogram(prometheus_client.Histogram):
    """One that takes many values at once."""

    def add(self, noted: Distribution) -> None:
        """Take over what was noted since the last time."""
        counts, total = noted.take()
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)
        if total:
            self._sum.inc(total)


class Exporter:
    """Writes what an `Online` has counted. One in a process and registry.

    Args:
        online: what counts; has to be warm.
        registry: where its metrics are to be found.
    """

    def __init__(self, online: Online, registry: CollectorRegistry = REGISTRY) -> None:
        self._online = online
        self._registry = registry
        self._task: asyncio.Task[None] | None = None
        self._wait = self._histogram("queue_wait_seconds", "From arrival to its batch.", SECONDS)
        self._forward = self._histogram("forward_seconds", "In the engine, a batch.", SECONDS)
        self._messages = self._histogram("batch_messages", "Messages in a batch.", SIZES)
        self._tokens = self._histogram("batch_tokens", "Tokens in a batch, no padding.", TOKENS)
        self._numbers = {
            "padded_tokens": self._counter("padded_tokens", "Tokens computed, with padding."),
            "shed": self._counter("shed", "Messages refused: too much was waiting."),
            "late": self._counter("deadline_exceeded", "Requests whose deadline passed."),
            "dropped": self._counter("abandoned", "Messages not scored: nobody waited any more."),
            "failed": self._counter("failed", "Messages that could not be scored."),
            "hits": self._counter("cache_hits", "Messages answered from the cache."),
            "misses": self._counter("cache_misses", "Messages that the cache did not know."),
        }
        decisions = self._counter("decisions", "Decisions given.", "action")
        labels = self._counter("labels", "Decisions given in which a label was found.", "label")
        self._actions = {action: decisions.labels(action.value) for action in Action}
        self._labels: dict[str, Counter] = {one: labels.labels(one.value) for one in LABELS}
        self._queue = self._gauge("queue_messages", "Messages that have no outcome yet.")
        self._cached = self._gauge("cache_entries", "Decisions in the cache.")
        self._memory = self._gauge("memory_bytes", "Resident memory of the workers.")
        info = self._gauge("info", "What is served; always 1.", "model", "version", mode="livemax")
        info.labels(online.moderator.scorer.tag, __version__).set(1)
        self.write()

    def write(self) -> None:
        """Write what was counted since the last time."""
        recorder = self._online.recorder
        self._wait.add(recorder.wait)
        self._forward.add(recorder.forward)
        self._messages.add(recorder.messages)
        self._tokens.add(recorder.tokens)
        for name, counter in self._numbers.items():
            if count := getattr(recorder, name):
                counter.inc(count)
                setattr(recorder, name, 0)
        _move(recorder.actions, self._actions)
        _move(recorder.labels, self._labels)
        self._queue.set(len(self._online.runner))
        self._cached.set(len(self._online.cache))
        self._memory.set(_resident_bytes())

    def start(self) -> None:
        """Write every second from now on."""
        self._task = asyncio.get_running_loop().create_task(self._keep_writing())

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(PERIOD_S)
            self.write()

    def stop(self) -> None:
        """Write what is left, and no more."""
        if self._task is not None:
            self._task.cancel()
        self.write()

    def _counter(self, name: str, help_: str, *labels: str) -> Counter:
        return Counter(f"gounmal_{name}", help_, labels, registry=self._registry)

    def _histogram(self, name: str, help_: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"gounmal_{name}", help_, buckets=buckets, registry=self._registry)

    def _gauge(self, name: str, help_: str, *labels: str, mode: Any = "livesum") -> Gauge:
        return Gauge(
            f"gounmal_{name}", help_, labels, registry=self._registry, multiprocess_mode=mode
        )


def _move(counted: dict[K, int], counters: dict[K, Counter]) -> None:
    for key, counter in counters.items():
        if counted[key]:
            counter.inc(counted[key])
            counted[key] = 0


def _resident_bytes() -> int:
    """Of this process; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
