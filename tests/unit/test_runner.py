"""The adaptive-batching runner, each of its promises."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gounmal.errors import DeadlineExceeded, Overloaded, ScoringFailed
from gounmal.online.rounds import QUIET_TURNS, READING_S
from gounmal.online.runner import FLOOD, MIN_BATCH_COST, Runner
from gounmal.online.telemetry import Recorder

PLENTY = 1_000_000

on_loop_or_thread = pytest.mark.parametrize("on_loop", [False, True])


def made(run, *, cost=lambda _: 1, **limits):
    """A runner without limits but the given: nothing is refused because the machine paused."""
    names = ("max_batch_cost", "max_queue_cost", "batch_s", "wait_s")
    return Runner(run, cost=cost, **(dict.fromkeys(names, PLENTY) | limits))


@asynccontextmanager
async def running(run, *, on_loop=False, **more):
    runner = made(run, **more)
    runner.on_loop = on_loop
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


@given(
    st.lists(st.lists(st.integers(1, 50), max_size=8), max_size=20),
    st.integers(1, 200),
    st.booleans(),
    st.booleans(),
)
def test_everyone_gets_their_own_outcomes_in_order(units, max_batch_cost, on_loop, keyed):
    async def scenario():
        async with running(
            Engine(), cost=lambda item: item, max_batch_cost=max_batch_cost, on_loop=on_loop
        ) as runner:
            futures = [
                runner.submit(unit, keys=unit if keyed else None, bulk=len(unit) > 4)
                for unit in units
            ]
            return await asyncio.gather(*futures)

    assert asyncio.run(scenario()) == [[2 * item for item in unit] for unit in units]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(1, 300))
def test_batches_keep_to_their_cost_and_to_the_order_of_arrival(costs, max_batch_cost):
    engine = Engine()

    async def scenario():
        async with running(
            engine, cost=lambda item: item, max_batch_cost=max_batch_cost, on_loop=True
        ) as runner:
            await asyncio.gather(*(runner.submit([cost]) for cost in costs))

    asyncio.run(scenario())
    assert [item for batch in engine.batches for item in batch] == costs
    for batch, after in zip(engine.batches, [*engine.batches[1:], None], strict=True):
        assert len(batch) == 1 or sum(batch) <= max_batch_cost
        # None goes with less than would have fitted.
        assert after is None or sum(batch) + after[0] > max_batch_cost


@given(st.sets(st.integers(0, 40)), st.integers(1, 60), st.booleans())
def test_only_what_is_bad_itself_fails(bad, max_batch_cost, on_loop):
    async def scenario():
        async with running(
            Engine(bad=bad), max_batch_cost=max_batch_cost, on_loop=on_loop
        ) as runner:
            futures = [runner.submit([item]) for item in range(40)]
            return await asyncio.gather(*futures, return_exceptions=True)

    for item, outcome in enumerate(asyncio.run(scenario())):
        if item in bad:
            assert isinstance(outcome, ScoringFailed)
            assert "secret" not in str(outcome)
        else:
            assert outcome == [2 * item]


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from(["stays", "leaves", "late"])), max_size=30
    ),
    st.booleans(),
)
def test_whoever_shares_an_item_leaves_or_is_late_alone(callers, on_loop):
    """The same item asked for many times: run once if anybody still wants it, else not at all."""
    engine = Engine()

    async def scenario():
        async with running(engine, on_loop=on_loop) as runner:
            first = None if on_loop else await engine.busy(runner, 9)
            futures = [
                runner.submit([item], keys=[item], deadline=0 if fate == "late" else None)
                for item, fate in callers
            ]
            for future, (_, fate) in zip(futures, callers, strict=True):
                if fate == "leaves":
                    future.cancel()
            engine.gate.set()
            if first:
                await first
            return await asyncio.gather(*futures, return_exceptions=True)

    for outcome, (item, fate) in zip(asyncio.run(scenario()), callers, strict=True):
        expected = {"leaves": asyncio.CancelledError, "late": DeadlineExceeded}.get(fate)
        assert outcome == [2 * item] if expected is None else isinstance(outcome, expected)
    wanted = sorted({item for item, fate in callers if fate == "stays"})
    assert sorted(i for b in engine.batches for i in b if i != 9) == wanted


async def test_what_runs_already_is_joined_rather_than_run_again():
    engine = Engine()
    async with running(engine) as runner:
        engine.gate.clear()
        first = runner.submit([1], keys=["one"])
        assert await asyncio.to_thread(engine.entered.wait, 10)
        second = runner.submit([1, 2], keys=["one", "two"])
        first.cancel()
        engine.gate.set()
        assert await second == [2, 4]
        assert await runner.submit([1], keys=["one"]) == [2]
    assert engine.batches == [[1], [2], [1]]


async def test_live_goes_before_bulk_and_bulk_gets_its_share():
    engine = Engine()
    async with running(engine, max_batch_cost=8) as runner:
        first = await engine.busy(runner)
        bulk = runner.submit(list(range(100, 120)), bulk=True)
        live = [runner.submit([item]) for item in range(1, 13)]
        engine.gate.set()
        await asyncio.gather(first, bulk, *live)
    assert engine.batches[1] == [1, 2, 3, 4, 5, 6, 100, 101]
    assert engine.batches[2] == [7, 8, 9, 10, 11, 12, 102, 103]
    assert engine.batches[3] == list(range(104, 112))


async def test_bulk_that_somebody_live_wants_too_goes_with_the_live():
    engine = Engine()
    async with running(engine, max_batch_cost=4) as runner:
        first = await engine.busy(runner)
        bulk = runner.submit(list(range(8)), keys=list(range(8)), bulk=True)
        live = runner.submit([7], keys=[7])
        engine.gate.set()
        assert await live == [14]
        assert await bulk == [2 * item for item in range(8)]
        await first
    assert engine.batches[1:] == [[7, 0, 1, 2], [3, 4, 5, 6]]


@on_loop_or_thread
async def test_a_unit_with_a_bad_item_fails_as_a_whole_and_alone(on_loop):
    async with running(Engine(bad={3}), on_loop=on_loop) as runner:
        good, bad = runner.submit([1, 2]), runner.submit([3, 4])
        assert await good == [2, 4]
        with pytest.raises(ScoringFailed):
            await bad


@pytest.mark.parametrize(
    "miscount", [lambda items: items[1:], lambda items: [*items, 7], lambda _: None]
)
async def test_a_miscount_is_a_failure_and_never_somebody_elses_outcome(miscount):
    def run(items):
        return miscount(items) if "bad" in items else items

    async with running(run) as runner:
        futures = [runner.submit([name]) for name in ("a", "bad", "b", "c")]
        outcomes = await asyncio.gather(*futures, return_exceptions=True)
        assert runner.recorder.failed == 1
    assert outcomes[0] == ["a"]
    assert isinstance(outcomes[1], ScoringFailed)
    assert outcomes[2:] == [["b"], ["c"]]


@on_loop_or_thread
async def test_a_lone_item_goes_at_once_and_what_came_meanwhile_goes_together(on_loop):
    engine = Engine()
    async with running(engine, on_loop=on_loop) as runner:
        for item in range(3):
            assert await runner.submit([item]) == [2 * item]
        assert engine.batches == [[0], [1], [2]]
        rest = [runner.submit([item]) for item in range(1, 6)]
        await asyncio.gather(*rest)
    assert engine.batches[3:] == [[1, 2, 3, 4, 5]]


async def test_what_is_being_read_goes_along_and_what_comes_later_does_not():
    engine = Engine()
    async with running(engine, on_loop=True) as runner:
        futures = [runner.submit([0]), runner.submit([1])]
        for item in range(2, 6):
            for _ in range(QUIET_TURNS - 1):
                await asyncio.sleep(0)
            futures.append(runner.submit([item]))
        assert engine.batches == []
        for _ in range(QUIET_TURNS + 1):
            await asyncio.sleep(0)
        assert engine.batches == [[0, 1, 2, 3, 4, 5]]
        await runner.submit([6])
        await asyncio.gather(*futures)
    assert engine.batches[1:] == [[6]]


async def test_who_comes_alone_waits_for_no_turn_but_its_own():
    engine = Engine()
    async with running(engine, on_loop=True) as runner:
        for item in range(3):
            future = runner.submit([item])
            await asyncio.sleep(0)
            assert engine.batches == [[i] for i in range(item + 1)]
            await future


async def test_a_loop_that_reads_on_and_on_does_not_keep_the_engine_waiting():
    engine = Engine()
    async with running(engine, on_loop=True) as runner:
        futures = [runner.submit([0])]
        while not engine.batches:
            futures.append(runner.submit([len(futures)]))
            time.sleep(READING_S / 3)  # noqa: ASYNC251  (that is the point)
            await asyncio.sleep(0)
        await asyncio.gather(*futures)
    assert 2 <= len(engine.batches[0]) <= 6


async def test_in_a_flood_the_engine_waits_for_no_reading():
    engine = Engine()
    async with running(engine, on_loop=True) as runner:
        futures = [runner.submit([item]) for item in range(FLOOD + 1)]
        await asyncio.sleep(0)
        assert engine.batches == [list(range(FLOOD + 1))]
        await asyncio.gather(*futures)


async def test_no_more_is_read_than_fits_into_a_batch():
    engine = Engine()
    async with running(engine, on_loop=True, max_batch_cost=3) as runner:
        futures = [runner.submit([0])]
        for item in range(1, 7):
            futures.append(runner.submit([item]))
            await asyncio.sleep(0)
        await asyncio.gather(*futures)
    assert [len(batch) for batch in engine.batches] == [3, 3, 1]


async def test_beyond_its_bound_the_queue_refuses_at_once_and_then_takes_again():
    engine = Engine()
    async with running(engine, max_queue_cost=3) as runner:
        first = await engine.busy(runner)
        rest = [runner.submit([1]), runner.submit([2, 3])]
        with pytest.raises(Overloaded) as refusal:
            runner.submit([4])
        assert refusal.value.retry_after_s >= 0
        assert runner.recorder.shed == 1
        engine.gate.set()
        assert await asyncio.gather(first, *rest) == [[0], [2], [4, 6]]
        assert await runner.submit([4]) == [8]


async def test_what_would_wait_too_long_is_refused_but_never_on_an_empty_queue():
    def run(items):
        time.sleep(0.001 * len(items))
        return items

    async with running(run, on_loop=True, max_batch_cost=10, wait_s=0.04) as runner:
        await runner.submit(list(range(40)))
        whole = runner.submit(list(range(1024)))
        for bulk in (False, True):
            with pytest.raises(Overloaded) as refusal:
                runner.submit([1], bulk=bulk)
            assert 0.5 < refusal.value.retry_after_s < 20  # 1 s, on a machine with time for it
        assert await whole == list(range(1024))
        assert await runner.submit([1]) == [1]


async def test_a_short_queue_is_never_too_long():
    def run(items):
        time.sleep(0.001 * len(items))
        return items

    async with running(run, on_loop=True, max_batch_cost=10, wait_s=0.001, min_queue=30) as runner:
        await runner.submit(list(range(40)))
        futures = [runner.submit([i]) for i in range(31)]
        with pytest.raises(Overloaded):
            runner.submit([31])
        assert await asyncio.gather(*futures) == [[i] for i in range(31)]


async def test_bulk_waits_longer_than_live_and_does_not_keep_live_out():
    def run(items):
        time.sleep(0.01 * len(items))
        return items

    async with running(run, on_loop=True, max_batch_cost=10, wait_s=0.3) as runner:
        await runner.submit(list(range(40)))
        bulk = [runner.submit(list(range(40)), bulk=True) for _ in range(2)]
        live = runner.submit([7])
        assert await live == [7]
        assert not bulk[1].done()
        await asyncio.gather(*bulk)


async def test_batches_of_a_slow_engine_are_small():
    batches = []

    def run(items):
        batches.append(len(items))
        time.sleep(0.001 * len(items))
        return items

    async with running(run, on_loop=True, max_batch_cost=900, batch_s=0.3) as runner:
        await runner.submit(list(range(900)))
        await runner.submit(list(range(600)))
    assert batches[0] == 900
    # A millisecond each, on a machine with time for it; never less than may go in any case.
    assert MIN_BATCH_COST <= max(batches[1:]) <= 300


async def test_who_left_is_not_computed_and_holds_up_nobody():
    engine = Engine()
    async with running(engine) as runner:
        first = await engine.busy(runner)
        stays, leaves = runner.submit([1]), runner.submit([2, 3])
        leaves.cancel()
        also_stays = runner.submit([4])
        engine.gate.set()
        assert await asyncio.gather(first, stays, also_stays) == [[0], [2], [8]]
        assert runner.recorder.dropped == 2
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


async def test_whose_deadline_passed_while_waiting_is_not_computed():
    engine = Engine()
    async with running(engine) as runner:
        first = await engine.busy(runner)
        late, in_time = runner.submit([1], deadline=0.001), runner.submit([2], deadline=60)
        await asyncio.sleep(0.002)
        engine.gate.set()
        with pytest.raises(DeadlineExceeded):
            await late
        assert await asyncio.gather(first, in_time) == [[0], [4]]
    assert engine.batches == [[0], [2]]


@on_loop_or_thread
async def test_closing_answers_what_was_accepted_and_refuses_the_rest(on_loop):
    engine = Engine()
    runner = made(engine, max_batch_cost=2)
    accepted = [] if on_loop else [await engine.busy(runner)]
    runner.on_loop = on_loop
    accepted += [runner.submit([i, i]) for i in range(1, 9)]
    closing = asyncio.ensure_future(runner.close())
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        runner.submit([1])
    engine.gate.set()
    await closing
    expected = [[0], *([2 * i] * 2 for i in range(1, 9))]
    assert [await future for future in accepted] == expected[on_loop:]
    assert not runner.alive


async def test_nothing_is_run_for_nothing():
    engine = Engine()
    async with running(engine) as runner:
        assert await runner.submit([]) == []
    assert engine.batches == []


async def test_outcomes_may_be_anything_none_included():
    async with running(lambda items: [None] * len(items)) as runner:
        assert await runner.submit([1, 2]) == [None, None]


async def test_waits_are_noted_for_each_item():
    recorder = Recorder()
    async with running(Engine(), recorder=recorder) as runner:
        await runner.submit([1, 2, 3])
    counts, total = recorder.wait.take()
    assert sum(counts) == 3
    assert total >= 0
