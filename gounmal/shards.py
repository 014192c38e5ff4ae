"""The scan engine in three calls: `plan`, `run_shard` for each shard, `assemble`.

A plan is data; `folder` holds what is finished. Who calls them, in how many processes, on how many
machines and how often does not matter: the outputs are the same. Shards may run in any order and
twice at once; a shard that is done is not done again. Until `assemble`, no output is touched.
"""

from __future__ import annotations

import secrets
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from gounmal.columns import Role
from gounmal.errors import InvalidInput, ShardFailed
from gounmal.files import Format
from gounmal.plans import Plan, ScanOptions, Shard, plan, policy_hash
from gounmal.report import render
from gounmal.scan import Judge
from gounmal.summary import Summary
from gounmal.tally import Tally
from gounmal.writers import file_name, replacing, writer

if TYPE_CHECKING:
    from collections.abc import Callable

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardDone:
    """A shard whose decisions and counts are on the disk."""

    index: int
    key: str
    rows: int
    flagged: int
    size: int
    """Bytes of its decisions."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self)


def done(plan: Plan, index: int, folder: Path) -> ShardDone | None:
    """A finished shard; None where it is not."""
    shard = plan.shards[index]
    try:
        content = orjson.loads((folder / f"{shard.key}.json").read_bytes())
        found = ShardDone(**{**content["done"], "index": index})
        return found if (folder / f"{shard.key}.part").stat().st_size == found.size else None
    except (FileNotFoundError, orjson.JSONDecodeError):
        return None


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
        OSError: nothing can be written, as on a full disk: try again.
    """
    if finished := done(plan, index, folder):
        return finished
    folder.mkdir(parents=True, exist_ok=True)
    shard, source = plan.shards[index], plan.inputs[plan.shards[index].file]
    kind = Format(plan.options.format or source.format)
    tally = Tally(source, moderator, key=secrets.token_bytes(32))
    judge = Judge(moderator, text=source.roles[Role.TEXT], channel=source.roles.get(Role.CHANNEL))
    part = folder / f"{shard.key}.part"
    try:
        with writer(part, source, kind) as sink:
            for chunk in source.chunks():
                outcomes = judge(chunk)
                sink.write(chunk, outcomes)
                tally.add(chunk, outcomes)
                on_progress(tally.rows, chunk.done)
    except InvalidInput as error:
        raise ShardFailed(str(error)) from error
    summary = tally.summary(title=plan.options.title or source.path.stem, version="0")
    finished = ShardDone(
        index=index,
        key=shard.key,
        rows=tally.rows,
        flagged=tally.flagged,
        size=part.stat().st_size,
    )
    with replacing(folder / f"{shard.key}.json") as file:
        file.write(orjson.dumps({"done": asdict(finished), "tally": asdict(summary)}))
    return finished


def assemble(plan: Plan, folder: Path, *, key: bytes | None = None) -> Summary:  # noqa: ARG001  (once counts are merged)
    """Put the finished shards together: decisions, summary.json, report.html.

    What is not finished is left out and named in `Summary.failed`. Can be called again.

    Args:
        plan: from `plan`.
        folder: that of `run_shard`.
        key: for the pseudonyms of the report, at most 64 bytes; by default a new random one.

    Raises:
        OSError: the output cannot be written.
    """
    [shard], [source] = plan.shards, plan.inputs
    output = Path(plan.output)
    output.mkdir(parents=True, exist_ok=True)
    kind = Format(plan.options.format or source.format)
    with (
        replacing(output / file_name(source, kind)) as target,
        (folder / f"{shard.key}.part").open("rb") as part,
    ):
        shutil.copyfileobj(part, target)
    raw = orjson.dumps(orjson.loads((folder / f"{shard.key}.json").read_bytes())["tally"])
    with replacing(output / "summary.json") as file:
        file.write(raw)
    summary = Summary.load(output / "summary.json")
    with replacing(output / "report.html") as file:
        file.write(render(summary, language=plan.options.language).encode())
    return summary
