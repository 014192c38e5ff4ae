"""Files in object stores: listed, read in parts, written whole; and what local names mean."""

import os
import socket
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gounmal.errors import InvalidInput
from gounmal.files import sources
from gounmal.files.sources import Remote, find, place
from gounmal.moderator import Moderator
from gounmal.report.summary import Summary
from gounmal.scan.scan import carry_out
from gounmal.scan.shards import Plan, ScanOptions, plan

ENDINGS = (".csv", ".jsonl", ".parquet", ".csv.gz")
ROWS = 2_000


@pytest.fixture
def moderator(fake_scorer):
    return Moderator(fake_scorer)


@pytest.fixture
def memory():
    """fsspec's own store, in memory."""
    import fsspec

    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system, "memory://bucket"
    system.store.clear()


@pytest.fixture
def s3(monkeypatch):
    """Moto's S3, over HTTP: where it is not installed, `make stores-test` has it."""
    why = "no S3 server in this environment: `make stores-test` has one"
    server = pytest.importorskip("moto.server", reason=why)
    s3fs = pytest.importorskip("s3fs", reason=why)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    served = server.ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    served.start()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    system = s3fs.S3FileSystem()
    system.mkdir(f"bucket-{port}")
    yield system, f"s3://bucket-{port}"
    served.stop()
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture(params=["memory", "s3"])
def store(request):
    return request.getfixturevalue(request.param)


def fill(system, uri):
    rows = "".join(f'{i},u{i % 5},"이 바보야\n{i % 9}"\n' for i in range(ROWS))
    with system.open(f"{uri}/in/a.csv", "wb") as file:
        file.write(f"time,user,text\n{rows}".encode())
    table = pa.table({"text": [f"젠장 {i}" for i in range(ROWS)]})
    with system.open(f"{uri}/in/day/b.parquet", "wb") as file:
        pq.write_table(table, file)
    with system.open(f"{uri}/in/notes.txt", "wb") as file:
        file.write(b"not chat")


def test_from_a_store_to_a_store(store, moderator, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    system, uri = store
    fill(system, uri)
    options = ScanOptions.of(moderator, shard_size=8_000)
    made = plan([f"{uri}/in"], f"{uri}/out", options=options)
    made = Plan.from_dict(made.to_dict())
    assert [item.name for item in made.inputs] == ["a.csv", "day/b.parquet"]
    assert len(made.shards) > 5
    summary = carry_out(made, moderator, key=b"key").summary
    assert (summary.rows, summary.flagged, summary.failed) == (2 * ROWS, 2 * ROWS, [])
    with system.open(f"{uri}/out/decisions/day/b.parquet", "rb") as file:
        assert pq.read_table(file).column("masked").to_pylist()[7] == "** 7"
    with system.open(f"{uri}/out/summary.json", "rb") as file:
        (tmp_path / "summary.json").write_bytes(file.read())
    assert Summary.load(tmp_path / "summary.json") == summary
    assert system.exists(f"{uri}/out/report.html")
    assert not list((tmp_path / "gounmal").iterdir())


def test_a_file_and_a_glob_in_a_store(store):
    system, uri = store
    fill(system, uri)
    [one] = find(f"{uri}/in/a.csv", ENDINGS)
    assert (one.name, str(one.place)) == ("a.csv", f"{uri}/in/a.csv")
    assert one.size == system.info(f"{uri}/in/a.csv")["size"]
    assert abs(one.modified - time.time()) < 600
    assert [f.name for f in find(f"{uri}/in/*.csv", ENDINGS)] == ["a.csv"]
    assert [f.name for f in find(f"{uri}/in/**/*.parquet", ENDINGS)] == ["day/b.parquet"]
    version = one.version
    with system.open(f"{uri}/in/a.csv", "wb") as file:
        file.write(b"text\nother\n")
    system.invalidate_cache()
    [other] = find(f"{uri}/in/a.csv", ENDINGS)
    assert other.version != version
    with pytest.raises(InvalidInput, match=r"no such file|no file with one of"):
        find(f"{uri}/in/none.csv", ENDINGS)


def test_a_store_is_not_its_own_input(store, moderator):
    system, uri = store
    with system.open(f"{uri}/decisions.csv", "wb") as file:
        file.write("text\n바보\n".encode())
    with pytest.raises(InvalidInput, match="would be overwritten"):
        plan([f"{uri}/decisions.csv"], uri, options=ScanOptions.of(moderator))


@pytest.mark.parametrize(
    ("uri", "says"),
    [("abfs://b/a.csv", "pip install adlfs"), ("gs://b/a.csv", "pip install gcsfs")],
)
def test_a_store_without_its_package_names_the_command(monkeypatch, uri, says):
    for package in ("adlfs", "gcsfs"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InvalidInput, match=says):
        find(uri, ENDINGS)


def test_an_unknown_scheme_names_the_known_ones():
    with pytest.raises(InvalidInput, match=r"expected s3://, gs:// or abfs://"):
        find("gopher://x/a.csv", ENDINGS)


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1/a.csv", "HTTPS://x.example/a.csv"])
def test_what_a_server_may_send_elsewhere_is_not_asked(uri):
    with pytest.raises(InvalidInput, match="is no object store"):
        find(uri, ENDINGS)


def test_local_names(tmp_path, monkeypatch):
    (tmp_path / "x" / "y").mkdir(parents=True)
    for name in ("x/a[1].csv", "x/y/b.csv", "x/.hidden.csv", "x/_meta.csv", "x/c.txt"):
        (tmp_path / name).write_text("text\n", encoding="utf-8")
    assert [f.name for f in find(str(tmp_path / "x"), ENDINGS)] == ["a[1].csv", "y/b.csv"]
    assert [f.name for f in find(f"file://{tmp_path}/x/a[1].csv", ENDINGS)] == ["a[1].csv"]
    monkeypatch.chdir(tmp_path)
    assert [f.name for f in find("x/*/*.csv", ENDINGS)] == ["y/b.csv"]
    assert [f.name for f in find("**/*.csv", ENDINGS)] == ["x/a[1].csv", "x/y/b.csv"]
    [found] = find("x/y/b.csv", ENDINGS)
    assert found.version == str((tmp_path / "x/y/b.csv").stat().st_mtime_ns)
    os.utime("x/y/b.csv", (1, 1))
    assert find("x/y/b.csv", ENDINGS)[0].version != found.version
    with pytest.raises(InvalidInput, match="x/none: no such file"):
        find("x/none", ENDINGS)


def test_places():
    assert place("s3://bucket/day/chat.csv.gz") == Remote("s3://bucket/day/chat.csv.gz")
    assert place("s3://bucket/day/chat.csv.gz").suffixes == [".csv", ".gz"]
    assert str(place("/a/b.csv")) == str(place("file:///a/b.csv")) == "/a/b.csv"
    assert sources.READ_AHEAD >= 1 << 20
