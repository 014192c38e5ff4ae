"""`gounmal scan …` with a stopwatch on its last step: writes what that took as JSON.

python -m benchmarks.batch.timed FILE scan …
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gounmal.cli import main as command_line
from gounmal.scan import parts, scan

if TYPE_CHECKING:
    from types import ModuleType

SECONDS: Counter[str] = Counter()


def clock(module: ModuleType, name: str) -> None:
    """Add up how long a function takes."""
    function = getattr(module, name)

    @wraps(function)
    def timed(*arguments: Any, **named: Any) -> Any:
        begun = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            SECONDS[name] += time.perf_counter() - begun

    setattr(module, name, timed)


def main() -> None:
    path, *arguments = sys.argv[1:]
    clock(scan, "assemble")
    clock(parts, "_join")
    command_line(arguments, standalone_mode=False)
    Path(path).write_text(json.dumps(SECONDS), encoding="utf-8")


if __name__ == "__main__":
    main()
