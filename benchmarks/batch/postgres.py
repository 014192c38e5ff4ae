"""A PostgreSQL of our own, for as long as it is needed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def program(name: str) -> str | None:
    """A program of PostgreSQL, which Debian keeps out of the way."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


@contextmanager
def postgres() -> Iterator[str]:
    """URL of a server on a socket in a folder that goes with it.

    Raises:
        FileNotFoundError: PostgreSQL is not installed.
    """
    initdb, control = program("initdb"), program("pg_ctl")
    if not (initdb and control):
        raise FileNotFoundError("no PostgreSQL here: apt-get install postgresql")
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    with tempfile.TemporaryDirectory(prefix="gounmal-pg-") as home:
        if user:
            shutil.chown(home, user)

        def run(*command: str) -> None:
            subprocess.run(command, user=user, cwd=home, check=True, stdout=subprocess.DEVNULL)

        run(initdb, "-D", f"{home}/data", "-A", "trust", "-U", "bench", "--no-sync")
        served = (control, "-D", f"{home}/data", "-w", "-l", f"{home}/log")
        run(*served, "-o", f"-k {home} -c listen_addresses=", "start")
        try:
            yield f"postgresql://bench@/postgres?host={home}"
        finally:
            run(*served, "-m", "immediate", "stop")
