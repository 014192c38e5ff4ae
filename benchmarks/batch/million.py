"""How long `gounmal scan` takes for a million lines, and how much memory: prints JSON.

    python -m benchmarks.batch.million [--rows 1000000] [--format csv|jsonl|parquet] [--model …]

The lines are those of `benchmarks.online.lines`: as long as live chat is (median 7 characters, 99 %
under 54), and about half of a million duplicates. One in forty is abusive on purpose, and one in
twelve is flagged: new lines mix the words of look-alikes, which lose what made them harmless.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import sys
import tempfile
from datetime import datetime, timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.batch.watched import watch
from benchmarks.online.lines import chat
from gounmal.files.reader import inspect

if TYPE_CHECKING:
    from collections.abc import Iterator

Row = tuple[int, str, str, str]

COLUMNS = ("id", "time", "user", "text")
SCHEMA = pa.schema(zip(COLUMNS, (pa.int64(), *[pa.string()] * 3), strict=True))
BLOCK = 65_536
"""Rows that are drawn together, and stand in one row group of Parquet."""

POWER = 2.0
"""See `chat`: so that as many lines are duplicates in a million as in real chat."""


def rows(number: int) -> Iterator[Row]:
    """So many rows; the same ones for the same number."""
    for start in range(0, number, BLOCK):
        yield from _block(start, number)


def _block(start: int, number: int) -> list[Row]:
    random = Random(start)  # noqa: S311  (no secret)
    begun = datetime(2026, 11, 20, 20)  # noqa: DTZ001  (a file's times are of the wall clock)
    size = min(BLOCK, number - start)
    found = []
    for i, text in enumerate(chat(size, seed=start, power=POWER), start):
        when = (begun + timedelta(seconds=i * 4 * 3600 // number)).isoformat(sep=" ")
        found.append((i, when, f"user{random.randrange(20_000)}", text))
    return found


def _batch(start: int, number: int) -> pa.RecordBatch:
    columns = zip(*_block(start, number), strict=True)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, SCHEMA.types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def write_unique(path: Path, source: Path) -> None:
    """Write the first row with each text of a Parquet file, in order."""
    table = pq.read_table(source)
    codes = table["text"].combine_chunks().dictionary_encode().indices
    first = np.sort(np.unique(codes, return_index=True)[1])
    pq.write_table(table.take(first), path, row_group_size=BLOCK)


def write(path: Path, number: int) -> None:
    """Write a file of so many rows; Parquet on every core."""
    if path.suffix == ".parquet":
        with pq.ParquetWriter(path, SCHEMA) as writer, get_context("spawn").Pool() as pool:
            starts = range(0, number, BLOCK)
            for batch in pool.imap(partial(_batch, number=number), starts):
                writer.write_batch(batch)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            table = csv.writer(file)
            table.writerow(COLUMNS)
            table.writerows(rows(number))
        else:
            for row in rows(number):
                file.write(orjson.dumps(dict(zip(COLUMNS, row, strict=True))).decode() + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--format", choices=["csv", "jsonl", "parquet"], default="csv")
    parser.add_argument("--model")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        chat, out = Path(folder) / f"chat.{options.format}", Path(folder) / "out"
        write(chat, options.rows)
        command = [sys.executable, "-m", "gounmal.cli", "scan", str(chat), "--output", str(out)]
        if options.model:
            command += ["--model", options.model]
        took = watch(command)
        if took.code:
            sys.exit(f"the scan failed with exit code {took.code}")
        summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
        decided = sum(len(chunk) for chunk in inspect(out / f"decisions.{options.format}").chunks())
        texts = {row[3] for row in rows(options.rows)}
        result = {
            "rows_in": options.rows,
            "rows_out": decided,
            "format": options.format,
            "distinct_texts": len(texts),
            "model": summary["model"],
            "flagged": summary["flagged"],
            "seconds": round(took.seconds, 1),
            "rows_per_s": round(options.rows / took.seconds),
            "cpu_seconds": round(took.cpu_seconds, 1),
            "peak_mb": round(took.peak_mb),
            "mb_at_quarters": [round(value) for value in took.quarters_mb],
            "report_bytes": (out / "report.html").stat().st_size,
            "input_mb": round(chat.stat().st_size / 1e6, 1),
            "cores": os.cpu_count(),
            "load_average_1min": round(os.getloadavg()[0], 1),
            "machine": platform.machine(),
            "python": platform.python_version(),
        }
    print(json.dumps(result, indent=2))
    assert decided == options.rows == summary["rows"], "rows were lost or doubled"


if __name__ == "__main__":
    main()
