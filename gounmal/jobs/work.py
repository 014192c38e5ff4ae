"""What the steps of a job do, by way of the scan engine; `gounmal.jobs.flow` makes them durable.

Every step may be done again from its beginning, and none raises on purpose: what went wrong is
part of its answer, and says nothing of any text.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import time
from pathlib import Path
from traceback import format_tb
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from gounmal.errors import GounmalError, InvalidInput, ScoringFailed
from gounmal.files.sources import find
from gounmal.files.writers import replacing
from gounmal.jobs.job import JobRequest, JobState
from gounmal.jobs.places import is_below, roots
from gounmal.report.findings import pseudonym_key
from gounmal.report.publish import find_summary
from gounmal.scan.planning import ENDINGS
from gounmal.scan.shards import Plan, ScanOptions, assemble, plan, run_shard

if TYPE_CHECKING:
    from collections.abc import Callable

    from gounmal.jobs.moderators import Moderators
    from gounmal.jobs.progress import ProgressTables

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

PAUSES_S = (1, 5, 25)
"""Before a shard is tried again: a disk may be cleared meanwhile."""

LASTING = frozenset(
    (
        *(errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG),
        *(errno.ELOOP, errno.EACCES, errno.EPERM, errno.EROFS, errno.EINVAL),
    )
)
"""What is the same however often it is tried; a disk that is full may be cleared."""

REPORT_EVERY_S = 1.0
"""How often a shard tells how far it is, and asks whether it is still wanted."""

PLAN, WORK = "plan.json", "work"
"""In a job's folder."""


class Unwanted(Exception):  # noqa: N818  (named by what is the matter, like those in `errors`)
    """The job was cancelled."""


class Work:
    """The steps.

    Args:
        moderators: judge.
        progress: told how far things are.
        cancelled: asked whether a workflow, by its id, was cancelled.
    """

    def __init__(
        self, moderators: Moderators, progress: ProgressTables, cancelled: Callable[[str], bool]
    ) -> None:
        self._moderators = moderators
        self._progress = progress
        self._cancelled = cancelled

    def asked(self, job: str) -> None:
        """A job is about to be asked for, by a schedule."""
        self._progress.asked(job)

    def plan(self, job: str, request: JobRequest) -> dict[str, Any]:
        """Cut the input into shards: `{"shards": …, "problem": …}`."""
        folder = Path(request.folder)

        def make() -> int:
            folder.mkdir(parents=True, exist_ok=True)
            if request.within:
                _refuse_links(request)
            self._moderators.keep_policy(folder)
            options = ScanOptions.of(
                self._moderators.current(),
                columns=request.columns,
                format=request.format,
                title=request.title,
                language=request.language,
                previous=_there(request.previous),
            )
            made = plan([request.input], request.output, options=options)
            with replacing(folder / PLAN) as file:
                file.write(orjson.dumps(made.to_dict(), option=orjson.OPT_NON_STR_KEYS))
            size = sum(shard.size for shard in made.shards)
            self._progress.planned(job, shards=len(made.shards), size=size, at=time.time())
            return len(made.shards)

        shards, problem = _attempt(make)
        return {"shards": shards, "problem": problem}

    def shard(self, workflow: str, job: str, folder: str, index: int) -> str | None:
        """Judge one shard; says what was the matter, None where nothing was."""
        made = _read_plan(Path(folder))
        shard = made.shards[index]
        reported = 0.0

        def on_progress(rows: int, done: float) -> None:
            nonlocal reported
            if time.monotonic() - reported < REPORT_EVERY_S:
                return
            reported = time.monotonic()
            if self._cancelled(workflow):
                raise Unwanted
            self._progress.shard(job, index, rows=rows, size=int(shard.size * done))

        def run() -> int:
            moderator = self._moderators.for_plan(made.options, Path(folder))
            work = Path(folder) / WORK
            return run_shard(made, index, moderator, work, on_progress=on_progress).rows

        rows, problem = _attempt(run)
        self._progress.shard(
            job, index, rows=rows or 0, size=shard.size, finished=True, problem=problem
        )
        return problem

    def assemble(self, job: str, folder: str, problems: dict[str, str]) -> dict[str, Any]:
        """Put the result together: how the job ends.

        Args:
            job: its id.
            folder: of the job.
            problems: of shards, by index.
        """
        made = _read_plan(Path(folder))
        for index, what in problems.items():
            size = made.shards[int(index)].size
            self._progress.shard(job, int(index), rows=0, size=size, finished=True, problem=what)
        if problems and len(problems) == len(made.shards):
            return {"state": JobState.FAILED, "reason": next(iter(problems.values()))}
        work = Path(folder) / WORK
        _, problem = _attempt(lambda: assemble(made, work, key=_report_key()))
        if problem:
            return {"state": JobState.FAILED, "reason": problem}
        shutil.rmtree(work, ignore_errors=True)
        state = JobState.INCOMPLETE if problems else JobState.DONE
        return {"state": state, "files": decisions_of(made)}


def decisions_of(plan: Plan) -> list[str]:
    """Paths or URIs of the decisions that a plan leads to."""
    output = plan.output.rstrip("/")
    return [f"{output}/{item.output}" for item in plan.inputs if item.source]


def _there(previous: str | None) -> str | None:
    """The results to compare with, unless there are none: a first night, or they were removed."""
    return previous if previous and find_summary(previous).is_file() else None


def _refuse_links(request: JobRequest) -> None:
    """See that all that is found, and not only where it is looked for, is allowed.

    Raises:
        InvalidInput: a link leads elsewhere; nothing was read yet.
    """
    within = roots(request.within)
    for file in find(request.input, ENDINGS):
        where = str(file.place.resolve()) if isinstance(file.place, Path) else str(file.place)
        if not is_below(where, within):
            raise InvalidInput(f"{request.input}: {file.name} leads out of GOUNMAL_JOB_PREFIXES")


def _attempt(do: Callable[[], _T]) -> tuple[_T | None, str | None]:
    """Do something, more than once where that may help: what came of it, or what was the matter."""
    for pause in (*PAUSES_S, None):
        try:
            return do(), None
        except Unwanted:
            return None, "cancelled"
        except (OSError, ScoringFailed) as error:
            lasting = isinstance(error, OSError) and error.errno in LASTING
            if pause is None or lasting:
                return None, _said(error)
            logger.warning("trying again in %d s: %s", pause, _said(error))
            time.sleep(pause)
        except GounmalError as error:
            return None, str(error)
        except Exception as error:  # noqa: BLE001  (its text may quote a message)
            where = "".join(format_tb(error.__traceback__))
            logger.error("%s in a job\n%s", type(error).__name__, where)  # noqa: TRY400  (as above)
            return None, f"a bug, {type(error).__name__}: see the worker's log"
    raise AssertionError  # pragma: no cover  (the last pause is None)


def _said(error: OSError | ScoringFailed) -> str:
    if isinstance(error, ScoringFailed):
        return str(error)
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or type(error).__name__}"


def _read_plan(folder: Path) -> Plan:
    return Plan.from_dict(orjson.loads((folder / PLAN).read_bytes()))


def _report_key() -> bytes | None:
    secret = os.environ.get("GOUNMAL_REPORT_KEY")
    return pseudonym_key(secret) if secret else None
