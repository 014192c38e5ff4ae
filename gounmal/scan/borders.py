"""Where a file can be cut: between rows, so that its parts read alone give what the whole gives.

JSONL is cut after any line. A CSV row may go on over several lines, so whether one begins at a
line depends on the lines before it, in principle on all of them. But a row has at most
`MAX_RECORD_LINES` lines: one of as many neighbouring lines begins a row. Reading from each of them
in turn, all come to the same line, mostly at once, and there a row begins whatever stands before.
So a cut costs a look at a few hundred lines, with quotes and broken rows or without.
"""

from __future__ import annotations

import bisect
from itertools import islice
from math import ceil
from typing import TYPE_CHECKING

from gounmal.files.lines import opened
from gounmal.files.parquet import opened_parquet
from gounmal.files.reader import Format
from gounmal.files.records import MAX_RECORD_LINES, row_lines

if TYPE_CHECKING:
    from typing import BinaryIO

    from gounmal.files.reader import Input

SMALLEST, LARGEST = 4 << 20, 16 << 20
"""Bytes of a shard: enough to find duplicates in, little enough to lose."""

PARTS = 64
"""Shards of a file, as long as that makes them neither too small nor too large."""

ROWS = 131_072
"""Rows of a Parquet shard, at most: four row groups of its decisions."""

FEW_ROWS = 16_384
"""Rows that are not worth a second process."""

SHARES = 4, 12
"""Parquet shards of one size come by so many, or a multiple of the last: 2, 3, 4 or 6 workers get
as many each, and nobody waits for the last one."""

LOOK_LINES = 4 * MAX_RECORD_LINES
"""Lines looked at for a cut."""

LOOK_BYTES = 1 << 20
"""Lines longer than this together are not cut: the shard grows."""


def cuts(source: Input, size: int, target: int | None = None) -> list[int]:
    """Places to cut a file at, from its beginning to its end, in the unit of `Input.chunks`.

    Args:
        source: an uncompressed CSV, TSV or JSONL file, or Parquet.
        size: in bytes.
        target: of a shard, in bytes or rows.
    """
    if source.format is Format.PARQUET:
        with opened_parquet(source.path) as file:
            rows = file.metadata.num_rows
        if target:
            return [*range(0, rows, target), rows] if rows else [0, 0]
        number = _shared(ceil(rows / ROWS)) if rows > FEW_ROWS else 1
        return [rows * i // number for i in range(number + 1)]
    target = target or min(max(size // PARTS, SMALLEST), LARGEST)
    places = [0]
    if size > target:
        with opened(source.path, None) as (stream, _):
            for wanted in range(target, size - target // 2, target):
                found = _cut(source, stream, wanted)
                if found is not None and found > places[-1]:
                    places.append(found)
    return [*places, size]


def _shared(number: int) -> int:
    """At least so many shards, so that workers get as many each."""
    few = next((share for share in SHARES if number <= share), None)
    return few or SHARES[-1] * ceil(number / SHARES[-1])


def _cut(source: Input, stream: BinaryIO, wanted: int) -> int | None:
    """A place where a row begins, a little after the wanted one; None where none is found."""
    stream.seek(wanted - 1)
    block = stream.read(LOOK_BYTES)
    begin = block.find(b"\n") + 1
    if not begin:
        return None
    if source.format is Format.JSONL:
        return wanted - 1 + begin
    raw = block[begin:].split(b"\n")[:-1][:LOOK_LINES]
    lines = [_text(line, source.encoding or "utf-8") for line in raw]
    first = _common_row(lines, len(source.columns), source.delimiter)
    # Blank lines are rows of a file with one column, unless none follows: keep them together.
    while first is not None and not lines[first - 1].strip("\r\n"):
        first = _following(lines, first, len(source.columns), source.delimiter)
    if first is None:
        return None
    return wanted - 1 + begin + sum(len(line) + 1 for line in raw[:first])


def _common_row(lines: list[str], width: int, delimiter: str) -> int | None:
    """A line at which a row begins wherever one begins before; None where none is found."""
    open_ = list(range(MAX_RECORD_LINES))
    while len(open_) > 1:
        i = open_.pop(0)
        following = _following(lines, i, width, delimiter)
        if following is None:
            return None
        at = bisect.bisect_left(open_, following)
        if at == len(open_) or open_[at] != following:
            open_.insert(at, following)
    return open_[0]


def _following(lines: list[str], i: int, width: int, delimiter: str) -> int | None:
    """The line after the row that begins at this one; None where too few lines are known."""
    if i + MAX_RECORD_LINES > len(lines):
        return None
    return i + row_lines(islice(lines, i, None), width, delimiter)


def _text(line: bytes, encoding: str) -> str:
    return line.decode(encoding.removesuffix("-sig"), "surrogateescape") + "\n"
