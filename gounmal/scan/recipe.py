"""Who judges, in a form that any process can make a moderator of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gounmal.moderator import Moderator
from gounmal.policy import Policy
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

    folder: Path | None = None
    """The artifact, where it is known which one that is: the store is not asked again."""

    def located(self) -> Recipe:
        """The same with its folder: what is made of it is the same whatever comes to the store."""
        from gounmal.model.store import find  # noqa: PLC0415  (BentoML takes a second to import)

        return replace(self, folder=find(self.model))

    def load(self) -> Moderator:
        """The moderator."""
        if self.folder is None:
            moderator = Moderator.load(self.model, policy=self.policy)
        else:
            from gounmal.model.classifier import Classifier  # noqa: PLC0415  (the engine loads on demand)

            rules = Policy.load(self.policy) if self.policy is not None else None
            moderator = Moderator(Classifier.load(self.folder), rules)
        if self.mode is None:
            return moderator
        rules, mode = moderator.policy, Mode(self.mode)
        channels = {name: replace(own, mode=mode) for name, own in rules.channels.items()}
        return Moderator(moderator.scorer, replace(rules, mode=mode, channels=channels))
