"""More than one worker can do: some are refused at once, everybody is answered, and rightly."""

from __future__ import annotations

import resource
from functools import partial

import numpy as np
import orjson
import pytest

from benchmarks.online.arrivals import poisson
from benchmarks.online.generator import Generator
from benchmarks.online.wire import Http, http
from gounmal import Message

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("many_files")]

CONNECTIONS = 512
SECONDS = 3
TOO_MANY = 12_000
"""Requests a second: more than a core can even refuse beside judging what it accepts."""

FLOODS = 2

LATE_S = 1.0
"""Far more than a refusal takes; without admission, waits here were past two seconds."""


@pytest.fixture
def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4 * CONNECTIONS, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_flood_is_refused_in_part_and_nobody_is_forgotten(environment, moderator):
    texts = [f"라이브 {i}번 ㅋㅋ" for i in range(500)] + [f"{i} 시발 뭐야" for i in range(100)]
    right = [
        d.to_dict() for d in moderator.moderate([Message(t, str(i)) for i, t in enumerate(texts)])
    ]
    requests = [
        (str(i).encode(), http("/moderate", orjson.dumps({"text": text, "id": str(i)})))
        for i, text in enumerate(texts)
    ]
    with environment.serving("gounmal", "serve", "--workers", "1", GOUNMAL_CACHE="0") as server:
        port = int(server.url.rpartition(":")[2])
        # All of it holds in every flood but the time that it takes: a machine may stand still.
        late = [_flood(port, requests, right) for _ in range(FLOODS)]
    assert min(late) < LATE_S


def _flood(port, requests, right):
    """Check all answers; the 99th percentile of the time that those accepted took."""
    generator = Generator(partial(Http, ("127.0.0.1", port)), connections=CONNECTIONS)
    due = poisson(TOO_MANY, SECONDS, np.random.default_rng(0))
    run = generator.run(requests, due, stop_s=2 * SECONDS, patience_s=SECONDS)
    sent = np.isfinite(run.sent)
    answered = np.isfinite(run.done)
    # Those that were on their way when the generator left may be without an answer, no others.
    assert (sent & ~answered).sum() <= CONNECTIONS
    assert set(run.status[answered]) == {200, 429}
    accepted = np.flatnonzero(run.status == 200)
    for number in accepted:
        said, expected = orjson.loads(run.bodies[number]), right[number % len(right)]
        assert (said["id"], said["action"], said["spans"]) == tuple(
            expected[key] for key in ("id", "action", "spans")
        )
    for number in np.flatnonzero(run.status == 429)[:10]:
        assert "try again" in orjson.loads(run.bodies[number])["error"]["message"]
    return np.percentile((run.done - run.sent)[accepted], 99)
