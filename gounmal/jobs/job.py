"""What a durable batch job is, as data: what was asked, what has come of it."""

from __future__ import annotations

import secrets
import time
import uuid
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_KEYS = uuid.UUID("3f5d6a8e-6f1c-5d2b-9a55-0d6e2c1b7f42")
"""Namespace of the ids that idempotency keys become."""


class JobRefused(Exception):  # noqa: N818  (named by what is the matter, like those in `errors`)
    """A request about a job that cannot be met.

    Attributes:
        status: of the answer over HTTP.
        field: what is at fault.
        message: what was expected of it.
    """

    def __init__(self, status: int, field: str | None, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.field = field
        self.message = message


class JobState(StrEnum):
    """Where a job stands; the last four are final."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    INCOMPLETE = "incomplete"
    """The result is there, without the shards that failed."""
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Nothing more will happen."""
        return self not in {JobState.QUEUED, JobState.RUNNING}

    @property
    def readable(self) -> bool:
        """There is a result."""
        return self in {JobState.DONE, JobState.INCOMPLETE}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """What was asked."""

    input: str
    """Path or URI of a file, a folder, or a pattern."""
    output: str
    """Folder for the results."""
    folder: str
    """Of the job's own, with the upload and unfinished work."""
    uploaded: bool
    fingerprint: str
    """The same for the same question: an idempotency key must not come with another."""
    columns: Mapping[str, str] = field(default_factory=dict)
    format: str | None = None
    title: str | None = None
    language: str = "ko"
    previous: str | None = None
    """Folder of the results to compare with, where there are any by then."""
    within: Sequence[str] = ()
    """Prefixes below which each file must be, links followed; none where the operator chose it."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> JobRequest:
        """The request that `to_dict` made this from."""
        return cls(**content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A shard that could not be judged."""

    shard: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the shards are, added up."""

    shards: int | None = None
    """None before the input has been looked at."""
    finished: int = 0
    rows: int = 0
    done: float = 0.0
    """Share of the input's bytes, 0 to 1."""
    failed: tuple[Failed, ...] = ()
    """The first of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as its owner sees it."""

    id: str
    state: JobState
    request: JobRequest
    created_at: float
    """Seconds since 1970, like the other two."""
    started_at: float | None = None
    finished_at: float | None = None
    reason: str | None = None
    """Why it failed."""
    files: tuple[str, ...] = ()
    """Paths or URIs of the decisions."""
    progress: Progress | None = None
    """None where it was not asked for."""

    def to_dict(self, *, now: float | None = None) -> dict[str, Any]:
        """As JSON-ready values.

        Args:
            now: seconds since 1970; by default those of the clock.
        """
        request = self.request
        shown: dict[str, Any] = {
            "id": self.id,
            "state": self.state,
            "input": Path(request.input).name if request.uploaded else request.input,
            "output": None if request.uploaded else request.output,
            "title": request.title,
            "created_at": _iso(self.created_at),
            "started_at": _iso(self.started_at),
            "finished_at": _iso(self.finished_at),
            "reason": self._shown(self.reason),
            "result": f"/jobs/{self.id}/result" if self.state.readable else None,
            "report": f"/jobs/{self.id}/report" if self.state.readable else None,
        }
        if self.progress is not None:
            shown |= self._progress(self.progress, time.time() if now is None else now)
        return shown

    def _progress(self, progress: Progress, now: float) -> dict[str, Any]:
        began = self.started_at
        elapsed = (self.finished_at or now) - began if began else 0.0
        left = None
        if not self.state.final and 0 < progress.done < 1 and elapsed > 0:
            left = round(elapsed * (1 - progress.done) / progress.done, 1)
        return {
            "rows_done": progress.rows,
            "rows": progress.rows if self.state.readable else None,
            "progress": 1.0 if self.state.readable else round(progress.done, 4),
            "rate": round(progress.rows / elapsed, 1) if elapsed > 0 else None,
            "eta_s": left,
            "shards": progress.shards,
            "shards_done": progress.finished,
            "failed": [
                {"shard": failed.shard, "reason": self._shown(failed.reason)}
                for failed in progress.failed
            ],
        }

    def _shown(self, reason: str | None) -> str | None:
        """An upload is called by its name: where it lies is nobody's business."""
        if reason is None or not self.request.uploaded:
            return reason
        return reason.replace(f"{Path(self.request.input).parent}/", "")


def new_id(key: str | None = None) -> str:
    """An id for a job: new and sorted by time, or the one that belongs to an idempotency key."""
    if key is not None:
        return uuid.uuid5(_KEYS, key).hex
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def _iso(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
