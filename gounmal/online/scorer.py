"""The remote runner, seen from within: a BentoML service of its own that has the network.

BentoML starts it beside the doors when service.py depends on it, and listens on a Unix socket that
only this user can open. It merges what all doors ask at the same time (`batchable`), with what
makes that safe (docs/decisions/0026).
"""

# BentoML's decorators and base classes come without types.
# mypy: allow-untyped-decorators, allow-subclassing-any

from __future__ import annotations

import asyncio
import gc
import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import bentoml
import numpy as np
from starlette.responses import Response

from gounmal.config import SCORER, Settings
from gounmal.errors import ScoringFailed
from gounmal.model.classifier import Classifier
from gounmal.model.encoder import Encoded
from gounmal.model.store import CHECKOUT, ModelReference
from gounmal.online.front import Fronted
from gounmal.online.remote_wire import Answer, Question, Status, digest
from gounmal.online.shutdown import before_shutdown
from gounmal.schema import LABELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from starlette.requests import Request

    Outputs = tuple[NDArray[np.float32], NDArray[np.float32]]

SETTINGS = Settings.read(CHECKOUT)

CONFIGURATION: dict[str, Any] = {
    "workers": 1,  # one accelerator
    # A door that starts waits for the network to be loaded.
    "traffic": {"timeout": 60},
    # Otherwise a door's connections are exchanged every hundred calls, under those in flight.
    "runner_connection": {"max_requests": 10**9, "max_age": 1e9},
    "metrics": {"enabled": False},
    "logging": {"access": {"enabled": False}},
    "tracing": {"excluded_urls": ".*"},
}
MAX_QUESTIONS = 64
"""Of one batch; a door asks one at a time, so there are no more than doors."""

NEVER_SHED_MS = 60_000
"""BentoML refuses what it thinks will take longer, by an estimate that bursts upset. What waits is
bounded by the doors."""

QUIET_S = 1.0
"""When nobody has asked for so long, after the signal to end, the doors have answered everybody."""

END_WITHIN_S = 20.0
"""After that signal, in any case."""


class Bytes(bentoml.IODescriptor):
    """Bytes as they are: whatever the content type says, nothing is unpickled."""

    media_type = "application/octet-stream"
    content: bytes

    @classmethod
    def from_inputs(cls, content: bytes) -> Any:
        """What BentoML's client calls with the arguments."""
        return cls.model_construct(content=content)

    def model_dump(self, **_: Any) -> Any:
        """What it then sends."""
        return self.content

    @classmethod
    def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:
        """From which it knows how to read the answer."""
        return {"type": "string", "format": "binary"}

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> Any:  # noqa: ARG003
        """What BentoML's server calls for each request: a batch of one."""
        return [await request.body()]

    @classmethod
    async def to_http_response(cls, obj: Any, serde: Any) -> Response:  # noqa: ARG003
        """And for its outcome."""
        [content] = obj
        return Response(content, media_type=cls.media_type)


Bytes.__root_input__ = True


@bentoml.service(name=SCORER, **CONFIGURATION)
class ScorerService:
    """Runs the network for all doors."""

    artifact = ModelReference(SETTINGS.model)

    @bentoml.on_startup
    async def open(self) -> None:
        """Load: only then is anything answered."""
        self._classifier = Classifier.load(self.artifact.path, threads=SETTINGS.threads)
        self._last = 0.0
        before_shutdown(self._until_quiet, within=END_WITHIN_S)
        gc.collect()
        gc.freeze()

    @bentoml.api(
        batchable=True,
        max_batch_size=MAX_QUESTIONS,
        max_latency_ms=NEVER_SHED_MS,
        input_spec=Bytes,
        output_spec=Bytes,
    )
    def score(self, questions: list[bytes]) -> list[bytes]:
        """Answer the questions of several doors."""
        self._last = math.inf
        answers = answer(questions, self._classifier)
        self._last = time.monotonic()
        return answers

    async def _until_quiet(self) -> None:
        until = time.monotonic() + QUIET_S
        while (left := max(until, self._last + QUIET_S) - time.monotonic()) > 0:  # noqa: ASYNC110  (what it looks at changes on a thread)
            await asyncio.sleep(min(left, QUIET_S))


class Beside(Fronted):
    """A service that depends on the scorer, whether or not its Bento was built so."""

    def on_load_bento(self, bento: Any) -> None:
        """What BentoML calls after loading: it wants every service to be on the Bento's list."""
        dependencies = dict(self.dependencies)
        self.dependencies.clear()
        super().on_load_bento(bento)
        self.dependencies.update(dependencies)
        scorer: Any = ScorerService
        scorer.bento = bento


def answer(questions: Sequence[bytes], classifier: Classifier) -> list[bytes]:
    """One answer for each question, in order, whatever is wrong with any of them."""
    answers = [_read(content, digest(classifier.tag)) for content in questions]
    asked = [one for one in answers if isinstance(one, Question)]
    scored = iter(_together(asked, classifier))
    return [(next(scored) if isinstance(one, Question) else one).to_bytes() for one in answers]


def _read(content: bytes, model: int) -> Question | Answer:
    """A question, or what is to be said to one that is none."""
    try:
        question = Question.from_bytes(content)
    except ScoringFailed:
        return Answer.refused(0, Status.UNREADABLE)
    if question.model != model:
        return Answer.refused(question.echo, Status.OTHER_MODEL)
    return question


def _together(questions: list[Question], classifier: Classifier) -> list[Answer]:
    """Answer questions with as few forward passes as there can be."""
    parts = [question.encoded for question in questions]
    work = classifier.work
    seconds, padded = work.seconds, work.padded_tokens
    try:
        outputs = _split(_forward(_joined(parts), classifier), parts) if parts else []
    except Exception:  # noqa: BLE001  (whoever is right must not fail with whoever is wrong)
        outputs = [_one_by_one(part, classifier) for part in parts]
    seconds, padded = work.seconds - seconds, work.padded_tokens - padded
    tokens = sum(len(part.ids) for part in parts) or 1
    return [
        Answer(
            question.echo,
            Status.SCORED,
            *output,
            seconds=seconds * len(question.encoded.ids) / tokens,
            padded=round(padded * len(question.encoded.ids) / tokens),
        )
        for question, output in zip(questions, outputs, strict=True)
    ]


def _forward(encoded: Encoded, classifier: Classifier) -> Outputs:
    """Of all messages, in order: scores, not finite until they are known, and evidence."""
    logits = np.full((len(encoded.lengths), len(LABELS)), np.nan, np.float32)
    evidence = np.zeros((len(encoded.ids), len(LABELS)), np.float32)
    ends = np.cumsum(encoded.lengths).tolist()
    for one in classifier.forward(encoded):
        logits[one.rows] = one.logits
        for i, row in enumerate(one.rows.tolist()):
            evidence[ends[row] - one.lengths[i] : ends[row]] = one.tokens(i)
    return classifier.calibrated(logits), evidence


def _one_by_one(encoded: Encoded, classifier: Classifier) -> Outputs:
    """As `_forward`, so that only what is bad itself has no scores."""
    scores = np.full((len(encoded.lengths), len(LABELS)), np.nan, np.float32)
    evidence = np.zeros((len(encoded.ids), len(LABELS)), np.float32)
    end = 0
    for row, length in enumerate(encoded.lengths.tolist()):
        start, end = end, end + length
        alone = Encoded(encoded.ids[start:end], encoded.lengths[row : row + 1])
        with suppress(Exception):  # its scores stay unknown, which says it
            [scores[row]], evidence[start:end] = _forward(alone, classifier)
    return scores, evidence


def _joined(parts: list[Encoded]) -> Encoded:
    if len(parts) == 1:
        return parts[0]
    return Encoded(
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.lengths for part in parts]),
    )


def _split(outputs: Outputs, parts: list[Encoded]) -> list[Outputs]:
    scores, evidence = outputs
    messages = np.cumsum([len(part.lengths) for part in parts])[:-1]
    tokens = np.cumsum([len(part.ids) for part in parts])[:-1]
    return list(zip(np.split(scores, messages), np.split(evidence, tokens), strict=True))
