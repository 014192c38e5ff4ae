"""The remote runner as it is really served: one process has the network, two doors ask it.

That answers are the same as in-process is in test_served.py, which runs in both shapes.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import aiohttp
import httpx
import psutil
import pytest

from tests.e2e.conftest import configured

ROOT = Path(__file__).parents[2]
SCORER = "gounmal-scorer"

pytestmark = pytest.mark.e2e


REMOTE = {"GOUNMAL_RUNNER": "remote", "GOUNMAL_CACHE": "0", "GOUNMAL_JOBS": "off"}


@pytest.fixture(scope="module")
def served(environment):
    with environment.serving("bentoml", "serve", **REMOTE, **configured(workers=2)) as server:
        yield server


def judged(server, text):
    return httpx.post(server.url + "/moderate", json={"text": text}, timeout=60)


def test_it_is_one_process_that_nobody_outside_can_reach(served):
    [scorer] = served.workers(SCORER)
    assert len(served.workers()) == 2
    # What BentoML starts inherits the doors' socket; it has none of its own but this.
    ports = {c.laddr.port for c in scorer.net_connections("inet")}
    assert ports <= {int(served.url.rpartition(":")[2])}
    sockets = {Path(c.laddr) for c in scorer.net_connections("unix") if c.laddr.endswith(".sock")}
    assert sockets
    assert all(path.parent.stat().st_mode & 0o077 == 0 for path in sockets)
    assert httpx.post(served.url + "/score", content=b"x").status_code == 404
    assert "/score" not in httpx.get(served.url + "/docs.json").text
    assert judged(served, "안녕하세요").json()["action"] == "allow"
    assert "gounmal_forward_seconds" in httpx.get(served.url + "/metrics").text


def test_nobody_gets_anothers_answer(served, environment, artifact):
    soak = ROOT / "benchmarks" / "online" / "soak.py"
    options = ("--url", served.url, "--requests", "3000", "--connections", "64")
    done = environment.run("python", str(soak), *options, "--model", str(artifact))
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["requests"], result["wrong"], result["lost"]) == (3_000, 0, 0)


def test_a_scorer_that_dies_is_replaced(served):
    [scorer] = served.workers(SCORER)
    os.kill(scorer.pid, signal.SIGKILL)
    for _ in range(20):
        if judged(served, "안녕하세요").status_code == 200:
            break
        time.sleep(0.5)
    assert judged(served, "안녕하세요").json()["action"] == "allow"
    assert httpx.get(served.url + "/readyz").is_success
    [new] = served.workers(SCORER)
    assert new.pid != scorer.pid
    assert not psutil.pid_exists(scorer.pid)


async def test_it_outlives_the_doors(environment):
    texts = [f"안녕하세요 {i}" for i in range(64)]
    statuses = []
    with environment.serving("bentoml", "serve", **REMOTE, **configured(workers=1)) as server:
        async with aiohttp.ClientSession() as session:

            async def ask_on():
                with suppress(aiohttp.ClientError):  # no longer accepted
                    while True:
                        url = server.url + "/moderate_many"
                        async with session.post(url, json={"texts": texts}) as response:
                            await response.read()
                            statuses.append(response.status)

            asking = [asyncio.ensure_future(ask_on()) for _ in range(16)]
            await asyncio.sleep(0.5)
            assert await asyncio.to_thread(server.stop) == 0
            await asyncio.wait(asking, timeout=10)
    assert statuses.count(200) > 16
    assert set(statuses) <= {200, 429}
