"""`POST /stream` without a server around it: lines, order, bounds, endings."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gounmal.gate.limits import CALLERS_BUCKET, Bucket
from gounmal.moderator import Moderator
from gounmal.online import ndjson
from gounmal.online.decide import Online
from gounmal.online.frames import MAX_FRAME, MAX_IN_FLIGHT
from gounmal.online.ndjson import Lines, LineStreams
from gounmal.online.shutdown import OpenStreams
from tests.service.streams import PRIVATE, Full, Gate, Peer, Picky, line, settle

KIND = b"application/x-ndjson"


class Client(Peer):
    """Who posts lines."""

    def say(self, *chunks, more=True):
        for chunk in chunks:
            self.coming.put_nowait({"type": "http.request", "body": chunk, "more_body": more})

    def leave(self):
        self.coming.put_nowait({"type": "http.disconnect"})

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def heard(self):
        body = b"".join(event.get("body", b"") for event in self.sent[1:])
        return [orjson.loads(line) for line in body.splitlines()]

    @property
    def ended(self):
        return len(self.sent) > 1 and not self.sent[-1].get("more_body", False)


@pytest.fixture
async def judge(fake_scorer):
    online = Online(Moderator(fake_scorer))
    yield online
    await online.close()


async def test_every_line_is_counted_against_its_caller(judge):
    bucket = Bucket(1, 10, clock=lambda: 0.0)
    CALLERS_BUCKET.set(bucket)
    async with posting(judge) as client:
        client.say(line("안녕") + b"\n" + line("뭐야"))
        client.say(b"\n\n" + line("ㅋㅋ"), more=False)
        await settle()
    assert bucket.wait_s(8) == 1


@asynccontextmanager
async def posting(judge, *, kind=KIND, streams=None):
    client = Client()
    endpoint = LineStreams(lambda: judge, streams or OpenStreams())
    scope = {"type": "http", "headers": [(b"content-type", kind)]}
    serving = asyncio.ensure_future(endpoint(scope, client.receive, client.send))
    yield client
    client.writable.set()
    client.leave()
    await serving


async def post(judge, *chunks):
    async with posting(judge) as client:
        client.say(*chunks)
        client.say(b"", more=False)
        await client.until(lambda: client.ended)
    assert client.status == 200
    return client.heard


async def test_lines_are_answered_in_order(judge):
    lines = [line("바보" if i % 3 else "", id=str(i)) for i in range(1000)]
    answers = await post(judge, b"\n".join(lines[:10]), b"\n" + b"\n".join(lines[10:]))
    assert [a["id"] for a in answers] == [str(i) for i in range(1000)]
    assert [a["reason"] for a in answers] == ["model" if i % 3 else "empty" for i in range(1000)]


async def test_blank_lines_are_skipped_and_the_last_needs_no_newline(judge):
    body = b'\n \t\n{"text": "a", "id": "1"}\r\n\r\n{"text": "b", "id": "2"}'
    for chunks in ([body], [body, b"\n"], [body[:20], body[20:40], body[40:]], [body, b"\n \n"]):
        assert [a["id"] for a in await post(judge, *chunks)] == ["1", "2"]
    assert await post(judge) == await post(judge, b"\n\n") == []


async def test_a_bad_line_is_answered_in_its_place(judge, caplog):
    bad = [PRIVATE.encode(), b'{"text": 5, "id": "x"}', line(PRIVATE * 20_000), b"\xff", b"[]"]
    body = b"\n".join([line("a", id="1"), *bad, line("b", id="2"), line(PRIVATE * 1001, id="y")])
    first, *faults, last, long = await post(judge, body)
    assert (first["id"], last["id"], long["id"]) == ("1", "2", "y")
    assert [(f["id"], f["error"]["field"]) for f in faults] == [
        (None, "line"),
        ("x", "text"),
        (None, "line"),
        (None, "line"),
        (None, "line"),
    ]
    assert faults[2]["error"]["message"] == f"expected at most {MAX_FRAME} bytes"
    assert PRIVATE not in str([faults, long])
    assert not caplog.records


async def test_a_line_that_cannot_be_scored_has_no_neighbours(judge):
    body = b"\n".join([line("a"), line("fail", id="7"), line("b")])
    answers = await post(Picky(judge), body)
    assert [a.get("reason") for a in answers] == ["clean", None, "clean"]
    assert "could not be scored" in answers[1]["error"]["message"]


@given(st.lists(st.binary(max_size=9).map(lambda b: b.replace(b"\n", b"-")), max_size=9), st.data())
def test_lines_are_the_same_however_the_body_is_cut(lines, data):
    body = b"\n".join(lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=5)))
    chunks = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    splitter = Lines()
    found = [line for chunk in chunks[:-1] for line in splitter.feed(chunk)]
    found += splitter.feed(chunks[-1], last=True)
    assert found == [line for line in lines if line.strip()]


def test_a_line_without_end_takes_no_memory():
    splitter = Lines()
    for _ in range(100):
        assert not splitter.feed(b"x" * 100_000)
        assert len(splitter._rest) == MAX_FRAME + 1
    [cut, after] = splitter.feed(b"x\nafter\n")
    assert (len(cut) > MAX_FRAME, after) == (True, b"after")


@pytest.mark.parametrize("kind", [b"application/json", b"text/plain", b""])
async def test_the_content_type_must_be_right(judge, kind):
    async with posting(judge, kind=kind) as client:
        await client.until(lambda: client.ended)
    fault = {"field": "body", "message": "expected content-type application/x-ndjson"}
    assert (client.status, client.heard) == (415, [{"error": fault}])
    async with posting(judge, kind=b"Application/X-NDJSON; charset=utf-8") as client:
        client.say(b"", more=False)
        await client.until(lambda: client.ended)
    assert client.status == 200


async def test_answers_come_while_the_body_does(judge):
    async with posting(judge) as client:
        client.say(line("a", id="1") + b"\n" + line("b")[:5])
        await client.until(lambda: [a["id"] for a in client.heard] == ["1"])
        client.say(line("b", id="2")[5:], more=False)
        await client.until(lambda: client.ended)
        assert [a["id"] for a in client.heard] == ["1", "2"]


async def test_a_silent_client_gets_a_beginning(judge, monkeypatch):
    monkeypatch.setattr(ndjson, "BEGIN_S", 0.01)
    async with posting(judge) as client:
        await client.until(lambda: client.sent)
        assert client.status == 200


async def test_lines_wait_while_too_much_is_waiting(judge):
    assert [a["reason"] for a in await post(Full(judge, times=3), line("바보"))] == ["model"]


async def test_no_more_is_read_than_may_be_in_flight(judge):
    gate = Gate(judge)
    async with posting(gate) as client:
        client.say(*[line("a", id=str(i)) + b"\n" for i in range(1000)])
        await settle()
        assert sum(gate.asked) <= MAX_IN_FLIGHT
        assert client.received < 1000
        gate.open.set()
        await client.until(lambda: len(client.heard) == 1000)
    gate = Gate(judge)
    async with posting(gate) as client:
        client.say((line("a") + b"\n") * 1000)
        await settle()
        assert sum(gate.asked) == MAX_IN_FLIGHT
        gate.open.set()
        client.writable.clear()
        await asyncio.sleep(0.1)
        assert sum(gate.asked) <= MAX_IN_FLIGHT + ndjson.GROUP
        client.writable.set()
        await client.until(lambda: len(client.heard) == 1000)


async def test_who_takes_nothing_is_cut_off(judge, monkeypatch):
    monkeypatch.setattr(ndjson, "STALL_S", 0.01)
    async with posting(judge) as client:
        client.say(line("a") + b"\n")
        await client.until(lambda: client.heard)
        client.writable.clear()
        client.say((line("a") + b"\n") * 1000)
        await asyncio.sleep(0.2)
        count = client.received
        client.say(line("a") + b"\n")
        await settle()
        assert client.received == count
    assert not client.ended


@pytest.mark.parametrize("more", [True, False])
async def test_who_leaves_is_given_up(judge, more):
    gate = Gate(judge)
    async with posting(gate) as client:
        client.say((line("a") + b"\n") * 20, more=more)
        await settle()
    await settle()
    assert gate.cancelled == len(gate.asked) == 1
    assert not client.ended


async def test_a_server_that_ends_answers_what_it_read_and_says_so(judge):
    streams, gate = OpenStreams(), Gate(judge)
    async with posting(gate, streams=streams) as client:
        client.say((line("a") + b"\n") * 20)
        await settle()
        closing = asyncio.ensure_future(streams.close())
        await settle()
        client.say(line("too late") + b"\n")
        gate.open.set()
        await closing
        assert client.ended
        *answers, goodbye = client.heard
        assert [a["reason"] for a in answers] == ["clean"] * 20
        assert goodbye["error"]["message"] == "shutting down: no line after these was judged"
