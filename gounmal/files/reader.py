"""A file of chat → chunks of rows, with what was found out about it: format, encoding, columns."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from gounmal.errors import InvalidInput
from gounmal.files.columns import Role, find_roles, known_name, unique_names
from gounmal.files.lines import decoded, detect_encoding, opened
from gounmal.files.parquet import (
    batch_rows,
    check_text,
    opened_parquet,
    python_values,
    row_batches,
    why,
)
from gounmal.files.records import Problem, csv_records, json_records, text_problems
from gounmal.files.sources import look

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gounmal.files.records import Record
    from gounmal.files.sources import Place

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
    read: dict[str, list[Any]] = field(default_factory=dict, repr=False, compare=False)
    """Columns that were read before: several ask for the same."""

    def __len__(self) -> int:
        return len(self.problems)

    def values(self, column: str | None) -> list[Any]:
        """One column, None where a row has no such value."""
        if column is None:
            return [None] * len(self)
        if column not in self.read:
            self.read[column] = (
                [row.values.get(column) for row in self.rows]
                if self.batch is None
                else python_values(self.batch.column(column))
            )
        return self.read[column]

    def records(self) -> list[dict[str, Any]]:
        """All input columns of each row."""
        if self.batch is None:
            return [row.values for row in self.rows]
        names = self.batch.schema.names
        columns = [python_values(column) for column in self.batch.columns]
        return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


@dataclass(frozen=True, slots=True)
class Input:
    """What was found out about a file; `chunks` reads it."""

    path: Place
    format: Format
    compression: str | None
    encoding: str | None
    """`utf-8`, `utf-8-sig` or `cp949`; None for Parquet."""
    columns: tuple[str, ...]
    roles: Mapping[Role, str]
    """Which column is what; the text is always among them."""
    delimiter: str = ","

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[Chunk]:
        """Read the file, or a part of it, from its beginning and in bounded memory.

        Args:
            start: where the part begins; see `borders`.
            stop: where it ends, in rows of Parquet, else in bytes; by default at the file's end.

        Raises:
            InvalidInput: the file cannot be read to its end.
        """
        if self.format is Format.PARQUET:
            yield from self._batches(start, stop)
            return
        with opened(self.path, self.compression, start, stop) as (stream, position):
            end = max(size_of(self.path) if stop is None else stop, start + 1)
            text = self.roles[Role.TEXT]
            encoding = self.encoding or "utf-8"
            records = self._records(
                decoded(stream, encoding.removesuffix("-sig") if start else encoding),
                header=not start,
            )
            row = 0
            while rows := list(_bounded(records)):
                texts = [record.values.get(text) for record in rows]
                both = zip(rows, text_problems(texts), strict=True)
                problems = [record.problem or problem for record, problem in both]
                done = min((position() - start) / (end - start), 1.0)
                yield Chunk(row, problems, done, rows, read={text: texts})
                row += len(rows)

    def _records(self, lines: Iterator[str], *, header: bool) -> Iterator[Record]:
        text = self.roles[Role.TEXT]
        if self.format is Format.JSONL:
            return json_records(lines, text=text)
        if header:
            next(lines)
        return csv_records(lines, self.columns, text=text, delimiter=self.delimiter)

    def _batches(self, start: int, stop: int | None) -> Iterator[Chunk]:
        row = 0
        try:
            with opened_parquet(self.path) as file:
                stop = file.metadata.num_rows if stop is None else stop
                size = batch_rows(file, CHUNK_ROWS, CHUNK_CHARACTERS)
                for batch in row_batches(file, start, stop, size):
                    text = self.roles[Role.TEXT]
                    texts = python_values(batch.column(text))
                    done = (row + batch.num_rows) / max(stop - start, 1)
                    yield Chunk(row, text_problems(texts), done, batch=batch, read={text: texts})
                    row += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            where = f"damaged after row {start + row}"
            raise InvalidInput(f"{self.path}: {where}: {why(error)}") from error


def inspect(path: Place, *, names: Mapping[Role, str] | None = None) -> Input:
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
        with opened_parquet(path) as file:
            columns = tuple(file.schema_arrow.names)
            if len(set(columns)) < len(columns):
                raise InvalidInput(f"{path}: two columns have the same name: give each its own")
            roles = find_roles(path, columns, names or {})
            check_text(path, file.schema_arrow.field(roles[Role.TEXT]))
        return Input(path, kind, None, None, columns, roles)
    encoding = detect_encoding(path, compression)
    with opened(path, compression) as (stream, _):
        lines = decoded(stream, encoding)
        delimiter = "\t" if kind is Format.TSV else ","
        if kind is Format.JSONL:
            columns = _keys(path, lines)
        else:
            columns, delimiter = _header(path, lines, kind)
            if len(columns) == 1 and Role.TEXT not in (names or {}) and not known_name(columns[0]):
                raise InvalidInput(
                    f"{path}: the first line may be a message: expected a header such as `text`, "
                    "or its name as --text"
                )
    return Input(
        path,
        kind,
        compression,
        encoding,
        columns,
        find_roles(path, columns, names or {}),
        delimiter,
    )


def _kind(path: Place) -> tuple[Format, str | None]:
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


def _header(path: Place, lines: Iterator[str], kind: Format) -> tuple[tuple[str, ...], str]:
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


def _keys(path: Place, lines: Iterator[str]) -> tuple[str, ...]:
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


def size_of(path: Place) -> int:
    """In bytes."""
    return path.stat().st_size if isinstance(path, Path) else look(path).size
