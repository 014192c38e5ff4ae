"""Moderation of single requests and of lists through the runner."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gounmal.errors import Overloaded, ScoringFailed
from gounmal.moderator import Moderator
from gounmal.online import SLICE, Online
from gounmal.policy import Policy
from gounmal.schema import Message


class Gated:
    """A scorer that stops while its gate is closed."""

    def __init__(self, scorer):
        self._scorer = scorer
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def __getattr__(self, name):
        return getattr(self._scorer, name)

    def score(self, texts):
        self.entered.set()
        assert self.gate.wait(10)
        return self._scorer.score(texts)


@pytest.fixture
async def online(fake_scorer):
    online = Online(Moderator(fake_scorer))
    yield online
    await online.close()


async def test_a_decision_is_that_of_the_core(online):
    message = Message("이 바보야", id="7", channel="c")
    assert await online.moderate(message) == online.moderator.moderate([message])[0]


async def test_a_list_is_judged_in_order_whatever_its_length(online):
    for count in (0, 1, SLICE - 1, SLICE, SLICE + 1, 3 * SLICE + 5):
        messages = [Message(f"{'바보 ' * (i % 3)}{i}", id=str(i)) for i in range(count)]
        decisions = await online.moderate_many(messages)
        assert decisions == online.moderator.moderate(messages)
        assert [decision.id for decision in decisions] == [str(i) for i in range(count)]


async def test_many_callers_at_once_each_get_their_own(online):
    messages = [Message(f"{word} {i}") for i in range(200) for word in ("바보", "안녕", "젠장")]
    decisions = await asyncio.gather(*(online.moderate(message) for message in messages))
    assert decisions == online.moderator.moderate(messages)


async def test_a_channel_has_its_own_rules(fake_scorer):
    policy = Policy.parse({"channels": {"kids": {"blocklist": ["안녕"]}}})
    online = Online(Moderator(fake_scorer, policy))
    one, many = Message("안녕"), [Message("안녕", channel="kids"), Message("안녕", channel="else")]
    assert not (await online.moderate(one)).flagged
    assert [d.flagged for d in await online.moderate_many(many)] == [True, False]
    await online.close()


async def test_a_list_under_way_is_finished_while_new_work_is_refused(fake_scorer):
    scorer = Gated(fake_scorer)
    online = Online(Moderator(scorer), max_queue_cost=10)
    scorer.gate.clear()
    messages = [Message(str(i)) for i in range(4 * SLICE)]
    listed = asyncio.ensure_future(online.moderate_many(messages))
    await asyncio.to_thread(scorer.entered.wait)
    with pytest.raises(Overloaded):
        await online.moderate(Message("안녕"))
    scorer.gate.set()
    assert len(await listed) == len(messages)
    assert await online.moderate(Message("안녕"))
    await online.close()


async def test_what_an_abandoned_list_has_left_is_not_scored(fake_scorer):
    scorer = Gated(fake_scorer)
    online = Online(Moderator(scorer))
    scorer.gate.clear()
    listed = asyncio.ensure_future(online.moderate_many([Message(str(i)) for i in range(1024)]))
    await asyncio.to_thread(scorer.entered.wait)
    listed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listed
    scorer.gate.set()
    await online.close()
    assert len(fake_scorer.calls) == 1  # the batch that was under way


async def test_a_failing_engine_is_said_to_fail(fake_scorer):
    fake_scorer.score = lambda _: []
    online = Online(Moderator(fake_scorer))
    with pytest.raises(ScoringFailed):
        await online.moderate(Message("안녕"))
    with pytest.raises(ScoringFailed):
        await online.moderate_many([Message("안녕")] * 100)
    await online.close()
