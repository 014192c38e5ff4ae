"""Parquet files: opened, read by rows, and their values as Python's."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from gounmal.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gounmal.files.sources import Place


@contextmanager
def opened_parquet(path: Place) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file.

    Raises:
        InvalidInput: it is none.
    """
    with ExitStack() as stack:
        try:
            source = path if isinstance(path, Path) else stack.enter_context(path.open("rb"))
            # Without pre-buffering, memory follows the batch and not the row group.
            file = stack.enter_context(
                pq.ParquetFile(source, buffer_size=1 << 20, pre_buffer=False)
            )
        except (pa.ArrowException, OSError) as error:
            raise InvalidInput(f"{path}: not a Parquet file: {why(error)}") from error
        yield file


def row_batches(file: pq.ParquetFile, start: int, stop: int, size: int) -> Iterator[pa.RecordBatch]:
    """The rows `[start, stop)` in batches: other row groups are not read."""
    first = 0
    groups = []
    offset = 0
    for i in range(file.metadata.num_row_groups):
        rows = file.metadata.row_group(i).num_rows
        if first < stop and first + rows > start:
            groups.append(i)
            offset = offset if len(groups) > 1 else first
        first += rows
    if not groups:
        return
    for batch in file.iter_batches(size, row_groups=groups):
        low, high = max(start - offset, 0), min(stop - offset, batch.num_rows)
        offset += batch.num_rows
        if low < high:
            yield batch.slice(low, high - low)
        if offset >= stop:
            return


def check_text(path: Place, column: pa.Field) -> None:
    """Raise `InvalidInput` unless the column holds strings."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise InvalidInput(
            f"{path}: column {column.name!r} is {kind}, not text: name another with --text"
        )


def batch_rows(file: pq.ParquetFile, most: int, characters: int) -> int:
    """Rows a batch, fewer where rows are long."""
    meta = file.metadata
    total = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
    affordable = characters * max(meta.num_rows, 1) // max(total, 1)
    return max(1, min(most, int(affordable)))


def python_values(column: pa.Array) -> list[Any]:
    """Values of a column as Python's."""
    if pa.types.is_timestamp(column.type):  # nanoseconds would need pandas
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        # Written by someone who did not check: such bytes become lone surrogates, as in `lines`.
        raw = column.cast(pa.binary()).to_pylist()
        return [value and value.decode("utf-8", "surrogateescape") for value in raw]


def why(error: BaseException) -> str:
    """The first line of what Arrow says: what follows may hold a path of this machine."""
    return str(error).partition("\n")[0][:200]
