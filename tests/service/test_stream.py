"""`WS /stream` without a server around it: frames, faults, bounds, endings."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gounmal.moderator import Moderator
from gounmal.online.decide import Online
from gounmal.online.frames import MAX_FRAME, MAX_IN_FLIGHT
from gounmal.online.shutdown import OpenStreams
from gounmal.online.stream import GROUP, LiveStreams
from gounmal.online.wire import DecisionBody
from tests.service.streams import PRIVATE, Full, Gate, Peer, Picky, line, settle


class Socket(Peer):
    """A WebSocket."""

    def __init__(self):
        super().__init__({"type": "websocket.connect"})

    def say(self, *frames):
        for frame in frames:
            kind = "bytes" if isinstance(frame, bytes) else "text"
            self.coming.put_nowait({"type": "websocket.receive", kind: frame})

    def leave(self):
        self.coming.put_nowait({"type": "websocket.disconnect", "code": 1001})

    @property
    def heard(self):
        return [orjson.loads(e["text"]) for e in self.sent if e["type"] == "websocket.send"]

    @property
    def read(self):
        return self.received - 1

    async def ask(self, *frames):
        """Send frames, wait for as many answers."""
        count = len(self.heard) + len(frames)
        self.say(*frames)
        await self.until(lambda: len(self.heard) >= count)
        return self.heard[-len(frames) :]


@pytest.fixture
async def judge(fake_scorer):
    online = Online(Moderator(fake_scorer))
    yield online
    await online.close()


@asynccontextmanager
async def connected(judge, streams=None):
    socket = Socket()
    endpoint = LiveStreams(lambda: judge, streams or OpenStreams())
    serving = asyncio.ensure_future(endpoint({}, socket.receive, socket.send))
    yield socket
    socket.writable.set()
    socket.leave()
    await serving
    assert socket.sent[0] == {"type": "websocket.accept"}


async def test_every_frame_gets_its_decision(judge):
    async with connected(judge) as socket:
        body = orjson.dumps({"text": "이 바보야", "id": "7", "channel": "c"})
        [binary] = await socket.ask(body)
        [text] = await socket.ask(body.decode())
        assert binary == text
        assert (text["id"], text["labels"], text["masked"]) == ("7", ["insult"], "이 **야")
        assert DecisionBody.model_validate(text).model_dump(mode="json") == text
        [nameless] = await socket.ask('{"text": ""}')
        assert (nameless["id"], nameless["reason"]) == (None, "empty")


BAD_FRAMES = [
    (b'{"text": 5, "id": "a"}', "a", "text", "expected a string, got int"),
    (b'{"text": "\\ud800", "id": "a"}', "a", "text", "lone surrogate"),
    (line(PRIVATE * 1001, id="a"), "a", "text", "at most 4000 characters, got 4004"),
    (line(PRIVATE, id=7), None, "id", "expected a string"),
    (line(PRIVATE, id=[PRIVATE]), None, "id", "expected a string"),
    (line(PRIVATE, id="i" * 257), None, "id", "at most 256"),
    (b'{"text": "a", "id": "\\ud800"}', None, "id", "lone surrogate"),
    (line(PRIVATE, channel=5, id="a"), "a", "channel", "expected a string"),
    (b'{"id": "a"}', "a", "text", "not there"),
    (line(PRIVATE, id="a", chanel="b"), "a", "frame", "no fields but text, id, channel"),
    (b"", None, "frame", "valid JSON"),
    (PRIVATE, None, "frame", "valid JSON"),
    (PRIVATE.encode("utf-16"), None, "frame", "valid JSON in UTF-8"),
    ("[" * 60_000, None, "frame", "valid JSON"),
    ('"text"', None, "frame", "JSON object"),
    ("[]", None, "frame", "JSON object"),
    (b" " * (MAX_FRAME + 1), None, "frame", f"at most {MAX_FRAME} bytes"),
]


@pytest.mark.parametrize(("frame", "id_", "field", "message"), BAD_FRAMES)
async def test_a_bad_frame_is_answered_and_the_socket_stays(  # noqa: PLR0917  (a table's columns)
    judge, caplog, frame, id_, field, message
):
    async with connected(judge) as socket:
        [fault] = await socket.ask(frame)
        assert set(fault) == {"id", "error"}
        assert set(fault["error"]) == {"field", "message"}
        assert (fault["id"], fault["error"]["field"]) == (id_, field)
        assert message in fault["error"]["message"]
        assert PRIVATE not in str(fault)
        assert (await socket.ask('{"text": "바보"}'))[0]["labels"] == ["insult"]
    assert not caplog.records


async def test_the_longest_valid_message_fits_a_frame(judge):
    astral, longest = "\\ud83d\\ude00", '{{"text": "{}", "id": "{}", "channel": "{}"}}'
    async with connected(judge) as socket:
        frame = longest.format(astral * 4000, astral * 256, astral * 256)
        [decision] = await socket.ask(frame)
    assert decision["masked"] == "😀" * 4000


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.binary(max_size=50) | st.text(max_size=50), min_size=1, max_size=40))
async def test_any_frames_get_as_many_answers(judge, frames):
    async with connected(judge) as socket:
        assert all("error" in answer for answer in await socket.ask(*frames))


async def test_too_much_is_said_and_when_to_try_again():
    async with connected(Full()) as socket:
        [fault] = await socket.ask(line(PRIVATE, id="7"))
    message = "too much is waiting: try again in 2.4 s"
    assert fault == {"id": "7", "error": {"field": None, "message": message, "retry_after": 2.4}}


async def test_what_fails_has_no_neighbours(judge, caplog):
    async with connected(Picky(judge)) as socket:
        answers = await socket.ask(line("바보", id="1"), line("fail", id="2"), line("b", id="3"))
        assert [a["id"] for a in answers] == ["1", "2", "3"]
        assert [a.get("reason") for a in answers] == ["model", None, "clean"]
        assert "could not be scored" in answers[1]["error"]["message"]
        assert not caplog.records
        [bug] = await socket.ask(line(PRIVATE))
        assert bug["error"]["message"] == "a bug: see the server's log"
    [record] = caplog.records
    assert "KeyError on /stream" in record.getMessage()
    assert PRIVATE not in caplog.text


async def test_frames_that_came_together_are_judged_together(judge):
    gate = Gate(judge)
    gate.open.set()
    async with connected(gate) as socket:
        await settle()
        await socket.ask(*[line("a")] * (2 * GROUP + 5))
        await socket.ask(line("a"))
    assert gate.asked == [GROUP, GROUP, 5, 1]


async def test_answers_come_as_soon_as_they_are_known(judge):
    gate = Gate(judge)
    async with connected(gate) as socket:
        socket.say(line("a", id="early"))
        await settle()
        gate.judge, slow = Full(), gate.open
        gate.open = asyncio.Event()
        gate.open.set()
        [late] = await socket.ask(line("a", id="late"))
        assert late["id"] == "late"
        gate.judge = judge
        slow.set()
        await socket.until(lambda: len(socket.heard) == 2)
        assert socket.heard[1]["id"] == "early"


async def test_no_more_is_read_than_may_be_in_flight(judge):
    gate = Gate(judge)
    async with connected(gate) as socket:
        socket.say(*[line("a", id=str(i)) for i in range(1000)])
        await settle()
        assert socket.read == sum(gate.asked) == MAX_IN_FLIGHT
        gate.open.set()
        await socket.until(lambda: len(socket.heard) == 1000)
        assert {a["id"] for a in socket.heard} == {str(i) for i in range(1000)}


@pytest.mark.parametrize("frame", [line("a"), b"bad"])
async def test_who_does_not_read_is_not_read_from(judge, frame):
    async with connected(judge) as socket:
        await settle()
        socket.writable.clear()
        socket.say(*[frame] * 1000)
        await asyncio.sleep(0.1)
        await settle()
        assert socket.read == MAX_IN_FLIGHT
        socket.writable.set()
        await socket.until(lambda: len(socket.heard) == 1000)


async def test_who_leaves_is_given_up(judge):
    gate = Gate(judge)
    async with connected(gate) as socket:
        socket.say(*[line("a")] * 20)
        await settle()
        assert gate.asked == [GROUP, 4]
    await settle()
    assert gate.cancelled == 2
    assert not socket.heard


@pytest.mark.parametrize("error", [OSError, RuntimeError])
async def test_a_connection_that_breaks_is_nobodys_fault(judge, error, caplog):
    socket, accepted = Socket(), asyncio.Event()

    async def broken(event):
        if event["type"] != "websocket.accept":
            raise error
        accepted.set()

    endpoint = LiveStreams(lambda: judge, OpenStreams())
    serving = asyncio.ensure_future(endpoint({}, socket.receive, broken))
    await accepted.wait()
    socket.say(line("a"))
    await asyncio.sleep(0.05)
    socket.leave()
    await serving
    assert not caplog.records


async def test_a_server_that_ends_answers_what_it_read_and_says_goodbye(judge):
    streams, gate = OpenStreams(), Gate(judge)
    async with connected(gate, streams) as busy, connected(gate, streams) as idle:
        busy.say(*[line("a", id=str(i)) for i in range(20)])
        await settle()
        closing = asyncio.ensure_future(streams.close())
        await settle()
        goodbye = {"type": "websocket.close", "code": 1001}
        assert idle.sent[-1] == goodbye
        busy.say(line("too late"))
        await settle()
        assert (busy.read, busy.heard) == (20, [])
        gate.open.set()
        await closing
        assert {a["id"] for a in busy.heard} == {str(i) for i in range(20)}
        assert busy.sent[-1] == goodbye
        async with connected(judge, streams) as new:
            await new.until(lambda: new.sent[-1:] == [goodbye])
