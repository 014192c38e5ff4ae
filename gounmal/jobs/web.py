"""Jobs over HTTP: a Starlette sub-application's routes.

Everything that touches the database or the disk happens in threads, and nothing is judged here:
beside the event loop that answers viewers, there is room for no more.
"""

from __future__ import annotations

import asyncio
import errno
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route

from gounmal.errors import JobsUnavailable
from gounmal.files.sources import place
from gounmal.jobs.form import Find, of_json, of_upload
from gounmal.jobs.job import Job, JobRefused, JobState, new_id
from gounmal.jobs.upload import Receiver
from gounmal.online.bodies import Refused, parse
from gounmal.online.faults import Fault, explain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from starlette.types import Receive, Scope, Send

    from gounmal.jobs.job import JobRequest
    from gounmal.jobs.settings import JobSettings
    from gounmal.jobs.store import JobStore

MAX_JSON_BYTES = 1 << 16
FORM_BYTES = 1 << 16
"""What a form may have around its file."""

MAX_KEY = 200
MAX_PAGE = 100
PAGE = 20
_ID = re.compile("[0-9a-f]{32}")
_LIMITS = frozenset(map(str, range(1, MAX_PAGE + 1)))
READ_BYTES = 1 << 18

REPORT_HEADERS = {
    # It has no scripts and fetches nothing; should a file's text ever get out of its quotes, it
    # still could do neither.
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    "x-content-type-options": "nosniff",
}


class JobDoors:
    """The endpoints; the store is opened when the first of them is used."""

    def __init__(self, settings: JobSettings) -> None:
        self._settings = settings
        self._store: JobStore | None = None
        self._opening = asyncio.Lock()

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            # One route, so that a third method hears of both.
            Route("/jobs", _Endpoint(self.create_or_list), methods=["GET", "POST"]),
            Route("/jobs/{id}", _Endpoint(self.show), methods=["GET"]),
            Route("/jobs/{id}/result", _Endpoint(self.result), methods=["GET"]),
            Route("/jobs/{id}/report", _Endpoint(self.report), methods=["GET"]),
            Route("/jobs/{id}/cancel", _Endpoint(self.cancel), methods=["POST"]),
        ]

    async def create_or_list(self, request: Request) -> Response:
        """What the method says."""
        return await (self.create if request.method == "POST" else self.list)(request)

    async def create(self, request: Request) -> Response:
        """Ask for a job: 202; 200 where its idempotency key was used for the same before."""
        key = _key(request)
        store = await self._open()
        folder = self._settings.folders / new_id()
        job = new_id(key)
        try:
            asked = await self._read(request, folder, store)
        except BaseException:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            raise
        # Whatever becomes of this request now, the job may be there and need its upload. Where it
        # is not, the folder goes with the next sweep (`gounmal.jobs.retention`).
        await asyncio.to_thread(store.submit, job, asked)
        found = await asyncio.to_thread(store.get, job)
        is_new = found is not None and found.request.folder == asked.folder
        if not is_new:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        if found is None:
            raise JobRefused(410, "id", "the job is gone already")
        if found.request.fingerprint != asked.fingerprint:
            raise JobRefused(422, "Idempotency-Key", "expected a key that was not used otherwise")
        headers = {"location": f"/jobs/{job}"}
        return _json(found.to_dict(), 202 if is_new else 200, headers)

    async def list(self, request: Request) -> Response:
        """Jobs, newest first."""
        limit, cursor = request.query_params.get("limit"), request.query_params.get("cursor")
        if limit is not None and limit not in _LIMITS:
            raise JobRefused(400, "limit", f"expected 1 to {MAX_PAGE}")
        store = await self._open()
        try:
            jobs, after = await asyncio.to_thread(
                store.page, limit=int(limit or PAGE), cursor=cursor
            )
        except (ValueError, OverflowError, OSError):
            raise JobRefused(400, "cursor", "expected one that was given out") from None
        return _json({"jobs": [job.to_dict() for job in jobs], "cursor": after})

    async def show(self, request: Request) -> Response:
        """One job, with how far it is."""
        return _json((await self._find(request)).to_dict())

    async def cancel(self, request: Request) -> Response:
        """Cancel a job; again does no harm."""
        job = await self._find(request)
        if job.state.final and job.state is not JobState.CANCELLED:
            raise JobRefused(409, "state", f"expected a job under way: this one is {job.state}")
        await asyncio.to_thread((await self._open()).cancel, job.id)
        return _json((await self._find(request)).to_dict())

    async def result(self, request: Request) -> Response:
        """The decisions, as a file."""
        job = await self._readable(request)
        if len(job.files) != 1:
            raise JobRefused(409, "output", f"{len(job.files)} files: fetch them in the output")
        [file] = job.files
        return await _send_file(file, download=file.rpartition("/")[2])

    async def report(self, request: Request) -> Response:
        """The report, as a page."""
        job = await self._readable(request)
        file = f"{job.request.output.rstrip('/')}/report.html"
        return await _send_file(file, headers=REPORT_HEADERS, media_type="text/html")

    async def _open(self) -> JobStore:
        async with self._opening:
            if self._store is None:
                self._store = await asyncio.to_thread(_open_store, self._settings)
        return self._store

    async def _find(self, request: Request) -> Job:
        find = _known(await self._open())
        job = await asyncio.to_thread(find, request.path_params["id"])
        if job is None:
            raise JobRefused(404, "id", "no such job, or no longer")
        return job

    async def _readable(self, request: Request) -> Job:
        job = await self._find(request)
        if not job.state.readable:
            raise JobRefused(409, "state", f"expected a job that is done: this one is {job.state}")
        return job

    async def _read(self, request: Request, folder: Path, store: JobStore) -> JobRequest:
        kind = request.headers.get("content-type", "")
        if kind.partition(";")[0].strip().lower() == "application/json":
            _check_length(request, MAX_JSON_BYTES, "body")
            content = parse(await _small_body(request))
            return await asyncio.to_thread(of_json, content, folder, self._settings, _known(store))
        inputs = folder / "input"
        receiver = Receiver(kind, inputs, max_bytes=self._settings.max_bytes)
        _check_length(request, self._settings.max_bytes + FORM_BYTES, "file")
        await asyncio.to_thread(inputs.mkdir, parents=True, mode=0o700)
        upload = await receiver.receive(request.stream())
        return await asyncio.to_thread(of_upload, upload, folder, _known(store))


class _Endpoint:
    """A handler as an ASGI application that answers its faults."""

    def __init__(self, handle: Callable[[Request], Awaitable[Response]]) -> None:
        self._handle = handle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        try:
            await _take_your_time(send)
            response = await self._handle(request)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001  (others would answer it in another form)
            response = _fault(error)
        await response(scope, receive, send)


def _known(store: JobStore) -> Find:
    # No database need be asked about what is no id, and PostgreSQL takes no NUL.
    return lambda name: store.get(name) if _ID.fullmatch(name) else None


def _open_store(settings: JobSettings) -> JobStore:
    from gounmal.jobs.store import JobStore  # noqa: PLC0415  (a service without jobs needs no DBOS)

    return JobStore.open(settings)


def _fault(error: Exception) -> Response:
    match error:
        case JobRefused():
            fault = Fault(error.status, error.message, error.field)
        case JobsUnavailable():
            fault = Fault(503, f"{error}: try again")
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            fault = Fault(507, "no space left for this file", "file")
        case Refused():
            fault = Fault(error.status, error.message, "body")
        case _:
            fault = explain(error, whole="body", door="/jobs")
    return _json({"error": {"field": fault.field, "message": fault.message}}, fault.status)


async def _take_your_time(send: Send) -> None:
    """Stop the timer by which BentoML ends a request that it has not seen answered.

    It stops at the first event that is sent. A server refuses one that it does not know, and then
    goes on as if it had not been: so an upload may take longer than `traffic.timeout`.
    """
    with suppress(RuntimeError, AssertionError):
        await send({"type": "gounmal.reading"})


def _key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not (0 < len(key) <= MAX_KEY and key.isprintable()):
        raise JobRefused(400, "Idempotency-Key", f"expected 1 to {MAX_KEY} printable characters")
    return key


def _check_length(request: Request, limit: int, field: str) -> None:
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > limit:
        raise JobRefused(413, field, f"expected at most {limit} bytes")


async def _small_body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_JSON_BYTES:
            raise JobRefused(413, "body", f"expected at most {MAX_JSON_BYTES} bytes")
    return body


async def _send_file(
    location: str,
    *,
    download: str | None = None,
    headers: Mapping[str, str] | None = None,
    media_type: str | None = None,
) -> Response:
    where = place(location)
    if not await asyncio.to_thread(where.is_file):
        raise JobRefused(410, "output", "the file is no longer where it was written")
    if isinstance(where, Path):
        return FileResponse(where, headers=headers, filename=download, media_type=media_type)
    more = dict(headers or {})
    if download:
        more["content-disposition"] = f'attachment; filename="{download}"'
    body = _chunks(await asyncio.to_thread(where.open))
    return StreamingResponse(
        body, headers=more, media_type=media_type or "application/octet-stream"
    )


async def _chunks(file: Any) -> AsyncIterator[bytes]:
    try:
        while chunk := await asyncio.to_thread(file.read, READ_BYTES):
            yield chunk
    finally:
        await asyncio.to_thread(file.close)


def _json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(value), status, headers, media_type="application/json")
