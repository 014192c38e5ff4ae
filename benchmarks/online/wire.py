"""Connections of the load generator: HTTP/1.1 with keep-alive, and WebSocket.

Raw sockets, and no more of the protocols than measuring needs: a client library would cost more
than the servers that are measured.
"""

from __future__ import annotations

import re
import socket
from base64 import b64encode
from os import urandom
from typing import Any, NamedTuple, Protocol

import orjson

RECEIVE_BYTES = 1 << 18
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)

Address = tuple[str, int]


class Answer(NamedTuple):
    """What came back for one request."""

    number: int
    """Of the request."""
    status: int
    body: bytes


class Connection(Protocol):
    """One open connection."""

    socket: socket.socket
    numbers: dict[bytes, int]
    """Requests that wait for an answer, by the id that was sent with them."""
    window: int
    """Most requests that may wait for an answer."""

    def receive(self) -> list[Answer]:
        """Read what is there.

        Raises:
            ConnectionError: the server has closed the connection.
        """


class _Stream:
    """What both kinds share: a socket, what was read and not yet used, who waits."""

    def __init__(self, address: Address, window: int) -> None:
        self.socket = socket.create_connection(address, timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.numbers: dict[bytes, int] = {}
        self.window = window
        self._read = b""

    def _more(self) -> None:
        received = self.socket.recv(RECEIVE_BYTES)
        if not received:
            raise ConnectionResetError
        self._read = self._read + received if self._read else received


class Http(_Stream):
    """One request at a time."""

    def __init__(self, address: Address) -> None:
        super().__init__(address, 1)
        self.socket.setblocking(False)

    def receive(self) -> list[Answer]:
        """See `Connection.receive`."""
        self._more()
        parsed = _response(self._read)
        if parsed is None:
            return []
        status, body, closes = parsed
        self._read = b""
        _, number = self.numbers.popitem()
        if closes:
            self.window = 0
        return [Answer(number, status, body)]


class WebSocket(_Stream):
    """Many requests at once, answered in any order, told apart by their ids."""

    def __init__(self, address: Address, path: str, window: int) -> None:
        super().__init__(address, window)
        key = b64encode(urandom(16)).decode()
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {address[0]}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self._read:
            self._more()
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101"):
            raise ConnectionError(head.partition(b"\r\n")[0].decode())
        self.socket.setblocking(False)

    def receive(self) -> list[Answer]:
        """See `Connection.receive`."""
        self._more()
        answers = []
        at = 0
        while (found := _frame(self._read, at)) is not None:
            opcode, body, at = found
            if opcode == 8:
                raise ConnectionResetError
            if opcode == 9:  # ping: they are small, and there is always room for its answer
                self.socket.send(frame(body, opcode=10))
            elif opcode in {1, 2}:
                said = orjson.loads(body)
                number = self.numbers.pop(str(said.get("id")).encode(), None)
                if number is not None:
                    answers.append(Answer(number, _status(said), body))
        self._read = self._read[at:]
        return answers


def http(path: str, body: bytes, *, kind: str = "application/json") -> bytes:
    """A POST request."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
        f"Accept: */*\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


def frame(body: bytes, *, opcode: int = 1) -> bytes:
    """A client's frame. Its mask is zero, which the protocol allows and which changes nothing."""
    size = len(body)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([0x80 | opcode]) + length + b"\0\0\0\0" + body


def _status(said: dict[str, Any]) -> int:
    """What a frame would be as a response."""
    if "error" not in said:
        return 200
    return 429 if "retry_after" in said["error"] else 500


def _frame(read: bytes, at: int) -> tuple[int, bytes, int] | None:
    """Opcode and body of the server's frame at this place and where the next one starts."""
    if len(read) < at + 2:
        return None
    opcode, size, start = read[at] & 15, read[at + 1] & 127, at + 2
    if size >= 126:
        width = 2 if size == 126 else 8
        size, start = int.from_bytes(read[start : start + width], "big"), start + width
    end = start + size
    return (opcode, read[start:end], end) if len(read) >= end else None


def _response(read: bytes) -> tuple[int, bytes, bool] | None:
    """Status and body of a response, and whether the server closes; None while incomplete."""
    end = read.find(b"\r\n\r\n")
    if end < 0:
        return None
    head, body = read[: end + 2], read[end + 4 :]
    if length := _LENGTH.search(head):
        if len(body) < int(length[1]):
            return None
    elif _CHUNKED.search(head):
        chunks = _chunks(body)
        if chunks is None:
            return None
        body = chunks
    return int(head[9:12]), body, _CLOSE.search(head) is not None


def _chunks(read: bytes) -> bytes | None:
    """The body in chunked encoding, or None while incomplete."""
    parts: list[bytes] = []
    at = 0
    while (end := read.find(b"\r\n", at)) >= 0:
        size = int(read[at:end].partition(b";")[0], 16)
        start, at = end + 2, end + 4 + size
        if len(read) < at:
            return None
        if size == 0:
            return b"".join(parts)
        parts.append(read[start : start + size])
    return None
