"""A summary and the files of its report: found, compared, written in the forms asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gounmal.errors import InvalidInput
from gounmal.files.sources import Remote, place
from gounmal.files.writers import replacing
from gounmal.report.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from gounmal.files.sources import Place

SUMMARY = "summary.json"
REVIEW = "review.csv"
FORMS = {"html": "report.html", "md": "report.md", "json": SUMMARY}
"""Forms of a report, and their files. summary.json is always there: the others are made of it."""


def find_summary(location: str) -> Place:
    """The summary.json that is meant by a path or URI: itself, or the folder of a scan."""
    named = place(location)
    if location.endswith(".json"):
        return named
    return named / SUMMARY if isinstance(named, Path) else _beneath(named, SUMMARY)


def load_previous(location: str, output: str) -> Summary:
    """The summary of the broadcast before.

    Args:
        location: of its folder or summary.json.
        output: the folder of this one.

    Raises:
        InvalidInput: there is none, or it is the one that will be written over.
        OSError: it cannot be read.
    """
    found = find_summary(location)
    own = find_summary(output)
    if _known(found) == _known(own):
        raise InvalidInput(f"{location}: a report cannot be compared with itself")
    if not found.is_file():
        raise InvalidInput(f"{location}: no {SUMMARY} of a scan there")
    return Summary.load(found)


def files(summary: Summary, forms: Collection[str]) -> dict[str, bytes]:
    """The report's files by name, summary.json first.

    Args:
        summary: what they say.
        forms: out of `FORMS`.
    """
    chosen = {form: make for form, make in makers().items() if form in forms}
    return {SUMMARY: summary.to_json()} | {
        FORMS[form]: make(summary).encode() for form, make in chosen.items()
    }


def makers() -> dict[str, Callable[[Summary], str]]:
    """What makes a report of each form; who has to wait anyway may ask for it beforehand."""
    # It takes a tenth of a second to load, and workers have no use for charts.
    from gounmal.report.markdown import markdown  # noqa: PLC0415
    from gounmal.report.render import render  # noqa: PLC0415

    return {"html": render, "md": markdown}


def put(name: str, content: bytes, output: str) -> Place:
    """Write a file of a report into a folder or below a URI; it is there when it is whole."""
    folder = place(output)
    if isinstance(folder, Path):
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / name) as file:
            file.write(content)
        return folder / name
    target = _beneath(folder, name)
    with target.open("wb") as file:
        file.write(content)
    return target


def _beneath(folder: Remote, name: str) -> Remote:
    return Remote(f"{folder.uri.rstrip('/')}/{name}")


def _known(where: Place) -> str:
    """Where it is, in one way of saying so."""
    return str(where.resolve() if isinstance(where, Path) else where)
