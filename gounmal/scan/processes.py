"""How a scan starts other processes: on Linux from one that has imported what they need.

`prepare` starts that one, which imports while the scan looks at its input. Its copies share what it
holds. It must never have a thread, which a copy would lack: nothing is done in it but importing.
"""

from __future__ import annotations

import sys
from multiprocessing import get_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, SpawnContext

_PRELOADED = ("gounmal.scan.workers", "gounmal.model.classifier")


def context() -> ForkServerContext | SpawnContext:
    """What starts the processes; macOS does not let a process be copied once it uses numpy."""
    return get_context("forkserver") if sys.platform == "linux" else get_context("spawn")


def prepare() -> None:
    """Start the process that others will be copied from, if this has not been done."""
    if sys.platform == "linux":
        from multiprocessing import forkserver  # noqa: PLC0415  (it is not there on every system)

        forkserver.set_forkserver_preload([*_PRELOADED])
        forkserver.ensure_running()
