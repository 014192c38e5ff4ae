"""What a scan will do, as data: its inputs, its shards, and what decides about their content."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from gounmal.errors import InvalidInput
from gounmal.files.columns import Role
from gounmal.files.reader import Format, Input
from gounmal.files.sources import place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gounmal.moderator import Moderator
    from gounmal.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanOptions:
    """What a user chooses about a scan; made by `ScanOptions.of` or `named`."""

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
    reports: tuple[str, ...] = ("html",)
    """Its forms, out of `publish.FORMS`."""
    previous: str | None = None
    """Folder or summary.json of the broadcast before, to compare with."""
    since: float | None = None
    """Files last modified before this, in seconds since 1970, are left out."""
    shard_size: int | None = None
    """Of a shard, in bytes, or rows of Parquet; by default fit for the file, see `borders`."""

    @classmethod
    def of(cls, moderator: Moderator, **choices: Any) -> ScanOptions:
        """Options for a scan by this moderator."""
        return cls.named(moderator.scorer.tag, moderator.policy, **choices)

    @classmethod
    def named(cls, tag: str, policy: Policy, **choices: Any) -> ScanOptions:
        """Options for a scan by who has this model and policy."""
        return cls(model=tag, mode=policy.mode.value, policy=policy_hash(policy), **choices)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedInput:
    """A file to be scanned."""

    name: str
    """Where it is within the folder, glob or URI that was given."""
    size: int
    """In bytes."""
    version: str
    """Another one when its content is another."""
    output: str
    """Where its decisions go, within the plan's output."""
    source: Input | None
    """How to read it; None where that could not be found out."""
    problem: str | None = None
    """Why not."""

    def readable(self) -> Input:
        """How to read it.

        Raises:
            InvalidInput: that could not be found out.
        """
        if self.source is None:
            raise InvalidInput(self.problem or f"{self.name}: cannot be read")
        return self.source


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A part of an input, judged as one piece."""

    index: int
    """Its place in the plan: shards of one input follow each other."""
    file: int
    """Which of the plan's inputs."""
    unit: str
    """What `start` and `stop` count: `bytes`, `rows` (Parquet), or `file` for a whole one."""
    start: int
    stop: int | None
    size: int
    """Bytes of input, about: for progress."""
    key: str
    """The same for the same input, range, model, policy and code, else another."""

    @property
    def part(self) -> str:
        """Which part of its input it is, for messages."""
        return "file" if self.unit == "file" else f"{self.unit} {self.start}-{self.stop}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A scan as data: `plan` makes it, any process that reaches the inputs can work on it."""

    inputs: tuple[PlannedInput, ...]
    shards: tuple[Shard, ...]
    title: str
    clock: str | None
    """What the times of the inputs count from, by the first that can be read; see `Times`."""
    output: str
    """Folder for decisions, summary.json and report.html: a path or URI."""
    options: ScanOptions

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON-ready values."""
        content = asdict(self)
        for item, known in zip(content["inputs"], self.inputs, strict=True):
            if known.source is not None:
                item["source"]["path"] = str(known.source.path)
        return content

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Plan:
        """The plan that `to_dict` made this from."""
        inputs = [{**i, "source": _input(i["source"])} for i in content["inputs"]]
        made = {
            "inputs": tuple(PlannedInput(**item) for item in inputs),
            "shards": tuple(Shard(**item) for item in content["shards"]),
            "options": _options(content["options"]),
        }
        return cls(**{**content, **made})


def policy_hash(policy: Policy) -> str:
    """The same for the same rules, else another."""
    return _hash(asdict(policy))


def shard_key(content: Any) -> str:
    """A name for work whose result depends on this content and the code alone."""
    from gounmal import __version__  # noqa: PLC0415  (the package imports its rooms)

    return _hash([__version__, content])


def _hash(content: Any) -> str:
    raw = orjson.dumps(content, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.blake2b(raw, digest_size=16).hexdigest()


def _options(content: Mapping[str, Any]) -> ScanOptions:
    return ScanOptions(**{**content, "reports": tuple(content.get("reports", ("html",)))})


def _input(content: Mapping[str, Any] | None) -> Input | None:
    if content is None:
        return None
    return Input(
        **{
            **content,
            "path": place(content["path"]),
            "format": Format(content["format"]),
            "columns": tuple(content["columns"]),
            "roles": {Role(role): name for role, name in content["roles"].items()},
        }
    )
