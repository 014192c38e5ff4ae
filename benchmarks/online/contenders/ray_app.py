"""Ray Serve, with its batching."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import signal
import sys
from typing import Any

import orjson
import ray
from ray import serve
from starlette.requests import Request  # noqa: TC002  (Ray reads the annotation)
from starlette.responses import Response

from benchmarks.online.contenders.core import MAX_BATCH, MAX_WAIT_S, judge, load


@serve.deployment(
    num_replicas=1,
    max_ongoing_requests=2048,
    ray_actor_options={"num_cpus": 1},
    logging_config={"enable_access_log": False, "log_level": "WARNING"},
)
class Deployment:
    """The replica."""

    def __init__(self) -> None:
        self.moderator = load()

    @serve.batch(max_batch_size=MAX_BATCH, batch_wait_timeout_s=MAX_WAIT_S)
    async def score(self, bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One Decision each."""
        return judge(self.moderator, bodies)

    async def __call__(self, request: Request) -> Response:
        """One request."""
        decision = await self.score(orjson.loads(await request.body()))
        return Response(orjson.dumps(decision), media_type="application/json")


if __name__ == "__main__":
    ray.init(
        num_cpus=2, include_dashboard=False, object_store_memory=200 * 2**20, log_to_driver=False
    )
    serve.start(
        http_options={"host": "127.0.0.1", "port": int(sys.argv[1]), "keep_alive_timeout_s": 60},
        logging_config={"enable_access_log": False, "log_level": "WARNING"},
    )
    serve.run(Deployment.bind(), name="gounmal", route_prefix="/moderate")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()
