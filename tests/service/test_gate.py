"""The gate, before an application that answers everything."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route, WebSocketRoute

from gounmal.gate import gate as room
from gounmal.gate.exposure import Exposure
from gounmal.gate.gate import Gate
from gounmal.gate.keys import Keys
from gounmal.gate.limits import spend

KEY, OTHER = "one-key-of-sixteen", "another-key-of-sixteen"
BEARER = {"authorization": f"Bearer {KEY}"}
NAMED = Keys(f"shop:{KEY},ads:{OTHER}")


def behind(exposure=None, *, local=False, answer=None, **options):
    """The gate before an application, and a client of it."""

    async def everything(request):
        if answer is not None and request.url.path != "/livez":
            await answer()
        body = await request.body()
        return JSONResponse({"path": request.url.path, "bytes": len(body)})

    async def page(_):
        return HTMLResponse("<p>page</p>")

    async def own_policy(_):
        return HTMLResponse("", headers={"content-security-policy": "default-src 'self'"})

    async def stream(socket):
        await socket.accept()
        async for text in socket.iter_text():
            await socket.send_text(text)

    routes = [
        WebSocketRoute("/stream", stream),
        Route("/", page),
        Route("/report", own_policy),
        Route("/{rest:path}", everything, methods=["GET", "POST", "OPTIONS"]),
    ]
    return Gate(Starlette(routes=routes), exposure or Exposure(NAMED), local=local, **options)


def client_of(gate, base="http://127.0.0.1:3000"):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=gate), base_url=base)


def fault(response):
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert set(error) == {"field", "message"}
    return response.status_code, error["field"], error["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer  {KEY}"},
        {"x-api-key": KEY},
        {"X-API-Key": OTHER},
        {"authorization": "Basic eDp5", "x-api-key": KEY},
    ],
)
async def test_a_key_opens(headers):
    async with client_of(behind()) as client:
        response = await client.post("/moderate", headers=headers, content=b"123")
    assert response.json() == {"path": "/moderate", "bytes": 3}


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({}, None),
        ({"authorization": ""}, None),
        ({"authorization": "Bearer"}, None),
        ({"authorization": f"Basic {KEY}"}, None),
        ({"authorization": KEY}, None),
        ({"x-api-key": ""}, None),
        ({"authorization": f"Bearer {KEY[:-1]}"}, "invalid_token"),
        ({"authorization": f"Bearer shop:{KEY}"}, "invalid_token"),
        ({"x-api-key": KEY * 10_000}, "invalid_token"),
        ({"authorization": "Bearer wrong", "x-api-key": KEY}, "invalid_token"),
    ],
)
@pytest.mark.parametrize("path", ["/moderate", "/", "/metrics", "/docs.json", "/nowhere"])
async def test_without_one_nothing_opens(headers, error, path):
    async with client_of(behind()) as client:
        response = await client.request(
            "POST" if path == "/moderate" else "GET", path, headers=headers
        )
    assert fault(response)[:2] == (401, "authorization")
    challenge = response.headers["www-authenticate"]
    assert challenge.startswith('Bearer realm="gounmal"')
    assert (error or "error") in challenge or error is None
    assert KEY not in response.text


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
async def test_probes_need_no_key(path):
    async with client_of(behind()) as client:
        assert (await client.get(path)).status_code == 200
        assert (await client.post(path)).status_code == 401
        assert (await client.get(path + "/")).status_code == 401
        assert (await client.get(path + "/../moderate")).status_code == 401
        assert (await client.get("/" + path)).status_code == 401


async def test_metrics_can_be_opened():
    async with client_of(behind(Exposure(NAMED, metrics_open=True))) as client:
        assert (await client.get("/metrics")).status_code == 200
        assert (await client.get("/moderate")).status_code == 401


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"GOUNMAL_CLOUD": "sagemaker"}, "/ping"),
        ({"AIP_HTTP_PORT": "1", "AIP_HEALTH_ROUTE": "/h"}, "/h"),
    ],
)
async def test_a_clouds_health_check_needs_no_key(monkeypatch, environ, path):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    async with client_of(behind()) as client:
        assert (await client.get(path)).status_code == 200
        assert (await client.post("/invocations")).status_code == 401


@pytest.mark.parametrize(
    ("exposure", "local", "status"),
    [
        (Exposure(), True, 200),
        (Exposure(), False, 401),
        (Exposure(open=True), False, 200),
        (Exposure(open=True), True, 200),
        (Exposure(NAMED), True, 401),
    ],
)
async def test_keys_are_needed_where_others_come(exposure, local, status):
    async with client_of(behind(exposure, local=local)) as client:
        assert (await client.get("/moderate")).status_code == status


async def test_who_lets_nobody_in_says_so_in_the_log(caplog):
    behind(Exposure(), local=False)
    assert "lets nobody in" in caplog.text


# Browsers.


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://evil.example", 403),
        ("null", 403),
        ("http://127.0.0.1:3001", 403),
        ("http://127.0.0.1:3000.evil.example", 403),
        ("http://127.0.0.1:3000", 200),
        ("https://127.0.0.1:3000", 200),  # TLS may end before us
    ],
)
@pytest.mark.parametrize("exposure", [Exposure(), Exposure(open=True), Exposure(NAMED)])
async def test_a_page_of_another_origin_is_turned_away(exposure, origin, status):
    headers = {"origin": origin} | BEARER
    async with client_of(behind(exposure, local=True)) as client:
        response = await client.post("/moderate", headers=headers)
    assert response.status_code == status
    assert "access-control-allow-origin" not in response.headers


async def test_pages_of_named_origins_may_call():
    exposure = Exposure(NAMED, origins=("https://chat.example",))
    async with client_of(behind(exposure)) as client:
        named = {"origin": "https://chat.example"}
        asking = {
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization, content-type",
        }
        asked = await client.options("/moderate", headers=named | asking)
        assert asked.status_code == 200
        assert asked.headers["access-control-allow-origin"] == "https://chat.example"
        answer = await client.post("/moderate", headers=named | BEARER)
        assert answer.headers["access-control-allow-origin"] == "https://chat.example"
        assert "access-control-allow-credentials" not in answer.headers
        assert (await client.post("/moderate", headers=named)).status_code == 401
        other = {"origin": "https://evil.example"} | BEARER
        refused = await client.post("/moderate", headers=other)
        assert fault(refused)[:2] == (403, "origin")
        assert "access-control-allow-origin" not in refused.headers
        refused = await client.options("/moderate", headers=other | asking)
        assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize(
    ("base", "status"),
    [
        ("http://localhost:3000", 200),
        ("http://127.0.0.1:3000", 200),
        ("http://[::1]:3000", 200),
        ("http://rebound.example:3000", 403),
    ],
)
async def test_a_server_for_this_machine_hears_no_other_name(base, status):
    async with client_of(behind(Exposure(), local=True), base) as client:
        assert (await client.get("/jobs")).status_code == status
    for exposure in (Exposure(NAMED), Exposure(open=True)):
        async with client_of(behind(exposure, local=True), base) as client:
            assert (await client.get("/jobs", headers=BEARER)).status_code == 200


async def test_pages_load_nothing_from_elsewhere():
    async with client_of(behind()) as client:
        page = await client.get("/", headers=BEARER)
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert page.headers["x-content-type-options"] == "nosniff"
        report = await client.get("/report", headers=BEARER)
        assert report.headers["content-security-policy"] == "default-src 'self'"
        data = await client.get("/data", headers=BEARER)
        assert "content-security-policy" not in data.headers


# Limits.


async def test_a_caller_may_have_so_much_at_once():
    let_go = asyncio.Event()
    gate = behind(Exposure(NAMED, in_flight=2), answer=let_go.wait)
    async with client_of(gate) as client:
        asked = [asyncio.ensure_future(client.get("/x", headers=BEARER)) for _ in range(2)]
        await asyncio.sleep(0.01)
        refused = await client.get("/x", headers=BEARER)
        assert fault(refused) == (429, None, "at most 2 requests at once: try again in 1 s")
        assert refused.headers["retry-after"] == "1"
        assert (await client.get("/livez")).status_code == 200
        other = asyncio.ensure_future(client.get("/x", headers={"x-api-key": OTHER}))
        let_go.set()
        assert [r.status_code for r in await asyncio.gather(other, *asked)] == [200] * 3
        assert (await client.get("/x", headers=BEARER)).status_code == 200


async def test_who_fails_or_leaves_counts_no_longer():
    async def fail():
        raise KeyError

    gate = behind(Exposure(NAMED, in_flight=1), answer=fail)
    async with client_of(gate) as client:
        for _ in range(3):
            with pytest.raises(KeyError):
                await client.post("/x", headers=BEARER, content=b"12")
    assert (gate._callers["shop"].in_flight, gate._buffered) == (0, 0)


async def test_a_caller_may_have_so_much_a_second():
    async with client_of(behind(Exposure(NAMED, rate=(0.5, 3)))) as client:
        answers = [await client.get("/x", headers=BEARER) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert fault(answers[3])[2] == "at most 0.5 lines a second: try again in 2 s"
        assert answers[3].headers["retry-after"] == "2"
        assert (await client.get("/x", headers={"x-api-key": OTHER})).status_code == 200
        assert (await client.get("/livez")).status_code == 200


async def test_lines_of_a_list_are_counted():
    async def list_of_ten():
        spend(10 - 1)

    gate = behind(Exposure(NAMED, rate=(1, 3)), answer=list_of_ten)
    async with client_of(gate) as client:
        assert (await client.post("/moderate_many", headers=BEARER)).status_code == 200
        refused = await client.post("/moderate_many", headers=BEARER)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "8")


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [
        ("/moderate", 100, 200),
        ("/moderate", 101, 413),
        ("/other", 101, 200),
        ("/stream/more", 10**6, 200),
        ("/jobs", 10**6, 200),
    ],
)
async def test_a_body_is_bounded_before_it_is_read(monkeypatch, path, size, status):
    monkeypatch.setattr(room, "MAX_BODY_BYTES", 1000)
    monkeypatch.setattr(room, "UNBUFFERED", ("/stream", "/jobs"))
    async with client_of(behind(bodies={"/moderate": 100})) as client:
        response = await client.post(path, headers=BEARER, content=b"x" * size)
    assert response.status_code == status
    if status == 413:
        assert fault(response) == (413, "body", "expected at most 100 bytes")


async def test_all_bodies_together_are_bounded(monkeypatch):
    monkeypatch.setattr(room, "MAX_BUFFERED_BYTES", 250)
    let_go = asyncio.Event()
    gate = behind(answer=let_go.wait, bodies={"/moderate": 100})

    async def unknown_length():
        yield b"x"

    async with client_of(gate) as client:
        bodies = (b"x" * 90, unknown_length())
        asked = [
            asyncio.ensure_future(client.post("/moderate", headers=BEARER, content=body))
            for body in bodies
        ]
        await asyncio.sleep(0.01)
        assert gate._buffered == 190
        refused = await client.post("/moderate", headers=BEARER, content=b"x" * 61)
        assert fault(refused)[0] == 429
        small = asyncio.ensure_future(client.post("/moderate", headers=BEARER, content=b"x" * 60))
        let_go.set()
        assert [r.status_code for r in await asyncio.gather(small, *asked)] == [200] * 3
    assert gate._buffered == 0


# Streams.


def socket_of(gate, *frames, headers=(), extensions=()):
    """A WebSocket's handshake and frames, by hand: what is sent back."""
    coming = [{"type": "websocket.connect"}]
    coming += [{"type": "websocket.receive", "text": frame} for frame in frames]
    coming.append({"type": "websocket.disconnect", "code": 1000})
    sent = []
    scope = {
        "type": "websocket",
        "path": "/stream",
        "headers": [(b"host", b"127.0.0.1:3000"), *headers],
        "extensions": {name: {} for name in extensions},
        "query_string": b"",
        "subprotocols": [],
    }

    async def receive():
        return coming.pop(0)

    async def send(event):
        sent.append(event)

    return gate(scope, receive, send), sent


AUTHORIZED = (b"authorization", f"Bearer {KEY}".encode())


async def test_a_stream_without_a_key_is_not_opened():
    serving, sent = socket_of(behind(), extensions=["websocket.http.response"])
    await serving
    start, body = sent
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert b"www-authenticate" in dict(start["headers"])
    assert b"API key" in body["body"]
    serving, sent = socket_of(behind())
    await serving
    [close] = sent
    assert (close["type"], close["code"]) == ("websocket.close", 4401)


async def test_a_stream_with_one_is():
    serving, sent = socket_of(behind(), "a", "b", headers=[AUTHORIZED])
    await serving
    assert [event.get("text") for event in sent] == [None, "a", "b"]


async def test_a_page_of_another_origin_opens_no_stream():
    evil = (b"origin", b"http://evil.example")
    gate = behind(Exposure(), local=True)
    serving, sent = socket_of(gate, headers=[evil], extensions=["websocket.http.response"])
    await serving
    assert sent[0]["status"] == 403


async def test_frames_beyond_the_rate_wait(monkeypatch):
    waited = []

    async def sleep(seconds):
        waited.append(seconds)

    monkeypatch.setattr(room.asyncio, "sleep", sleep)
    gate = behind(Exposure(NAMED, rate=(10, 2)))
    serving, sent = socket_of(gate, *"abcd", headers=[AUTHORIZED])
    await serving
    assert len(sent) == 5
    assert len(waited) >= 2
    assert waited[0] == pytest.approx(0.1, abs=0.05)


async def test_a_posted_stream_waits_for_what_its_lines_cost(monkeypatch):
    waited = []

    async def sleep(seconds):
        waited.append(seconds)

    monkeypatch.setattr(room.asyncio, "sleep", sleep)
    bucket = behind(Exposure(NAMED, rate=(10, 2)))._caller("shop").bucket
    received = room._paced(_one_body(b"1\n2\n3\n4"), bucket)
    assert (await received())["body"] == b"1\n2\n3\n4"
    assert waited == []
    bucket.spend(4)
    await received()
    assert waited == [pytest.approx(0.2, abs=0.05)]


def _one_body(body):
    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def test_no_key_is_logged(caplog):
    caplog.set_level(0)
    async with client_of(behind(Exposure(NAMED, in_flight=1, rate=(1, 1)))) as client:
        for headers in (BEARER, {"x-api-key": OTHER}, {"x-api-key": f"wrong-{KEY}"}, BEARER):
            await client.post("/moderate", headers=headers)
    own = [r.getMessage() for r in caplog.records if not r.name.startswith(("httpx", "httpcore"))]
    assert not any(KEY in line or OTHER in line for line in own)
