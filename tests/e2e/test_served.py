"""A served Bento, as its users meet it."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from gounmal.schema import LABELS

ROOT = Path(__file__).parents[2]
LINES = ["안녕하세요", "이 바보 멍청아", "", "ㅋㅋㅋㅋ", "시발점이 어디예요?", "a\0b", "꺼 져"]

pytestmark = pytest.mark.e2e


@pytest.fixture(params=["in-process", "remote"])
def server(request, server):
    """In both shapes: whoever asks must not be able to tell."""
    return server if request.param == "in-process" else request.getfixturevalue("remote_server")


def alike(got, expected):
    """Equal, but for the last digit of scores: engines round otherwise in another batch."""
    assert got | {"scores": None} == expected | {"scores": None}
    assert got["scores"] == pytest.approx(expected["scores"], abs=2e-4)


def post(server, door, body, **headers):
    kind = {"content-type": "application/json"} | headers
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(server.url + door, content=content, headers=kind, timeout=30)


def test_every_door_gives_the_decision_of_the_core(server, moderator):
    expected = [decision.to_dict() for decision in moderator.moderate(LINES)]
    for line, decision in zip(LINES, expected, strict=True):
        response = post(server, "/moderate", {"text": line, "id": "7"})
        assert response.status_code == 200
        alike(response.json(), decision | {"id": "7"})
    listed = post(server, "/moderate_many", {"texts": LINES}).json()
    for got, decision in zip(listed, expected, strict=True):
        alike(got, decision)


SYNCHRONOUS = """
with bentoml.SyncHTTPClient(url) as client:
    answers.append(client.moderate(text=line))
    answers.append(client.moderate(text=line, id="7", channel="c"))
    answers += client.moderate_many(texts=[line, line])
    try:
        client.moderate_many(texts=[line, 5])
    except bentoml.exceptions.BentoMLException as error:
        fault = str(error)
"""
ASYNCHRONOUS = """
async def main():
    global fault
    async with bentoml.AsyncHTTPClient(url) as client:
        answers.append(await client.moderate(text=line))
        answers.append(await client.moderate(text=line, id="7", channel="c"))
        answers.extend(await client.moderate_many(texts=[line, line], channel="c"))
        try:
            await client.moderate_many(texts=[line, 5])
        except bentoml.exceptions.BentoMLException as error:
            fault = str(error)

asyncio.run(main())
"""


@pytest.mark.parametrize("program", [SYNCHRONOUS, ASYNCHRONOUS])
def test_bentomls_own_clients_call_both_doors(server, environment, moderator, program):
    head = "import asyncio, json, sys, bentoml\nurl, line, answers = *sys.argv[1:], []\n"
    tail = "print(json.dumps([answers, fault]))"
    done = environment.run("python", "-c", head + program + tail, server.url, "이 바보야")
    assert done.returncode == 0, done.stdout
    answers, fault = json.loads(done.stdout.splitlines()[-1])
    expected = moderator.moderate(["이 바보야"])[0].to_dict()
    for answer, id_ in zip(answers, [None, "7", None, None], strict=True):
        alike(answer, expected | {"id": id_})
    assert "texts[1]" in fault


def test_the_documentation_describes_both_doors(server):
    page = httpx.get(server.url + "/docs.json").json()
    schemas = page["components"]["schemas"]

    def content(part):
        return part["content"]["application/json"]["schema"]

    one = page["paths"]["/moderate"]["post"]
    asked, answered = content(one["requestBody"]), content(one["responses"]["200"])
    assert list(asked["properties"]) == ["text", "id", "channel"]
    assert (asked["required"], asked["properties"]["text"]["maxLength"]) == (["text"], 4000)
    decision = post(server, "/moderate", {"text": "이 바보야"}).json()
    assert list(answered["properties"]) == answered["required"] == list(decision)
    assert schemas["Label"]["enum"] == list(LABELS) == list(decision["scores"])
    assert list(schemas["SpanBody"]["properties"]) == ["start", "end", "label", "source"]
    assert "429" in one["description"]

    many = page["paths"]["/moderate_many"]["post"]
    assert content(many["requestBody"])["properties"]["texts"]["maxItems"] == 1024
    items = content(many["responses"]["200"])["items"]["$ref"].rpartition("/")[2]
    assert list(schemas[items]["properties"]) == list(decision)


MARK = "꼬리표"
"""Stands in every text of the next test and must stand nowhere else."""

FAULTS = [
    (b'{"text": 5}', 400, "text"),
    (json.dumps({"text": MARK * 40_000}).encode(), 400, "text"),
    (json.dumps({"text": MARK}).encode() + b"\xff", 400, "body"),
    (b'{"text": "' + MARK.encode() + b'\\udfff"}', 400, "text"),
    (MARK.encode(), 400, "body"),
    (json.dumps({MARK: MARK, "text": MARK}).encode(), 400, "body"),
    (json.dumps({"text": MARK, "id": [MARK]}).encode(), 400, "id"),
    (json.dumps({"text": MARK, "channel": MARK * 100}).encode(), 400, "channel"),
    (json.dumps({"text": MARK * 400_000}).encode(), 413, "body"),
    (b"", 400, "body"),
]
LIST_FAULTS = [
    ({"texts": [MARK, 7]}, 400, "texts[1]"),
    ({"texts": [MARK] * 1025}, 400, "texts"),
    ({"texts": MARK}, 400, "texts"),
]


def test_faults_are_named_and_no_text_reaches_an_error_or_the_log(server):
    asked = [("/moderate", *fault) for fault in FAULTS]
    asked += [("/moderate_many", *fault) for fault in LIST_FAULTS]
    for door, body, status, field in asked:
        response = post(server, door, body)
        assert (response.status_code, response.json()["error"]["field"]) == (status, field)
        assert MARK not in response.text
        assert json.dumps(MARK)[1:-1] not in response.text
    for kind in ("text/plain", "application/vnd.bentoml+pickle", "multipart/form-data"):
        response = post(server, "/moderate", {"text": MARK}, **{"content-type": kind})
        assert response.status_code == 415
    assert post(server, "/moderate", {"text": MARK, "id": "1"}).status_code == 200
    log = server.log.read_text()
    assert "Service gounmal initialized" in log
    assert MARK not in log
    assert json.dumps(MARK)[1:-1] not in log


def test_ten_thousand_requests_over_64_connections(server, environment, artifact):
    soak = ROOT / "benchmarks" / "online" / "soak.py"
    options = ("--url", server.url, "--requests", "10000", "--connections", "64")
    done = environment.run("python", str(soak), *options, "--model", str(artifact))
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["requests"], result["wrong"], result["lost"]) == (10_000, 0, 0)
    [worker] = server.workers()
    assert worker.memory_info().rss <= 400e6
    metrics = httpx.get(server.url + "/metrics").text
    assert 'status="5' not in "".join(
        line for line in metrics.splitlines(keepends=True) if not line.endswith(" 0.0\n")
    )


def test_it_is_alive_and_ready_within_seconds(server):
    assert httpx.get(server.url + "/livez").is_success
    assert httpx.get(server.url + "/readyz").is_success
    assert server.started_in_s < 30  # 6 s on a machine that does nothing else


def test_the_bento_has_what_it_needs_and_nothing_else(bento, environment):
    paths = [path for path in (bento / "src").rglob("*.*") if path.suffix != ".pyc"]
    files = {str(path.relative_to(bento / "src")) for path in paths if path.is_file()}
    package = {name for name in files if name.startswith("gounmal/")}
    assert files - package == {
        "service.py",
        "policy.yaml",
        "configuration.yaml",
        "bentofile.yaml",
    }
    ours = [
        path for path in (ROOT / "gounmal").rglob("*") if path.suffix in {".py", ".html", ".css"}
    ]
    assert package == {str(path.relative_to(ROOT)) for path in ours}
    assert "gounmal-ko:" in (bento / "bento.yaml").read_text()
    assert environment.run("python", "-c", "import gounmal.online.decide").returncode == 0


def test_the_serving_environment_has_no_torch(environment):
    if environment.is_that_of_the_tests:
        pytest.skip("no serving environment of its own here: set GOUNMAL_SERVE_BIN")
    command = "import importlib.util as u; print(u.find_spec('torch'), u.find_spec('transformers'))"
    assert environment.run("python", "-c", command).stdout.split() == ["None", "None"]
