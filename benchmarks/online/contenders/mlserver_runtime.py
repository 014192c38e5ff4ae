"""MLServer, with its adaptive batching: a runtime of its own kind."""

# mypy: disable-error-code=misc

from __future__ import annotations

import json
import sys
from pathlib import Path

import orjson
from mlserver import MLModel
from mlserver.codecs import StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

from benchmarks.online.contenders.core import MAX_BATCH, MAX_WAIT_S, judge, load


class Runtime(MLModel):
    """Columns of strings in, a column of Decisions as JSON out."""

    async def load(self) -> bool:
        """Of the worker."""
        self.moderator = load()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """One Decision each."""
        columns = {one.name: StringCodec.decode_input(one) for one in payload.inputs}
        bodies = [
            {"text": text, "id": key}
            for text, key in zip(columns["text"], columns["id"], strict=True)
        ]
        said = [orjson.dumps(decision).decode() for decision in judge(self.moderator, bodies)]
        return InferenceResponse(
            model_name=self.name, outputs=[StringCodec.encode_output("decision", said)]
        )


def settings(folder: Path, port: int) -> None:
    """Write what `mlserver start` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.json").write_text(
        json.dumps(
            {
                "host": "127.0.0.1",
                "http_port": port,
                "grpc_port": port + 1,
                "metrics_port": port + 2,
                # In the server's own process: another one only costs on one core.
                "parallel_workers": 0,
                "debug": False,
            }
        )
    )
    (folder / "model-settings.json").write_text(
        json.dumps(
            {
                "name": "gounmal",
                "implementation": f"{__spec__.name if __spec__ else ''}.Runtime",
                "max_batch_size": MAX_BATCH,
                "max_batch_time": MAX_WAIT_S,
            }
        )
    )


if __name__ == "__main__":
    place = Path(sys.argv[1])
    settings(place, int(sys.argv[2]))
    from mlserver.cli import main

    sys.argv = ["mlserver", "start", str(place)]
    main()
