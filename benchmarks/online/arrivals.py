"""When requests are meant to be sent: an open loop, which does not wait for answers.

Real live chat has a variance/mean of its counts of about 7.5, where a Poisson process has 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Arrivals = Callable[[float, float, np.random.Generator], NDArray[np.float64]]

BURST = 4
"""Mean size of a burst: sizes are geometric, so that counts have variance/mean 2 × 4 − 1 = 7."""


def poisson(rate: float, seconds: float, random: np.random.Generator) -> NDArray[np.float64]:
    """Send times of independent arrivals, in seconds, sorted.

    Args:
        rate: arrivals per second, on average.
        seconds: how long they go on.
        random: draws them.
    """
    count = random.poisson(rate * seconds)
    return np.sort(random.uniform(0, seconds, count))


def bursty(rate: float, seconds: float, random: np.random.Generator) -> NDArray[np.float64]:
    """Send times of bursts that arrive independently, each of several requests at one moment.

    Arguments as for `poisson`; the rate is that of requests, not of bursts.
    """
    starts = poisson(rate / BURST, seconds, random)
    return np.repeat(starts, random.geometric(1 / BURST, len(starts)))


def dispersion(times: NDArray[np.float64], *, seconds: float, window: float) -> float:
    """Variance/mean of the number of arrivals in windows of this length."""
    counts, _ = np.histogram(times, bins=int(seconds / window), range=(0, seconds))
    return float(counts.var() / counts.mean())


ARRIVALS: dict[str, Arrivals] = {"poisson": poisson, "bursty": bursty}
