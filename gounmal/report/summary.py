"""What a report says, as data: the schema of summary.json."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import orjson

from gounmal.errors import InvalidInput
from gounmal.report.items import (
    Comparison,
    Expression,
    FailedShard,
    Line,
    Offender,
    ReviewLine,
    Signals,
    Timeline,
    Verdicts,
    from_plain,
)

if TYPE_CHECKING:
    from gounmal.files.sources import Place

VERSION = 1
"""Of summary.json: raised when a key changes its meaning or goes."""


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
    review: list[ReviewLine]
    """The review queue, each text once: nearest to its threshold, disagreement, random samples."""
    failed: list[FailedShard] = field(default_factory=list)
    """Parts of the input that could not be read: the counts are of the others."""
    language: str = "ko"
    """Of the report."""
    policy: str = ""
    """The same for the same rules, else another; empty in a summary of a version before."""
    signals: Signals | None = None
    """None in a summary of a version that did not count them."""
    comparison: Comparison | None = None
    """With the report before, where one was named."""
    verdicts: Verdicts | None = None
    """Of a moderator on the lines of `review`, where they have come back."""

    @property
    def flagged_share(self) -> float:
        """Of the judged rows, 0 to 1."""
        return self.flagged / self.judged if self.judged else 0.0

    def to_json(self) -> bytes:
        """summary.json."""
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2) + b"\n"

    @classmethod
    def load(cls, path: Place) -> Summary:
        """Read a summary.json of this version.

        Raises:
            InvalidInput: it is not one.
            OSError: it cannot be read.
        """
        with path.open("rb") as file:
            raw = file.read()
        try:
            content = orjson.loads(raw)
            version = content["version"]
            if version == VERSION:
                found: Summary = from_plain(cls, content)
                return found
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidInput(f"{path}: not a summary.json of a scan") from error
        raise InvalidInput(f"{path}: of version {version}: scan again, with this gounmal")
