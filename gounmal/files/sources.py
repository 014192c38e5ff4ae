"""Where inputs and outputs are: on this machine, or in an object store reached through fsspec."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from gounmal.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

READ_AHEAD = 4 << 20
"""Bytes asked of an object store at a time."""

UNREAD = frozenset(("http", "https", "webhdfs"))
"""Schemes that go wherever a server sends them: not ours to choose, and with jobs not safe."""

_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs"}
_PACKAGES |= {"az": "adlfs", "abfss": "adlfs"}
_MAGIC = frozenset("*?[")
_MODIFIED = ("LastModified", "last_modified", "updated", "mtime", "created")


@dataclass(frozen=True, slots=True)
class Remote:
    """A file in an object store, with those methods of a `Path` that reading needs."""

    uri: str

    def __str__(self) -> str:
        return self.uri

    @property
    def name(self) -> str:
        """The last part of its URI."""
        return PurePosixPath(self.uri).name

    @property
    def suffixes(self) -> list[str]:
        """As `Path.suffixes`."""
        return PurePosixPath(self.name).suffixes

    def is_file(self) -> bool:
        """Is there such a file?"""
        system, path = file_system(self.uri)
        return bool(system.isfile(path))

    def open(self, mode: str = "rb") -> BinaryIO:
        """Open it; what is written is there when it is closed."""
        system, path = file_system(self.uri)
        return cast("BinaryIO", system.open(path, mode, block_size=READ_AHEAD))


Place = Path | Remote


@dataclass(frozen=True, slots=True)
class Found:
    """A file to be scanned."""

    place: Place
    name: str
    """Where it is within the folder, glob or URI that was given."""
    size: int
    """In bytes."""
    modified: float
    """Seconds since 1970; 0 where the store does not say."""
    version: str
    """Another one when the content is another: the time of modification, or the store's ETag."""


def place(location: str) -> Place:
    """The file of a path or URI."""
    if "://" not in location:
        return Path(location)
    scheme, _, rest = location.partition("://")
    return Path(rest) if scheme in {"file", "local"} else Remote(location)


def find(location: str, suffixes: Sequence[str]) -> list[Found]:
    """The files of a path, a folder, a glob or a URI, in the order of their names.

    Args:
        location: in a folder, everything below it with one of the suffixes is taken; hidden files
            and folders, and those of Spark and Hive (`_SUCCESS`), are not.
        suffixes: `.csv`, `.csv.gz` …

    Raises:
        InvalidInput: there is no such file, or none in the folder.
    """
    where = place(location)
    found = list(_local(where) if isinstance(where, Path) else _remote(where))
    if len(found) == 1 and found[0].name == where.name:
        return found  # named by itself: whatever it is called
    shown = [f for f in found if f.name.lower().endswith(tuple(suffixes)) and not _hidden(f.name)]
    if not shown:
        raise InvalidInput(f"{location}: no file with one of {' '.join(suffixes)} there")
    return sorted(shown, key=lambda f: f.name)


def look(where: Place) -> Found:
    """One file, by itself."""
    [found] = _local(where) if isinstance(where, Path) else _remote(where)
    return found


def file_system(uri: str) -> tuple[Any, str]:
    """The file system of a URI, and the path in it.

    Raises:
        InvalidInput: there is no such, or its package is not installed.
    """
    import fsspec  # noqa: PLC0415  (only object stores need it)

    scheme = uri.partition("://")[0]
    if scheme.lower() in UNREAD:
        raise InvalidInput(f"{uri}: is no object store: fetch it first, and name the file")
    try:
        system, path = fsspec.url_to_fs(uri)
    except (ImportError, ValueError) as error:
        package = _PACKAGES.get(scheme)
        remedy = f"pip install {package}" if package else "expected s3://, gs:// or abfs://"
        raise InvalidInput(f"{uri}: cannot be reached: {remedy}") from error
    return system, path


def _local(path: Path) -> Iterator[Found]:
    if path.is_file():
        yield _stat(path, path.name)
    elif path.is_dir():
        for below in path.rglob("*"):
            if below.is_file():
                yield _stat(below, below.relative_to(path).as_posix())
    elif _MAGIC & set(str(path)):
        matches = [Path(m) for m in glob.glob(str(path), recursive=True)]  # noqa: PTH207  (absolute too)
        base = _base(str(path))
        for match in matches:
            if match.is_file():
                yield _stat(match, match.relative_to(base).as_posix())
    else:
        raise InvalidInput(f"{path}: no such file")


def _base(pattern: str) -> Path:
    """The folder that every match of a pattern is in."""
    parts = Path(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if _MAGIC & set(part))
    return Path(*parts[:fixed])


def _stat(path: Path, name: str) -> Found:
    state = path.stat()
    return Found(path, name, state.st_size, state.st_mtime, str(state.st_mtime_ns))


def _remote(where: Remote) -> Iterator[Found]:
    system, path = file_system(where.uri)
    scheme = where.uri.partition("://")[0]
    magic = bool(_MAGIC & set(path))
    try:
        listed: Mapping[str, Mapping[str, Any]]
        if magic:
            listed = system.glob(path, detail=True)
            base = _base(path).as_posix()
        elif system.isfile(path):
            listed, base = {path: system.info(path)}, PurePosixPath(path).parent.as_posix()
        else:
            listed, base = system.find(path, detail=True), path
    except Exception as error:  # each store raises its own, down to plain Exception
        why = getattr(error, "strerror", None) or type(error).__name__
        raise InvalidInput(f"{where}: cannot be listed: {why}") from error
    if not listed:
        raise InvalidInput(f"{where}: no such file")
    for name, info in listed.items():
        if info["type"] == "file":
            relative = name.strip("/").removeprefix(base.strip("/")).strip("/")
            yield _object(f"{scheme}://{name.lstrip('/')}", relative, info)


def _object(uri: str, name: str, info: Mapping[str, Any]) -> Found:
    # Each store has its own word for it.
    stamp = next((info[name] for name in _MODIFIED if info.get(name)), 0)
    if isinstance(stamp, str):
        stamp = datetime.fromisoformat(stamp)
    modified = stamp.timestamp() if isinstance(stamp, datetime) else float(stamp)
    version = str(info.get("ETag") or info.get("etag") or modified)
    return Found(Remote(uri), name, int(info["size"]), modified, version)


def _hidden(name: str) -> bool:
    return any(part.startswith((".", "_")) for part in PurePosixPath(name).parts)
