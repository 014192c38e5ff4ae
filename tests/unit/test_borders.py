"""Wherever a file is cut: its parts read alone give what the whole gives."""

import csv
import tempfile
from itertools import chain, pairwise
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gounmal.files.reader import inspect
from gounmal.files.records import MAX_RECORD_LINES
from gounmal.scan.borders import cuts


def read(found, *part):
    """(values, problem) of every row."""
    rows = []
    for chunk in found.chunks(*part):
        rows += zip(chunk.records(), chunk.problems, strict=True)
    return rows


def parts(path, target):
    found = inspect(path)
    places = cuts(found, path.stat().st_size, target)
    assert places == sorted(set(places))
    return [read(found, *part) for part in pairwise(places)], read(found)


def joined(pieces):
    return list(chain.from_iterable(pieces))


def quoted_rows(number, seed=0):
    """Rows of which a third goes on over several lines, and some look like several rows."""
    random = Random(seed)  # noqa: S311  (no secret)
    texts = (
        "짧은 줄",
        "두\n줄",
        'a,"b"\nc,d,e',
        "x\n\n\ny",
        '"',
        "가,나",
        "\n1,kim,안녕\n2,lee,네\n",
    )
    return [(i, f"u{i}", random.choice(texts)) for i in range(number)]


def write(path, rows, **dialect):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, **dialect).writerows([("n", "user", "text"), *rows])


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_quoted_line_ends_across_cuts(tmp_path, quoting):
    path = tmp_path / "a.csv"
    rows = quoted_rows(5_000)
    write(path, rows, quoting=quoting)
    pieces, whole = parts(path, 8_000)
    assert len(pieces) > 10
    assert joined(pieces) == whole
    assert [values["text"] for values, _ in whole] == [text for *_, text in rows]


def test_quotes_that_are_never_closed_across_cuts(tmp_path):
    path = tmp_path / "a.csv"
    write(path, quoted_rows(2_000))
    lines = path.read_text(encoding="utf-8").split("\n")
    random = Random(1)  # noqa: S311  (no secret)
    for _ in range(60):
        lines.insert(random.randrange(1, len(lines)), random.choice(['7,"open,x', 'a"b', '"', ""]))
    path.write_text("\n".join(lines), encoding="utf-8")
    pieces, whole = parts(path, 3_000)
    assert len(pieces) > 10
    assert joined(pieces) == whole


LINE = st.sampled_from(["1,a", '2,"b', 'c"', '"', "", '3,"x"', "4", '"5,y"', '6,"q"",', "\r"])


@given(st.lists(LINE, min_size=1, max_size=40), st.integers(300, 3_000))
@example(['2,"b', "", 'c"'], 300)
def test_any_lines_over_and_over(pattern, target):
    text = "n,text\n" + "\n".join(pattern * (2_000 // len(pattern)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_text(text, encoding="utf-8", newline="")
        pieces, whole = parts(path, target)
    assert joined(pieces) == whole


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_encodings_and_blank_messages(tmp_path, encoding):
    path = tmp_path / "a.csv"
    lines = ["내용", *(["안녕", "", "", "똠방각하"] * 2_000), "", ""]
    path.write_bytes("\r\n".join(lines).encode(encoding))
    pieces, whole = parts(path, 3_000)
    assert len(pieces) > 10
    assert [values["내용"] for values, _ in joined(pieces)] == lines[1:-2]
    assert joined(pieces) == whole


def test_json_is_cut_at_lines(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "안녕"}\n\nbroken\n{"text": 1}\n' * 500, encoding="utf-8")
    pieces, whole = parts(path, 1_000)
    assert len(pieces) > 10
    assert joined(pieces) == whole


@pytest.mark.parametrize("groups", [7, 100, 1_000])
def test_parquet_is_cut_at_any_row(tmp_path, groups):
    path = tmp_path / "a.parquet"
    table = pa.table({"text": [f"{i} 줄" for i in range(1_000)], "n": range(1_000)})
    pq.write_table(table, path, row_group_size=groups)
    pieces, whole = parts(path, 64)
    assert [len(piece) for piece in pieces] == [64] * 15 + [40]
    assert joined(pieces) == whole


def test_a_row_of_the_most_lines_is_not_cut(tmp_path):
    path = tmp_path / "a.csv"
    write(path, [(i, "u", "x\n" * (MAX_RECORD_LINES - 1)) for i in range(300)])
    pieces, whole = parts(path, 1_000)
    assert len(pieces) > 10
    assert joined(pieces) == whole
    assert {problem for _, problem in whole} == {None}


def test_what_cannot_be_cut_stays_whole(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text\n" + "x" * 3_000_000 + "\nend\n", encoding="utf-8")
    assert cuts(inspect(path), path.stat().st_size, 1_000) == [0, path.stat().st_size]
    empty = tmp_path / "empty.parquet"
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), empty)
    assert cuts(inspect(empty), 1, None) == [0, 0]
    assert read(inspect(empty), 0, 0) == []


def test_small_files_are_one_piece(tmp_path):
    path = tmp_path / "a.csv"
    write(path, quoted_rows(100))
    assert cuts(inspect(path), path.stat().st_size) == [0, path.stat().st_size]


def test_parquet_shards_are_all_of_a_size(tmp_path, monkeypatch):
    monkeypatch.setattr("gounmal.scan.borders.ROWS", 10)
    monkeypatch.setattr("gounmal.scan.borders.FEW_ROWS", 5)
    for rows, number in (1, 1), (5, 1), (6, 4), (11, 4), (40, 4), (41, 12), (120, 12), (121, 24):
        path = tmp_path / f"{rows}.parquet"
        pq.write_table(pa.table({"text": ["가"] * rows}), path)
        places = cuts(inspect(path), path.stat().st_size)
        assert (places[0], places[-1]) == (0, rows)
        sizes = [stop - start for start, stop in pairwise(places)]
        assert max(sizes) <= 10
        assert max(sizes) - min(sizes) <= 1
        assert len(sizes) == number, "some worker has more to do than the others"
