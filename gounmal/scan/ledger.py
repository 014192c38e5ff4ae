"""What is finished of a scan: a folder with, for each shard, its decisions and its mark.

`KEY.part` are the decisions. `KEY.json`, written last, has the mark that the shard is done in its
first line and the counts in its second. `KEY.failed` says why it failed. Each appears whole or not
at all.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import orjson

from gounmal.files.writers import PARTIAL, replacing

if TYPE_CHECKING:
    from pathlib import Path

    from gounmal.scan.plans import Plan, Shard


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


def part_path(shard: Shard, folder: Path) -> Path:
    """Where a shard's decisions are."""
    return folder / f"{shard.key}.part"


def done(plan: Plan, index: int, folder: Path) -> ShardDone | None:
    """A finished shard; None where it is not."""
    shard = plan.shards[index]
    try:
        with _mark(shard, folder).open("rb") as file:
            content = orjson.loads(file.readline())
        found = ShardDone(**{**content, "index": index})
        whole = part_path(shard, folder).stat().st_size == found.size
    except (FileNotFoundError, orjson.JSONDecodeError, TypeError):
        return None
    return found if whole else None


def mark_done(shard: Shard, folder: Path, finished: ShardDone, tally: dict[str, Any]) -> None:
    """Write down that a shard is finished, and what was counted in it."""
    with replacing(_mark(shard, folder), unique=True) as file:
        file.write(orjson.dumps(finished.to_dict(), option=orjson.OPT_APPEND_NEWLINE))
        file.write(orjson.dumps(tally, option=orjson.OPT_NON_STR_KEYS))
    _failed(shard, folder).unlink(missing_ok=True)


def counted(shard: Shard, folder: Path) -> dict[str, Any]:
    """What was counted in a finished shard."""
    with _mark(shard, folder).open("rb") as file:
        file.readline()
        content: dict[str, Any] = orjson.loads(file.read())
    return content


def mark_failed(shard: Shard, folder: Path, reason: str) -> None:
    """Write down why a shard failed."""
    with replacing(_failed(shard, folder), unique=True) as file:
        file.write(reason.encode("utf-8", "replace"))


def failure(shard: Shard, folder: Path) -> str | None:
    """Why a shard failed, if it did."""
    try:
        return _failed(shard, folder).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def tidy(plan: Plan, folder: Path) -> None:
    """Remove what this plan has no use for: other plans' shards, and what a crash left behind."""
    keys = {shard.key for shard in plan.shards}
    for path in folder.iterdir():
        ours = path.name.partition(".")[0] in keys and not path.name.endswith(PARTIAL)
        if path.is_file() and path.suffix and not ours:
            path.unlink(missing_ok=True)


def _mark(shard: Shard, folder: Path) -> Path:
    return folder / f"{shard.key}.json"


def _failed(shard: Shard, folder: Path) -> Path:
    return folder / f"{shard.key}.failed"
