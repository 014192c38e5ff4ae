"""What the operator sets, and that BentoML reads it as it is written."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import yaml

from gounmal import serve
from gounmal.config import SERVICE, Settings, read_configuration
from gounmal.cores import fitting_workers
from gounmal.errors import InvalidConfiguration
from gounmal.policy import Policy

ROOT = Path(__file__).parents[2]


def test_the_shipped_configuration_has_only_keys_that_bentoml_knows():
    from _bentoml_sdk.service.config import validate

    written = read_configuration(ROOT / "configuration.yaml")
    known = json.loads(json.dumps(validate(written), default=str))  # an address is one to BentoML
    assert known == written  # it drops what it does not know
    assert validate({"workers": 1, "wrokers": 2}) == {"workers": 1}


def test_workers_are_counted_here_unless_there_is_a_number(tmp_path, monkeypatch):
    path = tmp_path / "configuration.yaml"
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2, 5})
    path.write_text("services: {gounmal: {workers: cpu_count, threads: 2}}")
    expected = fitting_workers(beside=1)
    assert expected <= 2
    assert read_configuration(path, beside=1) == {"workers": expected, "threads": 2}
    path.write_text("services: {gounmal: {workers: 5}}")
    assert read_configuration(path, beside=1) == {"workers": 5}


def test_the_runner_is_in_process_unless_told_otherwise(tmp_path, monkeypatch):
    assert not Settings.read(tmp_path).remote
    monkeypatch.setenv("GOUNMAL_RUNNER", "remote")
    monkeypatch.setenv("GOUNMAL_THREADS", "0")
    assert (Settings.read(tmp_path).remote, Settings.read(tmp_path).threads) == (True, 1)
    monkeypatch.setenv("GOUNMAL_RUNNER", "rmeote")
    with pytest.raises(InvalidConfiguration, match="GOUNMAL_RUNNER: expected in-process or remote"):
        Settings.read(tmp_path)


def test_the_shipped_policy_says_what_the_defaults_are():
    assert Policy.load(ROOT / "policy.yaml") == Policy()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "services:",
        "services: {}",
        "services: {gounmal: }",
        "services: {gounmal: 3}",
        "services: {other: {workers: 1}}",
        "services: {gounmal: {workers: 1}, other: {}}",
        "services: {gounmal: {workers: 1}}\nversion: 2",
        "- services",
        "services: {",
        "\xff",
    ],
)
def test_another_form_is_refused(tmp_path, content):
    path = tmp_path / "configuration.yaml"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(InvalidConfiguration, match=r"configuration\.yaml"):
        read_configuration(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InvalidConfiguration, match=r"nowhere\.yaml"):
        read_configuration(tmp_path / "nowhere.yaml")


def test_the_environment_names_model_and_policy(monkeypatch, tmp_path):
    for name in ("GOUNMAL_MODEL", "GOUNMAL_POLICY"):
        monkeypatch.delenv(name, raising=False)
    assert Settings.read(tmp_path) == Settings("gounmal-ko:latest", tmp_path / "policy.yaml")
    monkeypatch.setenv("GOUNMAL_MODEL", "mine:3")
    monkeypatch.setenv("GOUNMAL_POLICY", "/etc/policy.yaml")
    assert Settings.read(tmp_path) == Settings("mine:3", Path("/etc/policy.yaml"))
    monkeypatch.setenv("GOUNMAL_MODEL", "")
    assert Settings.read(tmp_path).model == "gounmal-ko:latest"


@pytest.mark.parametrize("present", [None, "", "{}", '{"services": {"gounmal": {"workers": 9}}}'])
def test_workers_become_an_override(present):
    assert json.loads(serve.overrides(present, workers=2)) == {
        "services": {SERVICE: {"workers": 2}}
    }


def test_other_overrides_stay():
    present = json.dumps({"services": {SERVICE: {"traffic": {"timeout": 3}}}, "x": 1})
    assert json.loads(serve.overrides(present, workers=2)) == {
        "services": {SERVICE: {"traffic": {"timeout": 3}, "workers": 2}},
        "x": 1,
    }


@pytest.mark.parametrize("present", ["nope", "[]", "3", '{"services": 3}', '{"services": []}'])
def test_overrides_of_another_form_are_refused(present):
    with pytest.raises(InvalidConfiguration, match="BENTOML_CONFIG_OVERRIDES"):
        serve.overrides(present, workers=2)


def test_serve_becomes_bentoml_serve(monkeypatch):
    became = []
    monkeypatch.setattr(serve, "run_module", lambda name, **_: became.append([name, *sys.argv]))
    monkeypatch.setattr(serve, "ensure_default", lambda: became.append("model"))
    monkeypatch.setattr(sys, "argv", ["gounmal", "serve"])
    monkeypatch.delenv("GOUNMAL_MODEL", raising=False)
    monkeypatch.setenv(serve.OVERRIDES, "{}")
    with pytest.raises(SystemExit):
        serve.run(host="127.0.0.1", port=3199, workers=2)
    options = ["--host", "127.0.0.1", "--port", "3199", "--timeout-keep-alive", "75"]
    assert became == ["model", ["bentoml", "bentoml", "serve", *options, str(ROOT)]]
    assert json.loads(os.environ[serve.OVERRIDES])["services"][SERVICE]["workers"] == 2


def test_serve_needs_the_checkout(monkeypatch, tmp_path):
    monkeypatch.setattr(serve, "CHECKOUT", tmp_path)
    with pytest.raises(InvalidConfiguration, match=r"no service\.py"):
        serve.run(host="127.0.0.1", port=3199)


def test_the_bento_is_made_of_files_that_are_there():
    bentofile = yaml.safe_load((ROOT / "bentofile.yaml").read_text())
    for pattern in bentofile["include"]:
        assert list(ROOT.glob(pattern.removeprefix("/"))), pattern
    assert (ROOT / bentofile["python"]["requirements_txt"]).is_file()
