"""What a scan will do, as data: its inputs, its shards, and what decides about their content."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from gounmal.columns import Role
from gounmal.files import Format, Input, inspect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gounmal.moderator import Moderator
    from gounmal.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanOptions:
    """What a user chooses about a scan; made by `ScanOptions.of`."""

    model: str
    """Store tag of who judges."""
    mode: str
    policy: str
    """`policy_hash` of the rules in force."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Columns named by the user, by role: `text`, `time`, `user`, `channel`."""
    format: str | None = None
    """Of the decisions; by default that of the input."""
    title: str | None = None
    """The programme's name, for the report; by default the input's."""
    language: str = "ko"
    """Of the report, `ko` or `en`."""

    @classmethod
    def of(cls, moderator: Moderator, **choices: Any) -> ScanOptions:
        """Options for a scan by this moderator."""
        policy = moderator.policy
        model, mode = moderator.scorer.tag, policy.mode.value
        return cls(model=model, mode=mode, policy=policy_hash(policy), **choices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A part of an input, judged as one piece."""

    index: int
    """Its place in the plan: shards of one input follow each other."""
    file: int
    """Which of the plan's inputs."""
    unit: str
    """What `start` and `stop` count: `bytes`, `rows` (Parquet), or `file` for a whole one."""
    start: int = 0
    stop: int | None = None
    size: int
    """Bytes of input, about: for progress."""
    key: str
    """The same for the same input, range, model, policy and code, else another."""
    problem: str | None = None
    """Why it cannot be read, where the plan knows that already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A scan as data: `plan` makes it, any process that reaches the inputs can work on it."""

    inputs: tuple[Input, ...]
    shards: tuple[Shard, ...]
    output: str
    """Folder for decisions, summary.json and report.html."""
    options: ScanOptions

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON-ready values."""
        content = asdict(self)
        content["inputs"] = [{**i, "path": str(i["path"])} for i in content["inputs"]]
        return content

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Plan:
        """The plan that `to_dict` made this from."""
        return cls(
            inputs=tuple(_input(item) for item in content["inputs"]),
            shards=tuple(Shard(**item) for item in content["shards"]),
            output=content["output"],
            options=ScanOptions(**content["options"]),
        )


def plan(inputs: Sequence[str], output: str, *, options: ScanOptions) -> Plan:
    """Look at the inputs and cut them into shards.

    Args:
        inputs: files, folders, globs or URIs.
        output: folder for the results.
        options: what decides about their content.

    Raises:
        InvalidInput: there is nothing to scan, or the only input cannot be read.
    """
    names = {Role(role): name for role, name in options.columns.items()}
    found = tuple(inspect(Path(path), names=names) for path in inputs)
    shards = []
    for i, source in enumerate(found):
        state = source.path.stat()
        identity = {"path": str(source.path), "size": state.st_size, "mtime": state.st_mtime_ns}
        key = _key({"input": identity, "options": asdict(options)})
        shards.append(Shard(index=i, file=i, unit="file", size=state.st_size, key=key))
    return Plan(inputs=found, shards=tuple(shards), output=output, options=options)


def policy_hash(policy: Policy) -> str:
    """The same for the same rules, else another."""
    return _key(asdict(policy))


def _key(content: Any) -> str:
    from gounmal import __version__  # noqa: PLC0415  (the package imports its rooms)

    raw = orjson.dumps(
        [__version__, content], option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
    )
    return hashlib.blake2b(raw, digest_size=16).hexdigest()


def _input(content: Mapping[str, Any]) -> Input:
    return Input(
        **{
            **content,
            "path": Path(content["path"]),
            "format": Format(content["format"]),
            "columns": tuple(content["columns"]),
            "roles": {Role(role): name for role, name in content["roles"].items()},
        }
    )
