"""Chunk → outcomes: what is the same is scored once, what is as long goes together."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from gounmal.errors import ScoringFailed
from gounmal.files.outcomes import Outcomes
from gounmal.files.records import Problem
from gounmal.policy import ruled
from gounmal.schema import Decision, Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gounmal.files.outcomes import Outcome
    from gounmal.files.reader import Chunk
    from gounmal.moderator import Moderator

REMEMBERED = 16_384
"""Decisions kept from chunk to chunk: about as good as many more (two in five lines of live chat
occur among so many before them)."""

REMEMBERED_LENGTH = 64
"""Longer texts seldom come again."""

PASS_MESSAGES = 512
PASS_CHARACTERS = 32_768
"""Of one call to the moderator, which holds evidence for every character of it."""

_Key = str | tuple[str, str | None]  # a text, and its channel where there are rules for channels


class _Refused(NamedTuple):
    """Stands for a row that cannot be judged: a Problem alone would equal a text that reads so."""

    problem: Problem


class Judge:
    """Chunk → outcomes: what is the same is scored once, what is as long goes together."""

    def __init__(self, moderator: Moderator, *, text: str, channel: str | None = None) -> None:
        self._moderator = moderator
        self._text = text
        self._channel = channel
        self._remembered: OrderedDict[_Key, Outcome] = OrderedDict()

    def __call__(self, chunk: Chunk) -> Outcomes:
        """What became of each row.

        Raises:
            ScoringFailed: the engine fails on everything.
        """
        keys = self._keys(chunk)
        # Keys in the order of their first rows; each value is replaced before it is used.
        found: dict[_Key | _Refused, Outcome] = dict.fromkeys(keys, Problem.SCORING)
        unknown: list[_Key] = []
        for key in found:
            if isinstance(key, _Refused):
                found[key] = key.problem
            elif (known := self._remembered.get(key)) is not None:
                self._remembered.move_to_end(key)
                found[key] = known
            else:
                unknown.append(key)
        unknown.sort(key=lambda key: len(_text(key)))
        for chosen in passes(len(_text(key)) for key in unknown):
            part = unknown[chosen]
            decided = self._moderate(part)
            found.update(zip(part, decided, strict=True))
            self._remember(part, decided)
        return Outcomes.of(keys, found)

    def _keys(self, chunk: Chunk) -> list[_Key | _Refused]:
        rules = self._moderator.policy.channels
        texts = zip(chunk.values(self._text), chunk.problems, strict=True)
        if not rules or self._channel is None:
            return [_Refused(problem) if problem else text for text, problem in texts]
        rows = zip(texts, chunk.values(self._channel), strict=True)
        return [
            _Refused(problem) if problem else (text, ruled(channel, rules))
            for (text, problem), channel in rows
        ]

    def _moderate(self, keys: Sequence[_Key]) -> Sequence[Outcome]:
        messages = list(map(_message, keys))
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

    def _remember(self, keys: Sequence[_Key], decided: Sequence[Outcome]) -> None:
        for key, outcome in zip(keys, decided, strict=True):
            if len(_text(key)) <= REMEMBERED_LENGTH and isinstance(outcome, Decision):
                self._remembered[key] = outcome
        while len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)


def _text(key: _Key) -> str:
    return key if isinstance(key, str) else key[0]


def _message(key: _Key) -> Message:
    return Message(key) if isinstance(key, str) else Message(key[0], channel=key[1])


def passes(lengths: Iterable[int]) -> Iterator[slice]:
    """Which of consecutive texts of these lengths to give to the moderator in one call."""
    start = stop = characters = 0
    for length in lengths:
        full = stop - start == PASS_MESSAGES or characters + length > PASS_CHARACTERS
        if stop > start and full:
            yield slice(start, stop)
            start, characters = stop, 0
        characters += length
        stop += 1
    if stop > start:
        yield slice(start, stop)
