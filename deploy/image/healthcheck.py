"""Exit code 0 where /readyz answers 200; for HEALTHCHECK, which has no curl here.

The port is that on which `gounmal serve` listens without `--port`.
"""
# ruff: noqa: INP001  (a script, not part of a package)

import os
import sys
from http.client import HTTPConnection, HTTPException

TIMEOUT_S = 2


def port() -> int:
    """As the cloud's platform wants it, else BENTOML_PORT or PORT, else 3000."""
    cloud = os.environ.get("GOUNMAL_CLOUD")
    if cloud != "none":
        told = os.environ.get("SAGEMAKER_BIND_TO_PORT") or os.environ.get("AIP_HTTP_PORT")
        if told or cloud or os.environ.get("SAGEMAKER_BATCH"):
            return int(told or 8080)
    return int(os.environ.get("BENTOML_PORT") or os.environ.get("PORT") or 3000)


def ready() -> bool:
    """Is a worker ready to answer?"""
    connection = HTTPConnection("127.0.0.1", port(), timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not ready())
