"""Parquet files of one schema → one: their row groups as they are, under one footer.

A footer is `FileMetaData` of parquet.thrift in Thrift's compact protocol. What it says of a row
group stays true in another file, but for where it begins. So no row is decoded and none compressed
again.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from gounmal.files.lines import Stretch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Struct = dict[int, tuple[int, Any]]
"""Number of a field → its kind and its value; lists are (kind of their elements, values)."""

MAGIC = b"PAR1"
_ENDING = 8
"""Bytes after the footer: its length, and the magic again."""

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_INTEGERS = (_I16, _I32, _I64)

_ROWS, _GROUPS = 3, 4
"""Of FileMetaData: the number of rows, which a RowGroup has too, and the row groups."""
_COLUMNS, _GROUP_OFFSET, _ORDINAL = 1, 5, 7
"""Of RowGroup."""
_METADATA, _COLUMN_OFFSETS = 3, (2, 4, 6)
"""Of ColumnChunk: its own metadata; its file offset and those of its two indexes."""
_PAGE_OFFSETS = (9, 10, 11, 14)
"""Of ColumnMetaData: its pages of data, index and dictionary, and its Bloom filter."""


def join(paths: Sequence[Path], sink: BinaryIO) -> None:
    """Write one Parquet file of several, in order.

    Args:
        paths: at least one, all with the schema of the first.
        sink: at the beginning of a file.
    """
    sink.write(MAGIC)
    written = len(MAGIC)
    footer: Struct = {}
    groups: list[Struct] = []
    for path in paths:
        with path.open("rb") as part:
            own, end = read_footer(part)
            footer = footer or own
            for group in own[_GROUPS][1][1]:
                _move(group, written - len(MAGIC))
                groups.append(group)
            shutil.copyfileobj(cast("BinaryIO", Stretch(part, len(MAGIC), end)), sink, 1 << 20)
        written += end - len(MAGIC)
    footer[_ROWS] = _I64, sum(group[_ROWS][1] for group in groups)
    footer[_GROUPS] = _LIST, (_STRUCT, groups)
    raw = bytearray()
    _write(raw, _STRUCT, footer)
    sink.write(raw + len(raw).to_bytes(4, "little") + MAGIC)


def read_footer(file: BinaryIO) -> tuple[Struct, int]:
    """The footer of a Parquet file, and where it begins."""
    size = file.seek(-_ENDING, 2)
    length = int.from_bytes(file.read(4), "little")
    file.seek(size - length)
    return _Reader(file.read(length)).value(_STRUCT), size - length


def _move(group: Struct, by: int) -> None:
    """Make a row group say that it stands so many bytes further on."""
    group.pop(_ORDINAL, None)  # for encryption only
    _shift(group, (_GROUP_OFFSET,), by)
    for column in group[_COLUMNS][1][1]:
        _shift(column, _COLUMN_OFFSETS, by)
        _shift(column[_METADATA][1], _PAGE_OFFSETS, by)


def _shift(struct: Struct, fields: Sequence[int], by: int) -> None:
    for field in fields:
        if field in struct and struct[field][1]:  # 0 stands for none
            kind, offset = struct[field]
            struct[field] = kind, offset + by


class _Reader:
    """Reads values one after the other."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def value(self, kind: int) -> Any:
        if kind in _INTEGERS:
            number = self._varint()
            return (number >> 1) ^ -(number & 1)
        if kind == _BINARY:
            return self._bytes(self._varint())
        if kind == _STRUCT:
            return self._struct()
        if kind == _LIST:
            return self._list()
        if kind == _DOUBLE:
            return self._bytes(8)
        if kind in {_TRUE, _FALSE, _BYTE}:
            return self._bytes(1)
        raise ValueError(f"a footer with a field of kind {kind}")

    def _struct(self) -> Struct:
        found: Struct = {}
        field = 0
        while head := self._bytes(1)[0]:
            kind, step = head & 15, head >> 4
            field = field + step if step else self.value(_I16)
            # Of a boolean the kind is the value.
            found[field] = kind, None if kind in {_TRUE, _FALSE} else self.value(kind)
        return found

    def _list(self) -> tuple[int, list[Any]]:
        head = self._bytes(1)[0]
        kind, size = head & 15, head >> 4
        size = self._varint() if size == 15 else size
        return kind, [self.value(kind) for _ in range(size)]

    def _varint(self) -> int:
        number = shift = 0
        while True:
            byte = self._raw[self._at]
            self._at += 1
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7

    def _bytes(self, size: int) -> bytes:
        self._at += size
        return self._raw[self._at - size : self._at]


def _write(raw: bytearray, kind: int, value: Any) -> None:
    """Append a value as `_Reader` reads it."""
    if kind in _INTEGERS:
        _write_varint(raw, value << 1 if value >= 0 else (-value << 1) - 1)
    elif kind == _BINARY:
        _write_varint(raw, len(value))
        raw += value
    elif kind == _STRUCT:
        last = 0
        for field, (own, content) in value.items():
            step = field - last
            raw.append((step << 4 if 0 < step < 16 else 0) | own)
            if not 0 < step < 16:
                _write(raw, _I16, field)
            if content is not None:
                _write(raw, own, content)
            last = field
        raw.append(0)
    elif kind == _LIST:
        own, contents = value
        raw.append(min(len(contents), 15) << 4 | own)
        if len(contents) >= 15:
            _write_varint(raw, len(contents))
        for content in contents:
            _write(raw, own, content)
    else:
        raw += value


def _write_varint(raw: bytearray, number: int) -> None:
    while number > 127:
        raw.append(number & 127 | 128)
        number >>= 7
    raw.append(number)
