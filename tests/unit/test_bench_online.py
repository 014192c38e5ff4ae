"""The load generator measures what it should, against a small server on loopback."""

from __future__ import annotations

import asyncio
import socketserver
import threading
import time
from contextlib import contextmanager
from functools import partial

import numpy as np
import orjson
import pytest
import uvicorn

from benchmarks.online import chart, environments, report
from benchmarks.online.arrivals import ARRIVALS, bursty, dispersion, poisson
from benchmarks.online.codecs import LINES, MANY, PLAIN, ROWS, V2
from benchmarks.online.endure import growth
from benchmarks.online.figures import Latency, Run, outcome
from benchmarks.online.generator import Generator
from benchmarks.online.lines import chat, repeats
from benchmarks.online.processes import Server
from benchmarks.online.registry import CONTENDERS
from benchmarks.online.search import highest
from benchmarks.online.wire import Http, WebSocket, _response, frame, http
from benchmarks.online.workers import Setting, pinned

SECONDS = 0.05


async def app(scope, receive, send):
    """Answers a body with itself; what to do besides is in the body."""
    if scope["type"] == "websocket":
        await in_pairs(receive, send)
        return
    body = (await receive())["body"]
    asked = orjson.loads(body)
    await asyncio.sleep(asked.get("sleep", 0))
    headers = [] if asked.get("chunked") else [(b"content-length", b"%d" % len(body))]
    status = asked.get("status", 200)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body[:4], "more_body": True})
    await send({"type": "http.response.body", "body": body[4:]})


async def in_pairs(receive, send):
    """Answers frames two by two, the second one first."""
    await receive()
    await send({"type": "websocket.accept"})
    held = []
    while (event := await receive())["type"] == "websocket.receive":
        held.insert(0, event["text"])
        if len(held) == 2:
            for text in held:
                await send({"type": "websocket.send", "text": text})
            held = []


@contextmanager
def serving():
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def address():
    with serving() as found:
        yield found


def requests(*bodies):
    return [
        (str(i).encode(), http("/", orjson.dumps({"id": str(i), **body})))
        for i, body in enumerate(bodies)
    ]


def test_every_request_gets_its_own_answer(address):
    asked = requests({}, {"status": 429}, {"chunked": 1, "text": "가"}, {"status": 500})
    run = Generator(partial(Http, address), connections=3).run(asked, np.linspace(0, 0.1, 40))
    assert run.status.tolist() == [200, 429, 200, 500] * 10
    assert [orjson.loads(body)["id"] for body in run.bodies] == list("0123") * 10
    assert np.all(run.sent >= run.due)
    assert np.all(run.done > run.sent)


def test_latency_counts_from_when_a_request_was_due(address):
    run = Generator(partial(Http, address), connections=1).run(
        requests({"sleep": SECONDS}), np.array([0.0, 0.01, 0.02])
    )
    latencies = run.done - run.due
    assert latencies[2] > 3 * SECONDS - 0.02
    assert run.sent[2] - run.due[2] > 2 * SECONDS - 0.02
    assert np.all(np.diff(run.done) >= 0.9 * SECONDS)


def test_requests_go_out_when_they_are_due(address):
    due = poisson(200, 1, np.random.default_rng(0))
    run = Generator(partial(Http, address), connections=8).run(requests({}), due)
    late = run.sent - run.due
    assert 0 <= late.min() < 0.005  # the median says more, on a machine with nothing else to do
    assert np.isfinite(run.done).all()


def test_a_closed_loop_ends_in_time(address):
    run = Generator(partial(Http, address), connections=2).run(
        requests({"sleep": SECONDS}), np.zeros(1_000), stop_s=1
    )
    found = outcome(run, lambda *_: True, closed=True)
    assert 1 <= found.accepted <= 2 / SECONDS
    assert found.sent == found.accepted
    assert found.lost == 0
    assert run.seconds == 1
    assert found.latency.p50 >= 0.9e3 * SECONDS


def test_a_hopeless_rate_is_given_up(address):
    run = Generator(partial(Http, address), connections=1).run(
        requests({"sleep": SECONDS}), np.linspace(0, 30, 3_000), abort_s=0.2
    )
    assert run.aborted
    assert run.done[np.isfinite(run.done)].max() < 5


class Fickle(socketserver.BaseRequestHandler):
    """Answers, or closes the connection if the request says so."""

    def handle(self):
        while (asked := self.request.recv(4096)) and b"break" not in asked:
            self.request.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


def test_a_broken_connection_loses_its_request_and_no_other():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Fickle) as server:
        threading.Thread(target=server.serve_forever).start()
        run = Generator(partial(Http, server.server_address), connections=1).run(
            requests({}, {"break": 1}, {}), np.array([0, 0.01, 0.02])
        )
        server.shutdown()
    found = outcome(run, lambda *_: True)
    assert run.status.tolist() == [200, 0, 200]
    assert (found.accepted, found.lost) == (2, 1)


def test_frames_are_told_apart_by_their_ids(address):
    asked = [(b"%d" % i, frame(orjson.dumps({"id": str(i), "x": "가" * i}))) for i in range(100)]
    connect = partial(WebSocket, address, "/", 8)
    run = Generator(connect, connections=2).run(asked, np.zeros(100))
    assert run.status.tolist() == [200] * 100
    assert [int(orjson.loads(body)["id"]) for body in run.bodies] == list(range(100))


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3;x\r\nllo\r\n0\r\n\r\n",
    ],
)
def test_a_response_may_come_in_any_pieces(response):
    assert all(_response(response[:end]) is None for end in range(len(response)))
    assert _response(response) == (200, b"hello", False)


def test_percentiles_are_values_that_were_measured():
    found = Latency.of(np.random.default_rng(0).permutation(np.arange(1, 201)) / 1e3)
    assert (found.p50, found.p90, found.p99) == (100, 180, 198)
    assert found.mean == 100.5
    assert found.count == 200
    assert Latency.of(np.array([])) is None


def test_what_became_of_requests_is_counted():
    run = Run(
        due=np.array([0.0, 1, 2, 3, 4, 5]),
        sent=np.array([0.0, 1, 2, 3, 4, np.nan]),
        done=np.array([9.0, 1.5, 2.25, 3.5, 4.5, np.nan]),
        status=np.array([200, 200, 200, 429, 500, 0], np.int16),
        bodies=[b"yes", b"yes", b"no", b"", b"", b""],
        seconds=9,
        aborted=False,
    )
    found = outcome(run, lambda _, body: body == b"yes", since=1)
    assert (found.sent, found.accepted, found.shed, found.lost, found.wrong) == (6, 3, 1, 2, 1)
    assert not found.clean
    assert found.latency.count == 2
    assert found.latency.mean == 375
    assert outcome(run, lambda *_: True, closed=True).lost == 1


@pytest.mark.parametrize(("name", "wanted"), [("poisson", 1), ("bursty", 7)])
@pytest.mark.parametrize("window", [0.05, 0.5])
def test_arrivals_are_as_dispersed_as_they_should_be(name, wanted, window):
    times = ARRIVALS[name](400, 200, np.random.default_rng(1))
    assert np.all(np.diff(times) >= 0)
    assert len(times) / 200 == pytest.approx(400, rel=0.03)
    assert dispersion(times, seconds=200, window=window) == pytest.approx(wanted, rel=0.25)


def test_bursts_come_at_one_moment():
    times = bursty(100, 10, np.random.default_rng(0))
    assert 2 < len(times) / len(set(times.tolist())) < 6


@pytest.mark.parametrize("limit", [3.0, 97.0, 1_000.0, 4_321.0])
def test_bisection_finds_the_highest_rate(limit):
    tried = []

    def holds(rate):
        tried.append(rate)
        return rate <= limit

    found = highest(holds, 800, apart=0.05, tries=20)
    assert limit / 1.05 <= found <= limit
    assert len(tried) == len(set(tried))


def test_bisection_gives_up():
    assert highest(lambda _: False, 100, tries=5) == 0
    assert highest(lambda _: True, 100, tries=3) == pytest.approx(196)


def test_the_chat_is_as_long_and_repetitive_as_a_real_one():
    lines = chat(8_000)
    lengths = sorted(map(len, lines))
    assert lengths[4_000] == 7
    assert lengths[7_920] < 54
    assert 0.4 < repeats(lines) < 0.6
    assert lines == chat(8_000)
    assert all(line and line == line.strip() for line in lines)


@pytest.mark.parametrize("codec", [PLAIN, MANY, LINES, V2, ROWS])
def test_a_codec_sends_every_text(codec):
    lines = [(str(i), f"글 {i}") for i in range(codec.lines)]
    body = codec.encode(lines).decode()
    assert all(text in body for _, text in lines)


def test_answers_are_read_in_the_order_of_ids():
    body = b'{"id":"10"}\n{"id":"9"}\n'
    assert LINES.decode(body) == [{"id": "9"}, {"id": "10"}]
    assert V2.decode(b'{"outputs":[{"data":["{\\"id\\":\\"1\\"}"]}]}') == [{"id": "1"}]


def test_every_contender_can_be_made():
    pinned = dict(pin.split("==") for pin in environments.core())
    served = environments.SERVED.read_text()
    assert {"numpy", "onnxruntime", "orjson", "pydantic", "tokenizers"} <= pinned.keys()
    assert all(f"\n{package}=={version} " in served for package, version in pinned.items())
    places = environments.HERE / "contenders"
    for contender in CONTENDERS:
        name = contender.environment
        assert name == environments.OURS or (environments.REQUIREMENTS / f"{name}.txt").is_file()
        words = [w for w in contender.command if w.startswith("benchmarks.online.contenders.")]
        assert all((places / f"{w.split(':')[0].split('.')[-1]}.py").is_file() for w in words)
        assert bool(words) != contender.ours


def test_a_server_is_stopped_with_all_its_processes(tmp_path):
    script = "sleep 60 & setsid sleep 60 & echo Error: it is late; wait"
    command = ["/bin/sh", "-c", script]
    options = {"variables": {}, "folder": tmp_path, "log": tmp_path / "log", "cores": {0}}
    with Server(command, **options) as server:
        while server.usage().processes < 3:
            time.sleep(0.01)
        assert server.usage().memory_mib > 0
        assert server.running
    assert server.usage().processes == 0
    assert server.complaint() == "Error: it is late"


def latency(p99):
    return {"mean": p99 / 4, "p50": p99 / 3, "p90": p99 / 2, "p99": p99, "count": 1_000}


def row(name, rate, **more):
    probe = {"arrivals": "poisson", "rate": rate, "late": False, "outcome": {"latency": latency(9)}}
    return {
        "name": name,
        "single_stream": latency(3),
        "server": {"poisson": rate, "bursty": rate / 2},
        "offline": {
            "lines_per_second": 2 * rate,
            "cpu_s_per_1000_lines": 0.5,
            "memory_mib": 100,
            "processes": 1,
        },
        "overload": {"accepted": 5, "shed": 4, "lost": 0, "wrong": 0, "latency": latency(30)},
        "probes": [probe],
        **more,
    }


def test_the_report_divides_what_was_measured():
    counted = {"gounmal_queue_wait_seconds_sum": 6.0, "gounmal_queue_wait_seconds_count": 1_000}
    counted |= {"gounmal_forward_seconds_sum": 1.0, "gounmal_forward_seconds_count": 250}
    results = {
        "model": "m:1",
        "machine": {"processor": "x"},
        "cores": {"generator": [0], "server": [1]},
        "lines": {"count": 10, "repeats": 0.5},
        "p99_bound_ms": 20.0,
        "connections": 64,
        "reference": {
            "decisions_per_second": 4_000,
            "scored_per_second": 5_000,
            "decision_ms": {"1": 0.5},
            "bare": {"bare FastAPI": {"single_stream_ms": 0.5, "requests_per_second": 9_000}},
        },
        "contenders": [
            row(report.OURS, 1_000, half_load={"counted": counted}),
            row(report.PAIR, 100),
            row("LitServe", 250),
        ],
        "absent": [{"name": "Ray Serve", "absent": "no wheel"}],
    }
    page = report.markdown(results)
    assert "| rate over the documented pair | 10.00 | ≥ 6 | 10 |" in page
    assert "| rate over the best other (LitServe) | 4.00 | ≥ 1.5 | 3 |" in page
    assert "over one forward pass | 1.50 |" in page
    assert "- Ray Serve: no wheel" in page
    drawing = chart.latency(results)
    assert "LitServe" in drawing
    assert "<script" not in drawing


def test_rates_tried_twice_are_one_point():
    tried = [
        {"arrivals": "poisson", "rate": rate, "late": late, "outcome": {"latency": latency(p99)}}
        for rate, p99, late in [(10, 4, False), (20, 9, False), (20, 30, False), (40, 80, True)]
    ]
    assert chart.curve({"probes": tried}) == [(10, 4), (20, 30), (40, 1_000)]


def test_growth_is_of_the_end_over_the_second_tenth():
    assert growth([50] * 2 + [100] * 16 + [110] * 2) == pytest.approx(0.1)


def test_a_pinned_worker_keeps_to_its_core():
    command = ["python", "-m", "_bentoml_impl.worker.service", "/here", "--worker-id", "2"]
    assert pinned(command, [4, 7]) == 7
    assert pinned(["python", "-m", "gounmal.jobs.worker"], [4, 7]) is None


def test_a_setting_says_what_it_is():
    assert Setting(1, 1).name == "1 core, 1 worker"
    assert Setting(2, 2, threads=2, pinned=True).name == (
        "2 cores, 2 workers, 2 engine threads, pinned"
    )
