"""Chunk → outcomes: what is the same is scored once, what is as long goes together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gounmal.errors import ScoringFailed
from gounmal.files.outcomes import Outcomes
from gounmal.files.records import Problem
from gounmal.policy import ruled
from gounmal.scan.memory import Memory
from gounmal.screening import Screened, harmless_decision, screen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gounmal.files.outcomes import Outcome
    from gounmal.files.reader import Chunk
    from gounmal.moderator import Moderator
    from gounmal.policy import Policy
    from gounmal.schema import Decision

REMEMBERED = 16_384
"""Texts remembered from chunk to chunk: about as good as many more (two in five lines of live chat
occur among so many before them)."""

REMEMBERED_LENGTH = 64
"""Longer texts seldom come again."""

PASS_MESSAGES = 512
PASS_CHARACTERS = 32_768
"""Of one call to the scorer, which holds evidence for every character of it."""


class _Refused(NamedTuple):
    """Stands for a row that cannot be judged: a Problem alone would equal a text that reads so."""

    problem: Problem


_Key = str | tuple[str, str | None]  # a text, and its channel where there are rules for channels


class Judge:
    """Chunk → outcomes: what is the same is scored once, what is as long goes together."""

    def __init__(self, moderator: Moderator, *, text: str, channel: str | None = None) -> None:
        self._moderator = moderator
        self._text = text
        self._channel = channel
        self._remembered = Memory(REMEMBERED)

    def __call__(self, chunk: Chunk) -> Outcomes:
        """What became of each row.

        Raises:
            ScoringFailed: the engine fails on everything.
        """
        rows = self._keys(chunk)
        distinct = list(dict.fromkeys(rows))  # by their first rows
        number = {key: i for i, key in enumerate(distinct)}
        problems = {i: k.problem for i, k in enumerate(distinct) if isinstance(k, _Refused)}
        keys: dict[int, _Key] = {
            i: key for i, key in enumerate(distinct) if not isinstance(key, _Refused)
        }
        texts = [None if isinstance(key, _Refused) else _text(key) for key in distinct]
        lengths = [len(text or "") for text in texts]
        screened = Screened.blank(len(number))
        unknown = self._remembered.recall(keys, screened)
        unknown.sort(key=lengths.__getitem__)
        for chosen in passes(map(lengths.__getitem__, unknown)):
            problems |= self._screen({i: keys[i] for i in unknown[chosen]}, screened)
        found: dict[int, Outcome] = {**screened.found, **problems}
        return Outcomes(
            places=np.fromiter(map(number.__getitem__, rows), np.int32, len(rows)),
            texts=texts,
            scores=screened.scores,
            empty=screened.empty,
            found=dict(sorted(found.items())),
            harmless=partial(self._harmless, keys, screened),
        )

    def _keys(self, chunk: Chunk) -> list[_Key | _Refused]:
        rules = self._moderator.policy.channels
        if not rules and not any(chunk.problems):
            return chunk.values(self._text)
        texts = zip(chunk.values(self._text), chunk.problems, strict=True)
        if not rules or self._channel is None:
            return [_Refused(problem) if problem else text for text, problem in texts]
        rows = zip(texts, chunk.values(self._channel), strict=True)
        return [
            _Refused(problem) if problem else (text, ruled(channel, rules))
            for (text, problem), channel in rows
        ]

    def _screen(self, keys: Mapping[int, _Key], screened: Screened) -> dict[int, Problem]:
        """Judge these in one call; where the engine fails each alone, which gives the Problems."""
        try:
            self._judge(keys, screened)
        except ScoringFailed:
            failed = [i for i, key in keys.items() if not self._alone(i, key, screened)]
            if len(failed) == len(keys) > 1:
                raise
            return dict.fromkeys(failed, Problem.SCORING)
        return {}

    def _alone(self, place: int, key: _Key, screened: Screened) -> bool:
        try:
            self._judge({place: key}, screened)
        except ScoringFailed:
            return False
        return True

    def _judge(self, keys: Mapping[int, _Key], screened: Screened) -> None:
        """Judge what has these places, and remember it."""
        texts = list(map(_text, keys.values()))
        found = screen(self._moderator, texts, list(map(self._policy, keys.values())))
        screened.put(list(keys), found)
        known = list(keys.values())
        short = [i for i, text in enumerate(texts) if len(text) <= REMEMBERED_LENGTH]
        if len(short) < len(known):
            known, found = [known[i] for i in short], found.take(short)
        self._remembered.remember(known, found)

    def _policy(self, key: _Key) -> Policy:
        policy = self._moderator.policy
        return policy if isinstance(key, str) else policy.for_channel(key[1])

    def _harmless(self, keys: Mapping[int, _Key], screened: Screened, place: int) -> Decision:
        key = keys[place]
        return harmless_decision(self._moderator, _text(key), screened, place, self._policy(key))


def _text(key: _Key) -> str:
    return key if isinstance(key, str) else key[0]


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
