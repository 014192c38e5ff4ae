"""API keys: who is calling?

Only their SHA-256 digests are kept. A key that came is digested and compared with every one of
them, each in constant time, so that how long it takes tells nothing about any key.

A file of keys is looked at again within a second, and read again when it has changed. Keys rotate
without a restart: put the new one beside the old, let callers change over, take the old one out. A
file that has become unreadable or wrong leaves the keys as they were, and the log says so; an empty
one lets nobody in.

It is looked at whether anybody calls or not. A worker that looked only when it was called would
sleep through a key's revocation; if the file then broke, it would let that key in again, and its
neighbours would not.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from gounmal.errors import InvalidConfiguration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

logger = logging.getLogger(__name__)

VARIABLE = "GOUNMAL_API_KEYS"

LOOK_AGAIN_S = 0.5
"""Between two looks at a file of keys."""

_ENTRY = re.compile(
    # The characters that RFC 6750 allows in a bearer token; no colon is among them.
    r"(?:(?P<name>[A-Za-z0-9._-]{1,64}):)?(?P<key>[A-Za-z0-9._~+/=-]{16,512})"
)


class Keys:
    """Known API keys.

    Args:
        written: as in `GOUNMAL_API_KEYS`: `key` or `name:key`, between commas or blanks.
        file: the same, one a line; `#` begins a comment.

    Raises:
        InvalidConfiguration: one is not of that form, or is there twice; no key is quoted.
    """

    def __init__(self, written: str = "", file: Path | None = None) -> None:
        entries = re.split(r"[,\s]+", written.strip(" \t\r\n,"))
        self._written = _digests(enumerate(filter(None, entries), 1), f"{VARIABLE}, key")
        self._file = file
        self._stamp: tuple[int, ...] | None = None
        self._wrong = ""
        self._watcher: threading.Thread | None = None
        self._names: Mapping[bytes, str] = self._written
        if file is not None:
            self._stamp = _stamp(file)
            self._names = self._read(file)

    @property
    def names(self) -> list[str]:
        """Of the keys that hold now."""
        return list(self._names.values())

    def name_of(self, presented: bytes) -> str | None:
        """The name of the key that came, or `None` if there is no such key."""
        digest = hashlib.sha256(presented).digest()
        found = None
        for known, name in self._names.items():
            if hmac.compare_digest(known, digest):
                found = name
        return found

    def watch(self) -> None:
        """Look at the file, if there is one, from now on until this process ends.

        On a thread: a volume that hangs holds up no request. While it does, the keys hold on.
        """
        if self._file is not None and self._watcher is None:
            self._watcher = threading.Thread(
                target=self._keep_looking, args=(self._file,), name="gounmal-keys", daemon=True
            )
            self._watcher.start()

    def _keep_looking(self, file: Path) -> None:
        while True:
            time.sleep(LOOK_AGAIN_S)
            try:
                self._look(file)
            except Exception:  # a look that fails must not be the last one
                logger.exception("%s: could not be looked at; the keys from before hold on", file)

    def _look(self, file: Path) -> None:
        """Read the file again if it has changed. For one thread at a time."""
        try:
            stamp = _stamp(file)
            if stamp == self._stamp:
                return
            self._names = self._read(file)
            self._stamp = stamp  # only now: what could not be read is read again
        except InvalidConfiguration as error:
            self._stamp = None
            if str(error) != self._wrong:
                self._wrong = str(error)
                logger.warning("%s; the keys from before hold on", error)
        else:
            self._wrong = ""
            logger.warning("%s has changed; keys now: %s", file, ", ".join(self.names) or "none")

    def _read(self, file: Path) -> Mapping[bytes, str]:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidConfiguration(f"{file}: {_said(error)}") from None
        numbered = ((i, line.partition("#")[0].strip()) for i, line in enumerate(lines, 1))
        entries = [(i, entry) for i, entry in numbered if entry]
        return _digests(entries, f"{file}, line", self._written)


class _Entry(NamedTuple):
    name: str
    digest: bytes


def _digests(
    numbered: Iterable[tuple[int, str]], where: str, known: Mapping[bytes, str] | None = None
) -> dict[bytes, str]:
    """Numbered entries → names by digest, added to those that are known."""
    digests = dict(known or {})
    for number, entry in numbered:
        name, digest = _parse(entry, f"{where} {number}", len(digests) + 1)
        if digest in digests or name in digests.values():
            raise InvalidConfiguration(f"{where} {number}: its name or key is there already")
        digests[digest] = name
    return digests


def _parse(entry: str, where: str, position: int) -> _Entry:
    match = _ENTRY.fullmatch(entry)
    if match is None:
        raise InvalidConfiguration(
            f"{where}: expected `key` or `name:key`, the key 16 to 512 of A-Z a-z 0-9 . _ ~ + / = -"
        )
    digest = hashlib.sha256(match["key"].encode()).digest()
    return _Entry(match["name"] or f"key-{position}", digest)


def _stamp(file: Path) -> tuple[int, ...]:
    """What differs once a file has been written or, as Kubernetes does it, swapped.

    Raises:
        InvalidConfiguration: there is no such file.
    """
    try:
        found = file.stat()
    except OSError as error:
        raise InvalidConfiguration(f"{file}: {_said(error)}") from None
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _said(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or "expected text in UTF-8"
