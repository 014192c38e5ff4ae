"""What a caller says about a job → a `JobRequest`, or one clear fault."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson

from gounmal.jobs.job import Job, JobRefused, JobRequest
from gounmal.jobs.places import allowed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gounmal.jobs.settings import JobSettings
    from gounmal.jobs.upload import Upload

COLUMNS = ("text", "time", "user", "channel")
CHOICES = {"format": ("csv", "tsv", "jsonl", "parquet"), "lang": ("ko", "en")}
_NAME = re.compile("[A-Za-z_-]{1,64}")
OPTIONS = (*COLUMNS, *CHOICES, "title", "previous")
MAX_OPTION = 200
"""Characters."""


Find = Callable[[str], Job | None]
"""Knows the job of an id."""


def of_upload(upload: Upload, folder: Path, find: Find) -> JobRequest:
    """The job of a file that was sent.

    Raises:
        JobRefused: a field is not what it should be.
    """
    options = _options(upload.fields)
    return JobRequest(
        input=str(upload.path),
        output=str(folder / "output"),
        folder=str(folder),
        uploaded=True,
        fingerprint=_fingerprint([upload.digest, options]),
        **_named(options, find),
    )


def of_json(content: Any, folder: Path, settings: JobSettings, find: Find) -> JobRequest:
    """The job of `{"input": …, "output": …}`, with options.

    Raises:
        JobRefused: a field is not what it should be, or points to where it must not.
    """
    if not isinstance(content, dict):
        raise JobRefused(400, "body", "expected a JSON object")
    places = {}
    for name in ("input", "output"):
        location = content.get(name)
        if not isinstance(location, str):
            raise JobRefused(400, name, "expected a path or URI")
        places[name] = allowed(location, settings.prefixes, field=name)
    if any(character in places["output"] for character in "*?[{"):
        raise JobRefused(400, "output", "expected a folder, without wildcards")
    options = _options({k: v for k, v in content.items() if k not in places})
    return JobRequest(
        input=places["input"],
        output=places["output"],
        folder=str(folder),
        uploaded=False,
        within=settings.prefixes,
        fingerprint=_fingerprint([places, options]),
        **_named(options, find),
    )


def _options(fields: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for name, value in fields.items():
        if name not in OPTIONS:
            # A misspelt name is said back; what is no name at all may be anything.
            field = name if _NAME.fullmatch(name) else "body"
            raise JobRefused(400, field, f"expected only {', '.join(OPTIONS)}")
        if not isinstance(value, str) or not value.isprintable() or len(value) > MAX_OPTION:
            raise JobRefused(400, name, f"expected text of at most {MAX_OPTION} characters")
        if value and name in CHOICES and value not in CHOICES[name]:
            raise JobRefused(400, name, f"expected one of {', '.join(CHOICES[name])}")
        if value:
            found[name] = value
    return found


def _named(options: Mapping[str, str], find: Find) -> dict[str, Any]:
    return {
        "columns": {name: options[name] for name in COLUMNS if name in options},
        "format": options.get("format"),
        "title": options.get("title"),
        "language": options.get("lang", "ko"),
        "previous": _output(options["previous"], find) if "previous" in options else None,
    }


def _output(job: str, find: Find) -> str:
    """Where the results of an earlier job are."""
    found = find(job)
    if found is None or not found.state.readable:
        raise JobRefused(400, "previous", "expected the id of a job that is done")
    return found.request.output


def _fingerprint(content: Any) -> str:
    raw = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(raw, digest_size=16).hexdigest()
