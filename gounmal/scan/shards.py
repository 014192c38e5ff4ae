"""The scan engine in three calls: `plan`, `run_shard` for each shard, `assemble`.

A plan is data; `folder` holds what is finished. Who calls them, in how many processes, on how many
machines and how often does not matter: the outputs are the same. Shards may run in any order and
twice at once; a shard that is done is not done again. Until `assemble`, no output is touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gounmal.errors import GounmalError, InvalidInput, InvalidPolicy, ScoringFailed, ShardFailed
from gounmal.files.columns import Role
from gounmal.files.reader import Format
from gounmal.files.sources import Remote
from gounmal.files.times import Clock
from gounmal.files.writers import writer
from gounmal.report.tally import Tally
from gounmal.scan.garbage import spared
from gounmal.scan.judge import Judge
from gounmal.scan.ledger import ShardDone, done, mark_done, mark_failed, part_path
from gounmal.scan.parts import assemble
from gounmal.scan.planning import plan
from gounmal.scan.plans import Plan, ScanOptions, Shard, policy_hash

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gounmal.files.reader import Input
    from gounmal.moderator import Moderator

__all__ = [
    "Plan",
    "ScanOptions",
    "Shard",
    "ShardDone",
    "ShardFailed",
    "assemble",
    "done",
    "plan",
    "policy_hash",
    "run_shard",
]


def run_shard(
    plan: Plan,
    index: int,
    moderator: Moderator,
    folder: Path,
    *,
    on_progress: Callable[[int, float], None] = lambda _rows, _done: None,
) -> ShardDone:
    """Judge one shard, unless that was done.

    Args:
        plan: from `plan`.
        index: of the shard.
        moderator: judges; must be the one that the plan's options name.
        folder: for unfinished work, the same for all shards of a plan; made if need be.
        on_progress: called after each chunk with the rows so far and how much is done, 0 to 1.

    Raises:
        ShardFailed: its part of the input cannot be read: doing it again helps only if the input
            changes.
        ScoringFailed: the engine fails on everything.
        InvalidPolicy: model or policy are not those of the plan.
        OSError: nothing can be written, as on a full disk: try again.
    """
    if finished := done(plan, index, folder):
        return finished
    _check(plan, moderator)
    folder.mkdir(parents=True, exist_ok=True)
    shard = plan.shards[index]
    item = plan.inputs[shard.file]
    try:
        source = item.readable()
        tally = _judge(plan, shard, source, moderator, folder, on_progress)
    except InvalidInput as error:
        mark_failed(shard, folder, str(error))
        raise ShardFailed(f"{error} ({shard.part})") from error
    except ScoringFailed as error:
        mark_failed(shard, folder, str(error))
        raise
    finished = ShardDone(
        index=index,
        key=shard.key,
        rows=tally.counts.rows,
        flagged=tally.counts.flagged,
        size=part_path(shard, folder).stat().st_size,
    )
    mark_done(shard, folder, finished, tally.counts.to_dict())
    return finished


def _judge(  # noqa: PLR0913, PLR0917  (all of what makes a shard's decisions)
    plan: Plan,
    shard: Shard,
    source: Input,
    moderator: Moderator,
    folder: Path,
    on_progress: Callable[[int, float], None],
) -> Tally:
    """Write a shard's decisions, and count them."""
    kind = Format(plan.options.format or source.format)
    roles = source.roles
    tally = Tally(roles, moderator, clock=Clock(plan.clock) if plan.clock else None)
    judge = Judge(moderator, text=roles[Role.TEXT], channel=roles.get(Role.CHANNEL))
    part = part_path(shard, folder)
    try:
        compressed = kind is source.format
        with spared() as collect, writer(part, source, kind, compressed=compressed) as sink:
            for chunk in source.chunks(shard.start, shard.stop):
                outcomes = judge(chunk)
                sink.write(chunk, outcomes)
                tally.add(chunk, outcomes)
                on_progress(tally.counts.rows, chunk.done)
                collect()
    except (GounmalError, OSError):
        raise
    except Exception as error:
        if isinstance(source.path, Remote):  # each store raises its own, down to plain Exception
            raise InvalidInput(f"{source.path}: {type(error).__name__}") from error
        raise
    return tally


def _check(plan: Plan, moderator: Moderator) -> None:
    found = ScanOptions.of(moderator)
    for name in ("model", "mode", "policy"):
        if getattr(found, name) != getattr(plan.options, name):
            raise InvalidPolicy(f"{name}: changed since the scan was planned: start it again")
