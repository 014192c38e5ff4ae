"""The doors over HTTP, without BentoML around them: faults, limits, callers who leave."""

from __future__ import annotations

import asyncio
import json
import logging

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from gounmal.errors import DeadlineExceeded, Overloaded, ScoringFailed
from gounmal.moderator import Moderator
from gounmal.online import bodies, web
from gounmal.online.bodies import MAX_BODY_BYTES, MAX_LIST_BODY_BYTES, to_message, to_messages
from gounmal.online.decide import Online
from gounmal.online.wire import DecisionBody, encode, encode_many
from gounmal.schema import Message

PRIVATE = "비밀문장"


def app(judge_one, judge_many):
    """Both doors, in the two ways in which they are reached."""
    doors = {
        "/moderate": web.Door(to_message, lambda: judge_one, MAX_BODY_BYTES),
        "/moderate_many": web.Door(to_messages, lambda: judge_many, MAX_LIST_BODY_BYTES),
    }

    def method(door):
        async def endpoint(request):
            return await web.respond(door, request)

        return endpoint

    routes = [Route(path, method(door), methods=["POST"]) for path, door in doors.items()]
    return Starlette(routes=routes, middleware=[Middleware(web.Front, doors=doors)])


def client_of(application, **headers):
    transport = httpx.ASGITransport(app=application)
    return httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)


@pytest.fixture(params=["front", "method"])
async def client(fake_scorer, request):
    online = Online(Moderator(fake_scorer))
    origin = {"origin": "http://chat.test"} if request.param == "method" else {}
    async with client_of(app(online.moderate, online.moderate_many), **origin) as client:
        yield client
    await online.close()


def fault(response):
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert set(error) == {"field", "message"}
    return response.status_code, error["field"], error["message"]


async def test_a_line_gets_its_decision(client):
    body = {"text": "이 바보야", "id": "7", "channel": "c"}
    response = await client.post("/moderate", json=body)
    assert response.status_code == 200
    decision = response.json()
    assert (decision["id"], decision["labels"], decision["masked"]) == ("7", ["insult"], "이 **야")
    assert DecisionBody.model_validate(decision).model_dump(mode="json") == decision


async def test_a_list_gets_a_list(client):
    response = await client.post("/moderate_many", json={"texts": ["바보", "", "안녕"]})
    assert [d["reason"] for d in response.json()] == ["model", "empty", "clean"]
    assert (await client.post("/moderate_many", json={"texts": []})).json() == []


@pytest.mark.parametrize("text", ["이 바보야", "바보 젠장 오랑캐", '😀 안녕 "\\', ""])
def test_the_fast_way_to_json_is_that_of_the_core(fake_scorer, text):
    decisions = Moderator(fake_scorer).moderate([Message(text, id="😀"), text])
    assert encode_many(decisions) == orjson.dumps([d.to_dict() for d in decisions])
    assert [encode(d) for d in decisions] == [orjson.dumps(d.to_dict()) for d in decisions]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \t\n", "empty"),
        ("\0", "empty"),
        ("a\0b", "clean"),
        ("\u1112\u1161\u11ab", "clean"),
        ("😀😀", "clean"),
        ("ㅋㅋㅋㅋ", "clean"),
        ("가" * 4000, "clean"),
        ("바보\0", "model"),
    ],
)
async def test_odd_text_is_judged(client, text, reason):
    decision = (await client.post("/moderate", json={"text": text})).json()
    assert decision["reason"] == reason
    assert len(decision["masked"]) == len(text)


BAD_BODIES = [
    (b'{"text": 5}', 400, "text", "expected a string"),
    (b'{"text": null}', 400, "text", "expected a string"),
    (b'{"text": ["a"]}', 400, "text", "expected a string"),
    (json.dumps({"text": PRIVATE * 1001}).encode(), 400, "text", "at most 4000 characters"),
    (json.dumps({"text": "a" * 100_000}).encode(), 400, "text", "got 100000"),
    (b'{"text": "\\ud800"}', 400, "text", "lone surrogate"),
    (b'{"text": "a", "id": 7}', 400, "id", "expected a string"),
    (json.dumps({"text": "a", "id": "i" * 257}).encode(), 400, "id", "at most 256"),
    (json.dumps({"text": "a", "channel": "i" * 257}).encode(), 400, "channel", "at most 256"),
    (b"{}", 400, "text", "not there"),
    (b'{"texts": ["a"]}', 400, "text", "not there"),
    (b'{"text": "a", "chanel": "b"}', 400, "body", "no fields but text, id, channel"),
    (b'{"text": "a", "n": NaN}', 400, "body", "no fields but text, id, channel"),
    (b"", 400, "body", "valid JSON"),
    (PRIVATE.encode(), 400, "body", "valid JSON"),
    (b'{"text": "a"', 400, "body", "valid JSON"),
    (b'{"text": "\xff"}', 400, "body", "valid JSON in UTF-8"),
    ('{"text": "a"}'.encode("utf-16"), 400, "body", "valid JSON in UTF-8"),
    (b"[" * 100_000, 400, "body", "valid JSON"),
    (b'"text"', 400, "body", "JSON object"),
    (b"[]", 400, "body", "JSON object"),
    (b" " * (MAX_BODY_BYTES + 1), 413, "body", f"at most {MAX_BODY_BYTES} bytes"),
]


@pytest.mark.parametrize(("body", "status", "field", "message"), BAD_BODIES)
async def test_a_bad_body_is_refused_by_name(  # noqa: PLR0917  (a table's columns)
    client, caplog, body, status, field, message
):
    response = await client.post(
        "/moderate", content=body, headers={"content-type": "application/json"}
    )
    got_status, got_field, got_message = fault(response)
    assert (got_status, got_field) == (status, field)
    assert message in got_message
    assert PRIVATE not in response.text
    assert not caplog.records


BAD_LISTS = [
    ({"texts": ["a", 3]}, "texts[1]", "expected a string"),
    ({"texts": ["a"] * 1025}, "texts", "at most 1024 texts, got 1025"),
    ({"texts": "a"}, "texts", "expected a list of strings"),
    ({"texts": {"0": "a"}}, "texts", "expected a list of strings"),
    ({"texts": ["a", PRIVATE * 1001]}, "texts[1]", "at most 4000 characters"),
    ({"texts": ["a"], "channel": 5}, "channel", "expected a string"),
    ({"texts": [], "channel": "i" * 257}, "channel", "at most 256"),
    ({"texts": ["a"], "id": "5"}, "body", "no fields but texts, channel"),
    ({"text": "a"}, "texts", "not there"),
]


@pytest.mark.parametrize(("body", "field", "message"), BAD_LISTS)
async def test_a_bad_list_is_refused_by_name(client, body, field, message):
    response = await client.post("/moderate_many", json=body)
    got_status, got_field, got_message = fault(response)
    assert (got_status, got_field) == (400, field)
    assert message in got_message
    assert PRIVATE not in response.text


async def test_a_list_of_too_many_values_is_refused_unread(client, monkeypatch):
    monkeypatch.setattr(bodies.orjson, "loads", lambda _: pytest.fail("it was read"))
    for value in (b"{}", b"[[]]", b'"ab"', b"1"):
        body = b'{"texts": [' + b",".join([value] * 700_000) + b"]}"
        headers = {"content-type": "application/json"}
        response = await client.post("/moderate_many", content=body, headers=headers)
        assert fault(response) == (400, "body", "expected at most 1024 texts")


async def test_texts_full_of_punctuation_are_only_texts(client):
    texts = ['[{"\\,' * 500] * 512
    response = await client.post("/moderate_many", json={"texts": texts})
    assert response.status_code == 200
    assert len(response.json()) == len(texts)


async def test_a_list_is_bounded_while_it_is_read(client):
    async def long():
        for _ in range(17):
            yield b" " * (1 << 20)

    headers = {"content-type": "application/json"}
    response = await client.post("/moderate_many", content=long(), headers=headers)
    assert fault(response) == (413, "body", f"expected at most {MAX_LIST_BODY_BYTES} bytes")


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON", 200),
        (None, 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("", 415),
    ],
)
async def test_the_content_type_must_be_json(client, kind, status):
    headers = {} if kind is None else {"content-type": kind}
    response = await client.post("/moderate", content=b'{"text": "a"}', headers=headers)
    assert response.status_code == status
    if status == 415:
        assert fault(response)[1:] == ("body", "expected content-type application/json")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("text"), inner),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=50) | JSON.map(lambda value: json.dumps(value).encode()))
async def test_no_body_at_all_is_a_server_error(client, body):
    for door in ("/moderate", "/moderate_many"):
        response = await client.post(
            door, content=body, headers={"content-type": "application/json"}
        )
        assert response.status_code in {200, 400}


async def test_too_much_is_429_and_says_when_to_try_again():
    async def full(_):
        raise Overloaded(2.4)

    async with client_of(app(full, full)) as client:
        response = await client.post("/moderate", json={"text": "a"})
    assert fault(response) == (429, None, "too much is waiting: try again in 3 s")
    assert response.headers["retry-after"] == "3"


async def test_a_failing_engine_is_503():
    async def broken(_):
        raise ScoringFailed("the engine raised RuntimeError")

    async with client_of(app(broken, broken)) as client:
        response = await client.post("/moderate", json={"text": "a"})
    assert fault(response)[0] == 503


async def test_a_bug_is_logged_without_what_was_said(caplog):
    async def buggy(message):
        raise KeyError(message.text)

    async with client_of(app(buggy, buggy)) as client:
        response = await client.post("/moderate", json={"text": PRIVATE})
    assert fault(response)[0] == 500
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert "KeyError on /moderate" in record.getMessage()
    assert "in buggy" in record.getMessage()
    assert PRIVATE not in caplog.text
    assert PRIVATE not in response.text


def asked(body, ended):
    """A request whose connection ends when the event is set."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        if messages:
            return messages.pop()
        await ended.wait()
        return {"type": "http.disconnect"}

    return {"path": "/moderate", "headers": []}, receive


def door_to(judge):
    return web.Door(to_message, lambda: judge, MAX_BODY_BYTES)


async def test_who_leaves_is_given_up(monkeypatch):
    monkeypatch.setattr(web, "PATIENCE_S", 0.001)
    ended, started, cancelled = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(_):
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    async def door():
        answer = await door_to(slow).answer(*asked(b'{"text": "a"}', ended))
        return answer.status, asyncio.current_task().cancelling()

    answer = asyncio.ensure_future(door())
    await started.wait()
    ended.set()
    assert await answer == (web.CLIENT_CLOSED_REQUEST, 0)
    assert cancelled.is_set()


async def test_who_leaves_while_the_body_comes_is_given_up(caplog):
    async def leaving():
        return {"type": "http.disconnect"}

    answer = await door_to(None).answer({"path": "/moderate", "headers": []}, leaving)
    assert answer.status == web.CLIENT_CLOSED_REQUEST
    assert not caplog.records


async def test_who_waits_is_answered_however_long_it_takes(monkeypatch, fake_scorer):
    monkeypatch.setattr(web, "PATIENCE_S", 0.001)
    moderator = Moderator(fake_scorer)

    async def slow(message):
        await asyncio.sleep(0.05)
        return moderator.moderate([message])[0]

    answer = await door_to(slow).answer(*asked(b'{"text": "a"}', asyncio.Event()))
    assert orjson.loads(answer.body)["masked"] == "a"


async def test_a_timeouts_cancellation_is_not_taken_for_a_departure():
    async def slow(_):
        await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await door_to(slow).answer(*asked(b'{"text": "a"}', asyncio.Event()))


async def test_a_deadline_counts_from_when_the_request_came(fake_scorer):
    moderator, given = Moderator(fake_scorer), []

    async def judge(message, *, deadline=None):
        given.append(deadline)
        if deadline is not None and deadline < 0.1:
            raise DeadlineExceeded("not scored")
        return moderator.moderate([message])[0]

    async def slowly():
        yield b'{"text": '
        await asyncio.sleep(0.05)
        yield b'"a"}'

    async with client_of(app(judge, judge)) as client:
        assert (await client.post("/moderate", json={"text": "a"})).is_success
        for allowed, status in (("5000", 200), ("90", 504), ("10", 504)):
            headers = {"x-gounmal-deadline-ms": allowed, "content-type": "application/json"}
            response = await client.post("/moderate", content=slowly(), headers=headers)
            assert response.status_code == status
    assert fault(response) == (504, None, "the deadline passed before this was judged")
    unlimited, long, short = given
    assert unlimited is None
    assert 4 < long < 4.96
    assert short < 0.05


@pytest.mark.parametrize("deadline", ["", "0", "-5", "1.5", "1e3", "soon", "٣", "9" * 10, "5, 6"])
async def test_a_deadline_must_be_a_positive_number(client, deadline):
    headers = {"x-gounmal-deadline-ms": deadline.encode()}
    for door, body in (("/moderate", {"text": "a"}), ("/moderate_many", {"texts": []})):
        response = await client.post(door, json=body, headers=headers)
        message = "expected a positive number of milliseconds"
        assert fault(response) == (400, "x-gounmal-deadline-ms", message)


async def test_the_front_lets_everything_else_through(client):
    assert (await client.get("/moderate")).status_code == 405
    assert (await client.post("/moderate/", json={"text": "a"})).status_code in {307, 404}
    assert (await client.post("/other", json={"text": "a"})).status_code == 404
