"""What tests of both kinds of stream share: ASGI by hand, and judges of a kind."""

from __future__ import annotations

import asyncio

import orjson

from gounmal.errors import Overloaded, ScoringFailed

PRIVATE = "비밀문장"


def line(text, **more):
    return orjson.dumps({"text": text} | more)


class Peer:
    """The other side of an ASGI application: what it is sent and what it sends."""

    def __init__(self, *events):
        self.coming = asyncio.Queue()
        for event in events:
            self.coming.put_nowait(event)
        self.received = 0
        self.sent = []
        self.writable = asyncio.Event()
        self.writable.set()
        self.news = asyncio.Event()

    async def receive(self):
        event = await self.coming.get()
        self.received += 1
        return event

    async def send(self, event):
        await self.writable.wait()
        self.sent.append(event)
        self.news.set()

    async def until(self, there):
        """Wait for what the application sends."""
        async with asyncio.timeout(10):
            while not there():
                self.news.clear()
                await self.news.wait()


async def settle():
    """Let everything happen that can happen without anybody else."""
    for _ in range(200):
        await asyncio.sleep(0)


class Gate:
    """A judge that waits to be let go, and remembers."""

    def __init__(self, judge):
        self.judge = judge
        self.open = asyncio.Event()
        self.asked = []
        self.cancelled = 0

    async def moderate_many(self, messages):
        self.asked.append(len(messages))
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return await self.judge.moderate_many(messages)


class Full:
    """A judge that has too much to do, a number of times."""

    def __init__(self, judge=None, times=10**9):
        self.judge = judge
        self.times = times

    async def moderate_many(self, messages):
        self.times -= 1
        if self.times >= 0:
            raise Overloaded(2.4 if self.judge is None else 0.01)
        return await self.judge.moderate_many(messages)


class Picky:
    """A judge whose engine fails on one text, and that has a bug for another."""

    def __init__(self, judge):
        self.judge = judge

    async def moderate_many(self, messages):
        texts = [message.text for message in messages]
        if "fail" in texts:
            raise ScoringFailed("the engine raised RuntimeError")
        if PRIVATE in texts:
            raise KeyError(PRIVATE)
        return await self.judge.moderate_many(messages)
