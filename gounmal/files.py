"""A file of chat → chunks of rows, with what was found out about it: format, encoding, columns."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from gounmal.columns import Role, find_roles, unique_names
from gounmal.errors import InvalidInput
from gounmal.lines import decoded, detect_encoding, opened
from gounmal.records import Problem, csv_records, json_records, text_problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from gounmal.records import Record

CHUNK_ROWS = 8_192
"""Rows judged together: duplicates among them are scored once, the rest sorted by length."""

CHUNK_CHARACTERS = 4 << 20
"""A chunk of long rows is cut short here, so that memory stays flat."""

SNIFFED_RECORDS = 1_000
"""Rows of JSONL whose keys are its columns."""


class Format(StrEnum):
    """What kinds of files there are."""

    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    PARQUET = "parquet"


SUFFIXES = {
    ".csv": Format.CSV,
    ".tsv": Format.TSV,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".parquet": Format.PARQUET,
}
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
_DELIMITERS = ",\t;|"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some consecutive rows."""

    start: int
    """The number of the first, from 0."""
    problems: list[Problem | None]
    """Why a row cannot be judged; None where it can."""
    done: float
    """How much of the file is read by now, 0 to 1."""
    rows: list[Record] = field(default_factory=list)
    """The rows, unless they are in `batch`."""
    batch: pa.RecordBatch | None = None
    """Parquet: the rows in their own types."""

    def __len__(self) -> int:
        return len(self.problems)

    def values(self, column: str | None) -> list[Any]:
        """One column, None where a row has no such value."""
        if column is None:
            return [None] * len(self)
        if self.batch is not None:
            return _python(self.batch.column(column))
        return [row.values.get(column) for row in self.rows]

    def records(self) -> list[dict[str, Any]]:
        """All input columns of each row."""
        if self.batch is None:
            return [row.values for row in self.rows]
        names = self.batch.schema.names
        columns = [_python(column) for column in self.batch.columns]
        return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


@dataclass(frozen=True, slots=True)
class Input:
    """What was found out about a file; `chunks` reads it."""

    path: Path
    format: Format
    compression: str | None
    encoding: str | None
    """`utf-8`, `utf-8-sig` or `cp949`; None for Parquet."""
    columns: tuple[str, ...]
    roles: Mapping[Role, str]
    """Which column is what; the text is always among them."""
    delimiter: str = ","

    def chunks(self) -> Iterator[Chunk]:
        """Read the file once, from its beginning, in bounded memory.

        Raises:
            InvalidInput: the file cannot be read to its end.
        """
        if self.format is Format.PARQUET:
            yield from self._batches()
            return
        size = max(self.path.stat().st_size, 1)
        with opened(self.path, self.compression) as (stream, position):
            start = 0
            text = self.roles[Role.TEXT]
            records = self._records(decoded(stream, self.encoding or "utf-8"))
            while rows := list(_bounded(records)):
                problems = [row.problem or text_problem(row.values.get(text)) for row in rows]
                yield Chunk(start, problems, min(position() / size, 1.0), rows)
                start += len(rows)

    def _records(self, lines: Iterator[str]) -> Iterator[Record]:
        text = self.roles[Role.TEXT]
        if self.format is Format.JSONL:
            return json_records(lines, text=text)
        next(lines)  # the header
        return csv_records(lines, self.columns, text=text, delimiter=self.delimiter)

    def _batches(self) -> Iterator[Chunk]:
        with _parquet(self.path) as file:
            total = max(file.metadata.num_rows, 1)
            start = 0
            try:
                for batch in file.iter_batches(_batch_rows(file)):
                    texts = _python(batch.column(self.roles[Role.TEXT]))
                    done = (start + batch.num_rows) / total
                    yield Chunk(start, [text_problem(t) for t in texts], done, batch=batch)
                    start += batch.num_rows
            except (pa.ArrowException, OSError) as error:
                raise InvalidInput(f"{self.path}: damaged after row {start}: {error}") from error


def inspect(path: Path, *, names: Mapping[Role, str] | None = None) -> Input:
    """Find out what a file is, and which of its columns is what.

    Args:
        path: `.csv`, `.tsv`, `.jsonl`, `.ndjson` (these also with `.gz` or `.zst`) or `.parquet`.
        names: columns by name; those not named are looked for by `ROLE_NAMES`.

    Raises:
        InvalidInput: no such file, unknown extension, empty, neither UTF-8 nor CP949, no text
            column, or a named column that is not there.
    """
    if not path.is_file():
        raise InvalidInput(f"{path}: no such file")
    kind, compression = _kind(path)
    if kind is Format.PARQUET:
        with _parquet(path) as file:
            columns = tuple(file.schema_arrow.names)
            roles = find_roles(path, columns, names or {})
            _check_type(path, file.schema_arrow.field(roles[Role.TEXT]))
        return Input(path, kind, None, None, columns, roles)
    encoding = detect_encoding(path, compression)
    with opened(path, compression) as (stream, _):
        lines = decoded(stream, encoding)
        delimiter = "\t" if kind is Format.TSV else ","
        if kind is Format.JSONL:
            columns = _keys(path, lines)
        else:
            columns, delimiter = _header(path, lines, kind)
    return Input(
        path,
        kind,
        compression,
        encoding,
        columns,
        find_roles(path, columns, names or {}),
        delimiter,
    )


def _kind(path: Path) -> tuple[Format, str | None]:
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    compression = COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    if compression:
        suffixes.pop()
    kind = SUFFIXES.get(suffixes[-1]) if suffixes else None
    if kind is None or (kind is Format.PARQUET and compression):
        known = " ".join(SUFFIXES)
        raise InvalidInput(
            f"{path}: unknown file type: expected {known} (text files also with .gz or .zst)"
        )
    return kind, compression


def _header(path: Path, lines: Iterator[str], kind: Format) -> tuple[tuple[str, ...], str]:
    """The first row, and the delimiter that is in it."""
    first = next(lines, "")
    delimiter = "\t" if kind is Format.TSV else max(_DELIMITERS, key=first.count)
    try:
        names = next(csv.reader([first], delimiter=delimiter))
    except csv.Error as error:
        raise InvalidInput(f"{path}: the first line is no CSV header: {error}") from error
    if not any(name.strip() for name in names):
        raise InvalidInput(f"{path}: the first line is blank: expected the columns' names")
    return unique_names([name.strip() for name in names]), delimiter


def _keys(path: Path, lines: Iterator[str]) -> tuple[str, ...]:
    records = islice(json_records(lines, text=""), SNIFFED_RECORDS)
    columns = tuple(dict.fromkeys(key for r in records if not r.problem for key in r.values))
    if not columns:
        raise InvalidInput(f"{path}: no JSON object in its first lines: expected one in each line")
    return columns


def _bounded(records: Iterator[Record]) -> Iterator[Record]:
    size = 0
    for record in islice(records, CHUNK_ROWS):
        yield record
        size += record.size
        if size >= CHUNK_CHARACTERS:
            return


def _parquet(path: Path) -> pq.ParquetFile:
    try:
        # Without pre-buffering, memory follows the batch and not the row group.
        return pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise InvalidInput(f"{path}: not a Parquet file: {error}") from error


def _check_type(path: Path, column: pa.Field) -> None:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise InvalidInput(
            f"{path}: column {column.name!r} is {kind}, not text: name another with --text"
        )


def _batch_rows(file: pq.ParquetFile) -> int:
    """Rows a batch, fewer where rows are long."""
    meta = file.metadata
    total = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
    affordable = CHUNK_CHARACTERS * max(meta.num_rows, 1) // max(total, 1)
    return max(1, min(CHUNK_ROWS, int(affordable)))


def _python(column: pa.Array) -> list[Any]:
    """Values of a column as Python's."""
    if pa.types.is_timestamp(column.type):  # nanoseconds would need pandas
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        # Written by someone who did not check: such bytes become lone surrogates, as in `lines`.
        raw = column.cast(pa.binary()).to_pylist()
        return [value and value.decode("utf-8", "surrogateescape") for value in raw]
