"""Parquet files joined without reading their rows: as if one writer had written them all."""

import io
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gounmal.files.footers import join, read_footer

SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("text", pa.string(), metadata={"of": "a field"}),
        ("when", pa.timestamp("us", "UTC")),
        ("flagged", pa.bool_()),
        ("score", pa.float32()),
        ("labels", pa.list_(pa.string())),
        ("spans", pa.list_(pa.struct({"start": pa.int32(), "label": pa.string()}))),
        ("kind", pa.dictionary(pa.int32(), pa.string())),
        ("raw", pa.binary(3)),
    ],
    metadata={"who": "wrote it"},
)
GROUPS = st.lists(st.integers(0, 40), max_size=20)


def table(size, seed):
    numbers = range(seed, seed + size)
    rows = {
        "id": list(numbers),
        "text": [None if n % 7 == 0 else f"말 {n % 5}" * (n % 3) for n in numbers],
        "when": [datetime(2026, 11, 20, n % 24, tzinfo=UTC) for n in numbers],
        "flagged": [n % 2 == 0 for n in numbers],
        "score": [n / 9 for n in numbers],
        "labels": [["insult"] * (n % 3) for n in numbers],
        "spans": [[{"start": n, "label": "hate"}] * (n % 2) for n in numbers],
        "kind": [f"kind {n % 4}" for n in numbers],
        "raw": [b"abc"] * size,
    }
    return pa.table(rows, schema=SCHEMA)


def written(path, groups, seed=0, **options):
    """A file with row groups of these sizes."""
    with pq.ParquetWriter(path, SCHEMA, **options) as writer:
        for size in groups:
            writer.write_table(table(size, seed))
            seed += size
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("parts")


@given(st.lists(GROUPS, min_size=1, max_size=4), st.sampled_from(["zstd", "none"]))
def test_parts_joined_are_what_one_writer_writes(folder, parts, compression):
    paths, seed = [], 0
    for number, groups in enumerate(parts):
        path = folder / f"{number}.parquet"
        paths.append(written(path, groups, seed, compression=compression))
        seed += sum(groups)
    joined, whole = io.BytesIO(), io.BytesIO()
    join(paths, joined)
    written(whole, [size for groups in parts for size in groups], compression=compression)
    assert joined.getvalue() == whole.getvalue()


def test_indexes_checksums_and_blocks_of_rows_are_where_it_says(folder):
    options = {"write_page_index": True, "write_page_checksum": True, "data_page_size": 64}
    paths = [written(folder / f"i{i}.parquet", [400, 300], i * 700, **options) for i in range(3)]
    joined = folder / "joined.parquet"
    with joined.open("wb") as sink:
        join(paths, sink)
    with pq.ParquetFile(joined, page_checksum_verification=True) as file:
        assert file.metadata.num_rows == 2_100
        assert file.metadata.num_row_groups == 6
        assert file.schema_arrow.equals(pq.read_schema(paths[0]), check_metadata=True)
        assert all(file.metadata.row_group(i).column(0).has_offset_index for i in range(6))
        assert file.read_row_group(3)["id"].to_pylist() == list(range(1_100, 1_400))
        assert file.read().equals(table(2_100, 0))


def test_a_footer_it_does_not_understand_is_refused():
    raw = bytes([0x1B, 1, 0])  # a field that is a map
    file = io.BytesIO(b"PAR1" + raw + len(raw).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(ValueError, match="a field of kind 11"):
        read_footer(file)
