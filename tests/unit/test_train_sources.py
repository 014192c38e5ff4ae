import hashlib

import pytest

from train import sources
from train.sources import File, Source, SourceError, declared, locate


@pytest.fixture
def one(monkeypatch):
    """Declare a single source instead of the real ones."""

    def declare(**file):
        source = Source("s", "owner/name", "abc", "MIT", (File("a.tsv", "data/a b.tsv", **file),))
        monkeypatch.setattr(sources, "declared", lambda: (source,))
        return source

    return declare


def write(folder, content):
    path = folder / "s" / "a.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_table_is_complete():
    table = declared()
    assert len({source.folder for source in table}) == len(table) == 12
    for source in table:
        assert source.repository.count("/") == 1
        assert len(source.commit) >= 7
        assert source.licence
        assert source.files
        for file in source.files:
            assert file.sha256 is None or len(file.sha256) == 64


def test_url_names_the_pinned_commit_and_quotes_the_path(one):
    source = one()
    assert source.url(source.files[0]).endswith("/owner/name/abc/data/a%20b.tsv")


def test_local_file_is_found_and_described(one, tmp_path):
    one(rows=2, starts="text\t")
    content = b"text\tlabel\nhello\t1\n"
    write(tmp_path, content)
    (found,) = locate(tmp_path, cache=tmp_path)
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert found.rows == 2
    assert not found.pinned


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"text\tlabel\n", "1 lines, expected at least 2"), (b"a\nb\nc\n", "expected its first line")],
)
def test_copy_of_another_shape_is_refused(one, tmp_path, content, complaint):
    one(rows=2, starts="text\t")
    write(tmp_path, content)
    with pytest.raises(SourceError, match=complaint):
        locate(tmp_path, cache=tmp_path)
    assert locate(tmp_path, cache=tmp_path, check=False)[0].rows == content.count(b"\n")


def test_missing_file_says_what_it_is(one, tmp_path):
    one()
    with pytest.raises(SourceError, match=r"a\.tsv: no such file; it is data/a b\.tsv of owner/n"):
        locate(tmp_path, cache=tmp_path)


def test_local_copy_may_have_rows_kept_back_but_a_download_may_not(one, tmp_path, monkeypatch):
    one(sha256="0" * 64)
    write(tmp_path, b"other\n")
    assert not locate(tmp_path, cache=tmp_path)[0].pinned
    monkeypatch.setattr(sources, "_download", lambda _, path: write_to(path, b"other\n"))
    with pytest.raises(SourceError, match="declared 000"):
        locate(None, cache=tmp_path / "cache")


def test_download_is_cached(one, tmp_path, monkeypatch):
    source = one(sha256=hashlib.sha256(b"x\n").hexdigest())
    remote = tmp_path / "remote" / source.repository / source.commit / "data"
    remote.mkdir(parents=True)
    (remote / "a b.tsv").write_bytes(b"x\n")
    monkeypatch.setattr(sources, "RAW", (tmp_path / "remote").as_uri())
    said = []
    first = locate(None, cache=tmp_path / "cache", log=said.append)
    again = locate(None, cache=tmp_path / "cache", log=said.append)
    assert first[0].pinned
    assert first == again
    assert len(said) == 1
    assert not list(tmp_path.rglob("*.part"))


def test_failed_download_leaves_nothing_and_names_the_remedy(one, tmp_path, monkeypatch):
    one()
    monkeypatch.setattr(sources, "RAW", (tmp_path / "nowhere").as_uri())
    with pytest.raises(SourceError, match="--data DIR"):
        locate(None, cache=tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def write_to(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
