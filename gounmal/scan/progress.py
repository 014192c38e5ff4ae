"""How far a scan has come, whoever does how much of it at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gounmal.scan.ledger import done

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from gounmal.scan.plans import Plan


class Progress:
    """How much of a plan is done, shards that were done before included."""

    def __init__(
        self,
        plan: Plan,
        indices: Sequence[int],
        folder: Path,
        on_progress: Callable[[int, float], None],
    ) -> None:
        self._sizes = [max(shard.size, 1) for shard in plan.shards]
        self._total = sum(self._sizes)
        self._state: dict[int, tuple[int, float]] = {}
        self._on_progress = on_progress
        self._last: tuple[int, float] | None = None
        for index in set(range(len(self._sizes))) - set(indices):
            finished = done(plan, index, folder)
            self._state[index] = finished.rows if finished else 0, 1.0
        if self._state:
            self._tell()

    def update(self, index: int, rows: int, share: float | None) -> None:
        """So many rows of a shard are done, which is this share of it; None for all."""
        self._state[index] = rows, 1.0 if share is None else share
        self._tell()

    def _tell(self) -> None:
        rows = sum(rows for rows, _ in self._state.values())
        size = sum(self._sizes[index] * share for index, (_, share) in self._state.items())
        if self._last != (rows, size):
            self._last = rows, size
            self._on_progress(rows, size / self._total)
