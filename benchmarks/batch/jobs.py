"""Jobs and their workers: killed at random, and three of them against one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from random import Random
from typing import TYPE_CHECKING, Any, Self

import pyarrow.parquet as pq

from benchmarks.batch.postgres import postgres
from benchmarks.batch.scans import KEY, compared, digests
from benchmarks.batch.watched import family
from gounmal.jobs.job import JobRequest, JobState, new_id
from gounmal.jobs.settings import JobSettings
from gounmal.jobs.store import JobStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from benchmarks.batch.scans import Reference

LOOK_S = 0.25
PATIENCE_S = 600
LOST_AFTER = "10s"
"""What a killed worker was at is given to others so soon."""

SUPERVISED = 2
"""Workers of the supervisor that is killed."""

SETTLED_BEATS = 4
"""Of a worker, after which it waits for work: some five seconds."""

CORES = 2
"""On which three workers are held up to one."""


@contextmanager
def jobs(state: Path, model: Path, database: str | None = None) -> Iterator[JobStore]:
    """Jobs with a state folder of their own, for this process and those that it starts."""
    own = {
        "GOUNMAL_STATE": str(state),
        "GOUNMAL_MODEL": str(model),
        "GOUNMAL_REPORT_KEY": KEY,
        "GOUNMAL_JOB_LOST_AFTER": LOST_AFTER,
        "GOUNMAL_DATABASE": database or "",
    }
    before = os.environ.copy()
    os.environ.update(own)
    store = JobStore.open(JobSettings.read())
    try:
        yield store
    finally:
        store.close()
        os.environ.clear()
        os.environ.update(before)


def killed(alone: Reference, folder: Path, kills: int, model: Path) -> dict[str, Any]:
    """Jobs whose workers are killed at random moments, against a scan left alone.

    Args:
        alone: the scan.
        folder: for all that is written.
        kills: each of one worker, or of all of them and of who keeps them running.
        model: judges.
    """
    random = Random(0)  # noqa: S311  (no secret)
    struck = 0
    found: list[dict[str, Any]] = []
    with jobs(folder / "state", model) as store, Supervisor() as supervisor:
        begun = time.monotonic()
        job = submit(store, alone.source, folder / "first")
        _until(lambda: _ended(store, job))
        seconds = time.monotonic() - begun
        while struck < kills:
            output = folder / f"job-{len(found)}"
            job = submit(store, alone.source, output)
            while not _ended(store, job):
                moment = time.monotonic() + random.uniform(0.3, seconds / 2)
                if struck == kills:
                    moment += PATIENCE_S
                _until(lambda at=moment, one=job: _ended(store, one) or time.monotonic() > at)
                if not _ended(store, job):
                    supervisor.strike(random)
                    struck += 1
            found.append(compared(output, alone.output))
    return {
        "kills": struck,
        "jobs": len(found),
        "undisturbed_s": round(seconds, 1),
        "equal": all(one["equal"] for one in found),
        "lost": sum(one["lost"] for one in found),
        "twice": sum(one["twice"] for one in found),
    }


def three_and_one(source: Path, folder: Path, model: Path) -> dict[str, Any]:
    """The same job by one worker and by three, on one PostgreSQL and two cores.

    `absent` is why not, where this cannot be tried.
    """
    mine = os.sched_getaffinity(0)
    seconds = {}
    os.sched_setaffinity(0, set(sorted(mine)[:CORES]))
    try:
        with postgres() as database, jobs(folder / "shared", model, database) as store:
            for count in (1, 3):
                with _workers(store, count):
                    begun = time.perf_counter()
                    job = submit(store, source, folder / f"by-{count}")
                    _until(lambda one=job: _ended(store, one))
                    seconds[count] = time.perf_counter() - begun
    except FileNotFoundError as error:
        return {"absent": str(error)}
    finally:
        os.sched_setaffinity(0, mine)
    return {
        "rows": pq.read_metadata(source).num_rows,
        "cores": min(CORES, len(mine)),
        "one_s": round(seconds[1], 1),
        "three_s": round(seconds[3], 1),
        "times_as_fast": round(seconds[1] / seconds[3], 2),
        "equal": digests(folder / "by-1") == digests(folder / "by-3"),
    }


class Supervisor:
    """`gounmal worker`, which is killed and started again."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "gounmal.cli", "worker", "--processes", str(SUPERVISED)]
        self._process = subprocess.Popen(command)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(60)

    def strike(self, random: Random) -> None:
        """`kill -9` to a worker; or to all of them at once, and start again."""
        pids = family(self._process.pid)
        if random.random() < 0.5 and len(pids) > 1:
            pids = [random.choice(pids[1:])]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if len(pids) > 1 or pids[0] == self._process.pid:
            self._process.wait()
            self.__enter__()


@contextmanager
def _workers(store: JobStore, count: int) -> Iterator[None]:
    """So many workers that have been up for a while, as workers are."""
    before = store.progress.beats()
    command = [sys.executable, "-m", "gounmal.jobs.worker"]
    running = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(count)]
    try:
        _until(lambda: _settled(store, before) >= count)
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(60)


def _settled(store: JobStore, before: Mapping[str, int]) -> int:
    """How many workers have counted for so long that they must be done with starting."""
    return sum(n - before.get(one, 0) >= SETTLED_BEATS for one, n in store.progress.beats().items())


def submit(store: JobStore, source: Path, output: Path) -> str:
    """Ask for a job: its id."""
    job = new_id()
    folder = JobSettings.read().folders / job
    request = JobRequest(
        input=str(source), output=str(output), folder=str(folder), uploaded=False, fingerprint=job
    )
    store.submit(job, request)
    return job


def _ended(store: JobStore, job: str) -> bool:
    found = store.get(job, progress=False)
    assert found is not None
    wanted = {JobState.QUEUED, JobState.RUNNING, JobState.DONE}
    assert found.state in wanted, (found.state, found.reason, store.progress.of(job))
    return found.state is JobState.DONE


def _until(there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not there():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(LOOK_S)
