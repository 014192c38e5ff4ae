"""Both kinds of stream, as clients of a served Bento meet them."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from contextlib import AsyncExitStack

import aiohttp
import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

LINES = (
    "안녕하세요 {}번 손님",
    "이 바보 멍청이 {}",
    "ㅋㅋㅋㅋㅋ {}",
    "{} 꺼져 진짜 짜증나네",
    "사장님 {} 너무 비싸요 그래도 살게요 배송은 꼼꼼하게 부탁드려요 지난번엔 박스가 터져서 왔어요",
)
MARK = "꼬리표"
"""Stands in every bad frame and must stand nowhere else."""

CONNECTIONS, FRAMES, WINDOW = 64, 60, 4

pytestmark = pytest.mark.e2e


def stream_of(server):
    return connect(server.url.replace("http", "ws") + "/stream", compression=None)


def frame_of(connection, i):
    """A frame and the field at fault, if any; good ones carry a text of their own."""
    id_ = f"{connection}-{i}"
    match i % 10:
        case 3:
            return json.dumps({"text": [MARK], "id": id_}), "text"
        case 6:
            return json.dumps({"text": MARK * 2000, "id": id_}).encode(), "text"
        case 9:
            return json.dumps({"text": MARK, "id": id_, "x": 1}), "frame"
    text = LINES[i % len(LINES)].format(id_)
    frame = json.dumps({"text": text, "id": id_})
    return (frame if i % 2 else frame.encode()), None


def alike(got, expected):
    assert got | {"scores": None} == expected | {"scores": None}
    assert got["scores"] == pytest.approx(expected["scores"], abs=2e-4)


async def talk(server, connection):
    """Send frames, a few ahead of the answers, those again that were too much: answers by id."""
    answers = {}
    to_send = [frame_of(connection, i)[0] for i in reversed(range(FRAMES))]
    async with stream_of(server) as socket:
        for _ in range(WINDOW):
            await socket.send(to_send.pop())
        while len(answers) < FRAMES:
            answer = json.loads(await socket.recv())
            assert answer["id"] not in answers
            if wait := answer.get("error", {}).get("retry_after"):
                await asyncio.sleep(wait)
                to_send.append(frame_of(connection, int(answer["id"].split("-")[1]))[0])
            else:
                answers[answer["id"]] = answer
            if to_send:
                await socket.send(to_send.pop())
    return answers


async def test_64_connections_get_their_own_answers(server, moderator):
    async with asyncio.timeout(120), asyncio.TaskGroup() as group:
        talks = [group.create_task(talk(server, c)) for c in range(CONNECTIONS)]
    for connection, answers in enumerate(t.result() for t in talks):
        assert len(answers) == FRAMES
        for i in range(FRAMES):
            frame, field = frame_of(connection, i)
            answer = answers[f"{connection}-{i}"]
            if field:
                assert answer["error"]["field"] == field
                assert MARK not in str(answer)
            else:
                text = json.loads(frame)["text"]
                [expected] = moderator.moderate([text])
                alike(answer, expected.to_dict() | {"id": f"{connection}-{i}"})
    assert MARK not in server.log.read_text()


async def test_what_is_no_json_is_answered_too(server):
    async with stream_of(server) as socket:
        for frame in (MARK, b"\xff", "[]", '{"id": "7"}', "", '{"text": "a"}'):
            await socket.send(frame)
        answers = [json.loads(await socket.recv()) for _ in range(6)]
    assert sum("error" in answer for answer in answers) == 5
    assert MARK not in str(answers) + server.log.read_text()


async def test_ten_thousand_lines_of_one_request(server, moderator):
    texts = [LINES[i % len(LINES)].format(i // 100) for i in range(10_000)]
    lines = [json.dumps({"text": t, "id": str(i)}) for i, t in enumerate(texts)]
    lines[5_000] = json.dumps({"text": 5, "id": "5000"})
    body = "\n".join(lines).encode()

    async def chunks():  # cut anywhere
        for start in range(0, len(body), 9_999):
            yield body[start : start + 9_999]

    kind = {"content-type": "application/x-ndjson"}
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(200)) as session,
        session.post(server.url + "/stream", data=chunks(), headers=kind) as response,
    ):
        assert (response.status, response.content_type) == (200, kind["content-type"])
        answers = [json.loads(answer) async for answer in response.content]
    assert [answer["id"] for answer in answers] == [str(i) for i in range(10_000)]
    assert answers[5_000]["error"]["field"] == "text"
    known = {t: d.to_dict() for t in set(texts) for d in moderator.moderate([t])}
    for i, answer in enumerate(answers):
        if i != 5_000:
            alike(answer, known[texts[i]] | {"id": str(i)})


def test_both_are_at_one_path_and_nothing_else_is_moved(server):
    assert httpx.get(server.url + "/stream").status_code == 405
    response = httpx.post(server.url + "/stream", content=b"{}")
    assert (response.status_code, response.json()["error"]["field"]) == (415, "body")
    assert httpx.get(server.url + "/streams").status_code == 404
    for path in ("/", "/docs.json", "/livez", "/readyz", "/metrics"):
        assert httpx.get(server.url + path).is_success


async def test_a_thousand_idle_connections_are_cheap(server):
    [worker] = server.workers()
    before = worker.memory_info().rss
    async with AsyncExitStack() as stack:
        for _ in range(20):
            opened = await asyncio.gather(*[stream_of(server) for _ in range(50)])
            for socket in opened:
                stack.push_async_callback(socket.close)
        async with httpx.AsyncClient() as client:
            start = time.perf_counter()
            response = await client.post(server.url + "/moderate", json={"text": "안녕"})
            assert response.is_success
            assert time.perf_counter() - start < 1
        await opened[0].send('{"text": "안녕"}')
        assert "scores" in json.loads(await opened[0].recv())
        grown = worker.memory_info().rss - before
        assert grown < 100e6, f"{grown / 1000:.0f} bytes for each connection"
        await asyncio.gather(*[socket.close() for socket in opened])


async def rest_of(socket):
    """What comes until the server goes away."""
    with pytest.raises(ConnectionClosed) as closed:  # noqa: PT012  (that is how it ends)
        while True:
            yield await socket.recv()
    assert closed.value.rcvd.code == 1001


async def test_a_server_that_ends_answers_what_it_read(environment):
    with environment.serving("bentoml", "serve", ".") as server:
        async with stream_of(server) as socket, stream_of(server) as idle:
            for i in range(100):
                await socket.send(json.dumps({"text": f"안녕 {i}", "id": str(i)}))
            answers = [json.loads(await socket.recv())]
            server.process.send_signal(signal.SIGTERM)
            answers += [json.loads(answer) async for answer in rest_of(socket)]
            # Read in order, so what was read is what comes before what was not.
            assert {answer["id"] for answer in answers} == {str(i) for i in range(len(answers))}
            assert [answer async for answer in rest_of(idle)] == []
        assert server.process.wait(30) == 0
        assert "Traceback" not in server.log.read_text()
