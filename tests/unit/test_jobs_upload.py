"""Uploads: streamed to the disk, bounded, in their folder whatever their name."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gounmal.jobs.job import JobRefused
from gounmal.jobs.upload import MAX_FIELDS, Receiver, safe_name

BOUNDARY = "x7Yq"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"
CONTENT = "text\n안녕\n".encode()


def part(name, value, filename=None):
    more = f'; filename="{filename}"' if filename is not None else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + value + b"\r\n"


def form(*parts):
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


async def receive(folder, body, *, size=7, max_bytes=1_000, content_type=TYPE):
    async def chunks():
        for start in range(0, len(body), size):
            yield body[start : start + size]

    return await Receiver(content_type, folder, max_bytes=max_bytes).receive(chunks())


async def refusal(folder, body, **options):
    with pytest.raises(JobRefused) as refused:
        await receive(folder, body, **options)
    return refused.value.status, refused.value.field


@pytest.mark.parametrize("size", [1, 7, 1_000])
async def test_a_file_and_fields(tmp_path, size):
    body = form(part("title", "방송 1".encode()), part("file", CONTENT, "chat.csv"))
    upload = await receive(tmp_path, body, size=size)
    assert upload.path == tmp_path / "chat.csv"
    assert upload.path.read_bytes() == CONTENT
    assert upload.fields == {"title": "방송 1"}
    assert upload.digest == hashlib.blake2b(CONTENT, digest_size=16).hexdigest()


async def test_a_large_file_comes_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("gounmal.jobs.upload.WRITE_BYTES", 10_000)
    content = bytes(range(256)) * 1_000
    body = form(part("file", content, "chat.jsonl"))
    upload = await receive(tmp_path, body, size=4_096, max_bytes=len(content))
    assert upload.path.read_bytes() == content


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (form(), (400, "file")),
        (form(part("title", b"a")), (400, "file")),
        (form(part("file", b"", "a.csv")), (400, "file")),
        (form(part("file", CONTENT)), (400, "file")),
        (form(part("file", CONTENT, "a.exe")), (415, "file")),
        (form(part("file", CONTENT, "a.csv"), part("file", CONTENT, "b.csv")), (400, "file")),
        (form(part("file", CONTENT * 200, "a.csv")), (413, "file")),
        (form(part("title", b"a" * 5_000)), (400, "title")),
        (form(part("title", b"\xff")), (400, "title")),
        (form(part("file", CONTENT, "a.csv"))[:-9], (400, "body")),
        (b"text\nhello\n", (400, "body")),
        (b"", (400, "body")),
    ],
)
async def test_what_is_wrong_is_named(tmp_path, body, fault):
    assert await refusal(tmp_path, body) == fault


@pytest.mark.parametrize(
    "kind", ["", "text/csv", "multipart/form-data", "multipart/mixed; boundary=x"]
)
async def test_another_type_is_refused(tmp_path, kind):
    assert await refusal(tmp_path, form(), content_type=kind) == (415, "body")


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("chat.csv", "chat.csv"),
        ("2026-03-01 방송.CSV.GZ", "2026-03-01_방송.csv.gz"),
        ("../../etc/cron.d/x.csv", "x.csv"),
        ("..\\..\\x.csv", "x.csv"),
        ("/abs/x.jsonl", "x.jsonl"),
        ("....csv", "upload.csv"),
        (".csv", "upload.csv"),
        ("a;rm -rf $HOME.csv", "a_rm_-rf_HOME.csv"),
        ("x\x00.csv", "x_.csv"),
        ("-rf.csv", "-rf.csv"),
    ],
)
def test_names(name, safe):
    assert safe_name(name) == safe


@given(st.text(min_size=1, max_size=400))
def test_no_name_leaves_its_folder(tmp_path_factory, stem):
    safe = safe_name(f"{stem}.csv")
    folder = tmp_path_factory.getbasetemp()
    assert (folder / safe).resolve().parent == folder.resolve()
    assert not safe.startswith(".")
    assert len(safe.encode()) < 255


async def test_parts_without_end_are_refused(tmp_path):
    parts = [part(f"a{i}", b"") for i in range(MAX_FIELDS + 1)]
    assert await refusal(tmp_path, form(*parts, part("file", CONTENT, "chat.csv"))) == (400, "body")
