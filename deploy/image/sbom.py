"""Print an image's bill of materials: CycloneDX 1.6 as JSON, of what is really installed in it.

Python packages come from their metadata, Debian's from dpkg, models from the Bento store. The same
content gives the same document, to the byte: no time, no random serial number.
"""
# ruff: noqa: INP001  (a script, not part of a package)

from __future__ import annotations

import json
import os
import sys
from hashlib import sha256
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

DPKG = Path("/var/lib/dpkg/status")
STORE = Path(os.environ.get("BENTOML_HOME", "/opt/gounmal/home")) / "models"


def main() -> None:
    """Everything, by its package URL."""
    python = {_name(one): one for one in distributions()}
    if "gounmal" not in python:
        sys.exit("gounmal is not installed here")
    components = [_python(one) for name, one in python.items() if name != "gounmal"]
    components += [*_debian(), *_models()]
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": _python(python["gounmal"]) | {"type": "application"}},
        "components": sorted(components, key=lambda one: one["bom-ref"]),
    }
    sys.stdout.write(json.dumps(document, indent=1, sort_keys=True) + "\n")


def _name(package: Distribution) -> str:
    return package.name.lower().replace("_", "-").replace(".", "-")


def _component(kind: str, purl: str, *, name: str, version: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "bom-ref": purl, "purl": purl, "name": name, "version": version} | more


def _python(package: Distribution) -> dict[str, Any]:
    name = _name(package)
    purl = f"pkg:pypi/{name}@{quote(package.version)}"
    more = {}
    if expression := package.metadata.get("License-Expression"):
        more["licenses"] = [{"expression": expression}]
    elif licence := _licence(package):
        more["licenses"] = [{"license": {"name": licence}}]
    return _component("library", purl, name=name, version=package.version, **more)


def _licence(package: Distribution) -> str:
    """As its classifiers say; else in its own words where those are short."""
    trove = [line for line in package.metadata.get_all("Classifier") or () if "License ::" in line]
    words = (package.metadata.get("License") or "").strip()
    if trove:
        return " AND ".join(sorted({line.rsplit(" :: ", 1)[1] for line in trove}))
    return words if words and "\n" not in words else ""


def _debian() -> list[dict[str, Any]]:
    """Those that are installed, of the base image."""
    found = []
    for paragraph in DPKG.read_text(encoding="utf-8").split("\n\n"):
        lines = (line.partition(": ") for line in paragraph.splitlines() if line[:1] != " ")
        fields = {key: value for key, _, value in lines}
        if fields.get("Status") == "install ok installed":
            name, version = fields["Package"], fields["Version"]
            purl = f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={fields['Architecture']}"
            found.append(_component("library", purl, name=name, version=version))
    return found


def _models() -> list[dict[str, Any]]:
    """With the digest of the network, which is what decides."""
    return [
        _component(
            "machine-learning-model",
            f"pkg:generic/{path.parent.parent.name}@{path.parent.name}",
            name=path.parent.parent.name,
            version=path.parent.name,
            hashes=[{"alg": "SHA-256", "content": sha256(path.read_bytes()).hexdigest()}],
        )
        for path in sorted(STORE.glob("*/*/model.onnx"))
    ]


if __name__ == "__main__":
    main()
