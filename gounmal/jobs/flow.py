"""A job as a durable workflow: plan, a child workflow for each shard, assemble.

DBOS writes down the outcome of every step. Whoever goes on with a job, after a restart or on
another machine, does so after the last step written down; a step that was cut short is done again,
which leaves the same files.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from dbos import DBOS, SetEnqueueOptions, SetWorkflowID

from gounmal.jobs.job import JobRequest, JobState, new_id
from gounmal.jobs.store import JOB, JOBS, SHARDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dbos import WorkflowHandle

    from gounmal.jobs.settings import Nightly
    from gounmal.jobs.work import Work

MAX_ENDINGS = 30
"""A shard during which its worker ended so often, for want of memory say, is given up; restarts for
other reasons, a rolling update or somebody's `kill -9`, count too, and must not use it up."""

LOOK_S = 0.25
"""Between looks whether a shard has ended: what a small job waits at most for nothing."""

NIGHTLY = "nightly"
"""Name of the schedule, and of its workflow."""


def register(work: Work, folders: Path) -> Callable[..., None]:
    """Tell DBOS about the workflows, before it is launched; gives that of the nightly scan.

    Args:
        work: does the steps.
        folders: where each job has a folder.
    """

    @DBOS.step(name="plan")
    def plan(request: dict[str, Any]) -> dict[str, Any]:
        return work.plan(_own_id(), JobRequest.from_dict(request))

    @DBOS.step(name="run")
    def run(job: str, folder: str, index: int) -> str | None:
        return work.shard(_own_id(), job, folder, index)

    @DBOS.step(name="assemble")
    def assemble(folder: str, problems: dict[str, str]) -> dict[str, Any]:
        return work.assemble(_own_id(), folder, problems)

    @DBOS.workflow(name="shard", max_recovery_attempts=MAX_ENDINGS)
    def shard(job: str, folder: str, index: int) -> str | None:
        return run(job, folder, index)

    @DBOS.workflow(name=JOB)
    def job(request: dict[str, Any]) -> dict[str, Any]:
        planned = plan(request)
        if planned["problem"] is not None:
            return {"state": JobState.FAILED, "reason": planned["problem"]}
        own, folder = _own_id(), request["folder"]
        running = []
        for index in range(planned["shards"]):
            # The first shards of all jobs come first: a small job does not wait for a large one.
            options = SetEnqueueOptions(priority=index + 1)
            with SetWorkflowID(f"{own}-{index}"), options:
                running.append(DBOS.enqueue_workflow(SHARDS, shard, own, folder, index))
        found = {str(index): _outcome(handle) for index, handle in enumerate(running)}
        return assemble(folder, {i: problem for i, problem in found.items() if problem})

    @DBOS.workflow(name=NIGHTLY)
    def nightly(at: datetime | str, what: dict[str, str]) -> None:
        own, request = nightly_request(at, what, folders)
        work.asked(own)
        with SetWorkflowID(own):
            DBOS.enqueue_workflow(JOBS, job, request.to_dict())

    return nightly


def schedule(nightly: Nightly | None, workflow: Callable[..., None]) -> None:
    """Have DBOS start the nightly scan, or no longer; after launch."""
    if nightly is None:
        DBOS.delete_schedule(NIGHTLY)
        return
    DBOS.apply_schedules(
        [
            {
                "schedule_name": NIGHTLY,
                "workflow_fn": workflow,
                "schedule": nightly.cron,
                "context": asdict(nightly),
                "cron_timezone": nightly.timezone,
                # A night on which no worker was up is made good.
                "automatic_backfill": True,
            }
        ]
    )


def nightly_request(
    at: datetime | str, what: dict[str, str], folders: Path
) -> tuple[str, JobRequest]:
    """The job of one night and its id: the same for the same day and input, however often asked.

    Its report is compared with that of the night before.

    Args:
        at: when it was due: the day before that is scanned.
        what: `input` and `output`, with the day as for strftime, and `timezone`.
        folders: where each job has a folder.
    """
    due = datetime.fromisoformat(at) if isinstance(at, str) else at
    day = due.astimezone(ZoneInfo(what["timezone"])).date() - timedelta(days=1)
    source, output = day.strftime(what["input"]), day.strftime(what["output"])
    before = (day - timedelta(days=1)).strftime(what["output"])
    own = new_id(f"{NIGHTLY} {day.isoformat()} {source} {output}")
    request = JobRequest(
        input=source,
        output=output,
        folder=str(folders / own),
        uploaded=False,
        fingerprint=own,
        title=day.isoformat(),
        previous=before if before != output else None,
    )
    return own, request


def _own_id() -> str:
    assert DBOS.workflow_id is not None  # noqa: S101  (called within workflows)
    return DBOS.workflow_id


def _outcome(shard: WorkflowHandle[str | None]) -> str | None:
    """What was the matter with a shard, once it has ended."""
    try:
        return shard.get_result(polling_interval_sec=LOOK_S)
    except Exception as error:  # noqa: BLE001  (its step never raises: this is DBOS's word on its end)
        if "Cancelled" in type(error).__name__:
            return "cancelled"
        return f"its worker ended {MAX_ENDINGS + 1} times while judging it"
