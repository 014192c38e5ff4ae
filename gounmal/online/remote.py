"""The remote runner, seen from a door: the network is in a process that many doors ask.

A door normalises, encodes and decides; the scorer (`gounmal.online.scorer`) runs the network over
what all doors ask at the same time. So what is scarce, the accelerator and the process that
feeds it, does nothing that a door could do.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from aiohttp import ClientConnectionError

from gounmal.errors import InvalidConfiguration, ScoringFailed
from gounmal.model.artifact import ArtifactConfig
from gounmal.model.classifier import Work, load_encoder
from gounmal.model.encoder import Encoded
from gounmal.moderator import Scored
from gounmal.online.remote_wire import Answer, Question, Status, digest
from gounmal.schema import LABELS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from gounmal.model.encoder import Encoder
    from gounmal.schema import Label, Mode
    from gounmal.text.normalize import Normalized

PATIENCE_S = 10.0
"""An answer that takes longer is of no use to anybody."""

ATTEMPTS = 2
"""Asking again changes nothing at the scorer, and a connection may close while it is used."""

PAUSE_S = 0.1
"""Between attempts."""

START_S = 300.0
"""What the scorer gets to load the network, which may be large."""


class RemoteScorer:
    """A `Scorer` whose network is elsewhere. Use it on the event loop that made it.

    Args:
        config: of the artifact.
        encoder: of the artifact.
        call: carries a question there and its answer back; may be called again with the same.
        patience: seconds to wait for an answer.
    """

    def __init__(
        self,
        config: ArtifactConfig,
        encoder: Encoder,
        call: Callable[[bytes], Awaitable[bytes]],
        *,
        patience: float = PATIENCE_S,
    ) -> None:
        self.tag = config.tag
        self.thresholds: dict[Mode, dict[Label, float]] = config.thresholds
        self.span_threshold = config.span_threshold
        self.work = Work()
        self._encoder = encoder
        self._model = digest(config.tag)
        self._call = call
        self._patience = patience
        self._loop = asyncio.get_running_loop()

    @classmethod
    def load(cls, folder: Path, call: Callable[[bytes], Awaitable[bytes]]) -> RemoteScorer:
        """Of an artifact folder, all but the network.

        Raises:
            InvalidArtifact: the folder cannot be used.
        """
        config = ArtifactConfig.read(folder)
        return cls(config, load_encoder(folder, config), call)

    def score(self, texts: Sequence[Normalized]) -> list[Scored]:
        """As `Scorer.score`, on any other thread than the event loop's."""
        found = asyncio.run_coroutine_threadsafe(self.ask(texts), self._loop).result()
        for one in found:
            if isinstance(one, ScoringFailed):
                raise one
        return [one for one in found if isinstance(one, Scored)]

    async def ask(self, texts: Sequence[Normalized]) -> list[Scored | ScoringFailed]:
        """One `Scored` for each text, in order, or why there is none.

        Raises:
            ScoringFailed: none of them was scored: the scorer does not answer, or not to this.
        """
        if not texts:
            return []
        encoded = self._encoder.encode(texts)
        answer = await self._answer(encoded)
        self.work.passes += 1
        self.work.tokens += len(encoded.ids)
        self.work.padded_tokens += answer.padded
        self.work.seconds += answer.seconds
        ends = np.cumsum(encoded.lengths).tolist()
        starts = [0, *ends[:-1]]
        could: list[bool] = np.logical_and.reduce(np.isfinite(answer.scores), axis=1).tolist()
        return [
            Scored(answer.scores[i], self._encoder.project(text, answer.evidence[start:end]))
            if could[i]
            else ScoringFailed("the scorer could not score this")
            for i, (text, start, end) in enumerate(zip(texts, starts, ends, strict=True))
        ]

    async def wait(self, within: float = START_S) -> None:
        """Until the scorer answers.

        Raises:
            ScoringFailed: it did not within so many seconds, or has another model.
        """
        until = time.monotonic() + within
        nothing = Encoded(np.zeros(0, np.int32), np.zeros(0, np.int64))
        while True:
            try:
                await self._answer(nothing)
            except ScoringFailed:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(PAUSE_S)
            else:
                return

    async def _answer(self, encoded: Encoded) -> Answer:
        question = Question(secrets.randbits(64), self._model, encoded)
        answer = Answer.from_bytes(await self._carried(question.to_bytes()))
        if answer.status is Status.OTHER_MODEL:
            raise ScoringFailed(f"the scorer has another model than {self.tag}: restart both")
        if answer.status is not Status.SCORED or answer.echo != question.echo:
            raise ScoringFailed("the scorer answered something else")
        sizes = (len(encoded.lengths), len(LABELS)), (len(encoded.ids), len(LABELS))
        if (answer.scores.shape, answer.evidence.shape) != sizes:
            raise ScoringFailed("the scorer answered another number of messages")
        return answer

    async def _carried(self, question: bytes) -> bytes:
        try:
            async with asyncio.timeout(self._patience):
                for _ in range(ATTEMPTS - 1):
                    try:
                        return await self._call(question)
                    except (OSError, ClientConnectionError):
                        await asyncio.sleep(PAUSE_S)
                return await self._call(question)
        except Exception as error:  # whatever a client raises, of no use to a caller
            raise ScoringFailed(f"the scorer does not answer: {type(error).__name__}") from error


async def reach(service: Any, artifact: Path) -> RemoteScorer:
    """The scorer behind BentoML's proxy of its service, as soon as it answers.

    Raises:
        InvalidArtifact: the folder cannot be used.
        InvalidConfiguration: there is no such process.
        ScoringFailed: it does not answer.
    """
    call = getattr(service.to_async, "call", None)
    if call is None:
        raise InvalidConfiguration("GOUNMAL_RUNNER=remote: not with `bentoml serve --development`")
    remote = RemoteScorer.load(artifact, partial(call, "score"))
    await remote.wait()
    return remote
