"""The image that `bentoml containerize` makes, with deploy/image/Containerfile.bento on it.

It has to do what the slim one does when it serves; `CONTAINERIZE=1 make image-test` builds it.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from .conftest import Image
from .test_content import test_it_says_what_it_is
from .test_running import (
    test_a_job_goes_on_after_the_container_was_killed,
    test_a_text_never_reaches_the_log,
    test_it_answers_what_it_accepted_and_goes,
    test_it_judges_a_line_and_many,
    test_it_reports_to_nobody,
    test_it_runs_as_nobody_with_no_rights,
    test_it_streams,
    test_it_writes_below_tmp_and_its_state_folder_only,
    test_probes_metrics_and_description,
    test_stopped_and_started_again_it_serves,
)

__all__ = [
    "test_a_job_goes_on_after_the_container_was_killed",
    "test_a_text_never_reaches_the_log",
    "test_it_answers_what_it_accepted_and_goes",
    "test_it_judges_a_line_and_many",
    "test_it_reports_to_nobody",
    "test_it_runs_as_nobody_with_no_rights",
    "test_it_says_what_it_is",
    "test_it_streams",
    "test_it_writes_below_tmp_and_its_state_folder_only",
    "test_probes_metrics_and_description",
    "test_stopped_and_started_again_it_serves",
]

ROOT = Path(__file__).parents[2]
MAX_UNPACKED = 1.6e9
"""BentoML's compiler, git and caches are two thirds of it."""


@pytest.fixture(scope="session")
def image(engine):
    """In place of the slim one."""
    name = os.environ.get("GOUNMAL_BENTO_IMAGE")
    if not name:
        pytest.skip("no image in GOUNMAL_BENTO_IMAGE: `CONTAINERIZE=1 make image-test` builds one")
    return Image(name, engine)


def test_it_is_no_larger_than_bentoml_makes_it(image, say):
    say(f"{image.about['Size'] / 1e6:.0f} MB unpacked, made by `bentoml containerize`")
    assert image.about["Size"] <= MAX_UNPACKED


def test_the_bill_of_materials_is_the_lock(image):
    validation = pytest.importorskip("cyclonedx.validation.json")
    from cyclonedx.schema import SchemaVersion

    document = image.run("/opt/gounmal/sbom.cdx.json", options=("--entrypoint", "cat")).stdout
    assert validation.JsonStrictValidator(SchemaVersion.V1_6).validate_str(document) is None
    parts = json.loads(document)["components"]
    found = {(one["name"], one["version"]) for one in parts if one["purl"].startswith("pkg:pypi")}
    locked = (ROOT / "requirements" / "serve.txt").read_text(encoding="utf-8")
    assert found == set(re.findall(r"^([\w.-]+)==([^\s;]+)", locked, re.MULTILINE))
    assert {"libc6", "gounmal-ko"} <= {one["name"] for one in parts}
