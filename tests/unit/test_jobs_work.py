"""What the first step of a job makes of where it was told to look."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gounmal.jobs.job import Job, JobRequest, JobState
from gounmal.jobs.moderators import Moderators
from gounmal.jobs.progress import ProgressTables, connect
from gounmal.jobs.work import PAUSES_S, Work

ARTIFACT = Path(__file__).parents[2] / "models" / "gounmal-ko"


@pytest.fixture
def plan(tmp_path):
    """Plan a scan of a location; says what was the matter."""
    progress = ProgressTables(connect(f"sqlite:///{tmp_path / 'jobs.sqlite'}"))
    progress.create()
    work = Work(Moderators(str(ARTIFACT), None), progress, lambda _: False)

    def plan_(location, output="out", **changes):
        asked = {"uploaded": False, "fingerprint": "f", "within": [str(tmp_path / "data")]}
        folders = {"output": str(tmp_path / output), "folder": str(tmp_path / "job")}
        request = JobRequest(**{"input": f"{tmp_path}/{location}", **folders, **asked, **changes})
        return work.plan("job", request)["problem"]

    return plan_


@pytest.fixture
def data(tmp_path):
    """A folder in which there are links to what is not in it."""
    for name in ("data/day", "secret"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a.csv").write_text("text\n안녕\n", encoding="utf-8")
    (tmp_path / "data" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "data" / "link.csv").symlink_to(tmp_path / "secret" / "a.csv")
    (tmp_path / "data" / "same.csv").symlink_to(tmp_path / "data" / "day" / "a.csv")
    return tmp_path / "data"


@pytest.mark.parametrize("location", ["data/day", "data/day/*.csv", "data/d*/a.csv", "data/s*.csv"])
def test_what_is_below_a_prefix_is_read(plan, data, location):
    assert data.exists()
    assert plan(location) is None


@pytest.mark.parametrize("location", ["data", "data/*.csv", "data/l*/a.csv", "data/?ink.csv"])
def test_a_link_among_what_is_found_leads_nowhere(plan, data, location):
    """Whoever asks may not go where the operator did not let them; the operator may."""
    assert data.exists()
    assert "leads out of GOUNMAL_JOB_PREFIXES" in plan(location)
    assert plan(location, within=()) is None


def test_what_will_not_be_otherwise_is_not_tried_again(plan, data):
    begun = time.monotonic()
    assert plan(f"data/{'a' * 300}").endswith("File name too long")
    assert data.exists()
    assert time.monotonic() - begun < PAUSES_S[0]


def test_an_upload_without_a_header_is_not_quoted(plan, tmp_path):
    """Its first line is one of chat, and every key may see how jobs ended."""
    upload = tmp_path / "job" / "input" / "chat.csv"
    upload.parent.mkdir(parents=True)
    upload.write_text("꼬리표 하나,꼬리표 둘\n안녕,1\n", encoding="utf-8")
    problem = plan("job/input/chat.csv", uploaded=True, within=())
    assert "no text column found among 2 of unknown names" in problem
    assert "꼬리표" not in problem
    request = JobRequest(
        input=str(upload), output="", folder=str(tmp_path), uploaded=True, fingerprint="f"
    )
    job = Job(id="1", state=JobState.FAILED, request=request, created_at=0, reason=problem)
    assert job.to_dict()["reason"].startswith("chat.csv: no text column")
