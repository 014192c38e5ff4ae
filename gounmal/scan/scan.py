"""A scan from beginning to end: plan, judge what is not done yet, assemble, tidy up."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gounmal.errors import InvalidInput
from gounmal.files.sources import place
from gounmal.report.publish import FORMS, REVIEW, SUMMARY, makers
from gounmal.scan.ledger import done, tidy
from gounmal.scan.parts import assemble
from gounmal.scan.planning import plan
from gounmal.scan.plans import ScanOptions
from gounmal.scan.recipe import Recipe
from gounmal.scan.workers import run_here, run_shards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gounmal.files.reader import Format, Input
    from gounmal.files.sources import Place
    from gounmal.moderator import Moderator
    from gounmal.report.summary import Summary
    from gounmal.scan.plans import Plan

STATE = ".scan"
"""Folder in the output for what is finished, as long as not all of it is."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a scan wrote."""

    summary: Summary
    decisions: Place
    """The file, or the folder of files where there were several inputs."""
    summary_json: Place
    review: Place
    """What a moderator should see, to be filled in."""
    reports: tuple[Place, ...]
    """In the forms asked for, beside summary.json."""

    @property
    def report(self) -> Place:
        """The first of them."""
        return next(iter(self.reports), self.summary_json)


def scan(  # noqa: PLR0913  (each a choice of the user's, by name)
    source: Input,
    folder: Path,
    *,
    moderator: Moderator,
    kind: Format | None = None,
    title: str | None = None,
    key: bytes | None = None,
    language: str = "ko",
    on_progress: Callable[[int, float], None] = lambda _rows, _done: None,
) -> Scanned:
    """Judge every row of a file, in this process.

    Args:
        source: the file, as `files.inspect` found it.
        folder: for the results; made if need be. Each file in it is replaced when it is complete.
        moderator: judges.
        kind: format of the decisions; by default that of the file.
        title: the programme's name; by default the file's.
        key: for the pseudonyms of the report, at most 64 bytes; by default a new random one.
        language: of the report, `ko` or `en`.
        on_progress: called after each chunk with the rows so far and how much is done, 0 to 1.

    Raises:
        InvalidInput: the file cannot be read, or would be overwritten.
        ScoringFailed: the engine fails on everything.
    """
    options = ScanOptions.of(
        moderator,
        columns={role.value: name for role, name in source.roles.items()},
        format=kind.value if kind else None,
        title=title,
        language=language,
    )
    made = plan([str(source.path)], str(folder), options=options)
    return carry_out(made, moderator, key=key, on_progress=on_progress)


def carry_out(  # noqa: PLR0913  (as above)
    made: Plan,
    moderator: Moderator | None = None,
    *,
    recipe: Recipe | None = None,
    workers: int = 1,
    key: bytes | None = None,
    on_progress: Callable[[int, float], None] = lambda _rows, _done: None,
) -> Scanned:
    """Do what a plan says, going on from what an earlier call with an equal plan has finished.

    Args:
        made: the plan.
        moderator: judges in this process; by default what the recipe makes.
        recipe: makes the moderators of other processes; without one there are none.
        workers: how many processes judge.
        key: for the pseudonyms of the report, at most 64 bytes; by default a new random one.
        on_progress: called now and then with the rows so far and how much is done, 0 to 1.

    Raises:
        InvalidInput: nothing of the input can be read, or another process is at the same work.
        ScoringFailed: the engine fails on everything.
        OSError: nothing can be written, as on a full disk. What is finished is kept.
    """
    with _state(made.output) as folder:
        tidy(made, folder)
        waiting = [s.index for s in made.shards if not done(made, s.index, folder)]
        count = min(workers, len(waiting))
        if recipe is not None and count > 1:
            failures = run_shards(
                made,
                waiting,
                recipe.located(),
                folder,
                count,
                on_progress=on_progress,
                meanwhile=makers,
            )
        else:
            judge = moderator or (recipe or Recipe()).load()
            failures = run_here(made, waiting, judge, folder, on_progress=on_progress)
        if failures and len(failures) == len(made.shards):
            raise failures[0]
        summary = assemble(made, folder, key=key)
        if not summary.failed:
            shutil.rmtree(folder)
    root = made.output.rstrip("/") or "/"
    name = made.inputs[0].output.partition("/")[0] if made.inputs else "decisions"
    forms = [FORMS[form] for form in FORMS if form in made.options.reports and form != "json"]
    decisions, data, review, *reports = (
        place(f"{root}/{file}") for file in (name, SUMMARY, REVIEW, *forms)
    )
    return Scanned(summary, decisions, data, review, tuple(reports))


@contextmanager
def _state(output: str) -> Iterator[Path]:
    """The folder for what is finished, for this process alone; it stays if there is any."""
    target = place(output)
    if isinstance(target, Path):
        folder = target / STATE
    else:
        name = hashlib.blake2b(output.encode(), digest_size=8).hexdigest()
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = cache / "gounmal" / f"scan-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InvalidInput(f"{output}: another scan is at work there") from error
        try:
            yield folder
        except BaseException:
            if not any(folder.glob("*.json")):
                shutil.rmtree(folder)
            raise
