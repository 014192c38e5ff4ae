"""A worker: one process that takes jobs and shards from the queue, one shard at a time.

Started by `gounmal.jobs.supervisor`, on its own, with its standard input as the line to it: when
that ends, whoever started this is gone, and so goes this.
"""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import re
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from dbos import DBOS
from dbos import error as dbos_error

from gounmal.config import Settings
from gounmal.errors import GounmalError, InvalidConfiguration
from gounmal.jobs.alive import Alive
from gounmal.jobs.flow import register, schedule
from gounmal.jobs.moderators import Moderators
from gounmal.jobs.retention import Retention
from gounmal.jobs.settings import JobSettings
from gounmal.jobs.store import APPLICATION, FLOW_VERSION, JOBS, SERIALIZER, SHARDS, JobStore
from gounmal.jobs.work import Work
from gounmal.scan.workers import one_core

if TYPE_CHECKING:
    from collections.abc import Callable

JOBS_AT_ONCE = 8
"""Of which a worker looks after; while its shards are judged, a job only waits."""

LOOK_FOR_JOBS_S, LOOK_FOR_SHARDS_S = 0.5, 0.2
"""Between looks into the queues: what a job waits at most to be taken, and what a worker idles at
most from one shard to the next. Every look takes some milliseconds of processor time."""

MAX_SLOTS = 1_024


def main() -> None:
    """Be a worker until told to stop."""
    parser = argparse.ArgumentParser(prog="gounmal.jobs.worker")
    parser.add_argument("--owns-schedule", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    try:
        run(JobSettings.read(), owns_schedule=options.owns_schedule)
    except (GounmalError, OSError) as error:
        sys.exit(f"gounmal worker: {error}")


def run(settings: JobSettings, *, owns_schedule: bool) -> NoReturn:
    """Work until told to stop.

    Args:
        settings: of jobs.
        owns_schedule: where no nightly scan is set, there shall be none.
    """
    one_core()
    store = JobStore.open(settings)
    executor, _lock = take_slot(settings.state / "workers")
    who = Settings.read(Path(__file__).resolve().parents[2])
    policy = who.policy if who.policy.exists() else None
    moderators = Moderators(os.environ.get("GOUNMAL_MODEL") or None, policy)
    work = Work(moderators, store.progress, store.cancelled)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    alive = Alive(
        executor,
        store.progress,
        lost_after_s=settings.lost_after_s,
        also=Retention(store, settings),
    )
    alive.start()
    nightly = register(work, settings.folders)
    _launch(settings, executor)
    if settings.nightly or owns_schedule:
        schedule(settings.nightly, nightly)
    _watch_line(stop.set)
    stop.wait()
    # What is being judged is cut short; a thread that judges would hold up an ordinary exit.
    alive.stop()
    logging.shutdown()
    os._exit(0)


def take_slot(folder: Path) -> tuple[str, int]:
    """The name of this worker, which no other has while it lives, and its lock.

    A worker that starts again has the name that it had, so that DBOS gives it back at once what it
    had begun.

    Raises:
        InvalidConfiguration: there are far too many.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    host = re.sub(r"[^A-Za-z0-9.-]", "_", socket.gethostname())
    for number in range(MAX_SLOTS):
        name = f"{host}-{number}"
        lock = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        return name, lock
    raise InvalidConfiguration(f"{folder}: {MAX_SLOTS} workers on one machine")


def _launch(settings: JobSettings, executor: str) -> None:
    DBOS(
        config={
            "name": APPLICATION,
            "system_database_url": settings.database,
            "serializer": SERIALIZER,
            "application_version": FLOW_VERSION,
            "executor_id": executor,
            "log_level": "WARNING",
            "sys_db_pool_size": 5,
            "enable_otlp": False,
        }
    )
    logging.getLogger("dbos").addFilter(_NotCancelled())
    DBOS.listen_queues([JOBS, SHARDS])
    DBOS.launch()
    queues = (JOBS, JOBS_AT_ONCE, LOOK_FOR_JOBS_S), (SHARDS, 1, LOOK_FOR_SHARDS_S)
    for queue, at_once, look_s in queues:
        DBOS.register_queue(
            queue,
            worker_concurrency=at_once,
            polling_interval_sec=look_s,
            on_conflict="always_update",
        )


class _NotCancelled(logging.Filter):
    """Leaves out the traceback that DBOS logs of each workflow that somebody cancelled."""

    def filter(self, record: logging.LogRecord) -> bool:
        kind = record.exc_info[0] if record.exc_info else None
        return not (kind and issubclass(kind, dbos_error.DBOSAwaitedWorkflowCancelledError))


def _watch_line(ended: Callable[[], None]) -> None:
    """Call when standard input ends: with it, whoever started this process has gone."""

    def read() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        ended()

    threading.Thread(target=read, name="line", daemon=True).start()


if __name__ == "__main__":
    main()
