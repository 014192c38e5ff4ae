"""plan, run_shard, assemble: cut, judged in any order and merged gives what one piece gives."""

import gzip
import json
import os
from random import Random

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from gounmal.errors import InvalidInput, InvalidPolicy, ScoringFailed, ShardFailed
from gounmal.moderator import Moderator
from gounmal.policy import Policy
from gounmal.report.summary import Summary
from gounmal.scan.scan import STATE, carry_out
from gounmal.scan.shards import Plan, ScanOptions, assemble, done, plan, run_shard

TEXTS = ("안녕하세요", "야 이 바보야", "젠장 또\n품절", "", "ㅋㅋ", '오랑캐, "라고"', "🐶 젠장")


@pytest.fixture
def moderator(fake_scorer):
    return Moderator(fake_scorer)


def rows(number, seed=0):
    random = Random(seed)  # noqa: S311  (no secret)
    return [
        (f"2026-11-22 20:{i * 59 // number:02}:00", f"user{random.randrange(9)}", text)
        for i in range(number)
        for text in [random.choice(TEXTS) + str(random.randrange(5))]
    ]


def write(path, lines):
    names = ("time", "user", "text")
    if path.suffix == ".parquet":
        columns = dict(zip(names, map(list, zip(*lines, strict=True)), strict=True))
        pq.write_table(pa.table(columns), path, row_group_size=300)
        return path
    if ".jsonl" in path.name:
        records = [orjson.dumps(dict(zip(names, line, strict=True))) for line in lines]
        content = b"\n".join(records) + b"\n"
    else:
        quoted = [names, *lines]
        between = "\t" if ".tsv" in path.name else ","
        cells = [between.join('"' + c.replace('"', '""') + '"' for c in row) for row in quoted]
        content = "\n".join(cells).encode()
    if path.suffix == ".gz":
        content = gzip.compress(content[:900]) + gzip.compress(content[900:])
    elif path.suffix == ".zst":
        content = zstandard.ZstdCompressor().compress(content)
    path.write_bytes(content)
    return path


def scanned(source, output, moderator, *, order=None, **choices):
    """Every file of the output, scanned by shards in this order."""
    made = plan([str(source)], str(output), options=ScanOptions.of(moderator, **choices))
    made = Plan.from_dict(json.loads(json.dumps(made.to_dict())))
    indices = list(range(len(made.shards)))
    Random(order).shuffle(indices)  # noqa: S311  (no secret)
    for index in indices:
        run_shard(made, index, moderator, output / STATE)
    assemble(made, output / STATE, key=b"key")
    return made, contents(output)


def contents(output):
    """What is in a folder, by name; Parquet as its rows."""
    found = {}
    for path in sorted(output.rglob("*")):
        if path.is_file() and STATE not in path.parts:
            raw = path.read_bytes()
            if path.suffix == ".parquet":
                raw = pq.read_table(path).to_pylist()
            elif path.suffix == ".gz":
                raw = gzip.decompress(raw)
            elif path.suffix == ".zst":
                with zstandard.open(path, "rb") as file:
                    raw = file.read()
            found[path.relative_to(output).as_posix()] = raw
    return found


NAMES = ["a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.csv.gz", "a.jsonl.zst"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", [None, "csv", "jsonl", "parquet"])
def test_cut_and_shuffled_gives_what_one_piece_gives(tmp_path, moderator, name, kind):
    source = write(tmp_path / name, rows(700))
    whole, expected = scanned(source, tmp_path / "whole", moderator, format=kind, shard_size=10**9)
    cut, found = scanned(source, tmp_path / "cut", moderator, format=kind, shard_size=100, order=1)
    assert len(whole.shards) == 1
    assert len(cut.shards) > 5 or name.endswith((".gz", ".zst"))
    assert found == expected
    summary = Summary.load(tmp_path / "cut" / "summary.json")
    assert (summary.rows, summary.judged, summary.failed) == (700, 700, [])
    assert sum(bucket.messages for bucket in summary.timeline.buckets) == 700
    assert {name.split(".")[0] for name in found} == {"decisions", "summary", "report", "review"}


def test_a_folder_gives_a_file_for_each(tmp_path, moderator):
    folder = tmp_path / "in"
    (folder / "day" / ".hidden").mkdir(parents=True)
    write(folder / "b.csv", rows(50, 1))
    write(folder / "day" / "a.jsonl.gz", rows(60, 2))
    write(folder / "day" / "a.parquet", rows(70, 3))
    write(folder / "day" / ".hidden" / "x.csv", rows(5))
    (folder / "_SUCCESS.csv").write_text("", encoding="utf-8")
    (folder / "notes.txt").write_text("not chat", encoding="utf-8")
    _, found = scanned(folder, tmp_path / "out", moderator)
    decided = {"decisions/b.csv", "decisions/day/a.jsonl.gz", "decisions/day/a.parquet"}
    assert set(found) == {*decided, "summary.json", "report.html", "review.csv"}
    assert len(found["decisions/day/a.parquet"]) == 70
    summary = Summary.load(tmp_path / "out" / "summary.json")
    assert (summary.rows, summary.source, summary.title) == (180, "3 files", "in")
    assert {line.file for line in summary.samples} <= {"b.csv", "day/a.jsonl.gz", "day/a.parquet"}
    assert all(line.row <= 70 for line in summary.samples)


def test_files_of_one_name_keep_apart(tmp_path, moderator):
    write(tmp_path / "a.csv", rows(5, 1))
    write(tmp_path / "a.jsonl", rows(6, 2))
    _, found = scanned(f"{tmp_path}/a.*", tmp_path / "out", moderator, format="parquet")
    assert len(found["decisions/a.parquet"]) == 5
    assert len(found["decisions/a.jsonl.parquet"]) == 6


def test_no_file_is_scanned_twice_or_written_over_another(tmp_path, moderator):
    for number, folder in enumerate("xyz", 1):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "a.csv", rows(number))
    sources = [str(tmp_path / folder / "a.csv") for folder in "xyzxy"]
    made = plan(sources, str(tmp_path / "out"), options=ScanOptions.of(moderator))
    outputs = [item.output for item in made.inputs]
    assert outputs == [f"decisions/a{end}.csv" for end in ("", ".csv", ".csv-2")]
    assert carry_out(made, moderator).summary.rows == 6
    assert len(list((tmp_path / "out" / "decisions").iterdir())) == 3


def test_a_folder_with_one_file_is_a_folder(tmp_path, moderator):
    (tmp_path / "in").mkdir()
    write(tmp_path / "in" / "a.csv", rows(3))
    for source in (tmp_path / "in", tmp_path / "in" / "*.csv"):
        made = plan([str(source)], str(tmp_path / "out"), options=ScanOptions.of(moderator))
        found = carry_out(made, moderator)
        assert found.decisions == tmp_path / "out" / "decisions"
        assert (found.decisions / "a.csv").is_file()


def test_what_a_scan_wrote_is_no_input(tmp_path, moderator):
    write(tmp_path / "a.csv", rows(5, 1))
    write(tmp_path / "b.csv", rows(6, 2))
    for _ in range(2):
        made, _ = scanned(tmp_path, tmp_path / "out", moderator)
        assert [item.name for item in made.inputs] == ["a.csv", "b.csv"]


def test_only_newer_files(tmp_path, moderator):
    for name, modified in (("old.csv", 1_000), ("new.csv", 3_000)):
        os.utime(write(tmp_path / name, rows(5)), (modified, modified))
    options = ScanOptions.of(moderator, since=2_000.0)
    made = plan([str(tmp_path)], str(tmp_path / "out"), options=options)
    assert [item.name for item in made.inputs] == ["new.csv"]


def test_keys_tell_what_decides_about_the_content(tmp_path, fake_scorer):
    source = write(tmp_path / "a.csv", rows(900))

    def keys(policy=None, **choices):
        options = ScanOptions.of(Moderator(fake_scorer, policy), shard_size=2_000, **choices)
        made = plan([str(source)], str(tmp_path / "out"), options=options)
        return [shard.key for shard in made.shards]

    first = keys()
    assert len(set(first)) == len(first) > 3
    assert keys(title="other", language="en") == first
    assert not set(keys(format="jsonl")) & set(first)
    assert not set(keys(columns={"text": "user"})) & set(first)
    assert not set(keys(Policy.parse({"mode": "strict"}))) & set(first)
    assert not set(keys(Policy.parse({"blocklist": ["품절"]}))) & set(first)
    fake_scorer.tag = "fake:2"
    assert not set(keys()) & set(first)
    fake_scorer.tag = "fake:1"
    os.utime(source, (1, 1))
    assert not set(keys()) & set(first)


def test_a_finished_shard_is_not_judged_again(tmp_path, moderator):
    source = write(tmp_path / "a.csv", rows(100))
    made = plan([str(source)], str(tmp_path / "out"), options=ScanOptions.of(moderator))
    first = run_shard(made, 0, moderator, tmp_path / "state")
    moderator.scorer.calls.clear()
    assert run_shard(made, 0, moderator, tmp_path / "state") == first
    assert moderator.scorer.calls == []
    part = tmp_path / "state" / f"{first.key}.part"
    part.write_bytes(part.read_bytes()[:-1])
    assert done(made, 0, tmp_path / "state") is None
    assert run_shard(made, 0, moderator, tmp_path / "state") == first


def test_who_judges_is_who_was_planned(tmp_path, moderator):
    source = write(tmp_path / "a.csv", rows(5))
    made = plan([str(source)], str(tmp_path / "out"), options=ScanOptions.of(moderator))
    other = Moderator(moderator.scorer, Policy.parse({"mode": "lenient"}))
    with pytest.raises(InvalidPolicy, match="mode: changed"):
        run_shard(made, 0, other, tmp_path / "state")


def poisoned(path):
    """A Parquet file of which some pages are noise."""
    write(path, rows(4_000))
    raw = bytearray(path.read_bytes())
    middle = len(raw) // 2
    raw[middle : middle + 400] = b"\xff" * 400
    path.write_bytes(raw)


def test_a_damaged_part_is_named_and_the_others_finish(tmp_path, moderator):
    poisoned(tmp_path / "a.parquet")
    options = ScanOptions.of(moderator, shard_size=300)
    made = plan([str(tmp_path / "a.parquet")], str(tmp_path / "out"), options=options)
    summary = carry_out(made, moderator).summary
    assert 0 < len(summary.failed) < len(made.shards) / 2
    assert summary.failed[0].part.startswith("rows ")
    assert "damaged after row" in summary.failed[0].reason
    assert summary.rows == pq.read_metadata(tmp_path / "out" / "decisions.parquet").num_rows
    assert (tmp_path / "out" / STATE).is_dir()
    moderator.scorer.calls.clear()
    again = carry_out(made, moderator).summary
    assert again.failed == summary.failed
    assert len(moderator.scorer.calls) <= len(summary.failed)


def test_files_that_cannot_be_read_do_not_keep_the_others_back(tmp_path, moderator):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    write(folder / "good.csv", rows(20))
    whole = write(folder / "cut.parquet", rows(20)).read_bytes()
    (folder / "cut.parquet").write_bytes(whole[:-9])
    long = gzip.compress(os.urandom(3_000_000).hex().encode() + b"\n")
    (folder / "cut.jsonl.gz").write_bytes(gzip.compress(b'{"text": "a"}\n') + long[:-2_000])
    made = plan([str(folder)], str(out), options=ScanOptions.of(moderator))
    summary = carry_out(made, moderator).summary
    reasons = {failed.file: failed.reason for failed in summary.failed}
    assert set(reasons) == {"cut.parquet", "cut.jsonl.gz"}
    assert "not a Parquet file" in reasons["cut.parquet"]
    assert "not a whole gzip file" in reasons["cut.jsonl.gz"]
    assert summary.rows == 20
    write(folder / "cut.parquet", rows(20))
    (folder / "cut.jsonl.gz").unlink()
    made = plan([str(folder)], str(out), options=ScanOptions.of(moderator))
    assert carry_out(made, moderator).summary.rows == 40
    assert not (out / STATE).exists()


def test_nothing_that_can_be_read_is_an_error(tmp_path, moderator):
    with pytest.raises(InvalidInput, match="no file with one of"):
        plan([str(tmp_path)], str(tmp_path / "out"), options=ScanOptions.of(moderator))
    for name in "ab":
        (tmp_path / f"{name}.parquet").write_bytes(b"nothing")
    made = plan([str(tmp_path)], str(tmp_path / "out"), options=ScanOptions.of(moderator))
    with pytest.raises(ShardFailed, match=r"a.parquet: not a Parquet file.*\(bytes|\(file\)"):
        carry_out(made, moderator)
    assert not (tmp_path / "out" / "summary.json").exists()


def test_an_engine_that_recovers_leaves_no_gap(tmp_path, moderator, monkeypatch):
    source = write(tmp_path / "a.csv", rows(400))
    _, expected = scanned(source, tmp_path / "whole", moderator, shard_size=2_000)
    options = ScanOptions.of(moderator, shard_size=2_000)
    made = plan([str(source)], str(tmp_path / "out"), options=options)
    calls = []

    def score(texts):
        calls.append(len(texts))
        if 4 < len(calls) < 60:
            raise ScoringFailed("engine: out of sorts")
        return type(moderator.scorer).score(moderator.scorer, texts)

    monkeypatch.setattr(moderator.scorer, "score", score, raising=False)
    failed = carry_out(made, moderator).summary.failed
    assert {f.reason for f in failed} == {"engine: out of sorts"}
    calls[:] = [0] * 100
    assert carry_out(made, moderator, key=b"key").summary.failed == []
    assert contents(tmp_path / "out") == expected
