"""How a scan starts other processes: on Linux as copies of one that has imported what they need."""

from __future__ import annotations

import sys
from functools import cache
from multiprocessing import get_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, SpawnContext

PRELOADED = ("gounmal.scan.workers", "gounmal.model.classifier")
"""Imported before copying, and nothing but imported: a copy lacks the threads of what it is copied
from. Those of Arrow's allocator and of OpenBLAS see to that themselves; an engine's would not."""

# macOS lets no process be copied that has used its frameworks. In Python 3.11.0 whoever is on the
# machine can talk to the process that is copied (CVE-2022-42919).
_COPIES = sys.platform == "linux" and sys.version_info >= (3, 11, 1)


@cache
def context() -> ForkServerContext | SpawnContext:
    """What starts the processes.

    The first call starts the one that will be copied, and does not wait: call it early, and its
    imports go on beside your own.
    """
    if not _COPIES:
        return get_context("spawn")
    from multiprocessing import forkserver  # noqa: PLC0415  (it is not there on every system)

    forkserver.set_forkserver_preload([*PRELOADED])
    try:
        forkserver.ensure_running()
    except OSError:  # there is no folder for its socket: nothing may be written
        return get_context("spawn")
    return get_context("forkserver")
