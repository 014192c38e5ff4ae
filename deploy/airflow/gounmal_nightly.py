"""An Airflow 3 DAG: every night, have the service judge yesterday's chat.

Airflow only asks and waits, over HTTP; the service's workers do the work. Nothing of gounmal needs
to be installed here.

- Connection `gounmal`: host and port of the service; its password is an API key, if one is needed.
- Variables `gounmal_input` and `gounmal_output`: paths or URIs under the service's
  GOUNMAL_JOB_PREFIXES, with the day as for strftime: `s3://chat/%Y-%m-%d/*.parquet`.

A day that is run again gets the job that it had, unless that failed: an idempotency key names both.
To run one by hand, give it as `{"day": "2026-03-01"}`.
"""

# ruff: noqa: INP001  (Airflow reads a folder of files, not a package)

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from zoneinfo import ZoneInfo

from airflow.sdk import Connection, PokeReturnValue, Variable, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

logger = logging.getLogger(__name__)

ZONE = ZoneInfo("Asia/Seoul")
ATTEMPTS = 10
"""Jobs for one day at most; a new one only where the one before failed."""

OVER = {"failed", "cancelled"}
DONE = {"done", "incomplete"}


@dag(
    schedule="15 4 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=ZONE),
    catchup=False,
    max_active_runs=1,
    params={"day": ""},
    tags=["gounmal"],
    doc_md=__doc__,
)
def gounmal_nightly() -> None:
    """Ask, wait, look."""

    @task(retries=3, retry_delay=timedelta(minutes=2))
    def submit() -> str:
        """Ask for the day's job: its id."""
        day = the_day()
        places = {
            name: day.strftime(Variable.get(f"gounmal_{name}")) for name in ("input", "output")
        }
        for attempt in range(ATTEMPTS):
            key = f"airflow gounmal_nightly {day:%F} {places['input']} {attempt}"
            body = places | {"title": f"{day:%F}"}
            job = call("POST", "/jobs", body, {"Idempotency-Key": key})
            if job["state"] not in OVER:
                return str(job["id"])
        raise AirflowFailException(f"{ATTEMPTS} jobs for {day:%F} failed: {job['reason']}")

    @task.sensor(poke_interval=30, timeout=6 * 3_600, mode="reschedule")
    def judged(job: str) -> PokeReturnValue:
        """Wait for its end."""
        found = call("GET", f"/jobs/{job}")
        share = 100 * found["progress"]
        logger.info("%s: %s rows, %.0f %%", found["state"], found["rows_done"], share)
        return PokeReturnValue(is_done=found["state"] in DONE | OVER, xcom_value=found)

    @task
    def look(found: dict[str, Any]) -> dict[str, Any]:
        """Fail where it did; say what came of it."""
        if found["state"] not in DONE or found["failed"]:
            raise AirflowFailException(f"{found['state']}: {found['reason'] or found['failed']}")
        return {name: found[name] for name in ("id", "rows", "output", "report")}

    look(judged(submit()))


def the_day() -> datetime:
    """The day named, or the one before the run."""
    context = get_current_context()
    if named := context["params"].get("day"):
        return datetime.strptime(named, "%Y-%m-%d").replace(tzinfo=ZONE)
    run = context["dag_run"]
    return (run.logical_date or run.run_after).astimezone(ZONE) - timedelta(days=1)


def call(method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
    """One request to the service."""
    service = Connection.get("gounmal")
    sent = {"content-type": "application/json", **(headers or {})}
    if service.password:
        sent["authorization"] = f"Bearer {service.password}"
    scheme = service.schema or "http"
    url = f"{scheme}://{service.host}:{service.port or 3000}{path}"
    data = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(url, data, sent, method=method), timeout=60) as answer:  # noqa: S310
            return json.load(answer)
    except HTTPError as error:
        said = error.read(1_000).decode("utf-8", "replace")
        if error.code < 500 and error.code not in {408, 429}:
            raise AirflowFailException(f"{error.code}: {said}") from error
        raise


DAG = gounmal_nightly()
