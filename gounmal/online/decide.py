"""Online moderation: requests come one by one, the engine sees batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from gounmal.errors import DeadlineExceeded, Overloaded, ScoringFailed
from gounmal.model.classifier import Work
from gounmal.moderator import nothing
from gounmal.online.cache import Cache, Keys
from gounmal.online.runner import Runner
from gounmal.online.telemetry import Recorder
from gounmal.schema import Message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from gounmal.moderator import Moderator, Scored
    from gounmal.online.cache import Key
    from gounmal.schema import Decision
    from gounmal.text.normalize import Normalized

    Ask = Callable[[list[Normalized]], Awaitable[list[Scored | ScoringFailed]]]

MAX_BATCH_COST = 1_024
"""Of one batch, in characters and `ITEM_COST`: past some sixty chat lines, more gain nothing."""

MAX_QUEUE_COST = 131_072
"""Of all that waits: seven full lists of chat lines."""

MIN_QUEUE = 96
"""So many messages may wait even on a machine that was busy with something else."""

ITEM_COST = 8
"""What a message costs beside its characters, in characters."""

LIVE_LIST = 16
"""A list of up to so many messages may be what somebody waits to see; a longer one is bulk."""

ON_LOOP_S = 0.03
"""Where a full batch takes less, batches are run on the event loop: most are far from full."""


def cost(message: Message) -> int:
    """What it takes to judge a message, in characters."""
    return ITEM_COST + len(message.text)


class Online:
    """A moderator behind a cache and a runner. Make and use it on one event loop.

    Args:
        moderator: judges.
        cache: Decisions to remember; 0 for none.
        deadline: seconds after which nobody waits for an answer any more, where a caller does not
            say; None for never.
        max_batch_cost: see `Runner`.
        max_queue_cost: see `Runner`.
    """

    def __init__(
        self,
        moderator: Moderator,
        *,
        cache: int = 0,
        deadline: float | None = None,
        max_batch_cost: int = MAX_BATCH_COST,
        max_queue_cost: int = MAX_QUEUE_COST,
    ) -> None:
        self.moderator = moderator
        self.recorder = Recorder()
        self.cache = Cache(cache)
        self._keys = Keys(moderator)
        self._deadline = deadline
        self._ask: Ask | None = getattr(moderator.scorer, "ask", None)
        self._work = getattr(moderator.scorer, "work", Work())
        self.runner: Runner[Message, Decision] = Runner(
            self._have_judged if self._ask else self._judge,
            cost=cost,
            max_batch_cost=max_batch_cost,
            max_queue_cost=max_queue_cost,
            min_queue=MIN_QUEUE,
            recorder=self.recorder,
        )

    @property
    def alive(self) -> bool:
        """Can it still answer?"""
        return self.runner.alive

    def refuse(self) -> Overloaded | None:
        """What a live message that comes now would hear whatever it says, if it would be refused.

        For doors: to refuse before reading costs a third. Where there is a cache, what it knows is
        answered even then.
        """
        if self.cache.size or (wait := self.runner.overload()) is None:
            return None
        self.recorder.shed += 1
        return Overloaded(wait)

    async def warm_up(self) -> None:
        """Judge lines of all lengths, alone and together: the first of a kind are slow.

        Decides how the runner runs, too.
        """
        lines = [Message("가나다 abc 123 " * repeats) for repeats in (1, 2, 4, 8, 16)]
        for line in lines:
            await self.runner.submit([line])
        for _ in range(8):
            await self.runner.submit(lines * 16)
        self.runner.on_loop = self.runner.batch_seconds < ON_LOOP_S
        self.recorder.clear()

    async def moderate(self, message: Message, deadline: float | None = None) -> Decision:
        """Judge one message.

        Args:
            message: to judge.
            deadline: seconds from now; by default that of the class.

        Raises:
            Overloaded: too much is waiting.
            DeadlineExceeded: it was not judged in time.
            ScoringFailed: the engine failed on this message.
        """
        key = self._keys.of(message)
        decision = self.cache.get(key)
        if decision is None:
            self.recorder.misses += 1
            [decision] = await self._judged([message], [key], deadline)
            self.cache.put(key, decision)
        else:
            self.recorder.hits += 1
        return self._answer(message, decision)

    async def moderate_many(
        self, messages: Sequence[Message], deadline: float | None = None
    ) -> list[Decision]:
        """Judge a list of messages: one Decision each, in order.

        Raises:
            Overloaded: too much is waiting.
            DeadlineExceeded: not all were judged in time.
            ScoringFailed: the engine failed on one of these messages.
        """
        keys = [self._keys.of(message) for message in messages]
        decisions = [self.cache.get(key) for key in keys]
        missing = [i for i, decision in enumerate(decisions) if decision is None]
        self.recorder.hits += len(keys) - len(missing)
        self.recorder.misses += len(missing)
        judged = await self._judged(
            [messages[i] for i in missing], [keys[i] for i in missing], deadline
        )
        for i, decision in zip(missing, judged, strict=True):
            self.cache.put(keys[i], decision)
            decisions[i] = decision
        return [
            self._answer(message, decision)
            for message, decision in zip(messages, decisions, strict=True)
            if decision is not None
        ]

    async def close(self) -> None:
        """Answer what was accepted, then stop."""
        await self.runner.close()

    async def _judged(
        self, messages: list[Message], keys: list[Key], deadline: float | None
    ) -> list[Decision]:
        deadline = self._deadline if deadline is None else deadline
        bulk = len(messages) > LIVE_LIST
        try:
            return await self.runner.submit(messages, keys=keys, deadline=deadline, bulk=bulk)
        except DeadlineExceeded:
            self.recorder.late += 1
            raise

    def _answer(self, message: Message, decision: Decision) -> Decision:
        self.recorder.decided(decision)
        return decision.with_id(message.id)

    def _judge(self, messages: list[Message]) -> list[Decision]:
        before = self._done()
        decisions = self.moderator.moderate(messages)
        self._note(len(messages), before)
        return decisions

    async def _have_judged(self, messages: list[Message]) -> list[Decision | ScoringFailed]:
        """As `_judge`, by a scorer that is to be awaited: see `RemoteScorer.ask`."""
        before = self._done()
        prepared = [self.moderator.prepare(message) for message in messages]
        texts = [one.visible for one in prepared]
        asked = iter(await cast("Ask", self._ask)([text for text in texts if text.visible]))
        found = [next(asked) if text.visible else nothing(text) for text in texts]
        self._note(len(messages), before)
        return [
            one if isinstance(one, ScoringFailed) else self.moderator.decide(p, one)
            for p, one in zip(prepared, found, strict=True)
        ]

    def _done(self) -> tuple[float, int, int]:
        work = self._work
        return work.seconds, work.tokens, work.padded_tokens

    def _note(self, messages: int, before: tuple[float, int, int]) -> None:
        """Of a batch: what the engine has done since."""
        seconds, tokens, padded = self._done()
        recorder = self.recorder
        recorder.messages.add(messages)
        recorder.forward.add(seconds - before[0])
        recorder.tokens.add(tokens - before[1])
        recorder.padded_tokens += padded - before[2]
