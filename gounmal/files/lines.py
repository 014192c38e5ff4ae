"""Bytes of a text file → its lines: decompressed, decoded, bounded, whatever the file contains."""

from __future__ import annotations

import re
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, cast

import pyarrow as pa

from gounmal.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gounmal.files.sources import Place

BLOCK_BYTES = 1 << 20
"""How much is read at a time."""

MAX_LINE_BYTES = 1 << 20
"""The middle of a longer line is dropped: a file without line ends cannot fill the memory."""

SNIFFED_LINES = 1_000
"""Lines with a character outside ASCII that are enough to tell an encoding."""

_ENCODINGS = ("utf-8", "cp949")  # in the order of preference: UTF-8 seldom fits by accident
FEW = 0.05
"""Up to this share of unreadable lines, they are bad rows and not another encoding."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"PK\x03\x04": "an Excel workbook or a zip"}


class Stretch:
    """The bytes `[start, stop)` of an open file, as a stream of its own."""

    def __init__(self, file: BinaryIO, start: int, stop: int) -> None:
        file.seek(start)
        self._file = file
        self._left = stop - start

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes; none at the end."""
        block = self._file.read(min(size, self._left) if size >= 0 else self._left)
        self._left -= len(block)
        return block


@contextmanager
def opened(
    path: Place, compression: str | None, start: int = 0, stop: int | None = None
) -> Iterator[tuple[BinaryIO, Callable[[], int]]]:
    """Open a file for reading.

    Args:
        path: the file.
        compression: `gzip`, `zstd` or None; several members in one file are read through.
        start: where to begin, in bytes of the file.
        stop: where to end; by default at its end.

    Yields:
        The decompressed stream, and how to ask how many bytes *of the file* were consumed.

    Raises:
        InvalidInput: the file cannot be opened, or is no such archive.
    """
    try:
        with path.open("rb") as raw:
            if stop is not None:
                yield cast("BinaryIO", Stretch(raw, start, stop)), raw.tell
            elif compression is None:
                yield raw, raw.tell
            else:
                yield pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), compression), raw.tell
    except OSError as error:
        if error.errno is not None:
            raise InvalidInput(f"{path}: {error.strerror}") from error
        raise InvalidInput(  # pyarrow's decompressor speaks in OSErrors without a number
            f"{path}: not a whole {compression} file ({error}): compress or copy it again"
        ) from error


def blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Blocks of whole lines, each line with its end (but perhaps the file's last)."""
    carry = b""
    while block := stream.read(BLOCK_BYTES):
        cut = block.rfind(b"\n") + 1
        if cut:
            yield carry[:MAX_LINE_BYTES] + block[:cut] if carry else block[:cut]
            carry = block[cut:]
        elif len(carry) < MAX_LINE_BYTES:
            carry += block
    if carry:
        yield carry[:MAX_LINE_BYTES]


def detect_encoding(path: Place, compression: str | None) -> str:
    """Tell the encoding by the first lines that are not plain ASCII, however late they come.

    Returns:
        `utf-8` (also for plain ASCII), `utf-8-sig` or `cp949`.

    Raises:
        InvalidInput: the file is empty, or neither of these.
    """
    with opened(path, compression) as (stream, _):
        lines = blocks(stream)
        first = next(lines, b"")
        _refuse_binary(path, first)
        if not first.strip(b"\xef\xbb\xbf\r\n\t "):
            raise InvalidInput(f"{path}: the file is empty: expected at least a header or one row")
        votes, unreadable = _vote(chain([first], lines))
    if first.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig"
    best = max(_ENCODINGS, key=votes.__getitem__)
    if not votes[best] and unreadable:
        raise InvalidInput(f"{path}: neither UTF-8 nor CP949 text: save it as UTF-8")
    return best


def decoded(stream: BinaryIO, encoding: str) -> Iterator[str]:
    """Lines of text, each ending in a line feed (but perhaps the file's last).

    Bytes that are no text become lone surrogates, which `schema.check_string` refuses: so one bad
    row stays one bad row. See `clean` for writing them.
    """
    for i, block in enumerate(blocks(stream)):
        codec = encoding if i == 0 else encoding.removesuffix("-sig")
        text = block.decode(codec, "surrogateescape")
        # Not splitlines(): it also splits at U+2028, vertical tabs and more.
        lines = text.split("\n")
        last = lines.pop()
        yield from (line + "\n" for line in lines)
        if last:
            yield last


def clean(text: str) -> str:
    """The text with every undecodable byte as U+FFFD."""
    return _SURROGATE.sub("\ufffd", text)


def _vote(read: Iterable[bytes]) -> tuple[dict[str, int], bool]:
    """How many lines outside ASCII each encoding can read, and are such lines more than a few?"""
    votes = dict.fromkeys(_ENCODINGS, 0)
    seen = total = 0
    for block in read:
        total += block.count(b"\n")
        if block.isascii():
            continue
        for line in block.split(b"\n"):
            if not line.isascii():
                seen += 1
                for encoding in _ENCODINGS:
                    votes[encoding] += _decodes(line, encoding)
        if seen >= SNIFFED_LINES:
            break
    return votes, seen > FEW * total


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _refuse_binary(path: Place, block: bytes) -> None:
    for mark, name in _MARKS.items():
        if block.startswith(mark):
            raise InvalidInput(f"{path}: looks like {name}: save it as CSV in UTF-8")
    head = block[:4096]
    if head.count(0) * 8 > len(head):
        raise InvalidInput(f"{path}: looks like binary data: expected CSV, JSONL or Parquet")
