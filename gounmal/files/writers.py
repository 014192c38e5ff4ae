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
from gounmal.files.parquet import opened_parquet
from gounmal.files.reader import Format
from gounmal.files.records import Problem
from gounmal.schema import LABELS, Decision, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from gounmal.files.reader import Chunk, Input

Outcome = Decision | Problem
"""What became of a row: it was judged, or it could not be."""

PARTIAL = ".partial"
"""Ends the name of a file that is being written."""

GROUP_ROWS = 32_768
"""Rows of a Parquet row group."""

OTHER = "other"
"""JSONL → CSV or Parquet: the column, as JSON, for keys that its first rows did not have."""

_SPAN = pa.struct(
    {"start": pa.int32(), "end": pa.int32(), "label": pa.string(), "source": pa.string()}
)
_TYPES = {
    "action": pa.string(),
    "flagged": pa.bool_(),
    "labels": pa.list_(pa.string()),
    **{f"score_{label.replace('/', '_')}": pa.float32() for label in LABELS},
    "spans": pa.list_(_SPAN),
    "masked": pa.string(),
    "reason": pa.string(),
    "status": pa.string(),
    "problem": pa.string(),
}
COLUMNS = tuple(_TYPES)
"""The decision columns of CSV and Parquet; JSONL has `scores` as one object, as over HTTP."""

_SPANS = COLUMNS.index("spans")
_LABELS = tuple(label.value for label in LABELS)


class Writer(Protocol):
    """Takes chunks in order."""

    def head(self) -> None:
        """Write what stands once at the beginning of a file."""

    def write(self, chunk: Chunk, outcomes: Sequence[Outcome]) -> None:
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


def decision_names(columns: Sequence[str], wanted: Sequence[str] = COLUMNS) -> dict[str, str]:
    """What the decision columns are called: they step aside for input columns of the same name."""
    prefix = ""
    while any(prefix + name in columns for name in wanted):
        prefix += "gounmal_"
    return {name: prefix + name for name in wanted}


def _flat(outcome: Outcome) -> tuple[Any, ...]:
    """What was decided, by `COLUMNS`; labels and spans as the Decision has them."""
    if isinstance(outcome, Problem):
        blank = {**dict.fromkeys(COLUMNS), **_refused(outcome)}
        return tuple(blank.values())
    head = outcome.action, outcome.flagged, outcome.labels, *outcome.scores.values()
    return (*head, outcome.spans, outcome.masked, outcome.reason, "ok", None)


def _nested(outcome: Outcome) -> dict[str, Any]:
    """The same as over HTTP, less what is the same for the whole file."""
    if isinstance(outcome, Problem):
        return _refused(outcome)
    return {
        "action": outcome.action,
        "flagged": outcome.flagged,
        "labels": outcome.labels,
        "scores": dict(zip(_LABELS, outcome.scores.values(), strict=True)),
        "spans": outcome.spans,
        "masked": outcome.masked,
        "reason": outcome.reason,
        "status": "ok",
        "problem": None,
    }


def _refused(problem: Problem) -> dict[str, Any]:
    return {"reason": Reason.INVALID, "status": "invalid", "problem": problem}


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

    def write(self, chunk: Chunk, outcomes: Sequence[Outcome]) -> None:
        distinct, places = _distinct(outcomes)
        cells = [[_text(value) for value in _flat(outcome)] for outcome in distinct]
        rows = zip(self._flat.inputs(chunk), places, strict=True)
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

    def write(self, chunk: Chunk, outcomes: Sequence[Outcome]) -> None:
        distinct, places = _distinct(outcomes)
        tails = [_json(self._named(outcome))[1:] for outcome in distinct]
        if chunk.batch is None:
            objects = [row.line or _json(row.values) for row in chunk.rows]
        else:
            objects = [_json(record) for record in chunk.records()]
        joined = []
        for line, i in zip(objects, places, strict=True):
            head = line[:-1].rstrip()
            joined.append(f"{head}{'' if head == '{' else ','}{tails[i]}\n")
        self._sink.write(_encoded("".join(joined)))

    def close(self) -> None:
        pass

    def abandon(self) -> None:
        pass

    def _named(self, outcome: Outcome) -> dict[str, Any]:
        return {self._names[name]: value for name, value in _nested(outcome).items()}


class _Parquet:
    def __init__(self, sink: Any, source: Input, _kind: Format) -> None:
        self._flat = _Flat(source, Format.PARQUET)
        self._schema = parquet_schema(source)
        self._writer = pq.ParquetWriter(sink, self._schema, compression="zstd")
        self._waiting: list[pa.RecordBatch] = []

    def head(self) -> None:
        pass

    def write(self, chunk: Chunk, outcomes: Sequence[Outcome]) -> None:
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
    return pa.schema([*inputs, *_fields(header[-len(COLUMNS) :])])


def decision_fields(columns: Sequence[str]) -> list[pa.Field]:
    """The decision columns of Parquet beside input columns of these names."""
    return _fields(decision_names(columns).values())


def decided(outcomes: Sequence[Outcome]) -> list[pa.Array]:
    """What was decided of at least one row, as the decision columns of Parquet."""
    distinct, places = _distinct(outcomes)
    rows = pa.array(places, pa.int32())
    columns = zip(*map(_arrow, distinct), strict=True)
    return [pa.array(c, t).take(rows) for c, t in zip(columns, _TYPES.values(), strict=True)]


def _fields(names: Iterable[str]) -> list[pa.Field]:
    return [pa.field(name, kind) for name, kind in zip(names, _TYPES.values(), strict=True)]


def _arrow(outcome: Outcome) -> tuple[Any, ...]:
    """As `_flat`, with spans as Arrow takes them."""
    flat = _flat(outcome)
    spans = flat[_SPANS]
    if not spans:
        return flat
    rows = [(s.start, s.end, s.label, s.source) for s in spans]
    return (*flat[:_SPANS], rows, *flat[_SPANS + 1 :])


def _distinct(outcomes: Sequence[Outcome]) -> tuple[list[Outcome], list[int]]:
    """Outcomes without duplicates, which share their identity, and which of them each row has."""
    identities = list(map(id, outcomes))
    distinct = dict(zip(identities, outcomes, strict=True))
    place = dict(zip(distinct, range(len(distinct)), strict=True))
    return list(distinct.values()), [place[identity] for identity in identities]


def _text(value: Any) -> str | None:
    """A value as it stands in a CSV cell: text as it is, True as `true`, the rest as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        return repr(value)
    nested = isinstance(value, dict | list | tuple)
    return _json(value) if nested else _json(value).strip('"')


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
