"""`/docs.json` of a really served Bento, held to what it answers by schemathesis.

It has an environment of its own, made at the first run, since it brings much that nothing else
needs. `GOUNMAL_SCHEMATHESIS_EXAMPLES` is how many cases each endpoint gets beside those that its
schema suggests: `GOUNMAL_SCHEMATHESIS_EXAMPLES=650` makes some 10,000 of all. With
`GOUNMAL_SCHEMATHESIS_RESULTS` a file is written that says what came of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "schemathesis"
PINNED = "schemathesis==4.32.5"
KEY = "a-key-for-schemathesis"
EXAMPLES = os.environ.get("GOUNMAL_SCHEMATHESIS_EXAMPLES") or "15"
RESULTS = os.environ.get("GOUNMAL_SCHEMATHESIS_RESULTS")
FINAL = {"done", "failed"}

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def schemathesis():
    """The program."""
    folder = ROOT / "runs" / "schemathesis"
    program = folder / "bin" / "st"
    stamp = folder / PINNED
    if not stamp.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [folder / "bin" / "pip", "install", "--quiet", PINNED]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"{PINNED} cannot be installed here: {done.stderr.strip()[-200:]}")
        stamp.touch()
    return program


@pytest.fixture(scope="module")
def served(environment):
    """With every endpoint there is, behind a key."""
    variables = {"GOUNMAL_API_KEYS": f"schemathesis:{KEY}", "GOUNMAL_CLOUD": "sagemaker"}
    with environment.serving("gounmal", "serve", "--host", "127.0.0.1", **variables) as server:
        yield server


@pytest.fixture(scope="module")
def job(served):
    """The id of one that is done: no guess would hit it."""
    headers, files = {"x-api-key": KEY}, {"file": ("chat.csv", "text\n안녕하세요\n".encode())}
    with httpx.Client(base_url=served.url, headers=headers, timeout=30) as client:
        asked = client.post("/jobs", files=files).json()
        deadline = time.monotonic() + 120
        while (found := client.get(f"/jobs/{asked['id']}").json())["state"] not in FINAL:
            assert time.monotonic() < deadline, found
            time.sleep(0.1)
    assert found["state"] == "done"
    return found["id"]


@pytest.fixture(scope="module")
def commit():
    """What is tried; asked before it is served, since others may commit meanwhile."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def outcome(said, commit):
    """What of a report is worth keeping: of what, when, how much, what came of it."""
    kept = ("schemathesis_version", "seed", "started_at", "running_time", "phases")
    kept += ("operations", "test_cases", "failures", "errors", "valid_rates")
    return {"commit": commit, **{name: said[name] for name in kept}}


@pytest.mark.timeout(3600)
def test_no_answer_but_those_documented(commit, served, schemathesis, job, tmp_path):
    report = tmp_path / "report.json"
    command = [
        *(schemathesis, "--config-file", HERE / "schemathesis.toml"),
        *("run", served.url + "/docs.json", "--header", f"x-api-key: {KEY}"),
        *("--max-examples", EXAMPLES, "--continue-on-failure", "--no-color"),
        *("--suppress-health-check", "all", "--generation-database", "none"),
        # Our key with every case, so that it gets past the gate; `ignored_auth` tries without.
        *("--generation-with-security-parameters", "false", "--seed", "1"),
        *("--report", "json", "--report-json-path", report),
    ]
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "lines", "PYTHONPATH": str(HERE)}
    environment["GOUNMAL_JOB"] = job
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert report.exists(), done.stdout[-20_000:] + done.stderr
    said = json.loads(report.read_text())
    if RESULTS:
        Path(RESULTS).write_text(json.dumps(outcome(said, commit), indent=1) + "\n")
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    documented = httpx.get(served.url + "/docs.json", headers={"x-api-key": KEY}).json()["paths"]
    assert said["operations"]["tested"] == sum(map(len, documented.values()))
    assert said["test_cases"]["generated"] >= 100
    assert said["valid_rates"]["GET /jobs/{id}/report"]["fuzzing"]["accepted"]
    assert served.process.poll() is None
    print(json.dumps(said["test_cases"]))  # noqa: T201  (`pytest -s` shows how many there were)


def test_every_endpoint_is_documented(served):
    documented = httpx.get(served.url + "/docs.json", headers={"x-api-key": KEY}).json()
    assert documented["openapi"] == "3.1.0"
    paths = documented["paths"]
    assert {
        *("/moderate", "/moderate_many", "/stream", "/docs.json", "/metrics"),
        *("/livez", "/readyz", "/healthz", "/ping", "/invocations", "/jobs", "/jobs/{id}"),
    } <= set(paths)
    for path in ("/moderate", "/moderate_many", "/stream", "/invocations"):
        responses = paths[path]["post"]["responses"]
        assert {200, 400, 401, 403, 413, 415, 429, 500, 503, 504} <= {int(s) for s in responses}
        assert "retry-after" in responses["429"]["headers"]


def test_who_needs_a_key_is_documented(served, server):
    keyed = httpx.get(served.url + "/docs.json", headers={"x-api-key": KEY}).json()
    assert {} not in keyed["security"]
    assert keyed["paths"]["/readyz"]["get"]["security"] == []
    assert {} in httpx.get(server.url + "/docs.json").json()["security"]
    assert "/ping" not in httpx.get(server.url + "/docs.json").json()["paths"]


def test_an_answer_as_documented_is_an_answer_as_given(server):
    """The description and the doors are written apart: what one says, the other does."""
    paths = httpx.get(server.url + "/docs.json").json()["paths"]
    asked = paths["/moderate"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    allowed = {"text": "안녕", "id": None, "channel": None}
    assert set(asked["properties"]) == set(allowed)
    assert asked["additionalProperties"] is False
    assert httpx.post(server.url + "/moderate", json=allowed).status_code == 200
    assert httpx.post(server.url + "/moderate", json=allowed | {"x": 1}).status_code == 400
    decision = paths["/moderate"]["post"]["responses"]["200"]["content"]["application/json"]
    assert {"type": "null"} in decision["schema"]["properties"]["id"]["anyOf"]
