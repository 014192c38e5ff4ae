"""Moderation of single requests and of lists through the cache and the runner."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gounmal.errors import DeadlineExceeded, Overloaded, ScoringFailed
from gounmal.moderator import Moderator
from gounmal.online.decide import LIVE_LIST, Online
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

    async def busy(self, online):
        """Have it start on something and stay there until the gate opens."""
        self.gate.clear()
        self.entered.clear()
        task = asyncio.ensure_future(online.moderate(Message("busy")))
        assert await asyncio.to_thread(self.entered.wait, 10)
        return task


@pytest.fixture(params=[0, 100], ids=["cache off", "cache on"])
async def online(fake_scorer, request):
    online = Online(Moderator(fake_scorer), cache=request.param)
    yield online
    await online.close()


async def test_a_decision_is_that_of_the_core(online):
    message = Message("이 바보야", id="7", channel="c")
    for _ in range(2):
        assert await online.moderate(message) == online.moderator.moderate([message])[0]


async def test_a_list_is_judged_in_order_whatever_its_length(online):
    for count in (0, 1, LIVE_LIST, LIVE_LIST + 1, 1024):
        messages = [Message(f"{'바보 ' * (i % 3)}{i % 300}", id=str(i)) for i in range(count)]
        decisions = await online.moderate_many(messages)
        assert decisions == online.moderator.moderate(messages)
        assert [decision.id for decision in decisions] == [str(i) for i in range(count)]


async def test_many_callers_at_once_each_get_their_own(online):
    words = ("바보", "안녕", "젠장")
    messages = [Message(f"{w} {i % 50}", id=f"{i}") for i in range(200) for w in words]

    async def caller(message):
        """Asks again when refused, as a client does: a busy machine may refuse so many at once."""
        while True:
            try:
                return await online.moderate(message)
            except Overloaded:
                await asyncio.sleep(0.01)

    async with asyncio.timeout(30):
        decisions = await asyncio.gather(*map(caller, messages))
    assert decisions == online.moderator.moderate(messages)


async def test_a_channel_has_its_own_rules(fake_scorer):
    policy = Policy.parse({"channels": {"kids": {"blocklist": ["안녕"]}}})
    online = Online(Moderator(fake_scorer, policy), cache=10)
    one, many = Message("안녕"), [Message("안녕", channel="kids"), Message("안녕", channel="else")]
    for _ in range(2):
        assert not (await online.moderate(one)).flagged
        assert [d.flagged for d in await online.moderate_many(many)] == [True, False]
    online.moderator.policy = Policy.parse({"blocklist": ["안녕"]})
    assert (await online.moderate(one)).flagged
    await online.close()


async def test_what_is_known_is_not_scored_again(fake_scorer):
    online = Online(Moderator(fake_scorer), cache=2)
    for text in ("가", "나", "가", "다", "가", "나"):
        await online.moderate(Message(text, id="7"))
    assert fake_scorer.calls == [["가"], ["나"], ["다"], ["나"]]
    assert (online.recorder.hits, online.recorder.misses) == (2, 4)
    assert len(online.cache) == 2
    await online.close()


async def test_without_a_cache_nothing_is_remembered(fake_scorer):
    online = Online(Moderator(fake_scorer))
    for _ in range(2):
        await online.moderate(Message("가"))
    assert fake_scorer.calls == [["가"], ["가"]]
    assert online.recorder.hits == len(online.cache) == 0
    await online.close()


async def test_what_is_asked_many_times_at_once_is_scored_once(online, fake_scorer):
    texts = ["가", "나", "가", "다", "나"]
    tasks = [asyncio.ensure_future(online.moderate(Message(t, id=t))) for t in texts * 5]
    listed = asyncio.ensure_future(online.moderate_many([Message(t) for t in texts * 5]))
    await asyncio.sleep(0)
    tasks[0].cancel()  # the first who asked for 가: nobody else should notice
    tasks[5].cancel()
    decisions = await asyncio.gather(*tasks, return_exceptions=True)
    assert [d.id for d in decisions if not isinstance(d, BaseException)] == [
        t for i, t in enumerate(texts * 5) if i not in {0, 5}
    ]
    assert [d.masked for d in await listed] == texts * 5
    assert sorted(text for call in fake_scorer.calls for text in call) == ["가", "나", "다"]


async def test_a_list_under_way_is_finished_while_new_work_is_refused(fake_scorer):
    scorer = Gated(fake_scorer)
    online = Online(Moderator(scorer), max_queue_cost=10)
    busy = await scorer.busy(online)
    listed = asyncio.ensure_future(online.moderate_many([Message(str(i)) for i in range(100)]))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await online.moderate(Message("안녕"))
    assert online.recorder.shed == 1
    scorer.gate.set()
    assert len(await listed) == 100
    assert await busy
    assert await online.moderate(Message("안녕"))
    await online.close()


async def test_what_an_abandoned_list_has_left_is_not_scored(fake_scorer):
    scorer = Gated(fake_scorer)
    online = Online(Moderator(scorer))
    busy = await scorer.busy(online)
    listed = asyncio.ensure_future(online.moderate_many([Message(str(i)) for i in range(1024)]))
    await asyncio.sleep(0)
    listed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listed
    scorer.gate.set()
    await busy
    await online.close()
    assert fake_scorer.calls == [["busy"]]


async def test_whose_deadline_has_passed_is_not_scored(fake_scorer):
    scorer = Gated(fake_scorer)
    online = Online(Moderator(scorer), deadline=0.001)
    busy = await scorer.busy(online)
    asked = [
        asyncio.ensure_future(one)
        for one in (
            online.moderate(Message("가")),
            online.moderate_many([Message("나"), Message("다")]),
            online.moderate(Message("라"), deadline=60),
        )
    ]
    await asyncio.sleep(0.005)
    scorer.gate.set()
    late, late_list, in_time = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(late, DeadlineExceeded)
    assert isinstance(late_list, DeadlineExceeded)
    assert in_time.masked == "라"
    assert (await busy).masked == "busy"
    assert online.recorder.late == 2
    assert fake_scorer.calls == [["busy"], ["라"]]
    await online.close()


async def test_a_failing_engine_is_said_to_fail_and_a_failure_is_not_remembered(fake_scorer):
    working, fake_scorer.score = fake_scorer.score, lambda _: []
    online = Online(Moderator(fake_scorer), cache=10)
    with pytest.raises(ScoringFailed):
        await online.moderate(Message("안녕"))
    with pytest.raises(ScoringFailed):
        await online.moderate_many([Message("안녕")] * 100)
    fake_scorer.score = working
    assert not (await online.moderate(Message("안녕"))).flagged
    await online.close()


async def test_a_short_engine_runs_on_the_loop_and_warming_up_leaves_no_trace(fake_scorer):
    online = Online(Moderator(fake_scorer), cache=10)
    assert not online.runner.on_loop
    await online.warm_up()
    assert online.runner.on_loop
    assert len(online.cache) == online.recorder.misses == sum(online.recorder.wait.counts) == 0
    await online.close()
