"""Jobs through a really served Bento: beside its viewers, over restarts, whatever is killed."""

from __future__ import annotations

import csv
import io
import json
import signal
import time

import httpx
import psutil
import pytest

pytestmark = pytest.mark.e2e

ROWS = 1_500


def chat(rows=ROWS, name=0):
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(["id", "text"])
    for i in range(rows):
        writer.writerow([i, f"{'시발' if i % 7 == 0 else '오늘'} 방송 {name} {i} 번째 줄"])
    return file.getvalue().encode()


@pytest.fixture(scope="module")
def serve(environment, bento):
    """Serve the Bento over a state folder."""

    def serve_(folder, **more):
        tag = f"{bento.parent.name}:{bento.name}"
        state = {"GOUNMAL_STATE": str(folder / "state"), "GOUNMAL_JOB_PREFIXES": str(folder)}
        return environment.serving("bentoml", "serve", tag, cwd=folder, **state, **more)

    return serve_


@pytest.fixture(scope="module")
def impatient(serve, tmp_path_factory):
    """Two BentoML workers that give a request one second."""
    options = {"workers": 2, "traffic": {"timeout": 1}}
    more = {"BENTOML_CONFIG_OVERRIDES": json.dumps({"services": {"gounmal": options}})}
    with serve(tmp_path_factory.mktemp("impatient"), **more) as server:
        yield server


def wait_for(http, job, *states):
    deadline = time.monotonic() + 90
    while (found := http.get(f"/jobs/{job}").json())["state"] not in states:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def workers_of(server):
    below = psutil.Process(server.process.pid).children(recursive=True)
    return [process for process in below if "gounmal.jobs.worker" in process.cmdline()]


def test_an_upload_is_judged_beside_viewers(impatient, moderator):
    server = impatient
    with httpx.Client(base_url=server.url, timeout=30) as http:
        upload = {"file": ("방송 1.csv", chat())}
        created = http.post("/jobs", files=upload, headers={"idempotency-key": "1"})
        assert created.status_code == 202, created.text
        job = created.json()["id"]
        assert http.post("/moderate", json={"text": "안녕하세요"}).is_success
        [worker] = workers_of(server)  # of two BentoML workers, one has them
        assert worker.nice() == 19
        done = wait_for(http, job, "done")
        assert (done["rows"], done["rows_done"], done["failed"]) == (ROWS, ROWS, [])
        result = http.get(f"/jobs/{job}/result")
        assert "attachment" in result.headers["content-disposition"]
        rows = list(csv.DictReader(io.StringIO(result.text)))
        assert [row["id"] for row in rows] == [str(i) for i in range(ROWS)]
        judged = moderator.moderate([row["text"] for row in rows[:50]])
        assert [row["action"] for row in rows[:50]] == [d.action for d in judged]
        part = http.get(f"/jobs/{job}/result", headers={"range": "bytes=0-9"})
        assert (part.status_code, part.content) == (206, result.content[:10])
        report = http.get(f"/jobs/{job}/report")
        assert report.text.startswith("<!doctype html>")
        assert "default-src 'none'" in report.headers["content-security-policy"]
        again = http.post("/jobs", files=upload, headers={"idempotency-key": "1"})
        assert (again.status_code, again.json()["state"]) == (200, "done")
        assert job in {j["id"] for j in http.get("/jobs").json()["jobs"]}
    assert "방송 0 3" not in server.log.read_text()


def test_an_upload_may_take_longer_than_an_answer(impatient):
    def slowly():
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
        for piece in (b"text\n", b"a\n", b"b\n", b"c\n"):
            time.sleep(0.6)  # together longer than the timeout of a second
            yield piece
        yield b"\r\n--x--\r\n"

    headers = {"content-type": "multipart/form-data; boundary=x"}
    with httpx.Client(base_url=impatient.url, timeout=30) as http:
        created = http.post("/jobs", content=slowly(), headers=headers)
        assert created.status_code == 202, created.text
        assert wait_for(http, created.json()["id"], "done")["rows"] == 3
        refused = http.post("/jobs", content=b"", headers=headers)
        assert (refused.status_code, refused.json()["error"]["field"]) == (400, "body")


def test_a_job_survives_the_death_of_the_service(serve, tmp_path):
    night = tmp_path / "night"
    night.mkdir()
    for i in range(6):
        (night / f"{i}.csv").write_bytes(chat(600, i))
    with serve(tmp_path) as server, httpx.Client(base_url=server.url, timeout=30) as http:
        places = {"input": str(night), "output": str(tmp_path / "out")}
        job = http.post("/jobs", json=places).json()["id"]
        while not http.get(f"/jobs/{job}").json()["shards_done"]:
            time.sleep(0.05)
        orphans = workers_of(server)
        for process in psutil.Process(server.process.pid).children(recursive=True):
            if process not in orphans:
                process.send_signal(signal.SIGKILL)
        server.process.kill()
        _, alive = psutil.wait_procs(orphans, timeout=15)
        assert not alive  # they do not outlive who started them
    assert not (tmp_path / "out" / "summary.json").exists()
    with serve(tmp_path) as server, httpx.Client(base_url=server.url, timeout=30) as http:
        assert wait_for(http, job, "done")["rows"] == 6 * 600
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["rows"] == 6 * 600
