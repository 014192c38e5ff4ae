"""`/docs.json`: the whole surface as OpenAPI.

BentoML describes its methods as OpenAPI 3.0, with three statuses each, errors that are not ours and
nothing of what is mounted beside them. What it says of the service stays; the rest is said here, as
3.1, in which pydantic writes its schemas. Mounted at the same path, this one is found first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from starlette.responses import Response

from gounmal import __version__
from gounmal.api.operations import (
    COMPONENTS,
    JSON,
    REFERENCE,
    judged,
    looked_at,
    probed,
    streamed,
    well,
)
from gounmal.api.operations_jobs import PATHS
from gounmal.online.frames import PATH as STREAM
from gounmal.online.wire import DecisionBody, DecisionsBody, MessageBody, MessagesBody
from gounmal.schema import MAX_TEXT_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel
    from starlette.types import Receive, Scope, Send

    from gounmal.api.clouds import Platform

KEPT = ("tags", "x-bentoml-name", "description", "operationId")
"""What BentoML says of a method and is right about."""

SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "x-api-key"},
}


class Document:
    """The endpoint, an ASGI application: made at the first request, the same from then on.

    Args:
        described: gives what BentoML says.
        key_needed: does everything but the probes need a key?
        platform: the cloud's whose endpoints there are, if any.
        jobs: are there doors for jobs?
    """

    def __init__(
        self,
        described: Callable[[], Mapping[str, Any]],
        *,
        key_needed: bool = False,
        platform: Platform | None = None,
        jobs: bool = False,
    ) -> None:
        self._described = described
        self._key_needed = key_needed
        self._platform = platform
        self._jobs = jobs
        self._body: bytes | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._body is None:
            made = document(self._described(), key_needed=self._key_needed, platform=self._platform)
            if self._jobs:
                made["paths"].update(PATHS)
            self._body = orjson.dumps(made)
        await Response(self._body, media_type=JSON)(scope, receive, send)


def document(
    described: Mapping[str, Any], *, key_needed: bool = False, platform: Platform | None = None
) -> dict[str, Any]:
    """What BentoML says, made complete; arguments as of `Document`."""
    schemas = dict(COMPONENTS)
    forms = _forms(schemas)
    paths = {path: {"get": probed()} for path in ("/livez", "/readyz", "/healthz")}
    paths["/metrics"] = {"get": looked_at("text/plain")}
    paths["/docs.json"] = {"get": looked_at(JSON)}
    paths[STREAM] = {"post": streamed()}
    for path, form in forms.items():
        bentomls = described["paths"][path]["post"]
        kept = {name: bentomls[name] for name in KEPT if name in bentomls}
        paths[path] = {"post": judged(*form) | kept}
    if platform is not None:
        asked, answered = (
            {"anyOf": list(each)} for each in zip(*forms.values(), _instances(forms), strict=True)
        )
        paths.setdefault(platform.health, {})["get"] = well()
        predict = judged(asked, answered, lines="application/jsonlines")
        paths.setdefault(platform.predict, {})["post"] = predict
    security: list[dict[str, list[str]]] = [{name: []} for name in SCHEMES]
    return {
        **described,
        "openapi": "3.1.0",
        "info": {
            "title": "gounmal",
            "version": __version__,
            "description": "Moderation of Korean and mixed Korean/English chat.",
        },
        "paths": paths,
        "security": security if key_needed else [{}, *security],
        "components": {"schemas": schemas, "securitySchemes": SCHEMES},
    }


def _forms(shared: dict[str, Any]) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Schemas of what the methods take and give, by path; their common parts into `shared`."""

    def schema(model: type[BaseModel]) -> dict[str, Any]:
        made = model.model_json_schema(ref_template=REFERENCE, mode="serialization")
        shared.update(made.pop("$defs", {}))
        return made

    one, many = (
        schema(model) | {"additionalProperties": False} for model in (MessageBody, MessagesBody)
    )
    many["properties"]["texts"]["items"]["maxLength"] = MAX_TEXT_LENGTH
    return {
        "/moderate": (one, schema(DecisionBody)),
        "/moderate_many": (many, schema(DecisionsBody)),
    }


def _instances(
    forms: Mapping[str, tuple[dict[str, Any], dict[str, Any]]],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The clouds' own form, from those of the methods."""
    one, decision = forms["/moderate"]
    most = forms["/moderate_many"][0]["properties"]["texts"]["maxItems"]
    parameters = {
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": {"channel": one["properties"]["channel"]},
    }
    instances = {"type": "array", "maxItems": most, "items": one}
    predictions = {"type": "array", "items": decision}
    asked = {
        "type": "object",
        "required": ["instances"],
        "additionalProperties": False,
        "properties": {"instances": instances, "parameters": parameters},
    }
    answered = {
        "type": "object",
        "required": ["predictions"],
        "properties": {"predictions": predictions},
    }
    return asked, answered
