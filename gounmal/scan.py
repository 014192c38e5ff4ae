"""A file of chat → its decisions, a summary and a report: read, judge, write, count, by chunk."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gounmal.columns import Role
from gounmal.errors import InvalidInput, ScoringFailed
from gounmal.records import Problem
from gounmal.report import render
from gounmal.schema import Decision, Message
from gounmal.tally import Tally, ruled
from gounmal.writers import file_name, replacing, writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from gounmal.files import Chunk, Format, Input
    from gounmal.moderator import Moderator
    from gounmal.summary import Summary
    from gounmal.writers import Outcome

REMEMBERED = 16_384
"""Decisions kept from chunk to chunk: about as good as many more (two in five lines of live chat
occur among so many before them)."""

REMEMBERED_LENGTH = 64
"""Longer texts seldom come again."""

PASS_MESSAGES = 512
PASS_CHARACTERS = 32_768
"""Of one call to the moderator, which holds evidence for every character of it."""

_Key = tuple[str, str | None]  # a text, and the channel where that has rules of its own


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a scan wrote."""

    summary: Summary
    decisions: Path
    summary_json: Path
    report: Path


def scan(  # noqa: PLR0913  (each a choice of the user's, by name)
    source: Input,
    folder: Path,
    *,
    moderator: Moderator,
    kind: Format | None = None,
    title: str | None = None,
    key: bytes | None = None,
    language: str = "ko",
    on_progress: Callable[[int, float], None] = lambda _rows, _done: None,
) -> Scanned:
    """Judge every row of a file.

    Args:
        source: the file, as `files.inspect` found it.
        folder: for the results; made if need be. Each file in it is replaced when it is complete.
        moderator: judges.
        kind: format of the decisions; by default that of the file.
        title: the programme's name; by default the file's.
        key: for the pseudonyms of the report, at most 64 bytes; by default a new random one.
        language: of the report, `ko` or `en`.
        on_progress: called after each chunk with the rows so far and how much is done, 0 to 1.

    Raises:
        InvalidInput: the file cannot be read to its end, or would be overwritten.
        ScoringFailed: the engine fails on everything.
    """
    from gounmal import __version__  # noqa: PLC0415  (the package imports its rooms)

    folder.mkdir(parents=True, exist_ok=True)
    kind = kind or source.format
    decisions = folder / file_name(source, kind)
    if decisions.exists() and decisions.samefile(source.path):
        raise InvalidInput(f"{source.path}: would be overwritten: choose another --output")
    tally = Tally(source, moderator, key=key or secrets.token_bytes(32))
    roles = source.roles
    judge = Judge(moderator, text=roles[Role.TEXT], channel=roles.get(Role.CHANNEL))
    with writer(decisions, source, kind) as sink:
        for chunk in source.chunks():
            outcomes = judge(chunk)
            sink.write(chunk, outcomes)
            tally.add(chunk, outcomes)
            on_progress(tally.rows, chunk.done)
    summary = tally.summary(title=title or _stem(source.path), version=__version__)
    scanned = Scanned(summary, decisions, folder / "summary.json", folder / "report.html")
    with replacing(scanned.summary_json) as file:
        file.write(summary.to_json())
    with replacing(scanned.report) as file:
        file.write(render(summary, language=language).encode())
    return scanned


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
        rows = zip(
            chunk.values(self._text), chunk.values(self._channel), chunk.problems, strict=True
        )
        return [problem or (text, ruled(channel, rules)) for text, channel, problem in rows]

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


def _stem(path: Path) -> str:
    return path.name.split(".")[0] or path.name
