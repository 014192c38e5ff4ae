"""LitServe, with its batching."""

# mypy: disable-error-code=misc

from __future__ import annotations

import sys
from typing import Any

import litserve

from benchmarks.online.contenders.core import MAX_BATCH, MAX_WAIT_S, judge, load


class Api(litserve.LitAPI):
    """The whole of a LitServe program."""

    def setup(self, device: str) -> None:  # noqa: ARG002  (LitServe says where to; it is the CPU)
        """Of the worker."""
        self.moderator = load()

    def batch(self, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The batch that `predict` gets."""
        return inputs

    def predict(self, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One Decision each."""
        return judge(self.moderator, inputs)

    def unbatch(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What each request gets."""
        return output

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """Of one request."""
        return output


if __name__ == "__main__":
    api = Api(max_batch_size=MAX_BATCH, batch_timeout=MAX_WAIT_S, api_path="/moderate")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        log_level="error",
        generate_client_file=False,
        access_log=False,
    )
