"""Who judges, in a form that any process can make a moderator of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gounmal.model.artifact import ArtifactConfig
from gounmal.model.locate import locate
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
        """The same with its folder: what is made of it is the same whatever comes to the store.

        Raises:
            ModelNotFound: there is no such model.
        """
        if self.folder is not None:
            return self
        return replace(self, folder=locate(self.model))

    def tag(self) -> str:
        """The model's, read without the model, for a process that judges nothing itself.

        Raises:
            ModelNotFound: there is no such model.
            InvalidArtifact: its folder cannot be used.
        """
        folder = self.located().folder
        assert folder is not None  # noqa: S101  (that is what `located` is for)
        return ArtifactConfig.read(folder).tag

    def rules(self) -> Policy:
        """The policy.

        Raises:
            InvalidPolicy: its file cannot be used.
        """
        rules = Policy.load(self.policy) if self.policy is not None else Policy()
        if self.mode is None:
            return rules
        mode = Mode(self.mode)
        channels = {name: replace(own, mode=mode) for name, own in rules.channels.items()}
        return replace(rules, mode=mode, channels=channels)

    def load(self) -> Moderator:
        """The moderator.

        Raises:
            ModelNotFound: there is no such model.
            InvalidArtifact: its folder cannot be used.
            InvalidPolicy: the policy file cannot be used.
        """
        if self.folder is None:
            scorer = Moderator.load(self.model, policy=self.policy).scorer
        else:
            from gounmal.model.classifier import Classifier  # noqa: PLC0415  (the engine loads on demand)

            scorer = Classifier.load(self.folder)
        return Moderator(scorer, self.rules())
