"""Online moderation: requests come one by one, the engine sees batches.

What is Python runs on the event loop, what is engine runs on the runner's thread, so that the two
overlap.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from gounmal.classifier import Classifier
from gounmal.moderator import Moderator
from gounmal.policy import Policy
from gounmal.runner import Runner
from gounmal.schema import Message

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Sequence
    from pathlib import Path

    from gounmal.moderator import Prepared, Scored
    from gounmal.schema import Decision

MAX_BATCH_COST = 512
"""Tokens of one forward pass: past some sixteen chat lines, larger ones gain nothing."""

MAX_QUEUE_COST = 16_384
"""Tokens that may wait: a second's worth of chat on one slow core."""

ITEM_COST = 8
"""What a message costs beside its tokens, in tokens."""

SLICE = 32
"""Messages of one list that are prepared in one go, while everybody else waits."""


def cost(prepared: Prepared) -> int:
    """What it takes to score a message, in tokens."""
    return ITEM_COST + sum(len(view.text) for view in prepared.visible.views)


class Online:
    """A moderator behind a runner. Make and use it on one event loop."""

    def __init__(
        self,
        moderator: Moderator,
        *,
        max_batch_cost: int = MAX_BATCH_COST,
        max_queue_cost: int = MAX_QUEUE_COST,
    ) -> None:
        self.moderator = moderator
        self.runner: Runner[Prepared, Scored] = Runner(
            moderator.score, cost=cost, max_batch_cost=max_batch_cost, max_queue_cost=max_queue_cost
        )

    @classmethod
    def load(cls, artifact: Path, policy: Path) -> Online:
        """Load an artifact folder and a policy file.

        Raises:
            InvalidArtifact: the folder cannot be used.
            InvalidPolicy: the file cannot be used.
        """
        return cls(Moderator(Classifier.load(artifact), Policy.load(policy)))

    @property
    def alive(self) -> bool:
        """Can it still answer?"""
        return self.runner.alive

    async def warm_up(self) -> None:
        """Judge lines of all lengths, alone and together: the first of a kind are slow."""
        lines = [Message("가나다 abc 123 " * repeats) for repeats in (1, 2, 4, 8, 16)]
        for line in lines:
            await self.moderate(line)
        await self.moderate_many(lines * 16)

    async def moderate(self, message: Message) -> Decision:
        """Judge one message.

        Raises:
            Overloaded: too much is waiting.
            ScoringFailed: the engine failed on this message.
        """
        prepared = self.moderator.prepare(message)
        [scored] = await self.runner.submit([prepared])
        return self.moderator.decide(prepared, scored)

    async def moderate_many(self, messages: Sequence[Message]) -> list[Decision]:
        """Judge a list of messages: one Decision each, in order.

        The list goes slice by slice, with one slice ahead of the engine: single messages of others
        get their turn in between, and the engine has no pause.

        Raises:
            Overloaded: too much is waiting.
            ScoringFailed: the engine failed on one of these messages.
        """
        decisions: list[Decision] = []
        ahead: deque[tuple[list[Prepared], Future[list[Scored]]]] = deque()
        try:
            for start in range(0, len(messages), SLICE):
                prepared = [self.moderator.prepare(m) for m in messages[start : start + SLICE]]
                ahead.append((prepared, self.runner.submit(prepared, admitted=start > 0)))
                if len(ahead) > 1:
                    decisions += await self._decisions(*ahead.popleft())
            while ahead:
                decisions += await self._decisions(*ahead.popleft())
        finally:
            for _, future in ahead:
                future.cancel()
        return decisions

    async def _decisions(
        self, prepared: list[Prepared], future: Future[list[Scored]]
    ) -> list[Decision]:
        return [self.moderator.decide(p, s) for p, s in zip(prepared, await future, strict=True)]

    async def close(self) -> None:
        """Answer what was accepted, then stop."""
        await self.runner.close()
