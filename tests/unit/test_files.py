"""Files of chat: every row comes out, whatever the file is like."""

import csv
import gzip
import io
import json
import tempfile
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from gounmal.errors import InvalidInput
from gounmal.files import lines, reader
from gounmal.files.columns import Role
from gounmal.files.reader import Format, inspect
from gounmal.files.records import Problem
from gounmal.schema import MAX_TEXT_LENGTH

ROWS = [
    ("안녕하세요", "kim"),
    ("둘째 줄\n계속", "lee"),
    ('따옴표 "안에"', "박"),
    ("쉼표, 하나", ""),
]


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path, **names):
    """(text, problem) of every row, and what was found out about the file."""
    found = inspect(path, names={Role(role): name for role, name in names.items()})
    chunks = list(found.chunks())
    texts = [text for chunk in chunks for text in chunk.values(found.roles[Role.TEXT])]
    problems = [problem for chunk in chunks for problem in chunk.problems]
    return list(zip(texts, problems, strict=True)), found


def csv_text(rows, delimiter=","):
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter).writerows(rows)
    return buffer.getvalue()


def json_text(rows):
    return "".join(json.dumps({"text": t, "user": u}, ensure_ascii=False) + "\n" for t, u in rows)


def two_of_a_name():
    sink = io.BytesIO()
    pq.write_table(pa.table([pa.array(["가"]), pa.array(["나"])], ["text", "text"]), sink)
    return sink.getvalue()


def parquet_bytes(**columns):
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


TABLE = [("text", "user"), *ROWS]
KINDS = {
    "a.csv": csv_text(TABLE).encode(),
    "semicolons.csv": csv_text(TABLE, ";").encode(),
    "a.tsv": csv_text(TABLE, "\t").encode(),
    "a.jsonl": json_text(ROWS).encode(),
    "a.ndjson": json_text(ROWS).encode(),
    "a.parquet": parquet_bytes(text=[t for t, _ in ROWS], user=[u for _, u in ROWS]),
    "a.csv.gz": gzip.compress(csv_text(TABLE).encode()),
    "members.jsonl.gz": b"".join(gzip.compress(json_text([row]).encode()) for row in ROWS),
    "A.JSONL.ZST": zstandard.ZstdCompressor().compress(json_text(ROWS).encode()),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_file_gives_the_same_rows(tmp_path, name):
    rows, found = read(write(tmp_path, name, KINDS[name]))
    assert rows == [(text, None) for text, _ in ROWS]
    assert found.columns == ("text", "user")
    assert found.roles == {Role.TEXT: "text", Role.USER: "user"}
    [chunk] = found.chunks()
    assert [record["user"] for record in chunk.records()] == [user for _, user in ROWS]
    assert chunk.done == 1.0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
@pytest.mark.parametrize("late", [False, True])
def test_the_encoding_is_found_however_late_it_shows(tmp_path, encoding, late):
    plain = ["plain ascii"] * (2 * lines.BLOCK_BYTES // 12 if late else 1)
    rows = [*plain, "펭귄 똠방각하", "뷁"]
    path = write(tmp_path, "a.csv", csv_text([("text",), *zip(rows, strict=True)]).encode(encoding))
    judged, found = read(path)
    assert judged == [(text, None) for text in rows]
    assert found.encoding == encoding


def test_plain_ascii_is_utf8(tmp_path):
    assert inspect(write(tmp_path, "a.csv", "text\nhello\n")).encoding == "utf-8"


def test_one_line_in_another_encoding_stays_one_line(tmp_path):
    rows = ["좋아요", "네", "예뻐요"]
    content = b"text\n" + b"\n".join([*(r.encode() for r in rows), "섞임".encode("cp949"), b"ok"])
    judged, found = read(write(tmp_path, "a.csv", content))
    assert found.encoding == "utf-8"
    assert [problem for _, problem in judged] == [None, None, None, Problem.ENCODING, None]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.txt", b"text\nhi\n", "unknown file type"),
        ("noext", b"text\nhi\n", "unknown file type"),
        ("a.parquet.gz", b"", "unknown file type"),
        ("a.csv", b"", "empty"),
        ("a.csv", b"\xef\xbb\xbf\r\n\n", "empty"),
        ("a.jsonl", b"\n \n", "empty"),
        ("a.csv", b"\n\ntext\nhi\n", "first line is blank"),
        ("a.csv", b"user,time\nkim,1\n", r"no text column found among 'user', 'time'.*--text"),
        ("a.csv", b"a\rb\rc\r", "no CSV header"),
        ("a.csv", "text\n안녕\n".encode("utf-16"), "UTF-16"),
        ("a.csv", "text\nhello\n".encode("utf-16-le"), "binary"),
        ("a.csv", b"PK\x03\x04rest", "Excel"),
        ("a.csv", b"text\n\xff\xff\n\xfe\xfe\n", "neither UTF-8 nor CP949"),
        ("a.csv.gz", b"text\nhi\n", "not a whole gzip file"),
        ("a.csv.gz", gzip.compress(b"text\nhi\n")[:-4], "not a whole gzip file"),
        ("a.jsonl.zst", b"{}", "not a whole zstd file"),
        ("a.jsonl", b'["a", "b"]\n', "no JSON object"),
        ("a.jsonl", b'{"user": "kim", "time": 1}\n', "no text column"),
        ("a.parquet", b"no parquet", "not a Parquet file"),
        ("a.parquet", parquet_bytes(text=[1, 2]), "column 'text' is int64, not text"),
        ("a.parquet", two_of_a_name(), "two columns have the same name"),
        ("a.csv", "뭐야 이거\n안녕\n", "the first line may be a message"),
        ("a.tsv", "뭐야 이거\n안녕\n", "the first line may be a message"),
    ],
)
def test_a_file_that_cannot_be_scanned_says_why(tmp_path, name, content, says):
    with pytest.raises(InvalidInput, match=says) as raised:
        inspect(write(tmp_path, name, content))
    assert name in str(raised.value)


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(InvalidInput, match="no such file"):
        inspect(tmp_path / "a.csv")
    with pytest.raises(InvalidInput, match="no such file"):
        inspect(tmp_path)


@pytest.mark.parametrize(
    ("header", "role", "column"),
    [
        ("Message,user", "text", "Message"),
        ("user,채팅 내용", "text", "채팅 내용"),
        ("id,chat_message", "text", "chat_message"),
        ("comment,text", "text", "text"),
        ("내용,작성자,작성일시", "user", "작성자"),
        ("내용,작성자,작성일시", "time", "작성일시"),
        ("text,Created At", "time", "Created At"),
        ("text,room-id", "channel", "room-id"),
    ],
)
def test_columns_are_known_by_their_names(tmp_path, header, role, column):
    assert inspect(write(tmp_path, "a.csv", f"{header}\n")).roles[Role(role)] == column


def test_a_named_column_wins_and_means_one_thing(tmp_path):
    path = write(tmp_path, "a.csv", "text,name,time\nx,hello,1\n")
    rows, found = read(path, text="name")
    assert rows == [("hello", None)]
    assert found.roles == {Role.TEXT: "name", Role.TIME: "time"}
    with pytest.raises(InvalidInput, match="no column 'body' for --text: there are 'text'"):
        inspect(path, names={Role.TEXT: "body"})


def test_columns_of_one_name_are_told_apart(tmp_path):
    found = inspect(write(tmp_path, "a.csv", "text,x,x,x_2\na,1,2,3\n"))
    [chunk] = found.chunks()
    assert chunk.records() == [{"text": "a", "x": "1", "x_2": "2", "x_2_2": "3"}]


LONG = "가" * (MAX_TEXT_LENGTH + 1)
BROKEN = {
    "kim": (Problem.COLUMNS, {"user": "kim", "text": "", "n": ""}),
    "kim,hi": (Problem.COLUMNS, {"user": "kim", "text": "hi", "n": ""}),
    "kim,hi,1,2,3": (Problem.COLUMNS, {"user": "kim", "text": "hi", "n": "1,2,3"}),
    'kim,"never closed,1': (
        Problem.COLUMNS,
        {"user": "", "text": 'kim,"never closed,1', "n": ""},
    ),
    f"kim,{LONG},1": (Problem.LENGTH, {"user": "kim", "text": LONG, "n": "1"}),
    "kim,\udcff,1": (Problem.ENCODING, {"user": "kim", "text": "\udcff", "n": "1"}),
    f"kim,{'x' * 200_000},1": (
        Problem.COLUMNS,
        {"user": "", "text": f"kim,{'x' * 200_000},1", "n": ""},
    ),
}


@pytest.mark.parametrize("broken", BROKEN, ids=range(len(BROKEN)))
@pytest.mark.parametrize("following", ["", "\n", "\nlee,fine,2\n", '\nlee,"fi\nne",2\n'])
def test_a_broken_row_keeps_its_place_and_its_content(tmp_path, broken, following):
    text = f"user,text,n\nkim,전에,0\n{broken}{following}"
    content = text.encode("utf-8", "surrogateescape")
    [chunk] = inspect(write(tmp_path, "a.csv", content)).chunks()
    problem, values = BROKEN[broken]
    rows = following.count("lee")
    assert chunk.problems == [None, problem, *[None] * rows]
    assert chunk.records()[1] == values


def test_a_stray_byte_in_a_plain_file_is_one_bad_row(tmp_path):
    rows, found = read(write(tmp_path, "a.csv", b"text\n" + b"plain\n" * 50 + b"\xff\nplain\n"))
    assert [p for _, p in rows] == [None] * 50 + [Problem.ENCODING, None]
    assert found.encoding == "utf-8"


def test_nul_and_emoji_are_characters_like_any_other(tmp_path):
    rows, _ = read(write(tmp_path, "a.csv", "text,n\na\0b,1\n🐶‍🔥,2\n"))
    assert rows == [("a\0b", None), ("🐶‍🔥", None)]


def test_blank_lines_are_rows_only_where_there_is_one_column(tmp_path):
    many, _ = read(write(tmp_path, "a.csv", "text,user\na,1\n\n\nb,2\n\n"))
    one, _ = read(write(tmp_path, "b.csv", "text\na\n\n\nb\n\n"))
    assert [text for text, _ in many] == ["a", "b"]
    assert [text for text, _ in one] == ["a", "", "", "b"]


def test_a_line_without_end_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "BLOCK_BYTES", 1_000)
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 5_000)
    rows, _ = read(write(tmp_path, "a.csv", "text\n" + "x" * 1_000_000 + "\nafter\n"))
    assert [problem for _, problem in rows] == [Problem.LENGTH, None]
    assert len(rows[0][0]) < 10_000
    assert rows[1] == ("after", None)


def test_only_a_header_is_no_rows(tmp_path):
    assert read(write(tmp_path, "a.csv", "text,user\n"))[0] == []
    assert (
        read(write(tmp_path, "a.parquet", parquet_bytes(text=pa.array([], pa.string()))))[0] == []
    )


def test_chunks_are_bounded_in_rows_and_characters(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "CHUNK_ROWS", 10)
    monkeypatch.setattr(reader, "CHUNK_CHARACTERS", 1_000)
    short = [
        chunk.start for chunk in inspect(write(tmp_path, "a.csv", "text\n" + "x\n" * 25)).chunks()
    ]
    assert short == [0, 10, 20]
    long = list(inspect(write(tmp_path, "b.csv", "text\n" + f"{'x' * 400}\n" * 10)).chunks())
    assert [len(chunk) for chunk in long] == [3, 3, 3, 1]
    wide = parquet_bytes(text=[f"{i}{'x' * 400}" for i in range(10)])
    assert max(len(c) for c in inspect(write(tmp_path, "c.parquet", wide)).chunks()) <= 3


def test_json_lines_that_are_no_messages(tmp_path):
    content = (
        '{"text": "a"}\n[1]\n"b"\n{"text": 5}\n{"text": null}\n{"n": 1}\nnonsense\n{"text": "z"}'
    )
    rows, _ = read(write(tmp_path, "a.jsonl", content))
    assert rows == [
        ("a", None),
        ("[1]", Problem.JSON),
        ('"b"', Problem.JSON),
        (5, Problem.TYPE),
        (None, Problem.MISSING),
        (None, Problem.MISSING),
        ("nonsense", Problem.JSON),
        ("z", None),
    ]


def test_json_lines_in_cp949(tmp_path):
    rows, found = read(write(tmp_path, "a.jsonl", json_text(ROWS).encode("cp949")))
    assert rows == [(text, None) for text, _ in ROWS]
    assert found.encoding == "cp949"


def test_parquet_types(tmp_path):
    moment = datetime(2026, 11, 22, 20, 1, 2)  # noqa: DTZ001  (as such files have it)
    content = parquet_bytes(
        text=pa.array(["a", None, "b"]).dictionary_encode(),
        time=pa.array([moment] * 3, pa.timestamp("ns")),
        tags=[["x"], [], None],
    )
    found = inspect(write(tmp_path, "a.parquet", content))
    [chunk] = found.chunks()
    assert chunk.problems == [None, Problem.MISSING, None]
    assert chunk.values("time") == [moment] * 3
    assert chunk.values("tags") == [["x"], [], None]


def test_parquet_with_bytes_that_are_no_characters(tmp_path):
    raw = pa.array([b"good", b"\xff\xfe", "좋아".encode()], pa.binary())
    bad = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    rows, _ = read(write(tmp_path, "a.parquet", parquet_bytes(text=bad)))
    assert [problem for _, problem in rows] == [None, Problem.ENCODING, None]
    assert rows[2][0] == "좋아"


FIELD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
WHOLE = st.tuples(FIELD, FIELD, FIELD)
HALF = st.text("가나 ab;\t'", min_size=1, max_size=20)


@given(st.lists(st.one_of(WHOLE, HALF), max_size=30))
@example([('"', "\n", ","), "가", ("\r\n", '""', "")])
def test_rows_in_are_rows_out(rows):
    """Whole rows come out as they went in, whatever stands between them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "CHUNK_ROWS", 7)
        text = csv_text([("user", "text", "n")])
        text += "".join(csv_text([r]) if isinstance(r, tuple) else f"{r}\r\n" for r in rows)
        found, chunks = _read_csv(text)
    records = [record for chunk in chunks for record in chunk.records()]
    problems = [problem for chunk in chunks for problem in chunk.problems]
    assert len(records) == len(rows)
    for row, record, problem in zip(rows, records, problems, strict=True):
        if isinstance(row, tuple):
            assert (tuple(record[c] for c in found.columns), problem) == (row, None)
        else:
            assert problem is Problem.COLUMNS
            assert row in record.values()


@given(st.text('가a,"\n\r ', max_size=200))
@example('"' * 3 + "\n" * 200 + '"')
def test_no_line_of_any_csv_is_lost(text):
    """Whatever the quotes do: every visible character that went in comes out."""
    _, chunks = _read_csv("user,text,n\n" + text)
    records = [record for chunk in chunks for record in chunk.records()]
    out = "".join(value for record in records for value in record.values())
    assert out.count("가") == text.count("가")
    assert out.count("a") == text.count("a")


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(raw):
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), "a.csv", b"text,n\n" + raw)
        try:
            chunks = list(inspect(path).chunks())
        except InvalidInput as error:
            assert str(path) in str(error)  # noqa: PT017  (an answer as good as rows)
        else:
            assert sum(map(len, chunks)) <= raw.count(b"\n") + 1


@given(st.lists(st.sampled_from(['{"text": "안녕"}', '{"text": 1}', "{", "null", '{"a": "b"}'])))
def test_json_rows_in_are_rows_out(objects):
    with tempfile.TemporaryDirectory() as folder:
        content = "\n".join(['{"text": "first"}', *objects])
        rows, _ = read(write(Path(folder), "a.jsonl", content))
    assert len(rows) == 1 + len(objects)
    assert [p is None for _, p in rows[1:]] == [o == '{"text": "안녕"}' for o in objects]


def _read_csv(text):
    with tempfile.TemporaryDirectory() as folder:
        found = inspect(write(Path(folder), "a.csv", text))
        assert found.format is Format.CSV
        return found, list(found.chunks())


def test_the_only_column_may_be_called_anything_where_its_name_is_told(tmp_path):
    found = inspect(write(tmp_path, "a.csv", "anything\n"), names={Role.TEXT: "anything"})
    assert found.roles[Role.TEXT] == "anything"
    assert (
        inspect(write(tmp_path, "a.jsonl", '{"anything": "가"}\n')).roles[Role.TEXT] == "anything"
    )
