"""The highest rate that holds, by bisection."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

APART = 0.05
"""Bisection ends with the lowest rate that does not hold at most this share above one that does."""


def highest(
    holds: Callable[[float], bool], guess: float, *, apart: float = APART, tries: int = 12
) -> float:
    """The highest rate that holds, up to `apart`; 0 if none of those that were tried does.

    Args:
        holds: tries a rate; it should hold below some rate and not above it.
        guess: where to start.
        apart: how exactly, as a share.
        tries: give up after so many.
    """
    low, high = 0.0, float("inf")
    rate = guess
    for _ in range(tries):
        if holds(rate):
            low = rate
        else:
            high = rate
        if low and high / low <= 1 + apart:
            break
        if low == 0:
            rate = high / 2
        elif high == float("inf"):
            rate = low * 1.4
        else:
            rate = (low * high) ** 0.5
    return low
