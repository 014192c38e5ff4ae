"""The jobs that there are: asked for, looked at, cancelled, removed; DBOS keeps them.

A job is a DBOS workflow whose id is the job's. Nothing here runs one: see `gounmal.jobs.flow`.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer

from gounmal.errors import JobsUnavailable
from gounmal.jobs.job import Job, JobRequest, JobState
from gounmal.jobs.progress import ProgressTables, connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbos import WorkflowStatus

    from gounmal.jobs.settings import JobSettings

_CURSOR = re.compile("([0-9]{1,16})-([0-9a-f]{32})")
APPLICATION = "gounmal"
FLOW_VERSION = "jobs-1"
"""Raised when the steps of a job change, so that no worker goes on with steps that it has not."""
JOBS = "jobs"
SHARDS = "shards"
"""Queues."""
JOB = "job"
"""Workflow of a job, called with its request."""

SERIALIZER = DBOSPortableJSONSerializer()
"""JSON; DBOS's own default is pickle."""

_STATES = {
    "ENQUEUED": JobState.QUEUED,
    "DELAYED": JobState.QUEUED,
    "PENDING": JobState.RUNNING,
    "CANCELLED": JobState.CANCELLED,
    "ERROR": JobState.FAILED,
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": JobState.FAILED,
}


class JobStore:
    """All jobs of one database. Blocking: call it from a thread."""

    def __init__(self, client: DBOSClient, progress: ProgressTables) -> None:
        self.client = client
        self.progress = progress

    @classmethod
    def open(cls, settings: JobSettings) -> JobStore:
        """Connect, and make the tables that are not there.

        Raises:
            JobsUnavailable: the database does not answer.
            OSError: the state folder cannot be made.
        """
        settings.folders.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _answering():
            engine = connect(settings.database)
            DBOS.migrate(settings.database)
            progress = ProgressTables(engine)
            progress.create()
            client = DBOSClient(
                system_database_url=settings.database,
                serializer=SERIALIZER,
                application_name=APPLICATION,
                retry_connection_errors=False,
            )
        return cls(client, progress)

    def submit(self, job: str, request: JobRequest) -> None:
        """Ask for a job; where one of that id exists, that one stays."""
        with _answering():
            self.progress.asked(job)
            self.client.enqueue(
                {
                    "workflow_name": JOB,
                    "queue_name": JOBS,
                    "workflow_id": job,
                    "app_version": FLOW_VERSION,
                },
                request.to_dict(),
            )

    def get(self, job: str, *, progress: bool = True) -> Job | None:
        """A job, with how far it is; None where there is none."""
        with _answering():
            found = self.client.list_workflows(workflow_ids=[job], name=JOB)
            if not found:
                return None
            how_far, began = self.progress.of(job)
        return _job(found[0], how_far if progress else None, began)

    def page(self, *, limit: int, cursor: str | None = None) -> tuple[list[Job], str | None]:
        """Jobs, newest first, and the cursor of those after them.

        Raises:
            ValueError: there is no such cursor.
        """
        before = None
        if cursor is not None:
            match = _CURSOR.fullmatch(cursor)
            if match is None:
                raise ValueError("no such cursor")
            before = (int(match[1]), match[2])
        with _answering():
            asked = self.progress.newest(limit + 1, before)
            shown = asked[:limit]
            if not shown:
                return [], None
            found = self.client.list_workflows(workflow_ids=[job for _, job in shown], name=JOB)
        by_id = {status.workflow_id: _job(status, None, None) for status in found}
        jobs = [by_id[job] for _, job in shown if job in by_id]
        return jobs, "{}-{}".format(*shown[-1]) if len(asked) > limit else None

    def cancel(self, job: str) -> None:
        """Take a job and its shards off the queues; a running shard notices by itself."""
        with _answering():
            self.client.cancel_workflow(job, cancel_children=True)

    def cancelled(self, workflow: str) -> bool:
        """Has this workflow been cancelled, or removed?"""
        found = self.client.list_workflows(
            workflow_ids=[workflow], load_input=False, load_output=False
        )
        return not found or found[0].status == "CANCELLED"

    def finished_before(self, moment: float) -> list[Job]:
        """Jobs that ended earlier than this."""
        until = datetime.fromtimestamp(moment, UTC).isoformat()
        with _answering():
            found = self.client.list_workflows(name=JOB, completed_before=until, load_output=False)
        return [_job(status, None, None) for status in found]

    def folders(self) -> set[str]:
        """Folders that belong to a job."""
        with _answering():
            found = self.client.list_workflows(name=JOB, load_output=False)
        return {_request(status).folder for status in found}

    def remove(self, job: str) -> None:
        """Forget a job that has ended."""
        with _answering():
            self.client.delete_workflow(job, delete_children=True)
            self.progress.forget(job)

    def close(self) -> None:
        """Close every connection."""
        self.client.destroy()
        self.progress.close()


def _job(status: WorkflowStatus, progress: Any, began: float | None) -> Job:
    output = status.output if isinstance(status.output, dict) else {}
    state = JobState(output["state"]) if "state" in output else _STATES.get(status.status)
    reason = output.get("reason")
    if status.status in {"ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"}:
        reason = "the worker failed; see its log"
    started = began or (status.dequeued_at or 0) / 1000 or None
    return Job(
        id=status.workflow_id,
        state=state or JobState.FAILED,
        request=_request(status),
        created_at=(status.created_at or 0) / 1000,
        started_at=None if state is JobState.QUEUED else started,
        finished_at=status.completed_at / 1000 if status.completed_at else None,
        reason=reason,
        files=tuple(output.get("files", ())),
        progress=progress,
    )


def _request(status: WorkflowStatus) -> JobRequest:
    assert status.input is not None  # noqa: S101  (listed with their inputs)
    return JobRequest.from_dict(status.input["args"][0])


@contextmanager
def _answering() -> Iterator[None]:
    """Turn a database that does not answer into one error that does not quote its URL."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        raise JobsUnavailable(f"the job database: {type(error).__name__}") from None
