"""Python's garbage collector: off while a shard is judged, called when a chunk is done."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

YOUNG = 1
"""The generation up to which is collected: what came since the last time, and not the model."""


@contextmanager
def spared() -> Iterator[Callable[[], object]]:
    """Keep the collector from running by itself in this block.

    Judging makes thousands of objects a chunk and hardly a cycle among them, yet so many new ones
    have the collector look again and again, through all that was loaded too: a sixth of the
    processor time of a scan. Looking once a chunk, at what is new, costs a hundredth of it and
    finds the few cycles, so that memory stays flat. It is the same with the counts of many shards.

    Yields:
        What collects, to be called after each chunk, or shard.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield partial(gc.collect, YOUNG)
    finally:
        if was_on:
            gc.enable()
