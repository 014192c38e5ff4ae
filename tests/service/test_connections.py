"""Bounds on connections, over real sockets: uvicorn in a thread, and clients that misbehave."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest
import uvicorn
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from gounmal.gate import connections
from gounmal.gate.connections import MAX_AHEAD, MAX_FRAME_BYTES, MAX_HEADERS_BYTES, BoundedProtocol
from gounmal.gate.exposure import Exposure
from gounmal.gate.gate import Gate

SOON_S = 0.4
GET = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n"
POST = b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\n"


class Quick(BoundedProtocol):
    request_s = SOON_S


class Served:
    def __init__(self, address, registry):
        self.address, self._registry = address, registry

    def connect(self, timeout=5):
        return socket.create_connection(self.address, timeout=timeout)

    def ask(self, data):
        """All that comes back until the server hangs up, and how long that took."""
        begun = time.monotonic()
        with self.connect() as client:
            client.sendall(data)
            return read_all(client), time.monotonic() - begun

    def refused(self, status):
        labels = {"status": str(status)}
        return self._registry.get_sample_value("gounmal_refused_total", labels) or 0


def read_all(client):
    answer = b""
    try:
        while piece := client.recv(1 << 16):
            answer += piece
    except ConnectionResetError:  # it hung up with bytes of ours unread
        pass
    return answer


@contextmanager
def serving(protocol=Quick):
    release = threading.Event()

    async def slow(_):
        await asyncio.to_thread(release.wait, 3 * SOON_S)
        return PlainTextResponse("at last")

    async def answer(request):
        return PlainTextResponse(f"{len(await request.body())}")

    async def refuse(_):
        return PlainTextResponse("no", 413)

    async def echo(stream):
        await stream.accept()
        async for text in stream.iter_text():
            await stream.send_text(f"{len(text)}")

    routes = [
        Route("/", answer, methods=["GET", "POST"]),
        Route("/slow", slow),
        Route("/jobs", answer, methods=["POST"]),
        Route("/refuse", refuse, methods=["POST"]),
        WebSocketRoute("/stream", echo),
    ]
    registry = CollectorRegistry()
    gate = Gate(Starlette(routes=routes), Exposure(), local=True, registry=registry)
    config = uvicorn.Config(gate, port=0, http=protocol, log_config=None, timeout_keep_alive=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield Served(server.servers[0].sockets[0].getsockname()[:2], registry)
    finally:
        release.set()
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def served():
    with serving() as served:
        yield served


def test_headers_that_do_not_end_are_cut_off(served):
    before = served.refused(408)
    for begun in (b"G", GET, GET + b"x-slow: ", b"\r\n"):
        answer, took = served.ask(begun)
        assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        assert b"connection: close\r\n" in answer
        assert SOON_S / 2 < took < 4 * SOON_S
    assert served.refused(408) == before + 4


def test_who_says_nothing_hears_nothing(served):
    answer, took = served.ask(b"")
    assert answer == b""
    assert SOON_S / 2 < took < 4 * SOON_S


def test_a_byte_now_and_then_does_not_help(served):
    clients = [served.connect() for _ in range(50)]
    try:
        for client in clients:
            client.sendall(GET + b"x-slow: ")
        deadline = time.monotonic() + 4 * SOON_S
        held = clients[:]
        while held and time.monotonic() < deadline:
            time.sleep(SOON_S / 4)
            held = [client for client in held if is_open(client)]
        assert not held
    finally:
        for client in clients:
            client.close()


def is_open(client):
    """One more byte, and a look whether an answer has come."""
    try:
        client.sendall(b"a")
        client.setblocking(False)
        client.recv(1)
    except BlockingIOError:
        client.settimeout(5)
        return True
    except OSError:
        pass
    return False


def test_the_second_request_has_no_longer_than_the_first(served):
    with served.connect() as client:
        client.sendall(GET + b"\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        begun = time.monotonic()
        client.sendall(GET)
        assert read_all(client).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - begun < 4 * SOON_S


@pytest.mark.parametrize(
    "headers",
    [
        b"x-long: " + b"a" * (1 << 20),
        b"x-long: " + b"a" * MAX_HEADERS_BYTES + b"\r\n\r\n",
        b"x: y\r\n" * (1 << 17),
    ],
    ids=["one", "one that ends", "many"],
)
def test_long_headers_are_cut_off(served, headers):
    before = served.refused(431)
    with served.connect() as client:
        with suppress(OSError):  # before all of it was sent
            client.sendall(GET + headers)
        answer = read_all(client)
        assert answer.startswith(b"HTTP/1.1 431") or not answer
    assert served.refused(431) == before + 1


def test_a_long_path_too(served):
    with served.connect() as client:
        client.sendall(b"GET /" + b"a" * (MAX_HEADERS_BYTES + 9))
        assert read_all(client).startswith((b"HTTP/1.1 431", b""))
    assert served.refused(431)


def test_headers_as_long_as_they_may_be_are_read(served):
    header = b"x-long: " + b"a" * (MAX_HEADERS_BYTES - 200)
    body = b"b" * (1 << 20)
    with served.connect() as client:
        client.sendall(POST + header + b"\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        answer = client.recv(4096)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"%d" % len(body))


def test_trailers_do_not_fill_the_memory(served):
    before = served.refused(431)
    with served.connect() as client:
        client.sendall(
            b"POST /slow HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n"
        )
        client.sendall(b"x-trailer: ")
        with suppress(OSError):
            for _ in range(64):
                client.sendall(b"a" * (1 << 16))
    assert served.refused(431) == before + 1


def test_small_chunks_are_no_trailers(served):
    chunks = b"1\r\na\r\n" * 50_000 + b"0\r\n\r\n"
    with served.connect() as client:
        client.sendall(POST + b"transfer-encoding: chunked\r\n\r\n" + chunks)
        assert client.recv(4096).endswith(b"50000")


def test_requests_ahead_of_their_answers_are_few(served):
    with served.connect() as client:
        client.sendall((GET + b"\r\n") * (MAX_AHEAD // 2))
        answered = b""
        while answered.count(b"HTTP/1.1 200") < MAX_AHEAD // 2:
            answered += client.recv(1 << 16)
    before = served.refused(429)
    with served.connect() as client:
        client.sendall(GET.replace(b"/ ", b"/slow ") + b"\r\n" + (GET + b"\r\n") * (2 * MAX_AHEAD))
        assert read_all(client) == b""
    assert served.refused(429) == before + 1


def test_a_slow_answer_is_waited_for(served):
    """What bounds requests does not bound answers, nor what a client does meanwhile."""
    with served.connect() as client:
        client.sendall(GET.replace(b"/ ", b"/slow ") + b"\r\n\r\n")
        assert client.recv(4096).endswith(b"at last")


def test_a_body_that_was_refused_is_not_read_for_ever(served):
    begun = time.monotonic()
    with served.connect() as client:
        client.sendall(
            b"POST /refuse HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 99999999\r\n\r\n"
        )
        assert client.recv(4096).startswith(b"HTTP/1.1 413")
        while is_open(client):
            assert time.monotonic() - begun < 6 * SOON_S
            time.sleep(SOON_S / 8)


def test_a_slow_body_is_waited_for_only_where_it_is_read_piece_by_piece(served):
    head = b"POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 4\r\n\r\n"
    answer, took = served.ask(head % b"/" + b"12")
    assert answer.startswith(b"HTTP/1.1 408")
    assert took < 4 * SOON_S
    with served.connect() as client:
        client.sendall(head % b"/jobs" + b"12")
        time.sleep(3 * SOON_S)
        client.sendall(b"34")
        assert client.recv(4096).endswith(b"4")


async def test_streams_may_be_silent_but_not_long(served):
    host, port = served.address
    async with connect(f"ws://{host}:{port}/stream", max_size=None) as stream:
        await asyncio.sleep(3 * SOON_S)
        await stream.send("가" * 100)
        assert await stream.recv() == "100"
        assert "Sec-WebSocket-Extensions" not in stream.response.headers
        await stream.send("a" * (MAX_FRAME_BYTES + 1))
        with pytest.raises(ConnectionClosedError) as raised:
            await stream.recv()
        assert raised.value.rcvd.code == 1009


def test_there_is_a_last_connection(monkeypatch):
    monkeypatch.setattr(connections, "most_connections", lambda: 5)
    with serving() as served:
        held = [served.connect() for _ in range(5)]
        try:
            with served.connect() as client:
                answer = read_all(client)
            assert answer.startswith(b"HTTP/1.1 503")
            assert b"retry-after: 1\r\n" in answer
        finally:
            for one in held:
                one.close()
        time.sleep(0.1)
        answer, _ = served.ask(GET + b"connection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200")
        assert served.refused(503) == 1
