"""BentoML with batching in the one service that there is."""

# mypy: allow-untyped-decorators

from __future__ import annotations

from typing import Any

import bentoml

from benchmarks.online.contenders.core import MAX_BATCH, judge, load


@bentoml.service(workers=1, logging={"access": {"enabled": False}}, tracing={"excluded_urls": ".*"})
class Single:
    """API and runner in one."""

    def __init__(self) -> None:
        self.moderator = load()

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH)
    def moderate(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One Decision each."""
        return judge(self.moderator, messages)
