"""`gounmal serve`: what `make serve` does once everything is installed."""

from __future__ import annotations

import json
import os
import sys
from runpy import run_module
from typing import NoReturn

from gounmal.api.clouds import Platform
from gounmal.config import SERVICE
from gounmal.errors import InvalidConfiguration
from gounmal.gate.exposure import LOCAL
from gounmal.model.store import CHECKOUT, ensure_default

OVERRIDES = "BENTOML_CONFIG_OVERRIDES"

KEEP_ALIVE_S = 75
"""Longer than clients and load balancers keep idle connections (60 s is usual): whoever closes one
just as the other uses it loses a request."""


def run(
    *, host: str | None = None, port: int | None = None, workers: int | None = None
) -> NoReturn:
    """Import the shipped model if the store has none, then become `bentoml serve`.

    Args:
        host: address to listen on; by default what `place` says.
        port: to listen on; likewise.
        workers: processes; by default what configuration.yaml says.

    Raises:
        InvalidConfiguration: there is no service.py beside the package, or the environment's
            overrides are no JSON.
        ModelNotFound: there is no model to be had.
    """
    if not (CHECKOUT / "service.py").is_file():
        raise InvalidConfiguration(
            f"{CHECKOUT}: no service.py: serve from a checkout, or a Bento with `bentoml serve`"
        )
    if not os.environ.get("GOUNMAL_MODEL"):
        ensure_default()
    if workers is not None:
        os.environ[OVERRIDES] = overrides(os.environ.get(OVERRIDES), workers=workers)
    # As `python -m bentoml serve …` in this very process: BentoML has been imported by now, and
    # signals reach it directly.
    host, port = place(host, port)
    listen = ["--host", host, "--port", str(port), "--timeout-keep-alive", str(KEEP_ALIVE_S)]
    sys.argv = ["bentoml", "serve", *listen, str(CHECKOUT)]
    run_module("bentoml", run_name="__main__", alter_sys=True)
    raise SystemExit(0)


def place(host: str | None, port: int | None) -> tuple[str, int]:
    """Where to listen: as asked, as the cloud's platform wants it, or on this machine only.

    BentoML's own variables, `BENTOML_HOST` and `BENTOML_PORT`, come between the last two, and
    `PORT`, which many platforms set.

    Raises:
        InvalidConfiguration: the environment says something that is no port.
    """
    platform = Platform.read()
    if platform is not None:
        return host or "0.0.0.0", port or platform.port  # noqa: S104  (callers come through it)
    given = os.environ.get("BENTOML_PORT") or os.environ.get("PORT") or "3000"
    if not (given.isascii() and given.isdigit()):
        raise InvalidConfiguration("BENTOML_PORT or PORT: expected a number")
    return host or os.environ.get("BENTOML_HOST") or LOCAL, port or int(given)


def overrides(present: str | None, *, workers: int) -> str:
    """BentoML's overrides, as JSON, with this many workers added to those present.

    Raises:
        InvalidConfiguration: those present are no JSON object of objects.
    """
    try:
        content = json.loads(present or "{}")
        content.setdefault("services", {}).setdefault(SERVICE, {})["workers"] = workers
    except (ValueError, AttributeError, TypeError) as error:
        raise InvalidConfiguration(f"{OVERRIDES}: expected a JSON object: {error}") from error
    return json.dumps(content)
