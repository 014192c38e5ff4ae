"""The Bento: doors onto gounmal.

Each door hands its request to `gounmal.online.web` as it came. BentoML's own parsing would answer
each kind of fault in another shape, and would log a traceback for a client's typing error. Over
HTTP `Front` does so even before BentoML's middleware, at a third of the cost; the methods
are what clients and `/docs.json` know.
"""

# BentoML's decorators and base classes come without types.
# mypy: allow-untyped-decorators, allow-subclassing-any

from __future__ import annotations

import asyncio
import gc
import logging
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bentoml
from bentoml.exceptions import BentoMLException
from prometheus_client import REGISTRY
from starlette.applications import Starlette
from starlette.requests import Request  # noqa: TC002  (BentoML reads the annotations)
from starlette.responses import Response  # noqa: TC002
from starlette.routing import Route

from gounmal.api.clouds import Platform
from gounmal.api.openapi import Document
from gounmal.config import SERVICE, Settings, read_configuration
from gounmal.errors import GounmalError
from gounmal.gate.exposure import Exposure, asked_host
from gounmal.gate.gate import Gate, bound_connections
from gounmal.gate.limits import spend
from gounmal.jobs.service import Jobs
from gounmal.jobs.settings import JobSettings
from gounmal.model.store import ModelReference
from gounmal.moderator import Moderator
from gounmal.online.bodies import MAX_BODY_BYTES, MAX_LIST_BODY_BYTES, to_message, to_messages
from gounmal.online.frames import PATH
from gounmal.online.front import Fronted
from gounmal.online.ndjson import LineStreams
from gounmal.online.scrape import Metrics
from gounmal.online.shutdown import OpenStreams, before_shutdown
from gounmal.online.stream import LiveStreams
from gounmal.online.web import Door, Front, respond
from gounmal.online.wire import DecisionBody, DecisionsBody, MessageBody, MessagesBody
from gounmal.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gounmal.moderator import Scorer
    from gounmal.online.decide import Online
    from gounmal.online.exposition import Exporter
    from gounmal.schema import Message

DRAIN_S = 5
"""Seconds that open streams get to be answered when the server is told to end."""

PROBE_S = 5
"""Seconds that a remote scorer gets to say that it is ready."""

BENTOMLS_HOST = "0.0.0.0"  # noqa: S104  (what is checked, not what is done)
"""Where BentoML listens when nobody says where."""

current_service = bentoml.get_current_service
"""Looked up once: BentoML finds its names anew each time."""

GC_THRESHOLDS = (50_000, 20, 100)
"""Requests leave little that only the collector can free; looking for it often costs a tenth."""

HERE = Path(__file__).parent


@contextmanager
def one_line() -> Iterator[None]:
    """Let BentoML's commands print what gounmal raises as one line, without a traceback."""
    try:
        yield
    except GounmalError as error:
        raise BentoMLException(str(error)) from error


with one_line():
    SETTINGS = Settings.read(HERE)
    PLATFORM = Platform.read()
    EXPOSURE = Exposure.read()
    # A remote scorer fills a core of its own.
    CONFIGURATION = read_configuration(HERE / "configuration.yaml", beside=int(SETTINGS.remote))
    JOBS = Jobs(JobSettings.read())
bound_connections()

KIND: Any = Fronted
SCORER: Any = None
if SETTINGS.remote:  # otherwise it is not even imported
    from gounmal.online.scorer import Beside, ScorerService

    KIND, SCORER = Beside, bentoml.depends(ScorerService)


class Unread:
    """In place of a parsed body: the request, for a method's parameter of that name."""

    model_fields = ("request",)

    def __init__(self, request: Request) -> None:
        self.request = request


class UnreadInput(bentoml.IODescriptor):
    """An input that is described by its fields and handed over unread."""

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> Any:  # noqa: ARG003
        """What BentoML calls for each request."""
        return Unread(request)


# The classes of `wire`, as BentoML wants them.


class MessageInput(UnreadInput, MessageBody):
    """One chat line."""


class MessagesInput(UnreadInput, MessagesBody):
    """Up to 1,024 chat lines."""


class DecisionOutput(bentoml.IODescriptor, DecisionBody):
    """What was found in one chat line, and what should happen to it."""


class DecisionsOutput(bentoml.IODescriptor, DecisionsBody):
    """One Decision for each line, in order."""


def online() -> Online:
    """That of this worker."""
    service: Gounmal = current_service()
    return service.online


def described() -> Any:
    """What BentoML says of the service."""
    service: Any = Gounmal
    return service.openapi_spec.asdict()


def to_counted_messages(value: Any) -> list[Message]:
    """A list, counted against its caller's lines; the gate has counted one."""
    messages = to_messages(value)
    spend(len(messages) - 1)
    return messages


STREAMS = OpenStreams()
DOORS = {
    "/moderate": Door(
        to_message, lambda: online().moderate, MAX_BODY_BYTES, lambda: online().refuse()
    ),
    "/moderate_many": Door(
        to_counted_messages, lambda: online().moderate_many, MAX_LIST_BODY_BYTES
    ),
}
LINES = LineStreams(online, STREAMS)
DOCUMENT = Document(
    described, key_needed=EXPOSURE.keys is not None, platform=PLATFORM, jobs=bool(JOBS.routes())
)
ROUTES = (
    Route(PATH, LINES, methods=["POST"]),
    *JOBS.routes(),
    Route("/docs.json", DOCUMENT, methods=["GET"]),
    *(PLATFORM.routes(online, LINES) if PLATFORM else ()),
)
"""What cannot be a method of BentoML's, mounted beside those that are."""


def fronted(service: Any) -> Any:
    """Let in, count, and answer at the doors."""
    bodies = {path: door.max_bytes for path, door in DOORS.items()}
    service.front = (
        (Gate, {"exposure": EXPOSURE, "bodies": bodies, "registry": REGISTRY}),
        (Metrics, {"doors": [PLATFORM.health, PLATFORM.predict] if PLATFORM else []}),
        (Front, {"doors": DOORS, "sockets": {PATH: LiveStreams(online, STREAMS)}}),
    )
    return service


@fronted
@bentoml.service(name=SERVICE, service_class=KIND, **CONFIGURATION)
@bentoml.asgi_app(Starlette(routes=ROUTES))
class Gounmal:
    """Is a chat line abusive, how, where in the line, and what should happen to it?"""

    artifact = ModelReference(SETTINGS.model)
    scorer = SCORER
    reached: asyncio.Future[Any] | None = None
    online: Online
    exporter: Exporter

    @bentoml.on_deployment
    @staticmethod
    def check() -> None:
        """Once, before any worker starts: what would stop each of them."""
        with one_line():
            Policy.load(SETTINGS.policy)
            EXPOSURE.check(asked_host(CONFIGURATION.get("http", {}).get("host", BENTOMLS_HOST)))

    @bentoml.on_startup
    async def open(self) -> None:
        """Load and warm up: only then is the worker ready."""
        # Who starts the workers needs no engine.
        from gounmal.online.decide import Online  # noqa: PLC0415
        from gounmal.online.exposition import Exporter  # noqa: PLC0415

        before_shutdown(self.leave, within=DRAIN_S)
        # BentoML has its own access log; this one would be put together and thrown away.
        logging.getLogger("uvicorn.access").propagate = False
        folder = Path(self.artifact.path)
        scorer: Scorer
        if self.scorer:
            from gounmal.online.remote import reach  # noqa: PLC0415

            reached = self.reached = asyncio.ensure_future(reach(self.scorer, folder))
            scorer = await reached
        else:
            from gounmal.model.classifier import Classifier  # noqa: PLC0415

            scorer = Classifier.load(folder, threads=SETTINGS.threads)
        self.online = Online(
            Moderator(scorer, Policy.load(SETTINGS.policy)),
            cache=SETTINGS.cache,
            deadline=SETTINGS.deadline,
        )
        await self.online.warm_up()
        self.exporter = Exporter(self.online)
        self.exporter.start()
        JOBS.start(folder, SETTINGS.policy)
        # What lives now lives on: no collection need look through it again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)

    async def leave(self) -> None:
        """When the server is told to end: answer what was read on streams."""
        if self.reached:  # and wait no more for a scorer that is ending too
            self.reached.cancel()
        await STREAMS.close()

    @bentoml.on_shutdown
    async def close(self) -> None:
        """Answer what was accepted."""
        await JOBS.stop()
        await self.online.close()
        self.exporter.stop()

    async def __is_alive__(self) -> bool:
        """For `/livez`; in a container BentoML starts no other scorer in place of a dead one."""
        return self.online.alive and (self.scorer is None or await self.scorer.is_ready(PROBE_S))

    @bentoml.api(input_spec=MessageInput, output_spec=DecisionOutput)
    async def moderate(self, request: Request) -> Response:
        """Judge one chat line.

        Faults are answered with `{"error": {"field": …, "message": …}}`: 400 for a field that is
        not what it should be, 413 for a body that is too large, 415 for one that is not JSON,
        429 with Retry-After while too much is waiting. With the header `x-gounmal-deadline-ms`,
        a line whose turn has not come within so many milliseconds is not judged: 504.
        For many lines on one connection there is `/stream`, as a WebSocket (a message in each
        frame) or as a POST of newline-delimited JSON.
        """
        return await respond(DOORS["/moderate"], request)

    @bentoml.api(input_spec=MessagesInput, output_spec=DecisionsOutput)
    async def moderate_many(self, request: Request) -> Response:
        """Judge up to 1,024 chat lines: one Decision each, in order.

        Faults as for `/moderate`; a line at fault is named, such as `texts[3]`, and no Decision is
        given on any.
        """
        return await respond(DOORS["/moderate_many"], request)
