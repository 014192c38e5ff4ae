"""Trainings side by side, each in a process of its own with its share of the cores.

A recipe has several networks of one kind to train, none of which needs another.
"""

from __future__ import annotations

import multiprocessing
import traceback
from typing import TYPE_CHECKING

import torch

from gounmal.cores import usable_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection

    import numpy as np
    from numpy.typing import NDArray

Arrays = dict[str, "NDArray[np.float32]"]
"""What a job gives: arrays by name, such as a network's weights."""


class JobFailed(RuntimeError):  # noqa: N818  (says what happened)
    """A job raised, with its traceback in the message, or its process was killed."""


def abreast(jobs: Sequence[Callable[[], Arrays]], *, cores: int | None = None) -> list[Arrays]:
    """Run jobs, as many at once as there are cores; what each gives, in their order.

    What they need they share with this process, and nothing that they change comes back. A job
    that would be alone, and all of them where there are cores to spare or processes cannot be
    forked, run here, one after the other, with every core.

    Args:
        jobs: what to run.
        cores: that may be used [default: all that this process may use].

    Raises:
        JobFailed: one of them did not end well; the others are stopped.
    """
    cores = cores or usable_cores()
    if cores >= 2 * len(jobs) or "fork" not in multiprocessing.get_all_start_methods():
        cores = 1
    found: list[Arrays] = []
    for first in range(0, len(jobs), cores):
        together = jobs[first : first + cores]
        found += _together(together) if len(together) > 1 else [together[0]()]
    return found


def _together(jobs: Sequence[Callable[[], Arrays]]) -> list[Arrays]:
    context = multiprocessing.get_context("fork")
    running = []
    try:
        for job in jobs:
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=_run, args=(job, sender), daemon=True)
            process.start()
            sender.close()  # so that it ends here when it ends there
            running.append((process, receiver))
        return [_received(receiver) for _, receiver in running]
    finally:
        for process, receiver in running:
            process.terminate()
            process.join()
            receiver.close()


def _run(job: Callable[[], Arrays], sender: Connection) -> None:
    # Of a pool of threads that was there before the fork, a child has none: more than one would
    # wait for it for ever.
    torch.set_num_threads(1)
    try:
        sender.send(job())
    except Exception:  # noqa: BLE001  (whoever waits raises it)
        sender.send(traceback.format_exc())


def _received(receiver: Connection) -> Arrays:
    try:
        said: Arrays | str = receiver.recv()
    except EOFError:
        raise JobFailed("a training's process was killed: is there enough memory?") from None
    if isinstance(said, str):
        raise JobFailed(said)
    return said
