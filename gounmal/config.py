"""What the operator sets: BentoML's keys in configuration.yaml, gounmal's own in the environment.

| variable | meaning | default |
|---|---|---|
| `GOUNMAL_MODEL` | tag of the model in the Bento store | `gounmal-ko:latest` |
| `GOUNMAL_POLICY` | policy file | `policy.yaml` beside service.py |
| `GOUNMAL_CACHE` | Decisions that each worker remembers; 0 for none | 10000 |
| `GOUNMAL_DEADLINE_MS` | milliseconds until a message is given up; 0 for never | 1000 |
| `GOUNMAL_RUNNER` | `remote`: one process has the network, for all workers | `in-process` |
| `GOUNMAL_THREADS` | threads of the engine for one forward pass | 1 |
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gounmal.cores import fitting_workers
from gounmal.errors import InvalidConfiguration

SERVICE = "gounmal"
"""Name of the service, in configuration.yaml and on the Bento."""

SCORER = "gounmal-scorer"
"""Name of the service that has the network where the runner is remote."""

RUNNERS = ("in-process", "remote")
"""Where the network may be; the first is the default (docs/decisions/0026)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The environment variables above."""

    model: str
    policy: Path
    cache: int = 10_000
    deadline: float | None = 1.0
    """In seconds."""
    remote: bool = False
    """Is the network in a process of its own?"""
    threads: int = 1
    """Of the engine."""

    @classmethod
    def read(cls, folder: Path) -> Settings:
        """Read the environment.

        Args:
            folder: where the default policy file lies.

        Raises:
            InvalidConfiguration: what should be a number is none, or there is no such runner.
        """
        runner = os.environ.get("GOUNMAL_RUNNER") or RUNNERS[0]
        if runner not in RUNNERS:
            raise InvalidConfiguration(f"GOUNMAL_RUNNER: expected {' or '.join(RUNNERS)}")
        return cls(
            model=os.environ.get("GOUNMAL_MODEL") or "gounmal-ko:latest",
            policy=Path(os.environ.get("GOUNMAL_POLICY") or folder / "policy.yaml"),
            cache=_number("GOUNMAL_CACHE", 10_000),
            deadline=_number("GOUNMAL_DEADLINE_MS", 1_000) / 1_000 or None,
            remote=runner == RUNNERS[1],
            threads=max(1, _number("GOUNMAL_THREADS", 1)),
        )


def _number(variable: str, default: int) -> int:
    value = os.environ.get(variable) or str(default)
    if not (value.isascii() and value.isdigit()):
        raise InvalidConfiguration(f"{variable}: expected a number, 0 or more")
    return int(value)


def read_configuration(path: Path, *, beside: int = 0) -> dict[str, Any]:
    """The service's part of configuration.yaml, for `@bentoml.service`.

    BentoML itself reads such a file only where `BENTOML_CONFIG` names one. What it reads there wins
    over what is returned here. `workers: cpu_count` becomes a number here, since BentoML would look
    at neither affinity nor memory (docs/decisions/0027).

    Args:
        path: of the file.
        beside: cores that are not for workers.

    Raises:
        InvalidConfiguration: there is no such file, or it is not of the form
            `services: {gounmal: {…}}`.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidConfiguration(f"{path}: {error}") from error
    match content:
        case {"services": {**services}} if not content.keys() - {"services"}:
            configuration = services.get(SERVICE)
            if isinstance(configuration, dict) and services.keys() == {SERVICE}:
                if configuration.get("workers") == "cpu_count":
                    return configuration | {"workers": fitting_workers(beside=beside)}
                return configuration
    raise InvalidConfiguration(f"{path}: expected `services:`, in it `{SERVICE}:`, nothing beside")
