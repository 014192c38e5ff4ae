"""Where a job may read and write: below the prefixes that the operator allows, nowhere else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from gounmal.jobs.job import JobRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAGIC = re.compile(r"[*?\[{]")
_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s]+(/|$)")


def allowed(location: str, prefixes: Sequence[str], *, field: str) -> str:
    """A location as it is to be used: absolute, links followed.

    Args:
        location: path, `file://…` or URI; may have wildcards.
        prefixes: folders, paths or URIs.
        field: of the request, for the error.

    Raises:
        JobRefused: it is not below any of them, or is not a location.
    """
    if not location or not location.isprintable() or "::" in location:
        raise JobRefused(400, field, "expected a path or URI")
    found = _normal(location)
    if found is None:
        raise JobRefused(400, field, "expected an absolute path or URI, without `..`")
    if is_below(found, roots(prefixes)):
        return found
    raise JobRefused(400, field, "expected something under GOUNMAL_JOB_PREFIXES")


def roots(prefixes: Sequence[str]) -> list[str]:
    """Prefixes as locations are compared with them."""
    return [f"{folder.rstrip('/')}/" for prefix in prefixes if (folder := _normal(prefix))]


def is_below(location: str, roots: Sequence[str]) -> bool:
    """Is a location, as it is to be used, below one of them?"""
    return f"{location}/".startswith(tuple(roots))


def _normal(location: str) -> str | None:
    """One spelling for each place; None where it has none."""
    if location.startswith("file://"):
        location = location.removeprefix("file://")
    if ".." in re.split(r"[/\\]", unquote(location)):
        return None
    if location.startswith("/"):
        match = _MAGIC.search(location)
        fixed = location[: location.rfind("/", 0, match.start()) + 1] if match else location
        rest = location[len(fixed) :]
        try:
            folder = Path(fixed).resolve()
        except (OSError, RuntimeError):  # links that lead to each other
            return None
        return f"{folder}{'/' if rest else ''}{rest}".replace("//", "/")
    return location if _REMOTE.match(location) else None
