"""How long the event loop takes to come around, and what stands in front of BentoML."""

from __future__ import annotations

import asyncio
import time

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from gounmal.errors import Overloaded
from gounmal.online.front import is_watched
from gounmal.online.rounds import Rounds
from gounmal.online.runner import Runner


async def round_of(seconds, asked, rounds):
    """One turn of the loop that is busy for so long after so many have asked."""
    for _ in range(asked):
        rounds.ask(time.monotonic())
    time.sleep(seconds)  # noqa: ASYNC251  (that is the point)
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_a_busy_loop_delays_its_callers_before_and_after():
    rounds = Rounds(asyncio.get_running_loop())
    await round_of(0.05, 3, rounds)

    assert rounds.crowd == 3
    assert 0.1 <= rounds.lag(time.monotonic()) < 1


async def test_a_loop_that_was_idle_since_delays_nobody():
    rounds = Rounds(asyncio.get_running_loop())
    await round_of(0.01, 3, rounds)
    await asyncio.sleep(0.1)

    assert rounds.lag(time.monotonic()) == 0


async def test_a_crowd_is_forgotten_after_a_round_of_fewer():
    rounds = Rounds(asyncio.get_running_loop())
    await round_of(0, 9, rounds)
    await round_of(0, 2, rounds)
    assert rounds.crowd == 2


@pytest.mark.parametrize(("callers", "refused"), [(9, True), (2, False)])
async def test_what_would_wait_for_the_loop_is_refused_only_in_a_crowd(callers, refused):
    runner = Runner(list, cost=lambda _: 1, max_batch_cost=8, max_queue_cost=10**6, min_queue=4)
    runner.on_loop = True
    for _ in range(callers):
        runner.submit([0])
    time.sleep(0.1)  # noqa: ASYNC251
    for _ in range(3):
        await asyncio.sleep(0)

    assert (runner.overload() is not None) == refused
    if refused:
        with pytest.raises(Overloaded):
            runner.submit([0])
    await runner.close()


class AccessLogMiddleware:
    """By that name BentoML's is known."""


class OpenTelemetryMiddleware:
    """Likewise."""


class Excluded:
    def __init__(self, everything):
        self.everything = everything

    def url_disabled(self, _url):
        return self.everything


@pytest.mark.parametrize(
    ("middleware", "watched"),
    [
        ([], False),
        ([Middleware(AccessLogMiddleware)], True),
        ([Middleware(OpenTelemetryMiddleware, excluded_urls=Excluded(True))], False),
        ([Middleware(OpenTelemetryMiddleware, excluded_urls=Excluded(False))], True),
        ([Middleware(OpenTelemetryMiddleware, excluded_urls=None)], True),
    ],
)
def test_what_watches_each_request_is_seen(middleware, watched):
    assert is_watched(Starlette(middleware=middleware)) == watched
