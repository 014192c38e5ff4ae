"""The thresholds of the three modes, chosen on the dev split by stated targets (`Targets`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gounmal.schema import LABELS, Label, Mode
from train.board import Board, Goal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from train.data import Dataset

RESTARTS = 300
"""How often the search for `balanced` and `strict` starts again."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What the modes are chosen for."""

    balanced_chat: float = 0.0015
    """Of short clean chat lines, the share that `balanced` may flag, over all labels together."""
    balanced_lookalikes: float = 0.0325
    """The same of our own harmless lines, which were written to be mistaken."""
    strict_chat: float = 0.01
    strict_lookalikes: float = 0.15
    strict_beta: float = 2.0
    """`strict` maximises F-beta: recall counts beta times as much as precision."""
    lenient_precision: float = 0.95
    """Of each label where it can be reached; else its most precise threshold."""

    def balanced(self) -> Goal:
        """What `balanced` maximises, and under which limits."""
        return Goal(1.0, self.balanced_chat, self.balanced_lookalikes)

    def strict(self) -> Goal:
        """The same of `strict`."""
        return Goal(self.strict_beta, self.strict_chat, self.strict_lookalikes)


def choose_thresholds(
    dataset: Dataset,
    score: Callable[[Sequence[str]], NDArray[np.float32]],
    *,
    split: str = "dev",
    targets: Targets = Targets(),
    restarts: int = RESTARTS,
) -> dict[Mode, dict[Label, float]]:
    """The thresholds of the three modes; those of a milder mode are never the lower ones.

    `balanced` maximises the mean of the benchmarks' metrics and of the labels' F1 while it flags at
    most so many harmless lines; `strict` the same with F-beta; `lenient` asks every label for
    precision. The search starts again `restarts` times.
    """
    board = Board.of(dataset, score, split)
    balanced, _ = board.climb(targets.balanced(), restarts)
    strict, _ = board.climb(targets.strict(), restarts, below=balanced)
    lenient = board.precise(targets.lenient_precision, above=balanced)
    return {
        mode: {label: float(v) for label, v in zip(LABELS, values, strict=True)}
        for mode, values in (
            (Mode.LENIENT, lenient),
            (Mode.BALANCED, balanced),
            (Mode.STRICT, strict),
        )
    }
