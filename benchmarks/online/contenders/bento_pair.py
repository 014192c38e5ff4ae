"""BentoML's documented pair: an API service in front of a runner service that batches."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import os
from typing import Any

import bentoml

from benchmarks.online.contenders.core import MAX_BATCH, judge, load

TUNED: dict[str, Any] = {
    # By default a connection is replaced after 100 requests, with those on it (see facts.md).
    "runner_connection": {"max_requests": 10**9, "max_age": 1e9},
    "logging": {"access": {"enabled": False}},
    "tracing": {"excluded_urls": ".*"},
}
EXTRA = TUNED if os.environ.get("GOUNMAL_BENCH_TUNED") else {}


@bentoml.service(workers=1, **EXTRA)
class Scorer:
    """The runner."""

    def __init__(self) -> None:
        self.moderator = load()

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH)
    def score(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One Decision each."""
        return judge(self.moderator, messages)


@bentoml.service(workers=1, **EXTRA)
class Door:
    """The API."""

    scorer = bentoml.depends(Scorer)

    @bentoml.api
    async def moderate(self, message: dict[str, Any]) -> dict[str, Any]:
        """One Decision."""
        [decision] = await self.scorer.to_async.score([message])
        return decision
