"""What is in the image, and what is not."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_UNPACKED = 600e6
MAX_COMPRESSED = 220e6


def packages(files):
    pattern = re.compile(
        r"opt/gounmal/venv/lib/python3\.11/site-packages/([^/]+)-[^/]+\.dist-info$"
    )
    return {match[1].lower() for path in files if (match := pattern.match(path))}


def test_it_is_small(image, tmp_path, say):
    unpacked = image.about["Size"]
    archive, compressed = tmp_path / "image.tar", tmp_path / "image.tar.gz"
    image.engine("save", "--output", str(archive), image.name, timeout=600)
    with archive.open("rb") as source, gzip.open(compressed, "wb", compresslevel=6) as target:
        shutil.copyfileobj(source, target)
    archive.unlink()
    size = compressed.stat().st_size
    compressed.unlink()
    say(f"{unpacked / 1e6:.0f} MB unpacked, {size / 1e6:.0f} MB compressed")
    assert unpacked <= MAX_UNPACKED
    assert size <= MAX_COMPRESSED


def test_there_is_nothing_to_build_with(files):
    programs = {
        path.rsplit("/", 1)[-1] for path in files if re.match(r"(usr/)?(local/)?s?bin/", path)
    }
    assert not programs & {"gcc", "cc", "g++", "make", "ld", "strip", "git", "curl", "wget"}
    assert not packages(files) & {"torch", "transformers", "uv", "pip", "setuptools", "pytest"}
    assert {"bentoml", "onnxruntime", "pyarrow", "dbos"} <= packages(files)


def test_nothing_of_ours_is_in_it_but_the_bento(files):
    ours = [path for path in files if path.startswith("opt/gounmal/bento/")]
    assert any(path.endswith("src/service.py") for path in ours)
    wrong = re.compile(
        r"/(\.git|tests?|train|benchmarks|runs|data|docs|\.env)(/|$)|\.(tsv|csv|key)$"
    )
    assert not [path for path in ours if wrong.search(path)]
    assert not [path for path in files if "site-packages/" in path and "/tests/" in path]


def test_no_certificate_and_no_configuration_of_the_builder(files):
    assert not [path for path in files if path.endswith(("pip.conf", ".netrc", ".npmrc"))]
    own = [p for p in files if p.startswith("usr/local/share/ca-certificates/")]
    assert not own
    assert not [
        p for p in files if p.startswith(("run/secrets/", "root/.")) and files[p].size > 4096
    ]


def test_nobody_but_root_may_change_it(files):
    ours = {path: file for path, file in files.items() if path.startswith("opt/gounmal")}
    assert not [path for path, file in ours.items() if file.uid or file.gid]
    assert not [p for p, f in ours.items() if not f.issym() and f.mode & 0o022]
    assert not [p for p, f in ours.items() if f.isfile() and not f.mode & 0o004]


def test_it_says_what_it_is(image):
    labels = image.about["Config"]["Labels"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", labels["org.opencontainers.image.version"])
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", labels["org.opencontainers.image.revision"])
    assert re.fullmatch(r"gounmal-ko:\d+\.\d+\.\d+", labels["gounmal.model"])
    health = image.about.get("Healthcheck") or image.about["Config"]["Healthcheck"]
    assert "/opt/gounmal/healthcheck.py" in health["Test"]


def test_its_command_line_says_the_same(image):
    labels = image.about["Config"]["Labels"]
    assert labels["org.opencontainers.image.version"] in image.run("--version").stdout
    assert labels["gounmal.model"].split(":")[1] in image.run("models").stdout


def test_the_bill_of_materials_is_what_is_installed(image, files):
    validation = pytest.importorskip("cyclonedx.validation.json")
    from cyclonedx.schema import SchemaVersion

    document = image.run("/opt/gounmal/sbom.cdx.json", options=("--entrypoint", "cat")).stdout
    assert validation.JsonStrictValidator(SchemaVersion.V1_6).validate_str(document) is None
    content = json.loads(document)
    by_kind = {}
    for part in content["components"]:
        by_kind.setdefault(part["purl"].split("/")[0], {})[part["name"]] = part
    python = {name.replace("-", "_") for name in by_kind["pkg:pypi"]}
    assert python == {name.replace("-", "_").replace(".", "_") for name in packages(files)}
    assert "libc6" in by_kind["pkg:deb"]
    assert by_kind["pkg:generic"]["gounmal-ko"]["hashes"]
    locked = (ROOT / "requirements" / "serve.txt").read_text()
    for part in by_kind["pkg:pypi"].values():
        pattern = rf"^{re.escape(part['name'])}==(\S+)"
        [version] = re.findall(pattern, locked, re.MULTILINE)
        assert version == part["version"], part["name"]


@pytest.mark.skipif(not os.environ.get("GOUNMAL_IMAGE_AGAIN"), reason="no second build to compare")
def test_built_again_it_is_the_same(image, engine):
    again = engine.inspect(os.environ["GOUNMAL_IMAGE_AGAIN"])
    assert again["RootFS"]["Layers"] == image.about["RootFS"]["Layers"]
    # Not the id: in Docker's format buildah writes down the container that it worked in.
    assert again["Config"] | {"Hostname": ""} == image.about["Config"] | {"Hostname": ""}
