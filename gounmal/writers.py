"""Decisions → a file: every input column as it was, then what was decided of the row."""

from __future__ import annotations

import csv
import io
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, TypeVar

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from gounmal.files import COMPRESSIONS, Format
from gounmal.lines import clean
from gounmal.records import Problem
from gounmal.schema import LABELS, Decision, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from gounmal.files import Chunk, Input

T = TypeVar("T")
Outcome = Decision | Problem
"""What became of a row: it was judged, or it could not be."""

GROUP_ROWS = 65_536
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


class Writer(Protocol):
    """Takes chunks in order."""

    def write(self, chunk: Chunk, outcomes: Sequence[Outcome]) -> None:
        """Append the rows of a chunk, each with its outcome."""

    def close(self) -> None:
        """Write what is left. The file beneath stays open."""


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file under another name; it gets its own when it is complete and on the disk."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def file_name(source: Input, kind: Format) -> str:
    """`decisions`, with the extensions of its format and, for the same format, compression."""
    if kind is not source.format:
        return f"decisions.{kind}"
    suffix = next((s for s, name in COMPRESSIONS.items() if name == source.compression), "")
    return f"decisions.{kind}{suffix}"


@contextmanager
def writer(path: Path, source: Input, kind: Format) -> Iterator[Writer]:
    """A writer of decisions, whose file is there when the block ends well."""
    compression = next((c for s, c in COMPRESSIONS.items() if path.name.endswith(s)), None)
    with replacing(path) as raw:
        sink: Any = raw
        if compression:
            # A second handle, since the compressor closes the one that it has.
            sink = pa.CompressedOutputStream(pa.PythonFile(_second(raw), mode="w"), compression)
        made: Writer
        if kind is Format.PARQUET:
            made = _Parquet(sink, source)
        elif kind is Format.JSONL:
            made = _Jsonl(sink, source)
        else:
            made = _Csv(sink, source, kind)
        yield made
        made.close()
        if compression:
            sink.close()


def decision_names(columns: Sequence[str], wanted: Sequence[str] = COLUMNS) -> dict[str, str]:
    """What the decision columns are called: they step aside for input columns of the same name."""
    prefix = ""
    while any(prefix + name in columns for name in wanted):
        prefix += "gounmal_"
    return {name: prefix + name for name in wanted}


def fields(outcome: Outcome) -> dict[str, Any]:
    """The decision's fields as over HTTP, less those that are the same for the whole file."""
    if isinstance(outcome, Problem):
        return {"reason": Reason.INVALID.value, "status": "invalid", "problem": outcome.value}
    content = outcome.to_dict()
    for name in ("id", "model", "mode"):
        del content[name]
    return {**content, "status": "ok", "problem": None}


def _flat(outcome: Outcome) -> tuple[Any, ...]:
    """The same by `COLUMNS`."""
    content = fields(outcome)
    if isinstance(outcome, Problem):
        return tuple({**dict.fromkeys(COLUMNS), **content}.values())
    scores = content.pop("scores")
    action, flagged, labels, *rest = content.values()
    return (action, flagged, labels, *scores.values(), *rest)


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
        mark = "\ufeff" if source.encoding in {"utf-8-sig", "cp949"} else ""
        self._emit([self._flat.header], mark)

    def write(self, chunk: Chunk, outcomes: Sequence[Outcome]) -> None:
        cells = _once(outcomes, lambda outcome: [_text(value) for value in _flat(outcome)])
        rows = zip(self._flat.inputs(chunk), outcomes, strict=True)
        self._emit([row + cells[id(outcome)] for row, outcome in rows])

    def close(self) -> None:
        pass

    def _emit(self, rows: Sequence[Sequence[str | None]], mark: str = "") -> None:
        buffer = io.StringIO(newline="")
        buffer.write(mark)
        csv.writer(buffer, delimiter=self._delimiter, lineterminator="\n").writerows(rows)
        self._sink.write(_encoded(buffer.getvalue()))


class _Jsonl:
    def __init__(self, sink: Any, source: Input) -> None:
        self._sink = sink
        names = ("action", "flagged", "labels", "scores", "spans", "masked", "reason")
        self._names = decision_names(source.columns, (*names, "status", "problem"))

    def write(self, chunk: Chunk, outcomes: Sequence[Outcome]) -> None:
        tails = _once(outcomes, lambda outcome: _json(self._named(outcome))[1:])
        if chunk.batch is None:
            objects = [row.line or _json(row.values) for row in chunk.rows]
        else:
            objects = [_json(record) for record in chunk.records()]
        joined = []
        for line, outcome in zip(objects, outcomes, strict=True):
            head = line[:-1].rstrip()
            joined.append(f"{head}{'' if head == '{' else ','}{tails[id(outcome)]}\n")
        self._sink.write(_encoded("".join(joined)))

    def close(self) -> None:
        pass

    def _named(self, outcome: Outcome) -> dict[str, Any]:
        return {self._names[name]: value for name, value in fields(outcome).items()}


class _Parquet:
    def __init__(self, sink: Any, source: Input) -> None:
        self._flat = _Flat(source, Format.PARQUET)
        inputs = [pa.field(n, pa.string()) for n in self._flat.header[: -len(COLUMNS)]]
        if source.format is Format.PARQUET:
            with pq.ParquetFile(source.path) as file:
                inputs = list(file.schema_arrow)
        names = self._flat.header[-len(COLUMNS) :]
        decided = [pa.field(n, t) for n, t in zip(names, _TYPES.values(), strict=True)]
        self._schema = pa.schema([*inputs, *decided])
        self._writer = pq.ParquetWriter(sink, self._schema, compression="zstd")
        self._waiting: list[pa.RecordBatch] = []

    def write(self, chunk: Chunk, outcomes: Sequence[Outcome]) -> None:
        if chunk.batch is not None:
            arrays = list(chunk.batch.columns)
        else:
            columns = zip(*self._flat.inputs(chunk), strict=True)
            arrays = [_strings(column) for column in columns]
        cells = _once(outcomes, _flat)
        decided = zip(*(cells[id(o)] for o in outcomes), strict=True)
        arrays += [pa.array(c, t) for c, t in zip(decided, _TYPES.values(), strict=True)]
        self._waiting.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        if sum(batch.num_rows for batch in self._waiting) >= GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting))
            self._waiting = []


def _once(outcomes: Sequence[Outcome], make: Callable[[Outcome], T]) -> dict[int, T]:
    """Something made of each outcome, by its identity: duplicates share theirs."""
    distinct = {id(outcome): outcome for outcome in outcomes}
    return {key: make(outcome) for key, outcome in distinct.items()}


def _text(value: Any) -> str | None:
    """A value as it stands in a CSV cell: text as it is, True as `true`, the rest as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        return repr(value)
    return _json(value).strip('"') if not isinstance(value, dict | list) else _json(value)


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
