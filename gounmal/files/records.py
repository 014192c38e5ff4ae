"""Lines → rows, one for each row of the file: a broken one too, with what is wrong with it."""

from __future__ import annotations

import csv
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast

import orjson

from gounmal.errors import InvalidMessage
from gounmal.schema import MAX_TEXT_LENGTH, check_string

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MAX_RECORD_LINES = 128
"""A quoted CSV field that goes on for more lines was never closed."""


class Problem(StrEnum):
    """Why a row cannot be judged."""

    COLUMNS = "columns"
    """Not as many fields as the header has, or not CSV at all."""
    JSON = "json"
    """Not one JSON object."""
    MISSING = "missing"
    """No text in this row."""
    TYPE = "type"
    """The text is not a string."""
    LENGTH = "length"
    """The text is longer than a message may be."""
    ENCODING = "encoding"
    """The text holds bytes that are no characters."""
    SCORING = "scoring"
    """The model failed on this text, again when tried alone."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row as it stands in the file."""

    values: dict[str, Any]
    """Its input columns. A row that cannot be told apart keeps its line in the text column."""
    problem: Problem | None
    size: int
    """Code points read for it."""
    line: str = ""
    """JSONL: the object as it was written."""


def text_problem(value: object) -> Problem | None:
    """What keeps this value from being a message's text, if anything."""
    if value is None:
        return Problem.MISSING
    if not isinstance(value, str):
        return Problem.TYPE
    if len(value) > MAX_TEXT_LENGTH:
        return Problem.LENGTH
    try:
        check_string("text", value, MAX_TEXT_LENGTH)
    except InvalidMessage:
        return Problem.ENCODING
    return None


def text_problems(values: Sequence[object]) -> list[Problem | None]:
    """`text_problem` of each value; where there is none, which is the rule, told at a glance."""
    strings = cast("Sequence[str]", values)
    try:
        "".join(strings).encode()
        fine = max(map(len, strings), default=0) <= MAX_TEXT_LENGTH
    except (TypeError, UnicodeEncodeError):
        fine = False
    return [None] * len(values) if fine else [text_problem(value) for value in values]


def csv_records(
    lines: Iterable[str], columns: tuple[str, ...], *, text: str, delimiter: str
) -> Iterator[Record]:
    """Rows of a CSV file after its header.

    A row on one line is read leniently (a stray quote is a character). A row over several lines
    must be well formed; where it is not, only its first line is given up and reading goes on with
    the second: one quote that is never closed costs one row. Blank lines are no rows, as everywhere
    in CSV, but in a file of one column they are empty messages.

    Args:
        lines: with their ends.
        columns: the header's names.
        text: the name of the text column.
        delimiter: one character.
    """
    feed = _Feed(lines)
    reader = csv.reader(feed, delimiter=delimiter)
    width, blank = len(columns), 0
    while True:
        try:
            fields = _row(reader, feed, width, delimiter)
        except StopIteration:
            return
        taken = feed.taken
        if fields == [] and width > 1:
            continue
        if fields == []:
            blank += 1
            continue
        for _ in range(blank):
            yield Record({text: ""}, None, 0)
        blank = 0
        if fields is None:
            values = dict.fromkeys(columns, "") | {text: taken[0].rstrip("\r\n")}
            yield Record(values, Problem.COLUMNS, len(taken[0]))
        elif len(fields) == width:
            size = len(taken[0]) if len(taken) == 1 else sum(map(len, taken))
            yield Record(dict(zip(columns, fields, strict=True)), None, size)
        else:
            yield Record(_fitted(fields, columns, delimiter), Problem.COLUMNS, len(taken[0]))


def row_lines(lines: Iterable[str], width: int, delimiter: str) -> int:
    """How many lines the first row of these takes; `csv_records` reads the next one after them."""
    feed = _Feed(lines)
    fields = _row(csv.reader(feed, delimiter=delimiter), feed, width, delimiter)
    return 1 if fields is None else len(feed.taken)


def json_records(lines: Iterable[str], *, text: str) -> Iterator[Record]:
    """Rows of a JSONL file; blank lines are no rows."""
    for line in lines:
        stripped = line.strip()
        if not stripped:
            continue
        try:
            values = orjson.loads(stripped)
        except orjson.JSONDecodeError:
            values = None
        if isinstance(values, dict):
            yield Record(values, None, len(line), stripped)
        else:
            broken = text_problem(stripped[:MAX_TEXT_LENGTH]) or Problem.JSON
            yield Record({text: stripped}, broken, len(line))


def _row(reader: Iterator[list[str]], feed: _Feed, width: int, delimiter: str) -> list[str] | None:
    """The fields of the next row, whose lines are `feed.taken`; None where it is broken.

    Raises:
        StopIteration: there is none.
    """
    feed.taken.clear()
    fields: list[str] | None
    try:
        fields = next(reader)
    except (_Unclosed, csv.Error):
        fields = None
    taken = feed.taken
    if len(taken) > 1 and (fields is None or not _well_formed(taken, width, delimiter)):
        feed.put_back(taken[1:])
        return None
    return fields


class _Unclosed(Exception):  # noqa: N818  (not an error: a turn that `csv_records` takes)
    """A quoted field goes on and on."""


class _Feed:
    """Lines for `csv.reader`, which can be put back, and those taken for the row under way."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._back: deque[str] = deque()
        self.taken: list[str] = []

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        taken = self.taken
        if len(taken) >= MAX_RECORD_LINES:
            raise _Unclosed
        line = self._back.popleft() if self._back else next(self._lines, None)
        if line is None:
            # The reader asks for another line of a row only while a quote is open.
            raise _Unclosed if taken else StopIteration
        taken.append(line)
        return line

    def put_back(self, lines: list[str]) -> None:
        self._back.extendleft(reversed(lines))


def _well_formed(lines: list[str], width: int, delimiter: str) -> bool:
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error:
        return False
    return len(rows) == 1 and len(rows[0]) == width


def _fitted(fields: list[str], columns: tuple[str, ...], delimiter: str) -> dict[str, str]:
    """Too few or too many fields under the header: nothing is dropped."""
    width = len(columns)
    kept = [*fields[: width - 1], delimiter.join(fields[width - 1 :])]
    return dict(zip(columns, [*kept, *[""] * (width - len(kept))], strict=True))
