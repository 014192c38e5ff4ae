"""The exact-match cache: what was decided lately, by least recent use.

Chat repeats itself: of live chat on large channels, four lines in ten were said within the last
10,000. A hit saves everything but the request itself.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gounmal.moderator import Moderator, Scorer
    from gounmal.policy import Policy
    from gounmal.schema import Decision, Message


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """One model under one policy: what else an outcome depends on. Equal to itself only."""

    scorer: Scorer
    policy: Policy


MAX_LENGTH = 200
"""Longer texts seldom come again, and would take the memory of many: a Decision holds its text."""

Key = tuple[str, str | None, Version]
"""Text, channel where it has rules of its own, and what judged."""


class Keys:
    """Makes keys that are equal exactly when the outcome must be."""

    def __init__(self, moderator: Moderator) -> None:
        self._moderator = moderator
        self._version = Version(moderator.scorer, moderator.policy)

    def of(self, message: Message) -> Key:
        """The key of a message, under the model and the policy in force now."""
        version, moderator = self._version, self._moderator
        if version.scorer is not moderator.scorer or version.policy is not moderator.policy:
            version = self._version = Version(moderator.scorer, moderator.policy)
        channel = message.channel
        if channel is not None and channel not in version.policy.channels:
            channel = None
        return (message.text, channel, version)


class Cache:
    """Keys → Decisions without an id.

    Args:
        size: entries at most; 0 keeps none.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._entries: OrderedDict[Key, Decision] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Decision | None:
        """What was decided, if it is still known."""
        decision = self._entries.get(key)
        if decision is not None:
            self._entries.move_to_end(key)
        return decision

    def put(self, key: Key, decision: Decision) -> None:
        """Keep a Decision, in place of the one that was not asked for the longest."""
        if not self.size or len(key[0]) > MAX_LENGTH:
            return
        self._entries[key] = decision.with_id(None)
        self._entries.move_to_end(key)
        if len(self._entries) > self.size:
            self._entries.popitem(last=False)
