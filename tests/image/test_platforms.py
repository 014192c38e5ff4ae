"""The same image on clouds' platforms, as they document it, and with PostgreSQL."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from .conftest import STRICT
from .test_running import ABUSIVE, wait_for

HEALTH = "/v1/endpoints/1/deployedModels/2"
PREDICT = f"{HEALTH}:predict"
CHECK = ("python", "-I", "-S", "/opt/gounmal/healthcheck.py")


@pytest.fixture(scope="module")
def sagemaker(image):
    """Run as SageMaker runs it: `IMAGE serve`."""
    with image.serving(
        "--env", "GOUNMAL_CLOUD=sagemaker", port_in="SAGEMAKER_BIND_TO_PORT"
    ) as container:
        container.http.headers.pop("authorization")
        yield container


@pytest.fixture(scope="module")
def vertex(image):
    """Run as Vertex AI runs it, with nothing of ours."""
    routes = ("--env", f"AIP_HEALTH_ROUTE={HEALTH}", "--env", f"AIP_PREDICT_ROUTE={PREDICT}")
    with image.serving(*routes, port_in="AIP_HTTP_PORT") as container:
        container.http.headers.pop("authorization")
        yield container


def test_sagemaker_asks_whether_it_is_well(sagemaker):
    assert sagemaker.http.get("/ping").status_code == 200
    sagemaker.run(*CHECK)


def test_sagemaker_asks_for_one_and_for_many(sagemaker):
    attributes = {"x-amzn-sagemaker-custom-attributes": "trace=1"}
    one = sagemaker.http.post("/invocations", json={"text": ABUSIVE}, headers=attributes)
    assert (one.status_code, one.json()["flagged"]) == (200, True)
    many = sagemaker.http.post("/invocations", json={"texts": [ABUSIVE, "안녕하세요"]})
    assert [decision["flagged"] for decision in many.json()] == [True, False]


def test_sagemaker_transforms_a_batch(sagemaker):
    lines = "".join(json.dumps({"text": text}) + "\n" for text in (ABUSIVE, "또 봐요"))
    headers = {"content-type": "application/jsonlines", "accept": "application/jsonlines"}
    answer = sagemaker.http.post("/invocations", content=lines, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/jsonlines")
    decisions = [json.loads(line) for line in answer.text.splitlines()]
    assert [decision["flagged"] for decision in decisions] == [True, False]


def test_vertex_asks_whether_it_is_well(vertex):
    assert vertex.http.get(HEALTH).status_code == 200
    vertex.run(*CHECK)


def test_vertex_asks_for_predictions(vertex):
    instances = [{"text": ABUSIVE, "id": "1"}, {"text": "안녕하세요", "id": "2"}]
    question = {"instances": instances, "parameters": {"channel": "main"}}
    answer = vertex.http.post(PREDICT, json=question)
    assert answer.status_code == 200
    predictions = answer.json()["predictions"]
    assert [(one["id"], one["flagged"]) for one in predictions] == [("1", True), ("2", False)]
    wrong = vertex.http.post(PREDICT, json={"instances": [{"txt": ""}]})
    assert wrong.status_code == 400


def find_program(name):
    """A program of PostgreSQL, which Debian keeps out of the way."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


@pytest.fixture
def postgres(image):  # noqa: ARG001  (without an image, that is what is missing)
    """Options of a container that reaches a PostgreSQL of this test, over its socket."""
    if not (initdb := find_program("initdb")):
        pytest.skip("no PostgreSQL here: apt-get install postgresql")
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    with tempfile.TemporaryDirectory(prefix="gounmal-pg-") as home:
        Path(home).chmod(0o755)  # the container's user goes through it
        if user:
            shutil.chown(home, user)

        def run(*command):
            subprocess.run(command, user=user, cwd=home, check=True, stdout=subprocess.DEVNULL)

        run(initdb, "-D", f"{home}/data", "-A", "trust", "-U", "tests", "--no-sync")
        control = (find_program("pg_ctl"), "-D", f"{home}/data", "-w", "-l", f"{home}/log")
        run(*control, "-o", f"-k {home} -c listen_addresses= -c fsync=off", "start")
        url = "postgresql://tests@/postgres?host=/run/database"
        try:
            yield ("--volume", f"{home}:/run/database", "--env", f"GOUNMAL_DATABASE={url}")
        finally:
            run(*control, "-m", "immediate", "stop")


@pytest.mark.timeout(600)  # a job has the lowest priority, and the machine may be busy
def test_workers_share_a_postgresql_and_take_over_from_one_that_died(image, engine, postgres):
    volume, worker = "gounmal-test-cluster", "gounmal-test-taking-over"
    rows = "text\n" + "".join(f"오늘 방송 {i} 번째 줄 {ABUSIVE}\n" for i in range(20_000))
    options = ("--volume", f"{volume}:/var/lib/gounmal", "--env", "GOUNMAL_JOB_LOST_AFTER=5s")
    options += postgres
    engine("volume", "create", volume)
    try:
        with image.serving(*options) as server:
            created = server.http.post("/jobs", files={"file": ("chat.csv", rows.encode())})
            assert created.status_code == 202, created.text
            path = f"/jobs/{created.json()['id']}"
            wait_for(server, path, lambda job: job["state"] == "running")
            engine("kill", "--signal", "KILL", server.name)
        detached = ["run", "--detach", "--name", worker, "--network", "none", *engine.limits]
        engine(*detached, *STRICT, *options, image.name, "worker", "--processes", "1")
        with image.serving(*options) as server:
            job = wait_for(server, path, lambda job: job["state"] in {"done", "failed"})
            assert (job["state"], job["rows_done"]) == ("done", 20_000)
            result = server.http.get(f"{path}/result").text
        assert engine.inspect(worker)["State"]["Running"], engine("logs", worker).stderr
        engine("stop", "--time", "30", worker)
        assert engine.inspect(worker)["State"]["ExitCode"] == 0
    finally:
        engine("rm", "--force", worker, check=False)
        engine("volume", "rm", "--force", volume)
    texts = [row["text"] for row in csv.DictReader(io.StringIO(result.lstrip("\ufeff")))]
    assert texts == rows.splitlines()[1:]
