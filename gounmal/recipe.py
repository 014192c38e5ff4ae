"""Who judges, in a form that any process can make a moderator of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gounmal.moderator import Moderator
from gounmal.schema import Mode

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Recipe:
    """How any process makes the same moderator."""

    model: str | None = None
    """An artifact folder or store tag."""
    policy: Path | None = None
    """A policy file."""
    mode: str | None = None
    """In place of the policy's."""

    def load(self) -> Moderator:
        """The moderator."""
        moderator = Moderator.load(self.model, policy=self.policy)
        if self.mode is None:
            return moderator
        rules, mode = moderator.policy, Mode(self.mode)
        channels = {name: replace(own, mode=mode) for name, own in rules.channels.items()}
        return Moderator(moderator.scorer, replace(rules, mode=mode, channels=channels))
