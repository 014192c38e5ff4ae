"""The adaptive-batching runner, each of its promises."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gounmal.errors import Overloaded, ScoringFailed
from gounmal.runner import Runner

PLENTY = 1_000_000


@asynccontextmanager
async def running(score, *, cost=lambda _: 1, max_batch_cost=PLENTY, max_queue_cost=PLENTY):
    runner = Runner(score, cost=cost, max_batch_cost=max_batch_cost, max_queue_cost=max_queue_cost)
    try:
        yield runner
    finally:
        await runner.close()


class Engine:
    """Answers each item with its double, notes its batches, and stops while the gate is closed."""

    def __init__(self, *, bad=()):
        self.batches = []
        self.bad = set(bad)
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def __call__(self, items):
        self.batches.append(list(items))
        self.entered.set()
        assert self.gate.wait(10)
        if self.bad.intersection(items):
            raise ValueError("secret text of a message")
        return [2 * item for item in items]

    async def busy(self, runner, item=0):
        """Have the engine start on one item and stay there until the gate opens."""
        self.gate.clear()
        self.entered.clear()
        future = runner.submit([item])
        assert await asyncio.to_thread(self.entered.wait, 10)
        return future


@given(st.lists(st.lists(st.integers(1, 50), max_size=8), max_size=20), st.integers(1, 200))
def test_everyone_gets_their_own_outcomes_in_order(units, max_batch_cost):
    async def scenario():
        async with running(
            Engine(), cost=lambda item: item, max_batch_cost=max_batch_cost
        ) as runner:
            return await asyncio.gather(*(runner.submit(unit) for unit in units))

    assert asyncio.run(scenario()) == [[2 * item for item in unit] for unit in units]


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=60),
    st.integers(1, 300),
    st.floats(1.0, 3.0),
)
def test_batches_keep_to_their_cost_and_their_padding(costs, max_batch_cost, max_padding):
    engine = Engine()

    async def scenario():
        runner = Runner(
            engine,
            cost=lambda item: item,
            max_batch_cost=max_batch_cost,
            max_queue_cost=PLENTY,
            max_padding=max_padding,
        )
        first = await engine.busy(runner, 1)
        rest = runner.submit(costs)
        engine.gate.set()
        await asyncio.gather(first, rest)
        await runner.close()

    asyncio.run(scenario())
    assert sorted(item for batch in engine.batches[1:] for item in batch) == sorted(costs)
    for batch in engine.batches:
        padded = max(batch) * len(batch)
        assert len(batch) == 1 or padded <= max_batch_cost
        assert padded <= max_padding * sum(batch) + 1e-9


@given(st.sets(st.integers(0, 40)), st.integers(1, 60))
def test_only_what_is_bad_itself_fails(bad, max_batch_cost):
    async def scenario():
        async with running(Engine(bad=bad), max_batch_cost=max_batch_cost) as runner:
            futures = [runner.submit([item]) for item in range(40)]
            return await asyncio.gather(*futures, return_exceptions=True)

    for item, outcome in enumerate(asyncio.run(scenario())):
        if item in bad:
            assert isinstance(outcome, ScoringFailed)
            assert "secret" not in str(outcome)
        else:
            assert outcome == [2 * item]


async def test_a_unit_with_a_bad_item_fails_as_a_whole_and_alone():
    async with running(Engine(bad={3})) as runner:
        good, bad = runner.submit([1, 2]), runner.submit([3, 4])
        assert await good == [2, 4]
        with pytest.raises(ScoringFailed):
            await bad


@pytest.mark.parametrize(
    "miscount", [lambda items: items[1:], lambda items: [*items, 7], lambda _: None]
)
async def test_a_miscount_is_a_failure_and_never_somebody_elses_outcome(miscount):
    def score(items):
        return miscount(items) if "bad" in items else items

    async with running(score) as runner:
        futures = [runner.submit([name]) for name in ("a", "bad", "b", "c")]
        outcomes = await asyncio.gather(*futures, return_exceptions=True)
    assert outcomes[0] == ["a"]
    assert isinstance(outcomes[1], ScoringFailed)
    assert outcomes[2:] == [["b"], ["c"]]


async def test_a_lone_item_goes_at_once_and_the_engine_never_idles_beside_work():
    engine = Engine()
    async with running(engine) as runner:
        for item in range(3):
            assert await runner.submit([item]) == [2 * item]
        assert engine.batches == [[0], [1], [2]]
        first = await engine.busy(runner)
        rest = [runner.submit([item]) for item in range(1, 6)]
        engine.gate.set()
        await asyncio.gather(first, *rest)
    assert engine.batches[3:] == [[0], [1, 2, 3, 4, 5]]


async def test_the_oldest_goes_first_however_odd_its_length():
    engine = Engine()
    async with running(engine, cost=lambda item: item, max_batch_cost=100) as runner:
        first = await engine.busy(runner, 1)
        rest = [runner.submit([cost]) for cost in (90, *[5] * 40)]
        engine.gate.set()
        await asyncio.gather(first, *rest)
    assert engine.batches[1] == [90]
    assert [len(batch) for batch in engine.batches[2:]] == [20, 20]


async def test_beyond_its_bound_the_queue_refuses_at_once_and_then_takes_again():
    engine = Engine()
    async with running(engine, max_queue_cost=3) as runner:
        first = await engine.busy(runner)
        rest = [runner.submit([1]), runner.submit([2, 3])]
        with pytest.raises(Overloaded) as refusal:
            runner.submit([4])
        assert refusal.value.retry_after_s >= 0
        more = runner.submit([5], admitted=True)
        engine.gate.set()
        assert await asyncio.gather(first, *rest, more) == [[0], [2], [4, 6], [10]]
        assert await runner.submit([4]) == [8]


async def test_who_left_is_not_computed_and_holds_up_nobody():
    engine = Engine()
    async with running(engine, max_queue_cost=3) as runner:
        first = await engine.busy(runner)
        stays, leaves = runner.submit([1]), runner.submit([2, 3])
        leaves.cancel()
        await asyncio.sleep(0)  # where the loop hears of it
        also_stays = runner.submit([4])
        engine.gate.set()
        assert await asyncio.gather(first, stays, also_stays) == [[0], [2], [8]]
    assert engine.batches == [[0], [1, 4]]


async def test_when_all_have_left_the_runner_waits_for_the_next():
    engine = Engine()
    async with running(engine) as runner:
        first = await engine.busy(runner)
        leaving = [runner.submit([item]) for item in (1, 2)]
        for future in leaving:
            future.cancel()
        engine.gate.set()
        await first
        assert await runner.submit([3]) == [6]
    assert engine.batches == [[0], [3]]


async def test_closing_answers_what_was_accepted_and_refuses_the_rest():
    engine = Engine()
    runner = Runner(engine, cost=lambda _: 1, max_batch_cost=2, max_queue_cost=PLENTY)
    accepted = [await engine.busy(runner), *(runner.submit([i, i]) for i in range(1, 9))]
    closing = asyncio.ensure_future(runner.close())
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        runner.submit([1])
    assert runner.alive
    assert not closing.done()
    engine.gate.set()
    await closing
    assert [await future for future in accepted] == [[0], *([2 * i] * 2 for i in range(1, 9))]
    assert not runner.alive


async def test_nothing_is_scored_for_nothing():
    engine = Engine()
    async with running(engine) as runner:
        assert await runner.submit([]) == []
    assert engine.batches == []


async def test_outcomes_may_be_anything_none_included():
    async with running(lambda items: [None] * len(items)) as runner:
        assert await runner.submit([1, 2]) == [None, None]
