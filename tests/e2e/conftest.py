"""Really served Bentos: processes of the serving environment, on free ports, over own stores.

`GOUNMAL_SERVE_BIN` names the serving environment's folder of programs (`make test` sets it); by
default it is the environment that runs the tests. `GOUNMAL_ARTIFACT` names a model to test with in
place of the shipped one.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from gounmal import Moderator

ROOT = Path(__file__).parents[2]
ARTIFACT = Path(os.environ.get("GOUNMAL_ARTIFACT") or ROOT / "models" / "gounmal-ko")
SERVE_BIN = Path(os.environ.get("GOUNMAL_SERVE_BIN") or Path(sys.executable).parent)
START_TIMEOUT_S = 60


def configured(**keys: object) -> dict[str, str]:
    """The environment in which the service has these keys of BentoML's configuration."""
    return {"BENTOML_CONFIG_OVERRIDES": json.dumps({"services": {"gounmal": keys}})}


@dataclass
class Server:
    """One running `bentoml serve`."""

    process: subprocess.Popen
    url: str
    log: Path
    started_in_s: float

    def workers(self, service: str = "gounmal") -> list[psutil.Process]:
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if service in child.cmdline()]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@dataclass
class ServingEnvironment:
    """Programs of the serving environment, over one Bento store."""

    home: Path
    is_that_of_the_tests: bool = Path(sys.executable).parent == SERVE_BIN

    def variables(self, **more: str) -> dict[str, str]:
        foreign = ("PYTHON", "BENTOML_", "GOUNMAL_", "VIRTUAL_ENV", "COV_")
        own = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
        own |= {"BENTOML_HOME": str(self.home), "PYTHONUNBUFFERED": "1"}
        own |= {"BENTOML_HOST": "127.0.0.1"}  # where no API key is needed
        own["GOUNMAL_STATE"] = str(self.home / "state")
        return own | {"PATH": f"{SERVE_BIN}{os.pathsep}{own['PATH']}"} | more

    def run(self, *command: str, cwd: Path = ROOT, **more: str) -> subprocess.CompletedProcess:
        """Run a program to its end: output and errors together, as text."""
        return subprocess.run(
            [SERVE_BIN / command[0], *command[1:]],
            cwd=cwd,
            env=self.variables(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )

    @contextmanager
    def serving(self, *command: str, cwd: Path = ROOT, **more: str):
        """Run a program that serves, until the block ends."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        log = self.home / f"{port}.log"
        start = time.perf_counter()
        with log.open("wb") as out:
            process = subprocess.Popen(
                [SERVE_BIN / command[0], *command[1:], "--port", str(port)],
                cwd=cwd,
                env=self.variables(**more),
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        server = Server(process, f"http://127.0.0.1:{port}", log, 0.0)
        try:
            self._wait_until_ready(server, start)
            yield server
        finally:
            if process.poll() is None:
                server.stop()

    @staticmethod
    def _wait_until_ready(server: Server, start: float) -> None:
        while True:
            try:
                # The socket is open before the worker is ready, and then this waits.
                if httpx.get(server.url + "/readyz", timeout=START_TIMEOUT_S).is_success:
                    break
            except httpx.TransportError:
                time.sleep(0.02)
            assert server.process.poll() is None, server.log.read_text()
            assert time.perf_counter() - start < START_TIMEOUT_S, server.log.read_text()
        server.started_in_s = time.perf_counter() - start


@pytest.fixture
def bare_environment(tmp_path):
    """With nothing in its store."""
    return ServingEnvironment(tmp_path)


@pytest.fixture(scope="session")
def artifact():
    """Folder of the model that is served."""
    return ARTIFACT


@pytest.fixture(scope="session")
def environment(tmp_path_factory, artifact):
    """With the model in its store."""
    environment = ServingEnvironment(tmp_path_factory.mktemp("home"))
    command = "import sys, gounmal.model.store as store; print(store.import_artifact(sys.argv[1]))"
    done = environment.run("python", "-c", command, str(artifact))
    assert done.returncode == 0, done.stdout
    return environment


@pytest.fixture(scope="session")
def bento(environment):
    """Folder of a Bento that `bentoml build` has just built."""
    done = environment.run("bentoml", "build", "--output", "tag")
    assert done.returncode == 0, done.stdout
    name, version = done.stdout.split("__tag__:")[1].strip().split(":")
    return environment.home / "bentos" / name / version


@pytest.fixture(scope="session")
def serving_bento(environment, bento, tmp_path_factory):
    """Serves that Bento from a folder that has nothing to do with the checkout, with one worker."""

    def serve(**variables):
        elsewhere = tmp_path_factory.mktemp("elsewhere")
        tag = f"{bento.parent.name}:{bento.name}"
        variables = configured(workers=1) | variables
        return environment.serving("bentoml", "serve", tag, cwd=elsewhere, **variables)

    return serve


@pytest.fixture(scope="session")
def server(serving_bento):
    """That Bento, served."""
    with serving_bento() as server:
        yield server


@pytest.fixture(scope="session")
def remote_server(serving_bento):
    """The same with the network in a process of its own."""
    with serving_bento(GOUNMAL_RUNNER="remote") as server:
        yield server


@pytest.fixture(scope="session")
def moderator(artifact):
    """The core in this process, with the same model."""
    return Moderator.load(artifact)
