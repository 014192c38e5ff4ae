"""The declared sources: what is trained on, where it comes from, under which licence.

None of the text is in this repository. `locate` finds a source's files in a local folder (the
layout is `DIR/<source>/<file>`) or downloads them at their pinned commit, and checks them.
"""

from __future__ import annotations

import hashlib
import shutil
import tomllib
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE = Path(__file__).with_name("sources.toml")
RAW = "https://raw.githubusercontent.com"
TIMEOUT_S = 60
CHUNK = 1 << 20


class SourceError(Exception):
    """A source is missing, unreachable, or not the file that was declared."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of a source.

    Attributes:
        name: its name in the local folder.
        path: its path in the repository.
        rows: how many lines the whole file has at least, a tenth less than published; a copy with
            fewer is refused.
        starts: how its first line starts, the header where there is one; "" where any will do.
        sha256: of the whole file; None where no whole copy was at hand to compute it from, then
            only the shape (`rows`, `starts`) is checked.
    """

    name: str
    path: str
    rows: int = 1
    starts: str = ""
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """One public collection."""

    folder: str
    repository: str
    commit: str
    licence: str
    files: tuple[File, ...]

    def url(self, file: File) -> str:
        """Where the file is at the pinned commit."""
        return f"{RAW}/{self.repository}/{self.commit}/{quote(file.path)}"


@dataclass(frozen=True, slots=True)
class Located:
    """A file found, and what was seen of it: goes into the model card."""

    source: Source
    file: File
    path: Path
    sha256: str
    rows: int

    @property
    def pinned(self) -> bool:
        """Is it, byte for byte, the file that was declared?"""
        return self.sha256 == self.file.sha256


def declared(table: Path = TABLE) -> tuple[Source, ...]:
    """The sources of a table such as sources.toml."""
    entries = tomllib.loads(table.read_text(encoding="utf-8"))["source"]
    return tuple(
        Source(**{k: v for k, v in entry.items() if k != "file"}, files=files)
        for entry in entries
        for files in [tuple(File(**file) for file in entry["file"])]
    )


def locate(
    data: Path | None, *, cache: Path, check: bool = True, log: Callable[[str], None] | None = None
) -> list[Located]:
    """Find every declared file.

    Args:
        data: a folder in the layout `DIR/<source>/<file>`; None downloads to `cache`.
        cache: where downloads are kept.
        check: refuse files that are shorter than declared or have another header. A hash that
            differs is refused for downloads only: a local copy may have rows kept back.
        log: told which file is being downloaded.

    Raises:
        SourceError: missing, unreachable or not as declared.
    """
    found = []
    for source in declared():
        for file in source.files:
            if data is None:
                path = cache / source.folder / source.commit / file.name
                if not path.exists():
                    if log:
                        log(f"downloading {source.url(file)}")
                    _download(source.url(file), path)
            else:
                path = data / source.folder / file.name
            found.append(_verify(source, file, path, check=check, pinned=data is None))
    return found


def _verify(source: Source, file: File, path: Path, *, check: bool, pinned: bool) -> Located:
    if not path.is_file():
        raise SourceError(f"{path}: no such file; it is {file.path} of {source.repository}")
    digest = hashlib.sha256()
    rows, start = 0, b""
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            start = start or chunk[:200]
            digest.update(chunk)
            rows += chunk.count(b"\n")
    located = Located(source, file, path, digest.hexdigest(), rows)
    if not check:
        return located
    if pinned and file.sha256 and not located.pinned:
        raise SourceError(f"{path}: sha256 {located.sha256}, declared {file.sha256}")
    compressed = path.suffix == ".zst" and start.startswith(b"\x28\xb5\x2f\xfd")
    if compressed:
        return located
    if not start.decode("utf-8-sig", errors="ignore").startswith(file.starts):
        raise SourceError(f"{path}: expected its first line to start with {file.starts!r}")
    if rows < file.rows:
        raise SourceError(f"{path}: {rows} lines, expected at least {file.rows}")
    return located


def _download(url: str, path: Path) -> None:
    """Fetch to a temporary name first, so that an interrupted download is never taken for done."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    try:
        with (
            urllib.request.urlopen(url, timeout=TIMEOUT_S) as response,  # noqa: S310  (https only)
            partial.open("wb") as out,
        ):
            shutil.copyfileobj(response, out)
    except OSError as error:
        raise SourceError(f"{url}: {error}; give a local copy with --data DIR") from error
    partial.replace(path)
