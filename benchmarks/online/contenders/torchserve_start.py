"""Write what TorchServe reads, and become TorchServe."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from runpy import run_module

from model_archiver.model_packaging import generate_model_archive

from benchmarks.online.contenders.core import MAX_BATCH, MAX_WAIT_S

HANDLER = Path(__file__).with_name("torchserve_handler.py")
MODEL = """minWorkers: 1
maxWorkers: 1
batchSize: {batch}
maxBatchDelay: {delay}
"""
SERVER = """inference_address=http://127.0.0.1:{0}
management_address=http://127.0.0.1:{1}
metrics_address=http://127.0.0.1:{2}
grpc_inference_port={3}
grpc_management_port={4}
job_queue_size=2048
install_py_dep_per_model=false
enable_envvars_config=false
"""


def archive(store: Path) -> None:
    """The model's archive: the handler alone, since it knows where the artifact is."""
    config = store / "model.yaml"
    config.write_text(MODEL.format(batch=MAX_BATCH, delay=round(MAX_WAIT_S * 1e3)))
    sys.argv = [
        "torch-model-archiver",
        *("--model-name", "gounmal", "--version", "1.0", "--handler", str(HANDLER)),
        *("--config-file", str(config), "--export-path", str(store), "--force"),
    ]
    generate_model_archive()


def main() -> None:
    store, port = Path(sys.argv[1]), int(sys.argv[2])
    store.mkdir(parents=True, exist_ok=True)
    archive(store)
    properties = store / "config.properties"
    properties.write_text(SERVER.format(*range(port, port + 5)))
    os.environ["LOG_LOCATION"] = os.environ["METRICS_LOCATION"] = str(store / "logs")
    sys.argv = [
        *("torchserve", "--start", "--foreground", "--disable-token-auth"),
        *("--model-store", str(store), "--models", "gounmal=gounmal.mar"),
        *("--ts-config", str(properties)),
    ]
    run_module("ts.model_server", run_name="__main__")


if __name__ == "__main__":
    main()
