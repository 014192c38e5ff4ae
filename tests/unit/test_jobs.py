"""Jobs as data, what the operator sets about them, and where they may read and write."""

from __future__ import annotations

import math

import pytest

from gounmal.errors import InvalidConfiguration
from gounmal.files import reader
from gounmal.jobs import upload
from gounmal.jobs.alive import Watch
from gounmal.jobs.flow import nightly_request
from gounmal.jobs.form import of_json, of_upload
from gounmal.jobs.job import Job, JobRefused, JobRequest, JobState, Progress, new_id
from gounmal.jobs.places import allowed
from gounmal.jobs.settings import JobSettings
from gounmal.jobs.upload import Upload

HIDDEN = "s3cret"


@pytest.fixture
def settings(monkeypatch, tmp_path):
    def read(**variables):
        for name in ("DATABASE", "JOB_PREFIXES", "JOB_RETENTION", "NIGHTLY"):
            monkeypatch.delenv(f"GOUNMAL_{name}", raising=False)
        monkeypatch.setenv("GOUNMAL_STATE", str(tmp_path / "state"))
        for name, value in variables.items():
            monkeypatch.setenv(f"GOUNMAL_{name}", value)
        return JobSettings.read()

    return read


def request_of(**changes):
    request = {"input": "/in/chat.csv", "output": "/out", "folder": "/state/jobs/1"}
    return JobRequest(**{**request, "uploaded": False, "fingerprint": "f", **changes})


def job_of(state, **changes):
    return Job(id="1", state=state, request=request_of(), created_at=1_000.0, **changes)


def test_progress_says_when_a_job_will_be_done():
    how_far = Progress(shards=4, finished=1, rows=300, done=0.25)
    job = job_of(JobState.RUNNING, started_at=1_010.0, progress=how_far)
    shown = job.to_dict(now=1_020.0)
    assert (shown["rate"], shown["eta_s"], shown["progress"]) == (30.0, 30.0, 0.25)
    assert (shown["rows_done"], shown["rows"], shown["result"]) == (300, None, None)


def test_a_job_that_is_done_knows_its_rows():
    how_far = Progress(shards=1, finished=1, rows=300, done=0.99)
    job = job_of(JobState.DONE, started_at=1_010.0, finished_at=1_013.0, progress=how_far)
    shown = job.to_dict(now=9_999.0)
    assert (shown["rows"], shown["rate"], shown["eta_s"], shown["progress"]) == (300, 100, None, 1)
    assert shown["result"] == "/jobs/1/result"


@pytest.mark.parametrize("progress", [Progress(), Progress(shards=0), Progress(shards=3)])
def test_nothing_is_guessed_from_nothing(progress):
    shown = job_of(JobState.QUEUED, progress=progress).to_dict(now=1_000.0)
    assert (shown["rate"], shown["eta_s"]) == (None, None)


def test_an_upload_shows_its_name_and_not_its_folder():
    request = request_of(uploaded=True, input="/state/jobs/1/input/chat.csv")
    shown = Job(id="1", state=JobState.QUEUED, request=request, created_at=0).to_dict()
    assert (shown["input"], shown["output"]) == ("chat.csv", None)
    assert "/state" not in str(shown)


def test_ids_are_new_or_those_of_a_key():
    assert new_id() != new_id()
    assert new_id("a") == new_id("a") != new_id("b")


def test_a_request_survives_json():
    request = request_of(columns={"text": "말"}, language="en")
    assert JobRequest.from_dict(request.to_dict()) == request


def test_defaults(settings, tmp_path):
    found = settings()
    assert found.database == f"sqlite:///{tmp_path / 'state' / 'jobs.sqlite'}"
    assert (found.prefixes, found.nightly, found.retention_s) == ((), None, 7 * 86_400)
    assert found.enabled
    assert not settings(JOBS="off").enabled


def test_the_password_of_the_database_is_not_shown(settings):
    found = settings(DATABASE=f"postgresql://gounmal:{HIDDEN}@db/gounmal")
    assert HIDDEN in found.database
    assert HIDDEN not in repr(found)
    with pytest.raises(InvalidConfiguration) as error:
        settings(DATABASE=f"mysql://gounmal:{HIDDEN}@db/gounmal")
    assert HIDDEN not in str(error.value)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("1.5h", 5_400), ("off", None)])
def test_durations(settings, text, seconds):
    assert settings(JOB_RETENTION=text).retention_s == seconds


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JOB_RETENTION", "a week"),
        ("JOB_RETENTION", "0d"),
        ("JOB_MAX_BYTES", "-1"),
        ("JOB_PROCESSES", "two"),
        ("JOB_PREFIXES", "/data, https://files.example/chats"),
        ("NIGHTLY", "0 3 * * *"),  # without input and output
        ("NIGHTLY", "4am"),
        ("JOBS", "false"),
    ],
)
def test_nonsense_is_refused_by_name(settings, name, value):
    with pytest.raises(InvalidConfiguration, match=f"GOUNMAL_{name}"):
        settings(**{name: value})


def test_a_location_must_be_below_a_prefix(tmp_path):
    data = tmp_path / "data"
    prefixes = [str(data), "s3://chat/nightly"]
    for good in (f"{data}", f"{data}/a.csv", f"file://{data}/a b.csv", f"{data}/*/d.csv"):
        assert allowed(good, prefixes, field="input") == good.removeprefix("file://")
    assert allowed("s3://chat/nightly/1.csv", prefixes, field="input") == "s3://chat/nightly/1.csv"


@pytest.mark.parametrize(
    "bad",
    [
        "/etc/passwd",
        "{data}x/a.csv",
        "{data}/../a.csv",
        "{data}/*/../../a.csv",
        "relative.csv",
        "",
        "{data}/a\n.csv",
        "s3://chat/nightlyx/1.csv",
        "s3://chat/nightly/../1.csv",
        "s3://chat/nightly/%2e%2E/1.csv",
        "s3://chat/nightly/..\\1.csv",
        "s3://other/nightly/1.csv",
        "https://example.com/a.csv",
        "simplecache::s3://chat/nightly/1.csv",
        "s3://chat/nightly/a::file:///etc/passwd",
    ],
)
def test_everything_else_is_refused(tmp_path, bad):
    prefixes = [str(tmp_path / "data"), "s3://chat/nightly"]
    with pytest.raises(JobRefused) as refused:
        allowed(bad.format(data=tmp_path / "data"), prefixes, field="input")
    assert (refused.value.status, refused.value.field) == (400, "input")


def test_a_link_leads_out_of_a_prefix(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path / "secret")
    for location in ("link/a.csv", "link/*.csv"):
        with pytest.raises(JobRefused, match="GOUNMAL_JOB_PREFIXES"):
            allowed(f"{tmp_path}/data/{location}", [f"{tmp_path}/data"], field="input")


def test_links_that_lead_to_each_other_lead_nowhere(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for location in ("a", "a/x.csv", "a/*.csv"):
        with pytest.raises(JobRefused, match="expected an absolute path"):
            allowed(f"{tmp_path}/{location}", [str(tmp_path)], field="input")


def test_without_prefixes_there_are_only_uploads():
    with pytest.raises(JobRefused, match="GOUNMAL_JOB_PREFIXES"):
        allowed("/data/a.csv", [], field="input")


def nobody(_):
    """No job is known."""


def test_a_form_in_json(settings, tmp_path):
    content = {"input": "/data/a.csv", "output": "/data/out", "text": "말", "lang": "en"}
    request = of_json(content, tmp_path, settings(JOB_PREFIXES="/data, s3://x/"), nobody)
    assert (request.input, request.output, request.uploaded) == ("/data/a.csv", "/data/out", False)
    assert (request.columns, request.language) == ({"text": "말"}, "en")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"output": None}, "output"),
        ({"input": ["/data/a.csv"]}, "input"),
        ({"output": "/data/*"}, "output"),
        ({"output": "/elsewhere"}, "output"),
        ({"lang": "fr"}, "lang"),
        ({"format": "xlsx"}, "format"),
        ({"title": "a\nb"}, "title"),
        ({"title": 3}, "title"),
        ({"titel": "a"}, "titel"),
        ({"\ud800": "a"}, "body"),
        ({"이 바보야": "a"}, "body"),
    ],
)
def test_a_form_at_fault_names_the_field(settings, tmp_path, change, field):
    content = {"input": "/data/a.csv", "output": "/data/out", **change}
    with pytest.raises(JobRefused) as refused:
        of_json(content, tmp_path, settings(JOB_PREFIXES="/data"), nobody)
    assert refused.value.field == field


def test_the_same_question_has_the_same_fingerprint(tmp_path):
    def fingerprint(digest, folder, **fields):
        return of_upload(Upload(folder / "a.csv", digest, fields), folder, nobody).fingerprint

    same = fingerprint("d", tmp_path / "1", lang="en")
    assert same == fingerprint("d", tmp_path / "2", lang="en")
    assert same != fingerprint("d", tmp_path / "1", lang="ko")
    assert same != fingerprint("e", tmp_path / "1", lang="en")


def test_uploads_may_be_what_scans_can_read():
    endings = [*reader.SUFFIXES]
    endings += [s + c for s in reader.SUFFIXES if s != ".parquet" for c in reader.COMPRESSIONS]
    assert all(upload.SCANNABLE.search(f"a{ending}") for ending in endings)
    assert not any(map(upload.SCANNABLE.search, ("a", "a.parquet.gz", "a.exe", "a.csv.exe")))


def test_a_worker_whose_count_stands_still_is_gone():
    watch = Watch("me", lost_after_s=30)
    assert watch.gone({"me": 1, "a": 1, "b": 1}, now=0) == []
    assert watch.gone({"me": 1, "a": 1, "b": 2}, now=29) == []
    assert watch.gone({"me": 1, "a": 1, "b": 2}, now=30) == ["a"]
    assert watch.gone({"me": 1, "b": 2}, now=math.nextafter(59, 0)) == []
    assert watch.gone({"me": 1, "a": 1, "b": 2}, now=60) == ["b"]  # a is seen anew


def test_a_night_is_the_same_job_however_often_it_is_due(tmp_path):
    what = {"input": "/d/%Y-%m-%d/*.csv", "output": "/o/%Y%m%d", "timezone": "Asia/Seoul"}
    # 03:00 in Seoul on the 2nd: the 1st is scanned.
    job, request = nightly_request("2026-03-01T18:00:00+00:00", what, tmp_path)
    assert (request.input, request.output) == ("/d/2026-03-01/*.csv", "/o/20260301")
    assert request.title == "2026-03-01"
    assert request.previous == "/o/20260228"
    assert nightly_request("2026-03-01T19:30:00+00:00", what, tmp_path) == (job, request)
    other, _ = nightly_request("2026-03-02T18:00:00+00:00", what, tmp_path)
    assert other != job
