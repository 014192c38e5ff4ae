"""`gounmal scan` as a real command, with real workers, killed and short of disk."""

import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from gounmal import demo
from gounmal.model.store import SHIPPED
from gounmal.scan import workers
from gounmal.scan.scan import STATE

ARTIFACT = os.environ.get("GOUNMAL_ARTIFACT", str(SHIPPED))
FILES = 8
"""Of the input: a shard each."""


def write(folder, files=FILES, lines=300, distinct=50):
    folder.mkdir()
    random = Random(0)  # noqa: S311  (no secret)
    for number in range(files):
        texts = [random.choice(demo.HARMLESS + demo.ABUSE) for _ in range(lines)]
        rows = "".join(f"{i},u{i % 7},{text}{i % distinct}\n" for i, text in enumerate(texts))
        (folder / f"{number}.csv").write_text(f"time,user,text\n{rows}", encoding="utf-8")
    return folder


def command(source, output, *options):
    gounmal = [sys.executable, "-m", "gounmal.cli", "scan", str(source), "--output", str(output)]
    return [*gounmal, "--model", ARTIFACT, "--report-key", "key", *options]


def scan(source, output, *options, **limits):
    return subprocess.run(
        command(source, output, *options), capture_output=True, check=False, timeout=120, **limits
    )


def contents(output):
    return {
        path.relative_to(output): path.read_bytes() for path in output.rglob("*") if path.is_file()
    }


def children(pid):
    """Processes that this one started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = path.read_text(encoding="utf-8").rpartition(")")[2].split()[1]
        except OSError:
            continue
        if int(parent) == pid:
            found.append(int(path.parent.name))
    return found


def gone(pids):
    """Do they all end by themselves?"""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if not any(Path(f"/proc/{pid}/cmdline").exists() for pid in pids):
            return True
        time.sleep(0.1)
    return False


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write(tmp_path_factory.mktemp("chat") / "in")


@pytest.fixture(scope="module")
def expected(source, tmp_path_factory):
    """What one process makes of it, undisturbed."""
    output = tmp_path_factory.mktemp("one") / "out"
    done = scan(source, output, "--workers", "1")
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads((output / "summary.json").read_bytes())["rows"] == FILES * 300
    return contents(output)


def test_killed_again_and_again_and_run_again(tmp_path):
    # Lines enough, and hardly two the same, so that no scan is done before it is killed.
    source = write(tmp_path / "in", files=12, lines=4_000, distinct=4_000)
    undisturbed = scan(source, tmp_path / "one", "--workers", "2")
    assert (undisturbed.returncode, undisturbed.stderr) == (0, b"")
    output = tmp_path / "out"
    random = Random(5)  # noqa: S311  (no secret)
    finished = []
    for _ in range(2):
        with subprocess.Popen(
            command(source, output, "--workers", "2"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            end = time.monotonic() + 60
            before = len(list((output / STATE).glob("*.json")))
            # After it has done something new, at some moment of its work.
            while time.monotonic() < end and process.poll() is None:
                if len(list((output / STATE).glob("*.json"))) > before:
                    break
                time.sleep(0.02)
            time.sleep(random.random() * 0.1)
            started = children(process.pid)
            process.send_signal(signal.SIGKILL)
        assert gone(started)
        finished.append(len(list((output / STATE).glob("*.json"))))
    assert finished == sorted(finished)
    assert finished[0] > 0
    done = scan(source, output, "--workers", "2")
    assert (done.returncode, done.stderr) == (0, b"")
    assert contents(output) == contents(tmp_path / "one")
    assert not (output / STATE).exists()


def test_a_full_disk_is_said_and_a_later_call_goes_on(source, expected, tmp_path):
    output = tmp_path / "out"

    def little():
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    done = scan(source, output, "--workers", "1", preexec_fn=little)
    assert done.returncode == 4
    assert done.stderr.count(b"\n") == 1
    assert b"run the same command again" in done.stderr
    assert not (output / "summary.json").exists()
    done = scan(source, output, "--workers", "2")
    assert done.returncode == 0
    assert contents(output) == expected


def test_a_worker_that_dies_is_replaced_and_a_deadly_shard_reported(source, tmp_path):
    """The third shard kills whoever reads it; the others are done, and the exit code is 3."""
    code = (
        "import os, sys, gounmal.files.reader as files\n"
        "read = files.Input.chunks\n"
        "def chunks(self, *part):\n"
        "    if self.path.name == '2.csv':\n"
        "        os._exit(9)\n"
        "    return read(self, *part)\n"
        "if __name__ != '__main__':\n"
        "    files.Input.chunks = chunks\n"
        "else:\n"
        "    from gounmal.cli import main\n"
        "    main(sys.argv[1:])\n"
    )
    script = tmp_path / "deadly.py"
    script.write_text(code, encoding="utf-8")
    output = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, str(script), *command(source, output, "--workers", "2")[3:]],
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 3, done.stderr
    [failed] = json.loads((output / "summary.json").read_bytes())["failed"]
    assert failed == {
        "file": "2.csv",
        "part": failed["part"],
        "reason": f"2.csv: the worker died, {workers.ATTEMPTS} times",
    }
    assert not (output / "decisions" / "2.csv").exists()
    assert len(list((output / "decisions").iterdir())) == FILES - 1
    assert b"not done: 2.csv" in done.stdout
    assert scan(source, output, "--workers", "2").returncode == 0
    assert (output / "decisions" / "2.csv").exists()


def test_two_scans_do_not_share_an_output(source, tmp_path):
    state = tmp_path / "out" / STATE
    state.mkdir(parents=True)
    with (state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = scan(source, tmp_path / "out")
    assert second.returncode == 2
    assert b"another scan is at work there" in second.stderr
    assert scan(source, tmp_path / "out").returncode == 0
