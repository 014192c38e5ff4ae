"""Who is measured: every server with its environment, its command and how it is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.online import codecs
from benchmarks.online.soak import TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmarks.online.codecs import Codec

OURS, PAIR = "gounmal /moderate", "BentoML pair, as documented"
PLACES = "benchmarks.online.contenders"
GOUNMAL = ("python", "-m", "gounmal.cli", "serve", "--host", "127.0.0.1", "--port", "{port}")
OFF, ON = {"GOUNMAL_CACHE": "0"}, {"GOUNMAL_CACHE": "10000"}


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to serve the artifact."""

    name: str
    environment: str
    """Name of its requirements."""
    command: tuple[str, ...]
    """Its first word is a program of the environment; {port} and {state} are filled in."""
    path: str = "/moderate"
    codec: Codec = codecs.PLAIN
    variables: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    """How it was set up."""
    needs: str = ""
    """A file without which it cannot be, from the top of the checkout."""
    tolerance: float = TOLERANCE
    """How far scores may be from those of the artifact; beyond the usual, thresholds may part."""
    judges: bool = True
    """False of one that always says the same."""
    bulk: bool = False
    """Requests of many lines: measured by its throughput alone."""

    @property
    def server(self) -> tuple[object, ...]:
        """Contenders with the same are doors of one server."""
        return self.environment, self.command, *sorted(self.variables.items())

    @property
    def ours(self) -> bool:
        """Is it gounmal?"""
        return self.command == GOUNMAL

    def fill(self, programs: Path, port: int, state: Path) -> list[str]:
        """The command as it is run."""
        program, *rest = self.command
        return [str(programs / program), *(r.format(port=port, state=state) for r in rest)]


def _gounmal(door: str, path: str, codec: Codec, *, bulk: bool = False) -> list[Contender]:
    return [
        Contender(f"gounmal {door}{said}", "bentoml", GOUNMAL, path, codec, variables, bulk=bulk)
        for said, variables in (("", OFF), (", cache on", ON))
    ]


def _module(name: str, *arguments: str) -> tuple[str, ...]:
    return ("python", "-m", f"{PLACES}.{name}", *arguments)


def _bento(name: str) -> tuple[str, ...]:
    return ("bentoml", "serve", f"{PLACES}.{name}", "--host", "127.0.0.1", "--port", "{port}")


def _uvicorn(name: str) -> tuple[str, ...]:
    places = ("--host", "127.0.0.1", "--port", "{port}")
    return ("uvicorn", f"{PLACES}.{name}", *places, "--no-access-log", "--log-level", "warning")


CONTENDERS = [
    *_gounmal("/moderate", "/moderate", codecs.PLAIN),
    *_gounmal("/moderate_many", "/moderate_many", codecs.MANY, bulk=True),
    *_gounmal("WS /stream", "/stream", codecs.FRAMES),
    *_gounmal("POST /stream", "/stream", codecs.LINES, bulk=True),
    Contender(
        "gounmal /moderate, remote runner",
        "bentoml",
        GOUNMAL,
        variables={**OFF, "GOUNMAL_RUNNER": "remote"},
        note="a runner service of its own behind the same door",
    ),
    Contender(
        PAIR,
        "bentoml",
        _bento("bento_pair:Door"),
        codec=codecs.WRAPPED,
        note="depends on a batchable runner; defaults",
    ),
    Contender(
        "BentoML pair, tuned",
        "bentoml",
        _bento("bento_pair:Door"),
        codec=codecs.WRAPPED,
        variables={"GOUNMAL_BENCH_TUNED": "1"},
        note="the same with runner_connection set, access log and tracing off",
    ),
    Contender(
        "BentoML, one batchable service",
        "bentoml",
        _bento("bento_single:Single"),
        codec=codecs.BATCHED,
        note="access log and tracing off",
    ),
    Contender(
        "FastAPI, a call per request",
        "fastapi",
        _uvicorn("fastapi_app:app"),
        note="uvicorn with uvloop and httptools; called on the event loop",
    ),
    Contender(
        "LitServe",
        "litserve",
        _module("litserve_app", "{port}"),
        note="batching on, one worker",
    ),
    Contender(
        "MLServer",
        "mlserver",
        _module("mlserver_runtime", "{state}", "{port}"),
        "/v2/models/gounmal/infer",
        codecs.V2,
        note="adaptive batching on, in the server's own process",
    ),
    Contender(
        "Ray Serve",
        "ray",
        _module("ray_app", "{port}"),
        variables={"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"},
        note="@serve.batch, one replica, access log off",
    ),
    Contender(
        "MLflow",
        "mlflow",
        _module("mlflow_model", "{state}", "{port}"),
        "/invocations",
        codecs.ROWS,
        note="its scoring server, one worker; it has no batching",
    ),
    Contender(
        "TorchServe",
        "torchserve",
        _module("torchserve_start", "{state}", "{port}"),
        "/predictions/gounmal",
        note="custom handler, batching on, one worker",
    ),
    Contender(
        "transformers.pipeline behind Flask",
        "transformers",
        (
            *("gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "1", "--threads", "8"),
            *("--log-level", "warning", f"{PLACES}.pipeline_app:app"),
        ),
        variables={"GOUNMAL_BENCH_NETWORK": "runs/gounmal-ko/network.safetensors"},
        note="the float network in torch; gunicorn, one worker, eight threads",
        needs="runs/gounmal-ko/network.safetensors",
        tolerance=0.05,  # int8 against float
    ),
]

SCALE = [
    Contender("bare FastAPI", "fastapi", _uvicorn("fastapi_app:app"), "/bare", judges=False),
    Contender("bare Starlette", "fastapi", _uvicorn("starlette_app:app"), "/bare", judges=False),
]
"""Without a model, for scale."""
