"""Endings: a block that is interrupted, a signal that is heard first."""

from __future__ import annotations

import asyncio
import signal

import pytest

from gounmal.online.interrupt import Interruptible
from gounmal.online.shutdown import before_shutdown


async def test_an_interrupted_block_is_given_up():
    block, reached = Interruptible(), False
    asyncio.get_running_loop().call_later(0.01, block.interrupt)
    async with block:
        await asyncio.sleep(60)
        reached = True
    assert (block.interrupted, reached) == (True, False)
    assert not asyncio.current_task().cancelling()


async def test_a_block_may_be_interrupted_before_and_after():
    early, late = Interruptible(), Interruptible()
    early.interrupt()
    async with early:
        await asyncio.sleep(60)
    async with late:
        await asyncio.sleep(0)
    late.interrupt()
    assert (early.interrupted, late.interrupted) == (True, False)


@pytest.mark.parametrize("error", [KeyError, TimeoutError, asyncio.CancelledError])
async def test_what_is_raised_inside_is_not_swallowed(error):
    block = Interruptible()
    with pytest.raises(error):
        async with block:
            raise error
    assert not block.interrupted


@pytest.fixture(params=[signal.SIGTERM, signal.SIGINT])
def ending(request):
    """A signal, and what its handler has heard."""
    heard = []
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, lambda number, _: heard.append(number))
    yield request.param, heard
    for number, handler in before.items():
        signal.signal(number, handler)


async def test_a_signal_waits_for_what_is_prepared(ending):
    number, heard = ending
    ready = asyncio.Event()
    before_shutdown(ready.wait, within=10)
    signal.raise_signal(number)
    await asyncio.sleep(0.05)
    assert not heard
    ready.set()
    await asyncio.sleep(0.05)
    assert heard == [number]


async def test_a_second_signal_does_not_wait(ending):
    number, heard = ending
    before_shutdown(asyncio.Event().wait, within=10)
    for count in (0, 1):
        signal.raise_signal(number)
        await asyncio.sleep(0.05)
        assert heard == [number] * count


async def test_a_signal_does_not_wait_for_ever(ending, caplog):
    number, heard = ending
    before_shutdown(asyncio.Event().wait, within=0.01)
    signal.raise_signal(number)
    await asyncio.sleep(0.1)
    assert heard == [number]
    assert "still open" in caplog.text


async def test_where_nobody_handles_signals_nothing_is_changed(ending):
    number, _ = ending
    signal.signal(number, signal.SIG_IGN)
    before_shutdown(asyncio.Event().wait, within=10)
    assert signal.getsignal(number) is signal.SIG_IGN
