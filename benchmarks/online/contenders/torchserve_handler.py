"""TorchServe's custom handler; it is handed batches."""

from __future__ import annotations

from typing import Any

import orjson

from benchmarks.online.contenders.core import judge, load


class Handler:
    """What TorchServe calls."""

    def initialize(self, context: Any) -> None:  # noqa: ARG002  (the artifact is named elsewhere)
        """Of the worker."""
        self.moderator = load()

    def handle(self, data: list[dict[str, Any]], context: Any) -> list[Any]:  # noqa: ARG002
        """One Decision each."""
        bodies = [row.get("body") or row.get("data") for row in data]
        parsed = [orjson.loads(b) if isinstance(b, (bytes, bytearray)) else b for b in bodies]
        return judge(self.moderator, parsed)
