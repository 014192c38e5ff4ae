"""Decisions → a file: every input column as it was, then what was decided of the row."""

from __future__ import annotations

import csv
import io
import os
import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from gounmal.files.lines import clean
from gounmal.files.outcomes import COLUMNS, decided, decision_names, flat, named_fields, nested
from gounmal.files.parquet import opened_parquet
from gounmal.files.reader import Format

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from gounmal.files.outcomes import Outcome, Outcomes
    from gounmal.files.reader import Chunk, Input

PARTIAL = ".partial"
"""Ends the name of a file that is being written."""

GROUP_ROWS = 32_768
"""Rows of a Parquet row group."""

OTHER = "other"
"""JSONL → CSV or Parquet: the column, as JSON, for keys that its first rows did not have."""


class Writer(Protocol):
    """Takes chunks in order."""

    def head(self) -> None:
        """Write what stands once at the beginning of a file."""

    def write(self, chunk: Chunk, outcomes: Outcomes) -> None:
        """Append the rows of a chunk, each with its outcome."""

    def close(self) -> None:
        """Write what is left. The file beneath stays open."""

    def abandon(self) -> None:
        """Let go of what is not wanted any more."""


@contextmanager
def replacing(path: Path, *, unique: bool = False) -> Iterator[BinaryIO]:
    """Write a file under another name; it gets its own when it is complete and on the disk.

    Args:
        path: its own name.
        unique: let several write it at once: the last one stays.
    """
    mark = f".{os.getpid()}-{secrets.token_hex(4)}" if unique else ""
    partial = path.with_name(f"{path.name}{mark}{PARTIAL}")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync(path.parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _sync(folder: Path) -> None:
    """Make the names in a folder as safe as the files."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def writer(path: Path, source: Input, kind: Format, *, compressed: bool) -> Iterator[Writer]:
    """A writer of decisions without a header, whose file is there when the block ends well."""
    with replacing(path, unique=True) as raw, packed(raw, source, compressed=compressed) as sink:
        made = _WRITERS[kind](sink, source, kind)
        try:
            yield made
            made.close()
        except BaseException:
            made.abandon()
            raise


def headed(sink: Any, source: Input, kind: Format) -> None:
    """Write what stands once at the beginning of a file, into text formats."""
    _WRITERS[kind](sink, source, kind).head()


@contextmanager
def packed(raw: BinaryIO, source: Input, *, compressed: bool) -> Iterator[Any]:
    """A stream into a file, compressed as the source is: a member of its own, others may follow."""
    if not (compressed and source.compression):
        yield raw
        return
    # A second handle, since the compressor closes the one that it has.
    sink = pa.CompressedOutputStream(pa.PythonFile(_second(raw), mode="w"), source.compression)
    yield sink
    sink.close()


def _second(file: BinaryIO) -> BinaryIO:
    return os.fdopen(os.dup(file.fileno()), "wb")


class _Flat:
    """What CSV and Parquet have in common: fixed columns."""

    def __init__(self, source: Input, kind: Format) -> None:
        self.columns = source.columns
        self._spills = source.format is Format.JSONL and kind is not Format.JSONL
        taken = (*source.columns, OTHER) if self._spills else source.columns
        self.header = (*taken, *decision_names(taken).values())

    def inputs(self, chunk: Chunk) -> Iterator[list[str | None]]:
        """The input columns of each row, as text."""
        for record in chunk.records():
            row = [_text(record.get(column)) for column in self.columns]
            if self._spills:
                rest = {k: v for k, v in record.items() if k not in self.columns}
                row.append(_text(rest) if rest else None)
            yield row


class _Csv:
    def __init__(self, sink: Any, source: Input, kind: Format) -> None:
        self._sink = sink
        self._flat = _Flat(source, kind)
        self._delimiter = "\t" if kind is Format.TSV else ","
        if kind is source.format:
            self._delimiter = source.delimiter
        # Whoever wrote a byte order mark or CP949 opens the answer in Excel, which needs the mark.
        self._mark = "\ufeff" if source.encoding in {"utf-8-sig", "cp949"} else ""

    def head(self) -> None:
        self._emit([self._flat.header], self._mark)

    def write(self, chunk: Chunk, outcomes: Outcomes) -> None:
        cells = [[_text(value) for value in flat(outcome)] for outcome in outcomes.distinct]
        rows = zip(self._flat.inputs(chunk), outcomes.places.tolist(), strict=True)
        self._emit([row + cells[i] for row, i in rows])

    def close(self) -> None:
        pass

    def abandon(self) -> None:
        pass

    def _emit(self, rows: Sequence[Sequence[str | None]], mark: str = "") -> None:
        buffer = io.StringIO(newline="")
        buffer.write(mark)
        csv.writer(buffer, delimiter=self._delimiter, lineterminator="\n").writerows(rows)
        self._sink.write(_encoded(buffer.getvalue()))


class _Jsonl:
    def __init__(self, sink: Any, source: Input, _kind: Format) -> None:
        self._sink = sink
        names = ("action", "flagged", "labels", "scores", "spans", "masked", "reason")
        self._names = decision_names(source.columns, (*names, "status", "problem"))

    def head(self) -> None:
        pass

    def write(self, chunk: Chunk, outcomes: Outcomes) -> None:
        tails = [_tail(outcome, self._names) for outcome in outcomes.distinct]
        if chunk.batch is None:
            objects = [row.line or _json(row.values) for row in chunk.rows]
            later = self._later(chunk)
        else:
            objects, later = [_json(record) for record in chunk.records()], {}
        joined = []
        for row, (line, i) in enumerate(zip(objects, outcomes.places.tolist(), strict=True)):
            head = line[:-1].rstrip()
            tail = _tail(outcomes.distinct[i], later[row]) if row in later else tails[i]
            joined.append(f"{head}{'' if head == '{' else ','}{tail}\n")
        self._sink.write(_encoded("".join(joined)))

    def close(self) -> None:
        pass

    def abandon(self) -> None:
        pass

    def _later(self, chunk: Chunk) -> dict[int, dict[str, str]]:
        """Other names for rows with a key of ours, which the file's first rows did not have."""
        ours = set(self._names.values())
        return {
            row: decision_names(tuple(record.values), tuple(self._names))
            for row, record in enumerate(chunk.rows)
            if not ours.isdisjoint(record.values)
        }


class _Parquet:
    def __init__(self, sink: Any, source: Input, _kind: Format) -> None:
        self._flat = _Flat(source, Format.PARQUET)
        self._schema = parquet_schema(source)
        self._writer = pq.ParquetWriter(sink, self._schema, compression="zstd")
        self._waiting: list[pa.RecordBatch] = []

    def head(self) -> None:
        pass

    def write(self, chunk: Chunk, outcomes: Outcomes) -> None:
        if chunk.batch is not None:
            arrays = list(chunk.batch.columns)
        else:
            columns = zip(*self._flat.inputs(chunk), strict=True)
            arrays = [_strings(column) for column in columns]
        arrays += decided(outcomes)
        self._waiting.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        if sum(batch.num_rows for batch in self._waiting) >= GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def abandon(self) -> None:
        self._waiting = []
        with suppress(OSError, pa.ArrowException):
            self._writer.close()
        self._writer.is_open = False  # or it would try again when it is collected

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting))
            self._waiting = []


_WRITERS: dict[Format, type[_Csv | _Jsonl | _Parquet]] = {
    Format.CSV: _Csv,
    Format.TSV: _Csv,
    Format.JSONL: _Jsonl,
    Format.PARQUET: _Parquet,
}


def parquet_schema(source: Input) -> pa.Schema:
    """Of the decisions in Parquet: the input's own columns, or text; then what was decided."""
    header = _Flat(source, Format.PARQUET).header
    inputs = [pa.field(name, pa.string()) for name in header[: -len(COLUMNS)]]
    if source.format is Format.PARQUET:
        with opened_parquet(source.path) as file:
            inputs = list(file.schema_arrow)
    return pa.schema([*inputs, *named_fields(header[-len(COLUMNS) :])])


def _text(value: Any) -> str | None:
    """A value as it stands in a CSV cell: text as it is, True as `true`, the rest as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        return repr(value)
    nested = isinstance(value, dict | list | tuple)
    return _json(value) if nested else _json(value).strip('"')


def _tail(outcome: Outcome, names: Mapping[str, str]) -> str:
    """What was decided by these names, as the rest of a JSON object."""
    return _json({names[name]: value for name, value in nested(outcome).items()})[1:]


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # lone surrogates, where the file had bytes that are no characters
        if not isinstance(value, dict):
            raise
        cleaned = {k: clean(v) if isinstance(v, str) else v for k, v in value.items()}
        return orjson.dumps(cleaned, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return clean(text).encode()


def _strings(values: Sequence[str | None]) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        return pa.array([value and clean(value) for value in values], pa.string())
