"""Who judges the shards of a job: the moderator that its plan names, on whatever worker."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from gounmal.errors import InvalidPolicy, ModelNotFound
from gounmal.moderator import Moderator
from gounmal.scan.plans import policy_hash

if TYPE_CHECKING:
    from pathlib import Path

    from gounmal.scan.plans import ScanOptions

POLICY = "policy.yaml"
"""Of a job: a copy of the policy that was in force when it was planned."""


class Moderators:
    """Loads a moderator when one is first needed, and keeps the last.

    Args:
        model: tag or artifact folder of the model in force; None: the newest in the store.
        policy: of the policy file in force; None: the default rules.
    """

    def __init__(self, model: str | None, policy: Path | None) -> None:
        self._model = model
        self._policy = policy
        self._current: Moderator | None = None
        self._other: Moderator | None = None

    def current(self) -> Moderator:
        """The one in force."""
        if self._current is None:
            self._current = Moderator.load(self._model, policy=self._policy)
        return self._current

    def keep_policy(self, folder: Path) -> None:
        """Put a copy of the policy in force into a job's folder."""
        if self._policy is not None:
            shutil.copyfile(self._policy, folder / POLICY)

    def for_plan(self, options: ScanOptions, folder: Path) -> Moderator:
        """The one that a plan names, though another model or policy may be in force by now.

        Raises:
            ModelNotFound: this worker has no such model.
            InvalidPolicy: the job's copy of its policy is not what it was.
        """
        for moderator in (self._other, self.current()):
            if moderator is not None and _same(moderator, options):
                return moderator
        kept = folder / POLICY
        self._other = Moderator.load(options.model, policy=kept if kept.exists() else None)
        if self._other.scorer.tag != options.model:
            raise ModelNotFound(f"this worker has {self._other.scorer.tag}, not {options.model}")
        if not _same(self._other, options):
            raise InvalidPolicy(f"{kept}: changed since the job was planned")
        return self._other


def _same(moderator: Moderator, options: ScanOptions) -> bool:
    policy = moderator.policy
    found = (moderator.scorer.tag, policy.mode.value, policy_hash(policy))
    return found == (options.model, options.mode, options.policy)
