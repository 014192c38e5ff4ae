"""Who may call a really served Bento, and how it says so."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

ROOT = Path(__file__).parents[2]
KEY, NEXT = "a-secret-of-the-shop", "the-secret-that-comes-after"
BEARER = {"authorization": f"Bearer {KEY}"}

pytestmark = pytest.mark.e2e


def stopped(done):
    """What a program that could not start said, in one line."""
    assert done.returncode == 1
    assert "Traceback" not in done.stdout
    [line] = [line for line in done.stdout.splitlines() if "Error" in line]
    return line


@pytest.mark.parametrize("command", [("bentoml", "serve"), ("gounmal", "serve")])
@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_who_listens_for_others_needs_keys(environment, command, host):
    line = stopped(environment.run(*command, "--host", host, "--port", "3480"))
    assert f"listening on {host}" in line
    assert "GOUNMAL_API_KEYS" in line
    assert "GOUNMAL_OPEN=1" in line


def test_who_is_made_to_listen_for_others_behind_its_back_lets_nobody_in(environment):
    """Overrides win over what is asked of the command, and are not seen before a worker starts."""
    overrides = {"services": {"gounmal": {"http": {"host": "0.0.0.0"}}}}
    told = {"BENTOML_HOST": "", "BENTOML_CONFIG_OVERRIDES": json.dumps(overrides)}
    with environment.serving("bentoml", "serve", **told) as server:
        assert httpx.get(server.url + "/docs.json").status_code == 401
        assert httpx.post(server.url + "/moderate", json={"text": "안녕"}).status_code == 401
        assert "lets nobody in" in server.log.read_text()


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"GOUNMAL_API_KEYS": "short"}, "GOUNMAL_API_KEYS, key 1"),
        ({"GOUNMAL_API_KEYS": KEY, "GOUNMAL_OPEN": "1"}, "one of the two"),
        ({"GOUNMAL_API_KEYS_FILE": "nowhere"}, "nowhere: No such file"),
        ({"GOUNMAL_RATE": "fast"}, "GOUNMAL_RATE"),
    ],
)
def test_a_setting_that_cannot_be_stops_it(environment, variables, said):
    line = stopped(environment.run("bentoml", "serve", "--port", "3480", **variables))
    assert said in line
    assert KEY not in line


@pytest.fixture(scope="module")
def keyed(environment, tmp_path_factory):
    """A server for others, with a file of keys."""
    keys = tmp_path_factory.mktemp("secret") / "keys"
    keys.write_text(f"shop:{KEY}\n")
    variables = {"GOUNMAL_API_KEYS_FILE": str(keys), "BENTOML_HOST": "0.0.0.0"}
    overrides = {"services": {"gounmal": {"logging": {"access": {"enabled": True}}}}}
    variables["BENTOML_CONFIG_OVERRIDES"] = json.dumps(overrides)
    with environment.serving("bentoml", "serve", **variables) as server:
        server.keys = keys
        yield server


ENDPOINTS = [
    ("POST", "/moderate"),
    ("POST", "/moderate_many"),
    ("POST", "/stream"),
    ("GET", "/"),
    ("GET", "/docs.json"),
    ("GET", "/schema.json"),
    ("GET", "/metrics"),
    ("GET", "/static_content/swagger-ui.css"),
    ("POST", "/unknown"),
]


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_every_endpoint_needs_a_key(keyed, method, path):
    for headers in ({}, {"authorization": "Bearer not-a-key-of-ours"}):
        response = httpx.request(method, keyed.url + path, headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert set(response.json()["error"]) == {"field", "message"}
    opened = httpx.request(method, keyed.url + path, headers=BEARER, json={"text": "안녕"})
    assert opened.status_code != 401


def test_probes_need_none(keyed):
    for path in ("/livez", "/readyz", "/healthz"):
        assert httpx.get(keyed.url + path).status_code == 200


def test_bentomls_client_brings_it_as_a_token(keyed, environment):
    program = """
import sys, bentoml
with bentoml.SyncHTTPClient(sys.argv[1], token=sys.argv[2]) as client:
    print(client.moderate(text="안녕하세요")["action"])
"""
    done = environment.run("python", "-c", program, keyed.url, KEY)
    assert done.stdout.splitlines()[-1] == "allow", done.stdout


async def test_a_stream_needs_one(keyed):
    address = keyed.url.replace("http", "ws") + "/stream"
    for headers in ({}, {"x-api-key": "not-a-key-of-ours"}):
        with pytest.raises(InvalidStatus) as raised:
            await connect(address, additional_headers=headers)
        assert raised.value.response.status_code == 401
        assert b"API key" in raised.value.response.body
    async with connect(address, additional_headers=BEARER) as stream:
        await stream.send(json.dumps({"text": "안녕", "id": "1"}))
        assert json.loads(await stream.recv())["id"] == "1"
    with pytest.raises(InvalidStatus) as raised:
        await connect(address, additional_headers=BEARER, origin="http://evil.example")
    assert raised.value.response.status_code == 403


def test_keys_rotate_without_a_restart(keyed):
    def status(key):
        """What every worker says, or so it should be: a connection each, enough for all of them."""
        asked = {
            httpx.get(keyed.url + "/docs.json", headers={"x-api-key": key}).status_code
            for _ in range(8)
        }
        [said] = asked
        return said

    def swap(content):
        fresh = keyed.keys.with_suffix(".new")
        fresh.write_text(content)
        fresh.replace(keyed.keys)
        time.sleep(1.1)

    try:
        swap(f"shop:{KEY}\nshop-2:{NEXT}\n")
        assert (status(KEY), status(NEXT)) == (200, 200)
        swap(f"shop-2:{NEXT}\n")  # a worker has to see it though nobody calls
        swap("oops\n")
        assert (status(KEY), status(NEXT)) == (401, 200)
    finally:
        swap(f"shop:{KEY}\n")
    assert status(KEY) == 200
    assert "keys now: shop, shop-2" in keyed.log.read_text()


def test_no_secret_gets_out(keyed):
    answers = [
        httpx.post(keyed.url + "/moderate", headers=headers, json=body).text
        for headers in (BEARER, {"x-api-key": KEY + "x"}, {})
        for body in ({"text": "안녕"}, {"text": 5})
    ]
    answers += [
        httpx.get(keyed.url + path, headers=BEARER).text
        for path in ("/metrics", "/docs.json", "/schema.json", "/", "/nowhere")
    ]
    assert not any(KEY in answer or NEXT in answer for answer in answers)
    log = keyed.log.read_text()
    assert "/moderate" in log  # it does log requests
    assert KEY not in log
    assert NEXT not in log


def test_refusals_are_counted_and_unknown_paths_are_no_series(environment):
    # A server of its own: BentoML empties the folder of metrics when another starts in one home.
    with environment.serving("gounmal", "serve", GOUNMAL_API_KEYS=KEY) as server:

        def names():
            lines = httpx.get(server.url + "/metrics", headers=BEARER).text.splitlines()
            return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}

        httpx.get(server.url + "/first", headers=BEARER)
        httpx.get(server.url + "/first")
        names()
        time.sleep(1.2)
        before = names()
        for i in range(50):
            for headers in (BEARER, {}):
                httpx.get(f"{server.url}/unknown-{i}", headers=headers)
        time.sleep(1.2)
        assert names() == before
    assert 'gounmal_refused_total{status="401"}' in before


def test_no_endpoint_of_a_runner_is_there(keyed):
    for path in ("/__is_ready__", "/moderate/batch", "/runner", "/online", "/runners/online"):
        assert httpx.post(keyed.url + path, headers=BEARER).status_code == 404
    pickled = BEARER | {"content-type": "application/vnd.bentoml+pickle"}
    for path in ("/moderate", "/moderate_many"):
        refused = httpx.post(keyed.url + path, headers=pickled, content=b"\x80\x04N.")
        assert refused.status_code == 415


def test_the_page_of_documentation_loads_nothing_from_elsewhere(keyed):
    page = httpx.get(keyed.url + "/", headers=BEARER)
    assert "googletagmanager" in page.text  # BentoML's own page: the reason for the policy
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "connect-src 'self'" in policy


def test_without_keys_only_this_machine_may_call(server):
    assert httpx.post(server.url + "/moderate", json={"text": "안녕"}).status_code == 200
    for headers in ({"host": "rebound.example"}, {"origin": "http://evil.example"}):
        refused = httpx.post(server.url + "/moderate", json={"text": "안녕"}, headers=headers)
        assert refused.status_code == 403
    own = {"origin": server.url}
    assert httpx.post(server.url + "/moderate", json={"text": "안녕"}, headers=own).is_success


async def test_a_rate_holds_on_every_door(environment):
    keys = {"GOUNMAL_API_KEYS": f"shop:{KEY},ads:{NEXT}", "GOUNMAL_RATE": "20:40"}
    with environment.serving("gounmal", "serve", **keys) as server:
        async with httpx.AsyncClient(base_url=server.url, headers=BEARER) as client:
            many = await client.post("/moderate_many", json={"texts": ["안녕"] * 80})
            assert many.status_code == 200
            refused = await client.post("/moderate", json={"text": "안녕"})
            assert refused.status_code == 429
            assert 1 <= int(refused.headers["retry-after"]) <= 3
            other = {"x-api-key": NEXT, "authorization": ""}
            assert (await client.post("/moderate", json={"text": "a"}, headers=other)).is_success
        address = server.url.replace("http", "ws") + "/stream"
        async with connect(address, additional_headers={"x-api-key": NEXT}) as stream:
            begun = time.monotonic()
            for i in range(60):
                await stream.send(json.dumps({"text": "안녕", "id": str(i)}))
            for _ in range(60):
                await asyncio.wait_for(stream.recv(), 10)
            assert time.monotonic() - begun > 0.5  # 39 at once, 21 more at 20 a second


@pytest.mark.slow
async def test_slow_headers_hold_nobody_up_and_are_cut_off(environment):
    """200 connections with a byte of header a second, while chat goes on."""
    with environment.serving("gounmal", "serve") as server:
        address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
        slow = [await asyncio.open_connection(*address) for _ in range(200)]
        cut = [asyncio.ensure_future(reader.read()) for reader, _ in slow]
        for _, writer in slow:
            writer.write(b"POST /moderate HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ")
        begun = time.monotonic()
        async with httpx.AsyncClient(base_url=server.url) as client:
            while not all(one.done() for one in cut):
                assert time.monotonic() - begun < 30
                asked = time.monotonic()
                answer = await client.post("/moderate", json={"text": "안녕"})
                assert answer.status_code == 200
                assert time.monotonic() - asked < 5
                for (_, writer), one in zip(slow, cut, strict=True):
                    if not one.done():
                        writer.write(b"a")
                await asyncio.sleep(1)
            metrics = (await client.get("/metrics")).text
        assert time.monotonic() - begun > 8
        answers = [one.exception() or one.result() for one in cut]
        assert all(isinstance(one, OSError) or one.startswith(b"HTTP/1.1 408") for one in answers)
        [refused] = re.findall(
            r'^gounmal_refused_total\{status="408"\} (\S+)$', metrics, re.MULTILINE
        )
        assert float(refused) == 200
        for _, writer in slow:
            writer.close()


def test_a_header_of_a_megabyte_is_not_kept(server):
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    with socket.create_connection(address, timeout=5) as client:
        with suppress(OSError):  # hung up before all of it was sent
            client.sendall(b"POST /moderate HTTP/1.1\r\nx-long: " + b"a" * (1 << 20))
        with suppress(ConnectionResetError):
            while answer := client.recv(4096):
                assert answer.startswith(b"HTTP/1.1 431")
    assert httpx.post(server.url + "/moderate", json={"text": "안녕"}).status_code == 200
