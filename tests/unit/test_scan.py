"""A file becomes its decisions: all of them, in order, the same as online."""

import csv
import gzip
import io

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gounmal.errors import InvalidInput, ScoringFailed
from gounmal.files import reader
from gounmal.files.reader import Chunk, Format, inspect
from gounmal.files.records import Problem, Record
from gounmal.moderator import Moderator
from gounmal.policy import Policy
from gounmal.report.summary import Summary
from gounmal.scan import judge, scan
from gounmal.scan.judge import Judge
from gounmal.schema import MAX_TEXT_LENGTH

TEXTS = [
    "안녕하세요",
    "야 이 바보야",
    "젠장 또 품절",
    "안녕하세요",
    "",
    "ㅋㅋ",
    "야 이 바보야",
    "🐶 젠장",
]
COLUMNS = ("action", "flagged", "labels", "spans", "masked", "reason")


@pytest.fixture
def moderator(fake_scorer):
    return Moderator(fake_scorer)


def csv_text(rows):
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()


def source_of(folder, name):
    """The texts as a file of this kind, with a number and a user in each row."""
    rows = [(i, f"user{i % 3}", text) for i, text in enumerate(TEXTS)]
    path = folder / name
    if name.endswith(".jsonl"):
        lines = [orjson.dumps({"n": n, "user": u, "text": t}) for n, u, t in rows]
        path.write_bytes(b"\n".join(lines))
    elif name.endswith(".parquet"):
        columns = dict(zip(("n", "user", "text"), map(list, zip(*rows, strict=True)), strict=True))
        pq.write_table(pa.table(columns), path)
    else:
        path.write_text(csv_text([("n", "user", "text"), *rows]), encoding="utf-8")
    return inspect(path)


def rows_of(path):
    """A decisions file as dicts; cells of CSV are strings."""
    if path.name.endswith(".gz"):
        raw = gzip.decompress(path.read_bytes())
        path = path.with_suffix("")
        path.write_bytes(raw)
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix == ".jsonl":
        return [orjson.loads(line) for line in text.splitlines()]
    dialect = "excel-tab" if path.suffix == ".tsv" else "excel"
    return list(csv.DictReader(io.StringIO(text, newline=""), dialect=dialect))


def test_online_and_scan_give_the_same_decisions(tmp_path, moderator):
    source = source_of(tmp_path, "chat.jsonl")
    scanned = scan.scan(source, tmp_path / "out", moderator=moderator)
    online = [moderator.moderate([text])[0].to_dict() for text in TEXTS]
    for row, decision in zip(rows_of(scanned.decisions), online, strict=True):
        assert {name: row[name] for name in (*COLUMNS, "scores")} == {
            name: decision[name] for name in (*COLUMNS, "scores")
        }
        assert (row["status"], row["problem"]) == ("ok", None)


@pytest.mark.parametrize("kind", [None, *Format])
@pytest.mark.parametrize("name", ["chat.csv", "chat.jsonl", "chat.parquet"])
def test_every_format_to_every_format(tmp_path, moderator, name, kind):
    source = source_of(tmp_path, name)
    scanned = scan.scan(source, tmp_path / "out", moderator=moderator, kind=kind)
    assert scanned.decisions.name == f"decisions.{kind or source.format}"
    rows = rows_of(scanned.decisions)
    assert [row["text"] for row in rows] == TEXTS
    assert [str(row["n"]) for row in rows] == [str(i) for i in range(len(TEXTS))]
    assert [row["action"] for row in rows] == [d.action for d in moderator.moderate(TEXTS)]
    assert rows[1]["masked"] == "야 이 **야"
    spans = rows[1]["spans"]
    spans = orjson.loads(spans) if isinstance(spans, str) else spans
    assert spans == [{"start": 4, "end": 6, "label": "insult", "source": "model"}]


def test_types_survive_from_parquet_to_parquet(tmp_path, moderator):
    path = tmp_path / "chat.parquet"
    table = pa.table(
        {
            "text": pa.array(["바보", "b"]).dictionary_encode(),
            "n": pa.array([1, None], pa.int16()),
            "when": pa.array([1, 2], pa.timestamp("ns")),
            "tags": pa.array([["x"], []], pa.list_(pa.string())),
        }
    )
    pq.write_table(table, path)
    scanned = scan.scan(inspect(path), tmp_path / "out", moderator=moderator)
    written = pq.read_table(scanned.decisions)
    assert written.select(table.column_names).equals(table)
    assert written.column("flagged").to_pylist() == [True, False]
    assert written.column("score_insult").to_pylist() == pytest.approx([1, 0.01])


def test_json_objects_are_copied_as_they_stand(tmp_path, moderator):
    path = tmp_path / "chat.jsonl"
    lines = ['{"text":"바보", "id": 123456789012345678901234567890, "f": 1.50}', "{}", '{"text": ']
    path.write_text("\n".join(lines), encoding="utf-8")
    scanned = scan.scan(inspect(path), tmp_path / "out", moderator=moderator)
    written = scanned.decisions.read_text(encoding="utf-8").splitlines()
    assert written[0].startswith(lines[0][:-1] + ',"action":"hold"')
    assert orjson.loads(written[1]) == {
        "reason": "invalid",
        "status": "invalid",
        "problem": "missing",
    }
    assert orjson.loads(written[2])["text"] == '{"text":'


def test_keys_that_come_late_are_kept_in_other(tmp_path, moderator, monkeypatch):
    monkeypatch.setattr(reader, "SNIFFED_RECORDS", 1)
    path = tmp_path / "chat.jsonl"
    path.write_text('{"text": "a"}\n{"text": "b", "late": [1]}', encoding="utf-8")
    scanned = scan.scan(inspect(path), tmp_path / "out", moderator=moderator, kind=Format.CSV)
    assert [row["other"] for row in rows_of(scanned.decisions)] == ["", '{"late":[1]}']


def test_a_late_key_of_ours_is_kept_beside_the_decision(tmp_path, moderator, monkeypatch):
    monkeypatch.setattr(reader, "SNIFFED_RECORDS", 1)
    path = tmp_path / "chat.jsonl"
    path.write_text('{"text": "바보"}\n{"text": "바보", "action": "own"}\n', encoding="utf-8")
    scanned = scan.scan(inspect(path), tmp_path / "out", moderator=moderator)
    first, second = rows_of(scanned.decisions)
    assert first["action"] == "hold"
    assert (second["action"], second["gounmal_action"]) == ("own", "hold")


@pytest.mark.parametrize("name", ["chat.csv", "chat.jsonl", "chat.parquet"])
def test_a_decisions_file_can_be_scanned_again(tmp_path, moderator, name):
    first = scan.scan(source_of(tmp_path, name), tmp_path / "1", moderator=moderator)
    second = scan.scan(inspect(first.decisions), tmp_path / "2", moderator=moderator)
    for row in rows_of(second.decisions):
        assert row["gounmal_action"] == row["action"]
        assert row["gounmal_status"] == row["status"]


def test_compression_and_byte_order_mark_are_kept(tmp_path, moderator):
    path = tmp_path / "chat.csv.gz"
    path.write_bytes(gzip.compress(csv_text([("내용",), ("바보",)]).encode("cp949")))
    scanned = scan.scan(inspect(path), tmp_path / "out", moderator=moderator)
    assert scanned.decisions.name == "decisions.csv.gz"
    assert gzip.decompress(scanned.decisions.read_bytes()).startswith("\ufeff내용,".encode())
    assert rows_of(scanned.decisions)[0]["masked"] == "**"


def test_rows_that_cannot_be_judged_say_so_in_their_place(tmp_path, moderator):
    path = tmp_path / "chat.csv"
    rows = ["user,text", "a,좋아", "b", "c,1,2", f"d,{'가' * (MAX_TEXT_LENGTH + 1)}", "e,바보"]
    path.write_bytes("\n".join(rows).encode() + b"\nf,\xff\n")
    scanned = scan.scan(inspect(path), tmp_path / "out", moderator=moderator)
    written = rows_of(scanned.decisions)
    assert [row["user"] for row in written] == list("abcdef")
    assert [row["status"] for row in written] == ["ok", *["invalid"] * 3, "ok", "invalid"]
    assert [row["problem"] for row in written] == [
        *("", "columns", "columns", "length", "", "encoding"),
    ]
    assert [row["action"] for row in written] == ["allow", "", "", "", "hold", ""]
    assert written[2]["text"] == "1,2"
    assert written[5]["text"] == "\ufffd"
    summary = scanned.summary
    assert (summary.rows, summary.judged, summary.invalid, summary.flagged) == (6, 2, 4, 1)
    assert summary.problems == {"columns": 2, "encoding": 1, "length": 1}


@pytest.mark.parametrize("kind", list(Format))
def test_undecodable_bytes_can_be_written_in_every_format(tmp_path, moderator, kind):
    path = tmp_path / "chat.csv"
    path.write_bytes("text,user\n좋아,이\n좋아,".encode() + b"k\xffim\n")
    scanned = scan.scan(inspect(path), tmp_path / "out", moderator=moderator, kind=kind)
    row = rows_of(scanned.decisions)[1]
    assert (row["user"], row["status"]) == ("k\ufffdim", "ok")


def test_duplicates_are_scored_once_and_short_texts_first(tmp_path, moderator, monkeypatch):
    monkeypatch.setattr(reader, "CHUNK_ROWS", 3)
    scan.scan(source_of(tmp_path, "chat.csv"), tmp_path / "out", moderator=moderator)
    calls = moderator.scorer.calls
    assert sorted(text for call in calls for text in call) == sorted(filter(None, set(TEXTS)))
    assert all(call == sorted(call, key=len) for call in calls)


def test_memory_of_texts_is_bounded(moderator, monkeypatch):
    monkeypatch.setattr(judge, "REMEMBERED", 5)
    judging = judge_of(moderator)
    for start in range(0, 100, 10):
        judging(chunk_of([str(n) for n in range(start, start + 10)]))
        assert len(judging._remembered) == 5


def test_calls_are_bounded_in_messages_and_characters(moderator, monkeypatch):
    monkeypatch.setattr(judge, "PASS_MESSAGES", 4)
    monkeypatch.setattr(judge, "PASS_CHARACTERS", 100)
    judge_of(moderator)(chunk_of([*map(str, range(9)), *(f"{n}{'x' * 60}" for n in range(3))]))
    assert [len(call) for call in moderator.scorer.calls] == [4, 4, 2, 1, 1]


def test_a_channel_has_its_own_rules(fake_scorer):
    policy = Policy.parse({"channels": {"7": {"blocklist": ["품절"]}}})
    judging = judge_of(Moderator(fake_scorer, policy))
    chunk = chunk_of(["품절이네"] * 5, ["7", 7, "8", None, ["odd"]])
    assert [d.flagged for d in judging(chunk)] == [True, True, False, False, False]


def test_one_text_that_the_engine_fails_on_fails_alone(moderator, monkeypatch):
    def score(texts):
        if any(text.original == "poison" for text in texts):
            raise ScoringFailed("engine")
        return type(moderator.scorer).score(moderator.scorer, texts)

    monkeypatch.setattr(moderator.scorer, "score", score, raising=False)
    outcomes = judge_of(moderator)(chunk_of(["바보", "poison", "좋아"]))
    assert outcomes[1] is Problem.SCORING
    assert [outcomes[0].flagged, outcomes[2].flagged] == [True, False]


def test_a_text_that_reads_like_a_problem_is_none(moderator):
    chunk = chunk_of(["length", "바보", "length"])
    chunk.problems[2] = Problem.LENGTH
    outcomes = judge_of(moderator)(chunk)
    assert outcomes[0] == moderator.moderate(["length"])[0]
    assert outcomes[2] is Problem.LENGTH


def test_an_engine_that_fails_on_everything_stops_the_scan(tmp_path, moderator, monkeypatch):
    def score(_):
        raise ScoringFailed("engine")

    monkeypatch.setattr(moderator.scorer, "score", score, raising=False)
    with pytest.raises(ScoringFailed):
        scan.scan(source_of(tmp_path, "chat.csv"), tmp_path / "out", moderator=moderator)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_broken_off_scan_leaves_the_results_of_the_last_one(tmp_path, moderator):
    source = source_of(tmp_path, "chat.csv")
    scanned = scan.scan(source, tmp_path / "out", moderator=moderator)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan.scan(source, tmp_path / "out", moderator=moderator, on_progress=interrupt)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert set(before) == {scanned.decisions.name, "summary.json", "report.html", "review.csv"}


def test_the_input_is_never_overwritten(tmp_path, moderator):
    path = tmp_path / "decisions.csv"
    path.write_text("text\n바보\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="would be overwritten"):
        scan.scan(inspect(path), tmp_path, moderator=moderator)
    assert path.read_text(encoding="utf-8") == "text\n바보\n"


def test_progress_ends_at_the_end(tmp_path, moderator, monkeypatch):
    monkeypatch.setattr(reader, "CHUNK_ROWS", 3)
    seen = []
    source = source_of(tmp_path, "chat.parquet")
    scan.scan(source, tmp_path / "out", moderator=moderator, on_progress=lambda *p: seen.append(p))
    assert [rows for rows, _ in seen] == [3, 6, 8]
    assert [done for _, done in seen] == sorted(done for _, done in seen)
    assert seen[-1][1] == 1.0


def test_no_rows_still_make_a_report(tmp_path, moderator):
    path = tmp_path / "quiet.csv"
    path.write_text("time,user,text\n", encoding="utf-8")
    scanned = scan.scan(inspect(path), tmp_path / "out", moderator=moderator, kind=Format.PARQUET)
    assert rows_of(scanned.decisions) == []
    assert scanned.summary.rows == 0
    assert "quiet" in scanned.report.read_text(encoding="utf-8")


def test_the_summary_on_disk_is_the_summary(tmp_path, moderator):
    scanned = scan.scan(source_of(tmp_path, "chat.csv"), tmp_path / "out", moderator=moderator)
    assert Summary.load(scanned.summary_json) == scanned.summary


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # it has no state
@given(
    chunks=st.lists(
        st.lists(st.sampled_from([*TEXTS, "7", "바보 바보", "x" * 70]), max_size=12), max_size=5
    )
)
def test_outcomes_are_those_of_each_text_alone(moderator, chunks):
    judging = judge_of(moderator)
    for texts in chunks:
        alone = [moderator.moderate([text])[0] for text in texts]
        assert list(judging(chunk_of(texts))) == alone


def judge_of(moderator):
    return Judge(moderator, text="text", channel="channel")


def chunk_of(texts, channels=None):
    channels = channels or [None] * len(texts)
    rows = [
        Record({"text": t, "channel": c}, None, len(t))
        for t, c in zip(texts, channels, strict=True)
    ]
    return Chunk(0, [None] * len(rows), 1.0, rows)
