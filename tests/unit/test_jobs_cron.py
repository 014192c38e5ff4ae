"""What cron and a CronJob run, with another `gounmal`."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture
def nightly(tmp_path):
    """Run the script; `gounmal` ends with these codes, one after the other."""
    called = tmp_path / "called"

    def run(*codes, day=(), reports="/reports"):
        (tmp_path / "codes").write_text("".join(f"{code}\n" for code in codes))
        gounmal = tmp_path / "gounmal"
        gounmal.write_text(
            f'#!/bin/sh\necho "$@" >> {called}\n'
            f'code=$(head -n 1 {tmp_path}/codes); sed -i 1d {tmp_path}/codes; exit "$code"\n'
        )
        gounmal.chmod(0o755)
        own = {"GOUNMAL_CHAT": "/chat", "GOUNMAL_REPORTS": f"{reports}", "GOUNMAL_PAUSE": "0"}
        path = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
        script = DEPLOY / "cron" / "nightly.sh"
        done = subprocess.run([script, *day], env=own | path, check=False, capture_output=True)
        return done.returncode, called.read_text().splitlines()

    return run


def test_a_day_is_scanned_into_its_own_folder(nightly):
    line = "scan /chat/2026-03-01 --output /reports/2026-03-01 --title 2026-03-01"
    assert nightly(0, day=["2026-03-01"]) == (0, [line])


def test_a_day_is_compared_with_the_one_before_where_that_was_judged(nightly, tmp_path):
    before = tmp_path / "reports" / "2026-02-28"
    before.mkdir(parents=True)
    (before / "summary.json").touch()
    _, [line] = nightly(0, day=["2026-03-01"], reports=tmp_path / "reports")
    assert line.endswith(f" --title 2026-03-01 --previous {before}")


@pytest.mark.parametrize(
    ("codes", "ended", "calls"),
    [([0], 0, 1), ([2], 2, 1), ([3], 3, 1), ([4, 0], 0, 2), ([137, 1, 3], 3, 3), ([4] * 3, 4, 3)],
)
def test_what_may_help_is_tried_again(nightly, codes, ended, calls):
    status, lines = nightly(*codes)
    assert (status, len(lines)) == (ended, calls)
    assert len(set(lines)) == 1  # the same command goes on where it was


def test_the_cronjob_scans_yesterday_into_a_folder_of_its_own(tmp_path):
    job = yaml.safe_load((DEPLOY / "kubernetes" / "jobs" / "nightly.yaml").read_text())
    [container] = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    zone = next(one["value"] for one in container["env"] if one["name"] == "TZ")
    gounmal = tmp_path / "gounmal"
    gounmal.write_text('#!/bin/sh\necho "$@"\n')
    gounmal.chmod(0o755)
    path = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "TZ": zone}
    command = [*container["command"], *container["args"]]
    said = [subprocess.check_output(command, env=path, text=True) for _ in range(2)]
    day = re.fullmatch(r"scan /data/chat/(\S+) --output /data/reports/\1 --title \1\n", said[0])[1]
    seoul = datetime.now(UTC) + timedelta(hours=9)
    assert zone == job["spec"]["timeZone"] == "Asia/Seoul"
    assert seoul - datetime.fromisoformat(f"{day}T00:00+00:00") < timedelta(days=2, minutes=1)
    assert len(set(said)) == 1  # again is the same again
    assert job["spec"]["concurrencyPolicy"] == "Forbid"


def test_the_dag_asks_doors_that_there_are():
    # It runs under Airflow itself by deploy/airflow/try.sh; here, only what can be read.
    tree = ast.parse((DEPLOY / "airflow" / "gounmal_nightly.py").read_text())
    texts = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)}
    from gounmal.jobs.job import JobState

    assert {"/jobs", "/jobs/", "Idempotency-Key"} <= texts
    named = {state for state in JobState if state.final}
    assert named <= texts
