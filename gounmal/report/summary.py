"""What a report says, as data: the schema of summary.json."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from pathlib import Path

VERSION = 1
"""Of summary.json: raised when a key changes its meaning or goes."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A stretch of the timeline."""

    offset_s: float
    """Its beginning, counted from that of the first bucket."""
    messages: int
    flagged: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """When things happened."""

    clock: str
    """`datetime` or `offset`: what the file's times count from."""
    start: str
    """The first message: ISO 8601 in the file's own time zone, or seconds for `offset`."""
    duration_s: float
    """From the first message to the last."""
    bucket_s: int
    """Width of a bucket: a minute, doubled until a few thousand are enough."""
    buckets: list[Bucket]
    """In order; those in which nothing was said are left out."""
    peaks: list[Bucket]
    """The buckets with most flagged messages, most first, no two side by side."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One spelling of an expression."""

    text: str
    count: int


@dataclass(frozen=True, slots=True)
class Expression:
    """An abusive expression in all its spellings."""

    key: str
    """Its normalised form."""
    label: str
    """The label that it was found for most often."""
    count: int
    variants: list[Variant]


@dataclass(frozen=True, slots=True)
class Offender:
    """Someone with several flagged messages."""

    pseudonym: str
    """A keyed hash of the user column."""
    count: int
    first_s: float | None
    """Offset of the first flagged message, as in the timeline; None without times."""
    last_s: float | None


@dataclass(frozen=True, slots=True)
class Line:
    """One message, masked."""

    row: int
    """Its first row in the decisions file, from 1."""
    offset_s: float | None
    masked: str
    action: str
    label: str
    """The one that decided: with the highest score over its threshold, or the least under it."""
    score: float
    threshold: float
    file: str = ""
    """Where several files were scanned: which one the row is of."""


@dataclass(frozen=True, slots=True)
class FailedShard:
    """A part of the input that is not in the decisions."""

    file: str
    part: str
    """Which part of it: `rows 0-65536`, `bytes 0-8388608`, or `file` for all of it."""
    reason: str


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything that a report says; counts are of rows."""

    version: int
    gounmal: str
    """The version that wrote it."""
    title: str
    source: str
    """The input's file name, without its folder."""
    format: str
    encoding: str | None
    model: str
    mode: str
    rows: int
    judged: int
    flagged: int
    invalid: int
    untimed: int
    """Rows whose time could not be read, where there is a time column."""
    problems: dict[str, int]
    actions: dict[str, int]
    """Of judged rows, mildest first; zeros included."""
    labels: dict[str, int]
    """In taxonomy order; zeros included. A row may have several."""
    timeline: Timeline | None
    """None where no time could be read."""
    expressions: list[Expression]
    expressions_error: int
    """By how much a count of `expressions` may be too low at most: 0 is exact."""
    variants_error: int
    offenders: list[Offender]
    offenders_error: int
    samples: list[Line]
    """A sample of distinct flagged lines, most severe action first."""
    review: list[Line]
    """Distinct lines nearest to their threshold, on both sides."""
    failed: list[FailedShard] = field(default_factory=list)
    """Parts of the input that could not be read: the counts are of the others."""

    @property
    def flagged_share(self) -> float:
        """Of the judged rows, 0 to 1."""
        return self.flagged / self.judged if self.judged else 0.0

    def to_json(self) -> bytes:
        """summary.json."""
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2) + b"\n"

    @classmethod
    def load(cls, path: Path) -> Summary:
        """Read a summary.json of this version."""
        content: dict[str, Any] = orjson.loads(path.read_bytes())
        if (timeline := content["timeline"]) is not None:
            for name in ("buckets", "peaks"):
                timeline[name] = [Bucket(**item) for item in timeline[name]]
            content["timeline"] = Timeline(**timeline)
        for item in content["expressions"]:
            item["variants"] = [Variant(**variant) for variant in item["variants"]]
        for name, kind in _LISTS.items():
            content[name] = [kind(**item) for item in content.get(name, ())]
        return cls(**content)


_LISTS = {
    "expressions": Expression,
    "offenders": Offender,
    "samples": Line,
    "review": Line,
    "failed": FailedShard,
}
