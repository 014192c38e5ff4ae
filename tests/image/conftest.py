"""Containers of the image that `GOUNMAL_IMAGE` names, run as strictly as they should be.

`make image-test` builds the image and runs these; without an image they are skipped and say so.
With Docker where its engine answers, else with podman and runc, as root.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

httpx = pytest.importorskip("httpx")

ROOT = Path(__file__).parents[2]
PORTS = iter(range(int(os.environ.get("GOUNMAL_IMAGE_PORT", "3470")), 65_536))
KEY = "image-test-0123456789"
START_S = 60
STRICT = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "all")  # noqa: S108
STRICT += ("--security-opt", "no-new-privileges")


def docker_answers():
    if shutil.which("docker") is None:
        return False
    command = ["docker", "info"]
    return not subprocess.run(command, capture_output=True, check=False).returncode


def is_free(port):
    with socket.socket() as probe:
        return bool(probe.connect_ex(("127.0.0.1", port)))


class Engine:
    """Docker, or podman as it works without systemd and without a bridge."""

    def __init__(self):
        self.docker = docker_answers()
        self.command = ["docker"]
        self.limits = []
        if not self.docker:
            self.command = ["podman", "--runtime", "runc", "--cgroup-manager", "cgroupfs"]
            self.limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"]

    def __call__(self, *arguments, check=True, timeout=120):
        """Run it to its end."""
        done = subprocess.run(
            [*self.command, *arguments],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert not check or not done.returncode, f"{arguments}: {done.stdout}{done.stderr}"
        return done

    def inspect(self, name):
        return json.loads(self("inspect", name).stdout)[0]


class Container:
    """One that serves."""

    def __init__(self, engine, name, port):
        self.engine, self.name, self.url = engine, name, f"http://127.0.0.1:{port}"
        self.started_in_s = 0.0
        headers = {"authorization": f"Bearer {KEY}"}
        self.http = httpx.Client(base_url=self.url, timeout=30, headers=headers)

    def run(self, *command, check=True):
        """A command in it."""
        return self.engine("exec", self.name, *command, check=check)

    def logs(self):
        done = self.engine("logs", self.name)
        return done.stdout + done.stderr

    def state(self):
        return self.engine.inspect(self.name)["State"]

    def memory_bytes(self):
        """Resident, of all its processes."""
        script = "cat /proc/[0-9]*/statm"
        pages = [line.split()[1] for line in self.run("sh", "-c", script).stdout.splitlines()]
        return sum(map(int, pages)) * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self):
        """Of all its processes, those that have ended excepted."""
        stats = self.run("sh", "-c", "cat /proc/[0-9]*/stat").stdout.splitlines()
        ticks = [line.rpartition(") ")[2].split()[11:13] for line in stats]
        return sum(int(one) for pair in ticks for one in pair) / os.sysconf("SC_CLK_TCK")

    def wait_until_it_answers(self, since):
        while True:
            assert self.state()["Running"], self.logs()
            assert time.monotonic() - since < START_S, self.logs()
            try:
                if self.http.get("/readyz").is_success:
                    self.http.post("/moderate", json={"text": "안녕"}).raise_for_status()
                    break
            except httpx.TransportError:
                time.sleep(0.02)
        self.started_in_s = time.monotonic() - since


class Image:
    """What is tested."""

    def __init__(self, name, engine):
        self.name, self.engine = name, engine
        self.about = engine.inspect(name)

    def run(self, *command, options=(), check=True):
        """A command to its end, in a container of its own."""
        common = ["run", "--rm", "--network", "none", *self.engine.limits, *STRICT, *options]
        return self.engine(*common, self.name, *command, check=check, timeout=300)

    @contextmanager
    def serving(self, *options, port_in=None):
        """Serve until the block ends.

        Args:
            options: of the engine.
            port_in: a variable of a cloud's platform. It says where to listen, in place of an
                argument; no key is set, since the platform checks who calls.
        """
        port = next(port for port in PORTS if is_free(port))
        name = f"gounmal-test-{port}"
        since = time.monotonic()
        told = f"{port_in}={port}" if port_in else f"GOUNMAL_API_KEYS=test:{KEY}"
        own = ["run", "--detach", "--name", name, "--env", told]
        own += ["--env", "GOUNMAL_DEADLINE_MS=0"]  # the machine may be busy with something else
        own += ["--network", "host", *self.engine.limits, *STRICT, *options]
        self.engine(*own, self.name, "serve", *(() if port_in else ("--port", str(port))))
        container = Container(self.engine, name, port)
        try:
            container.wait_until_it_answers(since)
            yield container
        finally:
            container.http.close()
            self.engine("rm", "--force", "--volumes", name, check=False)


@pytest.fixture(scope="session")
def engine():
    return Engine()


@pytest.fixture(scope="session")
def image(engine):
    name = os.environ.get("GOUNMAL_IMAGE")
    if not name:
        pytest.skip("no image in GOUNMAL_IMAGE: `make image-test` builds one")
    return Image(name, engine)


@pytest.fixture(scope="session")
def files(image, engine, tmp_path_factory):
    """Every file and link of the image: its path → size, mode and owner."""
    name = f"gounmal-test-files-{os.getpid()}"
    archive = tmp_path_factory.mktemp("export") / "image.tar"
    engine("create", "--name", name, image.name)
    try:
        engine("export", "--output", str(archive), name, timeout=600)
    finally:
        engine("rm", "--force", "--volumes", name)
    with tarfile.open(archive) as content:
        found = {member.name: member for member in content}
    archive.unlink()
    return found


@pytest.fixture(scope="module")
def container(image):
    """One that the tests of a file share."""
    with image.serving("--memory", "1g") as container:
        yield container


@pytest.fixture
def say(capsys):
    """Show a figure, whatever is captured."""

    def say_(figure):
        with capsys.disabled():
            sys.stdout.write(f"\n  {figure}\n")

    return say_
