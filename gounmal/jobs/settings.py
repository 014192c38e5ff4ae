"""What the operator sets about jobs, all in the environment.

| variable | meaning | default |
|---|---|---|
| `GOUNMAL_JOBS` | `off`: no jobs in this service | `on` |
| `GOUNMAL_STATE` | folder for uploads, results and SQLite; shared where there are many machines | \
`$XDG_STATE_HOME/gounmal`, else `~/.local/state/gounmal` |
| `GOUNMAL_DATABASE` | `postgresql://…` for many machines | SQLite in the state folder |
| `GOUNMAL_JOB_PREFIXES` | where inputs and outputs may lie, separated by commas | none: uploads only |
| `GOUNMAL_JOB_MAX_BYTES` | of an upload | 1 GiB |
| `GOUNMAL_JOB_RETENTION` | how long a finished job is kept, such as `12h` or `7d`; `off`: for ever | `7d` |
| `GOUNMAL_JOB_PROCESSES` | that judge beside the service | 1 |
| `GOUNMAL_JOB_LOST_AFTER` | a worker unheard of for so long has its shards given to others | `30s` |
| `GOUNMAL_NIGHTLY` | when to scan by itself: a cron expression | never |
| `GOUNMAL_NIGHTLY_INPUT` | what, as of the day before: `/data/%Y-%m-%d/*.csv` | |
| `GOUNMAL_NIGHTLY_OUTPUT` | folder for the results, likewise | |
| `GOUNMAL_TIMEZONE` | in which nights are nights | `Asia/Seoul` |
"""  # noqa: E501  (rows of a table)

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from gounmal.errors import InvalidConfiguration
from gounmal.files.sources import UNREAD

_CRON = re.compile(r"\s*[\d*/,A-Za-z-]+(?:\s+[\d*/,A-Za-z-]+){4,5}\s*")
"""Five fields, or six with seconds; what is in them DBOS finds out."""

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@dataclass(frozen=True, slots=True, kw_only=True)
class Nightly:
    """A scan that starts by itself."""

    cron: str
    input: str
    output: str
    timezone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """The environment variables above."""

    enabled: bool
    state: Path
    database: str = field(repr=False)
    """URL, with its password: never to be shown."""
    prefixes: tuple[str, ...]
    max_bytes: int
    retention_s: float | None
    """None: for ever."""
    processes: int
    lost_after_s: float
    nightly: Nightly | None

    @property
    def folders(self) -> Path:
        """Where each job has a folder of its own."""
        return self.state / "jobs"

    @classmethod
    def read(cls) -> JobSettings:
        """Read the environment.

        Raises:
            InvalidConfiguration: a variable has a value that it cannot have.
        """
        state = Path(_text("GOUNMAL_STATE") or _default_state()).expanduser().absolute()
        database = _text("GOUNMAL_DATABASE") or f"sqlite:///{state / 'jobs.sqlite'}"
        if not database.startswith(("postgresql://", "sqlite:///")):
            raise InvalidConfiguration("GOUNMAL_DATABASE: expected postgresql://…")
        return cls(
            enabled=_switch("GOUNMAL_JOBS", "on"),
            state=state,
            database=database,
            prefixes=_prefixes(),
            max_bytes=_whole("GOUNMAL_JOB_MAX_BYTES", 1 << 30),
            retention_s=_duration("GOUNMAL_JOB_RETENTION", "7d"),
            processes=_whole("GOUNMAL_JOB_PROCESSES", 1),
            lost_after_s=_duration("GOUNMAL_JOB_LOST_AFTER", "30s") or 30.0,
            nightly=_nightly(),
        )


def _prefixes() -> tuple[str, ...]:
    found = tuple(p.strip() for p in _text("GOUNMAL_JOB_PREFIXES").split(",") if p.strip())
    for prefix in found:
        if prefix.partition("://")[0].lower() in UNREAD:
            raise InvalidConfiguration(
                f"GOUNMAL_JOB_PREFIXES: expected folders or object stores, got {prefix!r}"
            )
    return found


def _nightly() -> Nightly | None:
    cron = _text("GOUNMAL_NIGHTLY")
    if not cron:
        return None
    if not _CRON.fullmatch(cron):
        raise InvalidConfiguration(
            f"GOUNMAL_NIGHTLY: expected a cron expression such as `15 4 * * *`, got {cron!r}"
        )
    source, output = _text("GOUNMAL_NIGHTLY_INPUT"), _text("GOUNMAL_NIGHTLY_OUTPUT")
    if not source or not output:
        raise InvalidConfiguration(
            "GOUNMAL_NIGHTLY: expected GOUNMAL_NIGHTLY_INPUT and _OUTPUT too"
        )
    zone = _text("GOUNMAL_TIMEZONE", "Asia/Seoul")
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise InvalidConfiguration(f"GOUNMAL_TIMEZONE: no time zone {zone!r}") from None
    return Nightly(cron=cron, input=source, output=output, timezone=zone)


def _default_state() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "gounmal"


def _text(name: str, default: str = "") -> str:
    return os.environ.get(name) or default


def _switch(name: str, default: str) -> bool:
    text = _text(name, default).lower()
    if text not in {"on", "off"}:
        raise InvalidConfiguration(f"{name}: expected on or off, got {text!r}")
    return text == "on"


def _whole(name: str, default: int) -> int:
    text = _text(name, str(default))
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise InvalidConfiguration(f"{name}: expected a positive whole number, got {text!r}")
    return int(text)


def _duration(name: str, default: str) -> float | None:
    text = _text(name, default).lower()
    if text == "off":
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    if found is None or not float(found[1]):
        raise InvalidConfiguration(f"{name}: expected such as 12h or 7d, got {text!r}")
    return float(found[1]) * _UNITS[found[2]]
