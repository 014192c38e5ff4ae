"""A file that comes by `multipart/form-data` → a file on the disk, as it comes.

It is never in memory as a whole, is cut off at a limit, and lands in its folder whatever its name.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from gounmal.jobs.job import JobRefused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

MAX_FIELD_BYTES = 4_096
"""Of each thing that is not the file."""

MAX_FIELDS = 32
"""Parts that are not the file: more than there are options."""

WRITE_BYTES = 1 << 20
"""Written at a time, in a thread: the event loop does not wait for the disk."""

MAX_NAME = 100

SCANNABLE = re.compile(r"\.(?:(?:csv|tsv|jsonl|ndjson)(?:\.gz|\.zst)?|parquet)$", re.IGNORECASE)
"""Names that `files` can read; said once more because that room loads half of Arrow."""


@dataclass(slots=True)
class Upload:
    """What came."""

    path: Path
    digest: str
    fields: dict[str, str]


@dataclass(slots=True)
class _Part:
    disposition: bytes = b""
    name: str = ""
    is_file: bool = False
    value: bytearray = field(default_factory=bytearray)


class Receiver:
    """Reads one request body.

    Args:
        content_type: of the request.
        folder: for the file; there already.
        max_bytes: of the file.
    """

    def __init__(self, content_type: str, folder: Path, *, max_bytes: int) -> None:
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise JobRefused(
                415, "body", "expected multipart/form-data with a file, or application/json"
            )
        self._folder = folder
        self._max_bytes = max_bytes
        self._part = _Part()
        self._header = [b"", b""]
        self._parts = 0
        self._fields: dict[str, str] = {}
        self._path: Path | None = None
        self._digest = hashlib.blake2b(digest_size=16)
        self._size = 0
        self._pending = bytearray()
        self._ended = False
        self._parser = self._new_parser(options[b"boundary"])

    async def receive(self, body: AsyncIterator[bytes]) -> Upload:
        """Read to the end.

        Raises:
            JobRefused: no file, one of another kind or too large, or no such form.
            OSError: it cannot be written.
        """
        file: BinaryIO | None = None
        try:
            async for chunk in body:
                self._feed(chunk)
                if self._path is None:
                    continue
                if file is None:
                    file = await asyncio.to_thread(self._path.open, "xb")
                if len(self._pending) >= WRITE_BYTES:
                    await self._flush(file)
            if not self._ended:
                raise JobRefused(400, "body", "expected multipart/form-data to its end")
            if self._path is None or file is None:
                raise JobRefused(400, "file", "expected a file of that name in the form")
            await self._flush(file, last=True)
        finally:
            if file is not None:
                file.close()
        if not self._size:
            raise JobRefused(400, "file", "expected a file with something in it")
        return Upload(self._path, self._digest.hexdigest(), self._fields)

    def _new_parser(self, boundary: bytes) -> MultipartParser:
        try:
            return MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": lambda data, a, b: self._add_header(0, data[a:b]),
                    "on_header_value": lambda data, a, b: self._add_header(1, data[a:b]),
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._describe,
                    "on_part_data": lambda data, a, b: self._take(data[a:b]),
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
            )
        except FormParserError:
            raise JobRefused(400, "body", "expected a shorter boundary") from None

    def _feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise JobRefused(400, "body", "expected multipart/form-data") from None

    async def _flush(self, file: BinaryIO, *, last: bool = False) -> None:
        pending, self._pending = self._pending, bytearray()

        def write() -> None:
            self._digest.update(pending)
            file.write(pending)
            if last:
                file.flush()
                os.fsync(file.fileno())

        await asyncio.to_thread(write)

    def _begin(self) -> None:
        self._part = _Part()

    def _add_header(self, which: int, data: bytes) -> None:
        self._header[which] += data
        if len(self._header[which]) > MAX_FIELD_BYTES:
            raise JobRefused(400, "body", "expected shorter headers in the form")

    def _end_header(self) -> None:
        if self._header[0].lower() == b"content-disposition":
            self._part.disposition = self._header[1]
        self._header = [b"", b""]

    def _describe(self) -> None:
        _, options = parse_options_header(self._part.disposition)
        self._part.name = options.get(b"name", b"").decode("utf-8", "replace")
        self._part.is_file = self._part.name == "file"
        self._parts += 1
        if self._parts > MAX_FIELDS:
            raise JobRefused(400, "body", f"expected at most {MAX_FIELDS} parts")
        if self._part.is_file:
            if self._path is not None:
                raise JobRefused(400, "file", "expected one file")
            name = options.get(b"filename", b"").decode("utf-8", "replace")
            self._path = self._folder / safe_name(name)

    def _take(self, data: bytes) -> None:
        if self._part.is_file:
            self._size += len(data)
            if self._size > self._max_bytes:
                raise JobRefused(413, "file", f"expected at most {self._max_bytes} bytes")
            self._pending += data
        else:
            self._part.value += data
            if len(self._part.value) > MAX_FIELD_BYTES:
                raise JobRefused(400, self._shown(), f"expected at most {MAX_FIELD_BYTES} bytes")

    def _end_part(self) -> None:
        if not self._part.is_file:
            try:
                self._fields[self._shown()] = self._part.value.decode()
            except UnicodeDecodeError:
                raise JobRefused(400, self._shown(), "expected UTF-8") from None

    def _end(self) -> None:
        self._ended = True

    def _shown(self) -> str:
        return self._part.name[:MAX_NAME]


def safe_name(name: str) -> str:
    """What a file is called here: the last part of its name, in harmless characters.

    Raises:
        JobRefused: it has no name, or that of another kind of file.
    """
    if not name:
        raise JobRefused(400, "file", "expected a file with a name")
    last = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    found = SCANNABLE.search(last)
    if found is None:
        raise JobRefused(
            415, "file", "expected .csv .tsv .jsonl .ndjson (also .gz or .zst) or .parquet"
        )
    stem = re.sub(r"[^\w.-]+", "_", last[: found.start()]).lstrip(".")
    # Bytes, not characters, are what file systems count: 255 of them.
    stem = stem[:MAX_NAME].encode()[: 2 * MAX_NAME].decode("utf-8", "ignore")
    return (stem or "upload") + found[0].lower()
