"""What every contender serves: the same artifact under the same policy, through the same core.

Only the serving differs. The artifact's folder comes in `GOUNMAL_BENCH_ARTIFACT`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gounmal import Message, Moderator, Policy
from gounmal.model.classifier import Classifier

if TYPE_CHECKING:
    from collections.abc import Sequence

ARTIFACT = "GOUNMAL_BENCH_ARTIFACT"
POLICY = Path(__file__).resolve().parents[3] / "policy.yaml"

MAX_BATCH = 32
"""Messages that a contender with batching may put together: gains stop at about 16 on one core."""

MAX_WAIT_S = 0.002
"""For which one that waits for company may do so: a tenth of the latency that is asked for."""


def load() -> Moderator:
    """The moderator, warmed up."""
    classifier = Classifier.load(os.environ[ARTIFACT])
    moderator = Moderator(classifier, Policy.load(POLICY))
    for size in (1, 4, 16, 32):
        moderator.moderate(["가나다 abc 123"] * size)
    return moderator


def judge(moderator: Moderator, bodies: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Bodies of `/moderate` → Decisions as JSON."""
    messages = [Message(body["text"], id=body.get("id")) for body in bodies]
    return [decision.to_dict() for decision in moderator.moderate(messages)]
