"""What is finished of a scan: a folder with, for each shard, its decisions and its mark.

`KEY.part` are the decisions, `KEY.json` the counts and the mark that the shard is done, written
last; `KEY.failed` says why it failed. Each appears whole or not at all.
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
        content = orjson.loads((folder / f"{shard.key}.json").read_bytes())
        found = ShardDone(**{**content["done"], "index": index})
        whole = part_path(shard, folder).stat().st_size == found.size
    except (FileNotFoundError, orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return found if whole else None


def mark_done(shard: Shard, folder: Path, finished: ShardDone, tally: dict[str, Any]) -> None:
    """Write down that a shard is finished, and what was counted in it."""
    with replacing(folder / f"{shard.key}.json", unique=True) as file:
        content = {"done": finished.to_dict(), "tally": tally}
        file.write(orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS))
    _failed(shard, folder).unlink(missing_ok=True)


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


def _failed(shard: Shard, folder: Path) -> Path:
    return folder / f"{shard.key}.failed"
