"""The doors of jobs, over a real store, with nobody who works."""

from __future__ import annotations

import dataclasses
import errno
import time
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from gounmal.errors import JobsUnavailable
from gounmal.jobs.job import JobState
from gounmal.jobs.retention import Retention
from gounmal.jobs.service import Jobs
from gounmal.jobs.settings import JobSettings
from gounmal.jobs.store import JobStore
from gounmal.jobs.web import JobDoors

CSV = "text\n안녕하세요\n".encode()
LONG_BOUNDARY = f"multipart/form-data; boundary={'a' * 5_000}"


@pytest.fixture
def settings(monkeypatch, tmp_path):
    monkeypatch.setenv("GOUNMAL_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("GOUNMAL_JOB_PREFIXES", str(tmp_path / "data"))
    monkeypatch.setenv("GOUNMAL_JOB_MAX_BYTES", "10000")
    monkeypatch.delenv("GOUNMAL_DATABASE", raising=False)
    return JobSettings.read()


@pytest.fixture
def store(settings):
    store = JobStore.open(settings)
    yield store
    store.close()


@pytest.fixture
async def http(settings):
    doors = JobDoors(settings)
    transport = httpx.ASGITransport(Starlette(routes=doors.routes()))
    async with httpx.AsyncClient(transport=transport, base_url="http://jobs") as client:
        yield client
    if doors._store:
        doors._store.close()


async def post(http, *, key=None, name="chat.csv", content=CSV, **fields):
    headers = {"Idempotency-Key": key} if key else {}
    return await http.post("/jobs", files={"file": (name, content)}, data=fields, headers=headers)


def error_of(response):
    [(name, error)] = response.json().items()
    assert name == "error"
    assert error.keys() == {"field", "message"}
    return response.status_code, error["field"]


async def test_an_upload_becomes_a_job(http, settings):
    response = await post(http, title="방송", lang="en")
    assert response.status_code == 202
    job = response.json()
    assert (job["state"], job["input"], job["title"]) == ("queued", "chat.csv", "방송")
    assert response.headers["location"] == f"/jobs/{job['id']}"
    assert (await http.get(response.headers["location"])).json() == job
    [file] = settings.folders.glob("*/input/*")
    assert file.read_bytes() == CSV
    assert settings.folders.stat().st_mode & 0o077 == 0


async def test_a_location_becomes_a_job(http, tmp_path):
    body = {"input": f"{tmp_path}/data/*.csv", "output": f"{tmp_path}/data/out"}
    response = await http.post("/jobs", json=body)
    assert response.status_code == 202
    assert response.json() | body == response.json()


async def test_a_location_elsewhere_is_refused(http, tmp_path):
    for field, wrong in (("input", "/etc/passwd"), ("output", str(tmp_path))):
        body = {"input": f"{tmp_path}/data/a.csv", "output": f"{tmp_path}/data/out", field: wrong}
        assert error_of(await http.post("/jobs", json=body)) == (400, field)
    assert (await http.get("/jobs")).json()["jobs"] == []


@pytest.mark.parametrize(
    ("request_", "fault"),
    [
        ({"data": {"title": "a"}}, (415, "body")),
        ({"files": {"other": ("a.csv", CSV)}}, (400, "file")),
        ({"files": {"file": ("a.exe", CSV)}}, (415, "file")),
        ({"files": {"file": ("a.csv", b"x" * 10_001)}}, (413, "file")),
        ({"files": {"file": ("a.csv", b"x" * 100_000)}}, (413, "file")),
        ({"files": {"file": ("a.csv", CSV)}, "data": {"lang": "fr"}}, (400, "lang")),
        ({"files": {"file": ("a.csv", CSV)}, "data": {"previous": "no/id"}}, (400, "previous")),
        ({"content": CSV, "headers": {"content-type": "text/csv"}}, (415, "body")),
        ({"content": CSV, "headers": {"content-type": LONG_BOUNDARY}}, (400, "body")),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, (400, "body")),
        ({"json": []}, (400, "body")),
        ({"json": {}}, (400, "input")),
        ({"json": {"input": "x" * 70_000}}, (413, "body")),
    ],
)
async def test_what_is_wrong_is_named_and_leaves_nothing(http, settings, request_, fault):
    assert error_of(await http.post("/jobs", **request_)) == fault
    assert list(settings.folders.iterdir()) == []


async def test_only_what_is_done_can_be_compared_with(http):
    job = (await post(http)).json()["id"]
    assert error_of(await post(http, previous=job)) == (400, "previous")


async def test_a_path_in_a_name_leads_nowhere(http, settings):
    response = await post(http, name="../../../../etc/x.csv")
    assert response.status_code == 202
    [file] = settings.folders.glob("*/input/*")
    assert file.name == "x.csv"


async def test_a_full_disk_is_said_to_be_full(http, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    assert error_of(await post(http)) == (507, "file")


async def test_the_same_key_is_the_same_job(http, settings):
    first = await post(http, key="2026-03-01")
    again = await post(http, key="2026-03-01")
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json() == first.json()
    assert len(list(settings.folders.iterdir())) == 1
    assert len((await http.get("/jobs")).json()["jobs"]) == 1


async def test_a_key_is_for_one_question(http, settings):
    await post(http, key="k")
    for response in (await post(http, key="k", title="x"), await post(http, key="k", content=b"y")):
        assert error_of(response) == (422, "Idempotency-Key")
    assert len(list(settings.folders.iterdir())) == 1
    assert error_of(await post(http, key="k" * 201)) == (400, "Idempotency-Key")


async def test_jobs_are_listed_newest_first_by_the_page(http):
    ids = [(await post(http, title=str(i))).json()["id"] for i in range(5)]
    first = (await http.get("/jobs", params={"limit": 2})).json()
    await post(http, title="meanwhile")
    second = (await http.get("/jobs", params={"limit": 2, "cursor": first["cursor"]})).json()
    third = (await http.get("/jobs", params={"limit": 2, "cursor": second["cursor"]})).json()
    pages = [job["id"] for page in (first, second, third) for job in page["jobs"]]
    assert third["cursor"] is None
    assert pages == ids[::-1]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        *((f"limit={limit}", "limit") for limit in ("0", "x", "101", "01", "１", "9" * 5_000)),
        ("cursor=x", "cursor"),
        (f"cursor={'9' * 30}-{'a' * 32}", "cursor"),
        (f"cursor=1-{'a' * 31}%00", "cursor"),
    ],
)
async def test_a_page_that_is_not_there(http, query, field):
    assert error_of(await http.get(f"/jobs?{query}")) == (400, field)


@pytest.mark.parametrize("name", ["%00", "nowhere", "A" * 32, "a" * 33])
async def test_what_is_no_id_is_no_job(http, name):
    assert error_of(await http.get(f"/jobs/{name}")) == (404, "id")


async def test_a_job_that_was_taken_keeps_its_upload(http, store, monkeypatch):
    def fail(*_):
        monkeypatch.setattr(JobStore, "get", get)
        raise JobsUnavailable("the database was started again")

    get = JobStore.get
    monkeypatch.setattr(JobStore, "get", fail)
    assert (await post(http)).status_code == 503
    [job] = store.page(limit=2)[0]
    assert Path(job.request.input).is_file()  # noqa: ASYNC240  (nothing else runs)


async def test_a_job_can_be_cancelled_twice(http, store):
    job = (await post(http)).json()["id"]
    for _ in range(2):
        response = await http.post(f"/jobs/{job}/cancel")
        assert (response.status_code, response.json()["state"]) == (200, "cancelled")
    assert store.get(job).state is JobState.CANCELLED


async def test_there_is_no_result_before_there_is_one(http):
    job = (await post(http)).json()["id"]
    for what in ("result", "report"):
        assert error_of(await http.get(f"/jobs/{job}/{what}")) == (409, "state")


@pytest.mark.parametrize("path", ["/jobs/nope", "/jobs/nope/result", "/jobs/nope/report"])
async def test_no_such_job(http, path):
    assert error_of(await http.get(path)) == (404, "id")
    assert error_of(await http.post("/jobs/nope/cancel")) == (404, "id")


async def test_a_database_that_is_away_is_not_quoted(monkeypatch, tmp_path):
    monkeypatch.setenv("GOUNMAL_STATE", str(tmp_path))
    monkeypatch.setenv("GOUNMAL_DATABASE", "postgresql://someone:hidden@127.0.0.1:1/nowhere")
    transport = httpx.ASGITransport(Starlette(routes=JobDoors(JobSettings.read()).routes()))
    async with httpx.AsyncClient(transport=transport, base_url="http://jobs") as client:
        response = await client.get("/jobs")
    assert error_of(response) == (503, None)
    assert "hidden" not in response.text
    assert "127.0.0.1" not in response.text


def test_jobs_can_be_switched_off(settings, tmp_path):
    jobs = Jobs(dataclasses.replace(settings, enabled=False))
    jobs.start(tmp_path, tmp_path)
    assert jobs.routes() == []
    assert not settings.state.exists()


async def test_what_has_ended_is_forgotten_in_time(http, store, settings):
    kept, ended = [(await post(http)).json()["id"] for _ in range(2)]
    await http.post(f"/jobs/{ended}/cancel")
    abandoned = settings.folders / "abandoned"
    abandoned.mkdir()
    retention = Retention(store, settings)
    now = time.time()
    assert retention.sweep(now) == 0
    assert abandoned.exists()
    assert retention.sweep(now + settings.retention_s - 60) == 0
    assert store.get(ended)
    assert not abandoned.exists()
    assert retention.sweep(now + settings.retention_s + 60) == 1
    assert store.get(ended) is None
    assert store.get(kept)
    assert [str(f) for f in settings.folders.iterdir()] == [store.get(kept).request.folder]
