"""Chunk → outcomes: what is the same is scored once, what is as long goes together."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from gounmal.errors import ScoringFailed
from gounmal.files.records import Problem
from gounmal.report.tally import ruled
from gounmal.schema import Decision, Message

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gounmal.files.reader import Chunk
    from gounmal.files.writers import Outcome
    from gounmal.moderator import Moderator

REMEMBERED = 16_384
"""Decisions kept from chunk to chunk: about as good as many more (two in five lines of live chat
occur among so many before them)."""

REMEMBERED_LENGTH = 64
"""Longer texts seldom come again."""

PASS_MESSAGES = 512
PASS_CHARACTERS = 32_768
"""Of one call to the moderator, which holds evidence for every character of it."""

_Key = tuple[str, str | None]  # a text, and the channel where that has rules of its own


class Judge:
    """Chunk → outcomes: what is the same is scored once, what is as long goes together."""

    def __init__(self, moderator: Moderator, *, text: str, channel: str | None = None) -> None:
        self._moderator = moderator
        self._text = text
        self._channel = channel
        self._remembered: OrderedDict[_Key, Outcome] = OrderedDict()

    def __call__(self, chunk: Chunk) -> list[Outcome]:
        """One outcome for each row, in order.

        Raises:
            ScoringFailed: the engine fails on everything.
        """
        keys = self._keys(chunk)
        found: dict[_Key, Outcome] = {}
        unknown: list[_Key] = []
        for key in dict.fromkeys(key for key in keys if not isinstance(key, Problem)):
            if (known := self._remembered.get(key)) is not None:
                self._remembered.move_to_end(key)
                found[key] = known
            else:
                unknown.append(key)
        unknown.sort(key=lambda key: len(key[0]))
        for part in _passes(unknown):
            found.update(zip(part, self._moderate(part), strict=True))
        self._remember(unknown, found)
        return [key if isinstance(key, Problem) else found[key] for key in keys]

    def _keys(self, chunk: Chunk) -> list[_Key | Problem]:
        rules = self._moderator.policy.channels
        texts = zip(chunk.values(self._text), chunk.problems, strict=True)
        if not rules or self._channel is None:
            return [problem or (text, None) for text, problem in texts]
        rows = zip(texts, chunk.values(self._channel), strict=True)
        return [problem or (text, ruled(channel, rules)) for (text, problem), channel in rows]

    def _moderate(self, keys: Sequence[_Key]) -> Sequence[Outcome]:
        messages = [Message(text, channel=channel) for text, channel in keys]
        try:
            return self._moderator.moderate(messages)
        except ScoringFailed:
            outcomes = [self._alone(message) for message in messages]
            if len(outcomes) > 1 and all(outcome is Problem.SCORING for outcome in outcomes):
                raise
            return outcomes

    def _alone(self, message: Message) -> Outcome:
        try:
            return self._moderator.moderate([message])[0]
        except ScoringFailed:
            return Problem.SCORING

    def _remember(self, keys: Sequence[_Key], found: dict[_Key, Outcome]) -> None:
        for key in keys:
            if len(key[0]) <= REMEMBERED_LENGTH and isinstance(found[key], Decision):
                self._remembered[key] = found[key]
        while len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)


def _passes(keys: Sequence[_Key]) -> Iterator[Sequence[_Key]]:
    """Consecutive keys, as many as one call may have."""
    start = characters = 0
    for i, (text, _) in enumerate(keys):
        if i > start and (i - start == PASS_MESSAGES or characters + len(text) > PASS_CHARACTERS):
            yield keys[start:i]
            start, characters = i, 0
        characters += len(text)
    if start < len(keys):
        yield keys[start:]
