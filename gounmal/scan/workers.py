"""Who runs shards: this process, or others that it starts, watches and replaces.

A worker loads the model once, then gets one shard after the other. It ends with the process that
started it. If it dies, its shard is given to another one once more; then it counts as failed.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter, deque
from contextlib import suppress
from functools import partial
from multiprocessing import connection, get_context, parent_process
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from gounmal.errors import GounmalError, ScoringFailed, ShardFailed
from gounmal.scan.ledger import mark_failed
from gounmal.scan.plans import Plan
from gounmal.scan.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection
    from pathlib import Path

    from gounmal.moderator import Moderator
    from gounmal.scan.recipe import Recipe

ATTEMPTS = 2
"""How often a shard is given to a worker, if it dies of it."""


def spare_memory() -> None:
    """Let Arrow give back at once what it does not need: 45 MB less for each process of a scan."""
    pa.set_memory_pool(pa.system_memory_pool())


def one_core() -> None:
    """Have Arrow start no threads of its own beside other workers, and spare memory."""
    pa.set_cpu_count(1)
    spare_memory()


def run_here(
    plan: Plan,
    indices: Sequence[int],
    moderator: Moderator,
    folder: Path,
    *,
    on_progress: Callable[[int, float], None],
) -> list[GounmalError]:
    """Run shards in this process; what failed, in the order of the shards."""
    from gounmal.scan.shards import run_shard  # noqa: PLC0415  (who starts others judges nothing)

    progress = Progress(plan, indices, folder, on_progress)
    failures: list[GounmalError] = []
    for index in indices:
        try:
            watch = partial(progress.update, index)
            finished = run_shard(plan, index, moderator, folder, on_progress=watch)
            progress.update(index, finished.rows, 1.0)
        except (ShardFailed, ScoringFailed) as error:
            failures.append(error)
            progress.update(index, 0, 1.0)
    return failures


def run_shards(  # noqa: PLR0913  (as above, and who does it)
    plan: Plan,
    indices: Sequence[int],
    recipe: Recipe,
    folder: Path,
    count: int,
    *,
    on_progress: Callable[[int, float], None],
    meanwhile: Callable[[], object],
) -> list[GounmalError]:
    """Run shards in so many other processes; what failed, in the order of the shards.

    Args:
        plan: of the scan.
        indices: which of its shards.
        recipe: makes their moderators.
        folder: for unfinished work.
        count: how many processes.
        on_progress: as for `carry_out`.
        meanwhile: called once they have begun: there is nothing to do but wait for them.
    """
    pool = _Pool(plan, indices, folder, Progress(plan, indices, folder, on_progress))
    start = partial(_Worker, plan, recipe, folder)
    workers = [start() for _ in range(count)]
    try:
        pool.give(workers)
        meanwhile()
        while pool.give(workers):
            for pipe in connection.wait([worker.pipe for worker in workers]):
                number = next(i for i, worker in enumerate(workers) if worker.pipe is pipe)
                if not pool.hear(workers[number]):
                    workers[number].end()
                    workers[number] = start()
    finally:
        for worker in workers:
            worker.end()
    return [error for _, error in sorted(pool.failures.items())]


class _Worker:
    """Another process, as seen from here."""

    def __init__(self, plan: Plan, recipe: Recipe, folder: Path) -> None:
        context = get_context("spawn")
        self.pipe, other = context.Pipe()
        self.index: int | None = None
        """The shard that it has."""
        arguments = other, plan.to_dict(), recipe, folder
        self._process = context.Process(target=_work, args=arguments, daemon=True)
        self._process.start()
        other.close()

    def end(self) -> None:
        """Kill it: what it has not finished is of no use."""
        self._process.kill()
        self._process.join()
        self.pipe.close()


class _Pool:
    """Which shards wait, and what became of the others."""

    def __init__(
        self, plan: Plan, indices: Sequence[int], folder: Path, progress: Progress
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._progress = progress
        self._waiting = deque(indices)
        self._attempts: Counter[int] = Counter()
        self.failures: dict[int, GounmalError] = {}

    def give(self, workers: Sequence[_Worker]) -> bool:
        """Give shards to those who have none; is anybody at work?"""
        for worker in workers:
            if worker.index is None and self._waiting:
                worker.index = self._waiting.popleft()
                self._attempts[worker.index] += 1
                with suppress(OSError):  # it died: `hear` will be told
                    worker.pipe.send(worker.index)
        return any(worker.index is not None for worker in workers)

    def hear(self, worker: _Worker) -> bool:
        """Take a worker's news; False if it died."""
        index = worker.index
        try:
            news = worker.pipe.recv()
        except (EOFError, OSError):
            if index is not None:
                self._died(index)
            return False
        if isinstance(news, ShardFailed | ScoringFailed) and index is not None:
            self._failed(index, news)
        elif isinstance(news, Exception):
            raise news
        elif index is not None:
            self._progress.update(index, *news)
            if news[1] is not None:
                return True
        worker.index = None
        return True

    def _died(self, index: int) -> None:
        if self._attempts[index] < ATTEMPTS:
            self._waiting.appendleft(index)
            return
        shard = self._plan.shards[index]
        name = self._plan.inputs[shard.file].name
        reason = f"{name}: the worker died, {ATTEMPTS} times"
        mark_failed(shard, self._folder, reason)
        self._failed(index, ShardFailed(f"{reason} ({shard.part})"))

    def _failed(self, index: int, error: GounmalError) -> None:
        self.failures[index] = error
        self._progress.update(index, 0, 1.0)


def _work(pipe: Connection, content: dict[str, Any], recipe: Recipe, folder: Path) -> None:
    """What a worker does."""
    from gounmal.scan.shards import run_shard  # noqa: PLC0415  (as above)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started us decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    one_core()
    plan = Plan.from_dict(content)

    def on_progress(rows: int, share: float) -> None:
        pipe.send((rows, share))

    try:
        moderator = recipe.load()
        while True:
            index = pipe.recv()
            try:
                finished = run_shard(plan, index, moderator, folder, on_progress=on_progress)
                pipe.send((finished.rows, None))
            except (ShardFailed, ScoringFailed) as error:
                pipe.send(error)
    except (GounmalError, OSError) as error:
        pipe.send(error)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
