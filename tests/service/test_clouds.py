"""The contracts of clouds' platforms, with the requests that they document."""

from __future__ import annotations

import httpx
import orjson
import pytest
from starlette.applications import Starlette

from gounmal import serve
from gounmal.api.clouds import Platform
from gounmal.errors import InvalidConfiguration, Overloaded
from gounmal.moderator import Moderator
from gounmal.online.decide import Online
from gounmal.online.ndjson import LineStreams
from gounmal.online.shutdown import OpenStreams

PRIVATE = "비밀문장"
VERTEX = {
    "AIP_HTTP_PORT": "8501",
    "AIP_HEALTH_ROUTE": "/v1/endpoints/1/deployedModels/2",
    "AIP_PREDICT_ROUTE": "/v1/endpoints/1/deployedModels/2:predict",
}
SAGEMAKER = {"GOUNMAL_CLOUD": "sagemaker"}


def client_of(online, environ):
    platform = Platform.read(environ)
    lines = LineStreams(lambda: online, OpenStreams())
    transport = httpx.ASGITransport(app=Starlette(routes=platform.routes(lambda: online, lines)))
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080")


@pytest.fixture
async def online(fake_scorer):
    online = Online(Moderator(fake_scorer))
    yield online
    await online.close()


@pytest.fixture
async def vertex(online):
    async with client_of(online, VERTEX) as client:
        yield client


@pytest.fixture
async def sagemaker(online):
    async with client_of(online, SAGEMAKER) as client:
        yield client


def fault(response):
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert set(error) == {"field", "message"}
    return response.status_code, error["field"], error["message"]


# Where to listen and where to answer.


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"GOUNMAL_CLOUD": "none"} | VERTEX, None),
        (SAGEMAKER, ("sagemaker", 8080, "/ping", "/invocations")),
        ({"SAGEMAKER_BATCH": "true"}, ("sagemaker", 8080, "/ping", "/invocations")),
        ({"SAGEMAKER_BIND_TO_PORT": "8443"}, ("sagemaker", 8443, "/ping", "/invocations")),
        (VERTEX, ("vertex", 8501, VERTEX["AIP_HEALTH_ROUTE"], VERTEX["AIP_PREDICT_ROUTE"])),
        ({"AIP_HTTP_PORT": "80"}, ("vertex", 80, "/health", "/predict")),
        ({"GOUNMAL_CLOUD": "vertex"}, ("vertex", 8080, "/health", "/predict")),
    ],
)
def test_the_environment_says_on_which_platform_we_are(environ, expected):
    assert Platform.read(environ) == expected


@pytest.mark.parametrize(
    "environ",
    [
        {"GOUNMAL_CLOUD": "azure"},
        {"AIP_HTTP_PORT": "http"},
        {"AIP_HTTP_PORT": "0"},
        {"AIP_HTTP_PORT": "65536"},
        {"SAGEMAKER_BIND_TO_PORT": "-1"},
        VERTEX | {"AIP_HEALTH_ROUTE": "health"},
        VERTEX | {"AIP_PREDICT_ROUTE": "/{path}"},
    ],
)
def test_an_environment_that_makes_no_sense_is_refused(environ):
    with pytest.raises(InvalidConfiguration, match=r"GOUNMAL_CLOUD|AIP_|SAGEMAKER_"):
        Platform.read(environ)


# Vertex AI: https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements


async def test_vertex_ai_hears_that_we_are_well(vertex):
    response = await vertex.get(VERTEX["AIP_HEALTH_ROUTE"])
    assert (response.status_code, response.content) == (200, b"")


async def test_vertex_ai_gets_a_prediction_for_each_instance(vertex):
    body = {
        "instances": [{"text": "이 바보야", "id": "7"}, {"text": "안녕"}],
        "parameters": {"channel": "shop"},
    }
    response = await vertex.post(VERTEX["AIP_PREDICT_ROUTE"], json=body)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert set(response.json()) == {"predictions"}
    first, second = response.json()["predictions"]
    assert (first["id"], first["labels"], first["masked"]) == ("7", ["insult"], "이 **야")
    assert (second["id"], second["action"]) == (None, "allow")


async def test_health_and_predictions_may_share_a_path(online):
    shared = VERTEX | {"AIP_HEALTH_ROUTE": VERTEX["AIP_PREDICT_ROUTE"]}
    async with client_of(online, shared) as client:
        assert (await client.get(shared["AIP_HEALTH_ROUTE"])).status_code == 200
        asked = await client.post(shared["AIP_PREDICT_ROUTE"], json={"instances": []})
        assert asked.json() == {"predictions": []}


async def test_parameters_name_the_channel_of_instances_that_name_none(online):
    asked = []

    class Remembering:
        alive = True

        async def moderate_many(self, messages):
            asked.extend(messages)
            return await online.moderate_many(messages)

    async with client_of(Remembering(), VERTEX) as client:
        for parameters in ({"channel": "c"}, {}, None):
            instances = [{"text": "a"}, {"text": "b", "channel": "own"}]
            body = {"instances": instances, "parameters": parameters}
            assert (await client.post(VERTEX["AIP_PREDICT_ROUTE"], json=body)).status_code == 200
    assert [m.channel for m in asked] == ["c", "own", None, "own", None, "own"]


BAD = [
    ({"instances": "a"}, "instances", "expected a list of objects, got str"),
    ({"instances": ["a"]}, "instances[0]", "expected a JSON object"),
    ({"instances": [{"text": "a"}, {}]}, "instances[1].text", "not there"),
    ({"instances": [{"text": 5}]}, "instances[0].text", "expected a string"),
    ({"instances": [{"text": PRIVATE * 1001}]}, "instances[0].text", "at most 4000"),
    ({"instances": [{"text": "a", "id": 5}]}, "instances[0].id", "expected a string"),
    ({"instances": [{"text": "a", "x": 5}]}, "instances[0]", "no fields but text, id, channel"),
    ({"instances": [{"text": "a"}] * 1025}, "instances", "at most 1024 instances, got 1025"),
    ({"instances": [], "signature_name": "x"}, "body", "no fields but instances, parameters"),
    ({"instances": [], "parameters": []}, "parameters", "expected an object"),
    ({"instances": [], "parameters": {"mode": "strict"}}, "parameters", "but channel"),
    ({"instances": [], "parameters": {"channel": 5}}, "parameters.channel", "expected a string"),
    ({"prompt": "a"}, "body", "instances, texts or text"),
    ([], "body", "instances, texts or text"),
    ({"texts": ["a", 3]}, "texts[1]", "expected a string"),
    ({"text": "\udfff"}, "text", "lone surrogate"),
]


@pytest.mark.parametrize(("body", "field", "message"), BAD)
async def test_faults_are_those_of_every_door(vertex, sagemaker, body, field, message):
    content = orjson.dumps(body) if body != {"text": "\udfff"} else b'{"text": "\\udfff"}'
    for client, path in ((vertex, VERTEX["AIP_PREDICT_ROUTE"]), (sagemaker, "/invocations")):
        headers = {"content-type": "application/json"}
        response = await client.post(path, content=content, headers=headers)
        status, got_field, got_message = fault(response)
        assert (status, got_field) == (400, field)
        assert message in got_message
        assert PRIVATE not in response.text


async def test_too_much_is_429():
    class Full:
        alive = True

        async def moderate_many(self, _):
            raise Overloaded(2.4)

    async with client_of(Full(), SAGEMAKER) as client:
        response = await client.post("/invocations", json={"instances": [{"text": "a"}]})
    assert fault(response)[0] == 429
    assert response.headers["retry-after"] == "3"


# SageMaker: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html


async def test_sagemaker_hears_that_we_are_well_or_not(sagemaker):
    response = await sagemaker.get("/ping")
    assert (response.status_code, response.content) == (200, b"")

    class Dead:
        alive = False

    async with client_of(Dead(), SAGEMAKER) as client:
        assert (await client.get("/ping")).status_code == 503


async def test_sagemaker_gets_what_moderate_gives(sagemaker):
    one = (await sagemaker.post("/invocations", json={"text": "바보", "id": "1"})).json()
    assert (one["id"], one["labels"]) == ("1", ["insult"])
    many = (await sagemaker.post("/invocations", json={"texts": ["바보", "안녕"]})).json()
    assert [decision["flagged"] for decision in many] == [True, False]
    body = {"instances": [{"text": "바보"}]}
    assert list((await sagemaker.post("/invocations", json=body)).json()) == ["predictions"]


async def test_a_type_is_refused_that_is_not_one_of_its_own(sagemaker):
    for kind in ("text/csv", "application/x-recordio-protobuf"):
        headers = {"content-type": kind}
        response = await sagemaker.post("/invocations", content=b"1,2", headers=headers)
        assert fault(response)[:2] == (415, "body")


@pytest.mark.parametrize("kind", ["application/jsonlines", "application/x-ndjson"])
async def test_a_batch_transform_gets_a_line_for_each(sagemaker, kind):
    lines = [{"text": "바보", "id": "1"}, {"text": [PRIVATE]}, {"text": "안녕", "id": "3"}]
    content = b"\n".join(orjson.dumps(line) for line in lines)  # no newline at the end
    headers = {"content-type": f"{kind}; charset=utf-8"}
    response = await sagemaker.post("/invocations", content=content, headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (200, kind)
    first, second, third = map(orjson.loads, response.content.splitlines())
    assert (first["id"], first["labels"]) == ("1", ["insult"])
    assert second["error"]["field"] == "text"
    assert (third["id"], third["flagged"]) == ("3", False)
    assert PRIVATE not in response.text


async def test_only_the_methods_of_the_contract(sagemaker):
    assert (await sagemaker.get("/invocations")).status_code == 405
    assert (await sagemaker.post("/ping")).status_code == 405


# `gounmal serve`.


@pytest.mark.parametrize(
    ("environ", "asked", "place"),
    [
        ({}, (None, None), ("127.0.0.1", 3000)),
        ({"BENTOML_HOST": "0.0.0.0", "BENTOML_PORT": "4000"}, (None, None), ("0.0.0.0", 4000)),
        ({"PORT": "5000"}, (None, None), ("127.0.0.1", 5000)),
        ({"BENTOML_PORT": "4000"}, ("::1", 6000), ("::1", 6000)),
        (VERTEX, (None, None), ("0.0.0.0", 8501)),
        (VERTEX | {"BENTOML_PORT": "4000"}, (None, None), ("0.0.0.0", 8501)),
        (SAGEMAKER, (None, None), ("0.0.0.0", 8080)),
        (SAGEMAKER, ("127.0.0.1", 9000), ("127.0.0.1", 9000)),
    ],
)
def test_the_platform_says_where_to_listen(monkeypatch, environ, asked, place):
    for name in ("PORT", "BENTOML_HOST", "BENTOML_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert serve.place(*asked) == place


def test_a_port_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv("BENTOML_PORT", "http")
    with pytest.raises(InvalidConfiguration, match="BENTOML_PORT"):
        serve.place(None, None)
