"""Workers as they are: processes over SQLite and over PostgreSQL, some of them killed."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from gounmal import Moderator
from gounmal.jobs.job import JobRequest, JobState, new_id
from gounmal.jobs.settings import JobSettings
from gounmal.jobs.store import JobStore
from gounmal.jobs.supervisor import supervise_alone
from gounmal.report.findings import pseudonym_key
from gounmal.report.summary import Summary
from gounmal.scan.shards import ScanOptions, assemble, plan, run_shard

ROOT = Path(__file__).parents[2]
ARTIFACT = ROOT / "models" / "gounmal-ko"
KEY = "a secret"
FILES, ROWS = 9, 3_000
"""So many that work goes on for a while after the first of it was seen."""


def find_program(name):
    """A program of PostgreSQL, which Debian keeps out of the way."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


@pytest.fixture(scope="module")
def postgres():
    """URL of a server of our own, on a socket in a folder that goes with it."""
    if not (initdb := find_program("initdb")):
        pytest.skip("no PostgreSQL here: apt-get install postgresql")
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    with tempfile.TemporaryDirectory(prefix="gounmal-pg-") as home:
        if user:
            shutil.chown(home, user)

        def run(*command):
            subprocess.run(command, user=user, cwd=home, check=True, stdout=subprocess.DEVNULL)

        run(initdb, "-D", f"{home}/data", "-A", "trust", "-U", "tests", "--no-sync")
        control = (find_program("pg_ctl"), "-D", f"{home}/data", "-w", "-l", f"{home}/log")
        run(*control, "-o", f"-k {home} -c listen_addresses= -c fsync=off", "start")
        try:
            yield f"postgresql://tests@/postgres?host={home}"
        finally:
            run(*control, "-m", "immediate", "stop")


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """A folder of chat, a shard each file."""
    folder = tmp_path_factory.mktemp("night")
    for i in range(FILES):
        with (folder / f"{i}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "text", "user"])
            for row in range(ROWS):
                text = f"{'시발' if row % 7 == 0 else '오늘'} 방송 {i} {row} 번째 줄입니다"
                writer.writerow([f"{i}-{row}", text, f"u{row % 30}"])
    return folder


@pytest.fixture(scope="module")
def alone(night, tmp_path_factory):
    """What one process makes of it."""
    folder = tmp_path_factory.mktemp("alone")
    moderator = Moderator.load(ARTIFACT, policy=ROOT / "policy.yaml")
    options = ScanOptions.of(moderator, title="a night")
    made = plan([str(night)], str(folder / "out"), options=options)
    for index in range(len(made.shards)):
        run_shard(made, index, moderator, folder / "work")
    assemble(made, folder / "work", key=pseudonym_key(KEY))
    return contents(folder / "out")


@pytest.fixture
def open_store(monkeypatch, tmp_path):
    stores = []

    def open_(**variables):
        own = {"STATE": tmp_path / "state", "MODEL": ARTIFACT, "REPORT_KEY": KEY, **variables}
        for name, value in {"POLICY": ROOT / "policy.yaml", **own}.items():
            monkeypatch.setenv(f"GOUNMAL_{name}", str(value))
        settings = JobSettings.read()
        stores.append(JobStore.open(settings))
        return stores[-1], settings

    yield open_
    for store in stores:
        store.close()


@contextmanager
def working(*more):
    """A worker process."""
    with subprocess.Popen(
        [sys.executable, "-m", "gounmal.jobs.worker", *more], stdin=subprocess.PIPE, cwd=ROOT
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def submit(store, settings, source, output, **more):
    job = new_id()
    request = JobRequest(
        input=str(source),
        output=str(output),
        folder=str(settings.folders / job),
        uploaded=False,
        fingerprint=job,
        title="a night",
        **more,
    )
    store.submit(job, request)
    return job


def wait_until(there, seconds=60):
    deadline = time.monotonic() + seconds
    while not (found := there()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
    return found


def wait_for_end(store, job):
    return wait_until(lambda: (found := store.get(job)).state.final and found)


def shards(store, *status):
    return store.client.list_workflows(name="shard", status=list(status), load_output=False)


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_three_workers_one_killed(postgres, open_store, night, alone, tmp_path):
    store, settings = open_store(DATABASE=postgres, JOB_LOST_AFTER="3s")
    with ExitStack() as stack:
        workers = {}
        for _ in range(3):
            process = stack.enter_context(working())
            wait_until(lambda: len(store.progress.beats()) > len(workers))
            [name] = store.progress.beats().keys() - workers.keys()
            workers[name] = process
        job = submit(store, settings, night, tmp_path / "out")
        wait_until(lambda: store.get(job).progress.finished)
        killed = wait_until(lambda: kill_one_at_work(store, workers))
        ended = wait_for_end(store, job)
        took_part = {status.executor_id for status in shards(store, "SUCCESS")}
    assert (ended.state, ended.progress.finished) == (JobState.DONE, FILES)
    assert ended.progress.rows == FILES * ROWS
    assert killed not in {status.executor_id for status in shards(store, "PENDING")}
    assert len(took_part) >= 2
    assert contents(tmp_path / "out") == alone


def kill_one_at_work(store, workers):
    """Kill a worker amid a shard; says its name, None where none was caught."""
    for status in shards(store, "PENDING"):
        process = workers[status.executor_id]
        process.send_signal(signal.SIGSTOP)
        if status.workflow_id in {s.workflow_id for s in shards(store, "PENDING")}:
            process.kill()
            return status.executor_id
        process.send_signal(signal.SIGCONT)
    return None


def test_a_job_goes_on_after_a_restart(open_store, night, alone, tmp_path):
    store, settings = open_store()
    job = submit(store, settings, night, tmp_path / "out")
    with working() as process:
        wait_until(lambda: store.get(job).progress.finished >= 2)
        process.kill()
    done = {s.workflow_id: s.completed_at for s in shards(store, "SUCCESS")}
    assert store.get(job).state is JobState.RUNNING
    with working() as process:
        ended = wait_for_end(store, job)
        process.terminate()
        assert process.wait(15) == 0
    again = {s.workflow_id: s.completed_at for s in shards(store, "SUCCESS")}
    assert ended.state is JobState.DONE
    assert len(again) == FILES
    assert done.items() <= again.items()  # what was done was not done again
    assert contents(tmp_path / "out") == alone
    assert not list((tmp_path / "state" / "jobs" / job).glob("work"))


def test_a_cancelled_job_ends_and_the_next_goes_on(open_store, night, tmp_path):
    store, settings = open_store()
    job = submit(store, settings, night, tmp_path / "out")
    with working():
        wait_until(lambda: store.get(job).progress.shards)
        store.cancel(job)
        other = submit(store, settings, night / "0.csv", tmp_path / "other")
        assert wait_for_end(store, other).state is JobState.DONE
    assert store.get(job).state is JobState.CANCELLED
    assert len(shards(store, "CANCELLED")) > 0
    assert not (tmp_path / "out" / "summary.json").exists()


def test_a_job_is_compared_with_the_one_before_where_there_is_one(open_store, night, tmp_path):
    store, settings = open_store()
    first, second = tmp_path / "first", tmp_path / "second"
    with working():
        for output, previous in ((first, tmp_path / "none"), (second, first)):
            job = submit(store, settings, night / "0.csv", output, previous=str(previous))
            assert wait_for_end(store, job).state is JobState.DONE
    assert Summary.load(first / "summary.json").comparison is None
    comparison = Summary.load(second / "summary.json").comparison
    assert (comparison.title, comparison.same_judge) == ("a night", True)
    assert {change.before == change.now for change in comparison.changes} == {True}


def test_what_cannot_be_judged_is_reported_and_the_rest_is_judged(open_store, night, tmp_path):
    store, settings = open_store()
    some = tmp_path / "some"
    some.mkdir()
    shutil.copy(night / "0.csv", some)
    (some / "1.csv").write_bytes(b"nothing,here\n1,2\n")
    job = submit(store, settings, some, tmp_path / "out")
    bad = submit(store, settings, tmp_path / "nowhere" / "*.csv", tmp_path / "out2")
    with working():
        ended, failed = wait_for_end(store, job), wait_for_end(store, bad)
    assert ended.state is JobState.INCOMPLETE
    assert ended.progress.rows == ROWS
    assert failed.state is JobState.FAILED
    assert "nowhere" in failed.reason


def test_workers_are_started_again_and_end_with_their_supervisor(open_store):
    store, settings = open_store()
    stop = threading.Event()
    folder = settings.state / "workers"
    threads = [threading.Thread(target=supervise_alone, args=(folder, stop, 1)) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        first = wait_until(own_workers)
        wait_until(store.progress.beats)
        assert len(first) == 1  # one of the two supervises
        os.kill(first[0], signal.SIGKILL)
        second = wait_until(lambda: [pid for pid in own_workers() if pid not in first])
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
    assert second
    assert own_workers() == []


def own_workers():
    import psutil

    children = psutil.Process().children()
    alive = (c for c in children if c.status() != "zombie")
    return [c.pid for c in alive if "gounmal.jobs.worker" in c.cmdline()]


def test_a_nightly_scan_starts_by_itself_once_a_day(open_store, night, tmp_path):
    store, _ = open_store(
        NIGHTLY="* * * * * *",  # every second
        NIGHTLY_INPUT=night / "0.csv",
        NIGHTLY_OUTPUT=tmp_path / "nightly",
    )
    with working():
        [job] = wait_until(lambda: store.page(limit=10)[0])
        ended = wait_for_end(store, job.id)
        wait_until(lambda: len(store.client.list_workflows(name="nightly", status="SUCCESS")) > 1)
    assert ended.state is JobState.DONE
    assert len(store.page(limit=10)[0]) == 1
    assert (tmp_path / "nightly" / "report.html").is_file()
