"""`gounmal serve`: what `make serve` does once everything is installed."""

from __future__ import annotations

import json
import os
import sys
from runpy import run_module
from typing import NoReturn

from gounmal.config import SERVICE
from gounmal.errors import InvalidConfiguration
from gounmal.store import CHECKOUT, ensure_default

OVERRIDES = "BENTOML_CONFIG_OVERRIDES"


def run(*, host: str, port: int, workers: int | None = None) -> NoReturn:
    """Import the shipped model if the store has none, then become `bentoml serve`.

    Args:
        host: address to listen on.
        port: to listen on.
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
    sys.argv = ["bentoml", "serve", "--host", host, "--port", str(port), str(CHECKOUT)]
    run_module("bentoml", run_name="__main__", alter_sys=True)
    raise SystemExit(0)


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
