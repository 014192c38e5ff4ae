"""What a summary is made of, and how it comes back from JSON."""

from __future__ import annotations

from dataclasses import dataclass, field, is_dataclass
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints


@dataclass(frozen=True, slots=True)
class Bucket:
    """A stretch of the timeline."""

    offset_s: float
    """Its beginning, counted from that of the first bucket."""
    messages: int
    flagged: int


@dataclass(frozen=True, slots=True)
class Line:
    """One message, masked; a long one is cut."""

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
class ReviewLine(Line):
    """A line for a moderator to look at."""

    kinds: list[str] = field(default_factory=list)
    """Why: `near`, `disagreement`, `unflagged`, `flagged`; see `queues.Kind`."""
    drawn: int = 0
    """How many rows of the random samples read like this: for how many a verdict stands."""


@dataclass(frozen=True, slots=True)
class Peak(Bucket):
    """A bucket in which much was flagged."""

    lines: list[Line] = field(default_factory=list)
    """What was said then: some of the flagged lines and some of the others, by time."""


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
    peaks: list[Peak]
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
class FailedShard:
    """A part of the input that is not in the decisions."""

    file: str
    part: str
    """Which part of it: `rows 0-65536`, `bytes 0-8388608`, or `file` for all of it."""
    reason: str


@dataclass(frozen=True, slots=True)
class Signals:
    """What the model saw of the messages, for drift."""

    scores: dict[str, list[int]]
    """Of each label, how many judged rows have a score in each of equal bins from 0 to 1."""
    characters: int
    """Of all judged rows."""
    unknown: int | None
    """Those among them that the model did not see in training; None where it cannot tell."""

    @property
    def unknown_share(self) -> float | None:
        """Of the characters, 0 to 1."""
        known = self.unknown is not None and self.characters
        return (self.unknown or 0) / self.characters if known else None


@dataclass(frozen=True, slots=True)
class Change:
    """A figure in the report before and in this one."""

    figure: str
    """`rows`, `flagged`, `invalid`, `actions/hold`, `labels/insult` …"""
    before: int
    now: int
    before_share: float | None
    """Of the judged rows, 0 to 1; None for `rows` and `invalid`."""
    now_share: float | None


@dataclass(frozen=True, slots=True)
class Drift:
    """How far what the model sees has moved since the report before."""

    scores: dict[str, float | None]
    """Of each label, the Jensen-Shannon distance of the scores' histograms: 0 the same, 1 nothing
    in common; None where there is nothing to compare."""
    unknown_before: float | None
    """Share of characters that the model did not see in training."""
    unknown_now: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """This report beside the one before."""

    title: str
    source: str
    start: str | None
    """The first message of the broadcast before, as in its timeline."""
    model: str
    mode: str
    same_judge: bool
    """Were model, mode and policy the same? If not, a change may be theirs."""
    changes: list[Change]
    expressions: dict[str, int]
    """Key → count in the report before, of this report's expressions that it had."""
    offenders: list[str]
    """Pseudonyms in both; without the same key for both there can be none."""
    drift: Drift


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share of all rows, estimated from a random sample of them."""

    share: float
    low: float
    """From here to `high`: the Wilson interval at 95 %."""
    high: float
    rows: int
    """Of the sample, with a verdict."""


@dataclass(frozen=True, slots=True)
class KindVerdicts:
    """What came back on the lines of one kind."""

    lines: int
    judged: int
    abusive: int


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a moderator said of the lines for review."""

    lines: int
    judged: int
    kinds: dict[str, KindVerdicts]
    precision: Estimate | None
    """Share of the flagged rows that are abusive, from the random sample of them."""
    missed: Estimate | None
    """Share of the unflagged rows that are abusive, likewise."""


def from_plain(kind: Any, content: Any) -> Any:
    """What `asdict` made of a dataclass → the dataclass; keys that it does not have are left out.

    Raises:
        TypeError: a key without a default is not there, or something has another form.
        AttributeError: the same.
    """
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        known = {name: from_plain(hints[name], content[name]) for name in hints if name in content}
        return kind(**known)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is UnionType and content is not None:
        return from_plain(arguments[0], content)
    if origin is list:
        return [from_plain(arguments[0], item) for item in content]
    if origin is dict:
        return {name: from_plain(arguments[1], item) for name, item in content.items()}
    return content
