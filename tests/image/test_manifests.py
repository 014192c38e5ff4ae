"""Manifests for Kubernetes and Compose: of the right form, and right about the image.

The schemas are those of Kubernetes itself, strict about unknown fields, as packaged in
kubernetes-validate; for Compose, the models of compose-spec. Custom resources have none offline: of
a ServiceMonitor only what refers to something here is checked.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from datetime import date, timedelta
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
FOLDER = DEPLOY / "kubernetes"
KUBERNETES = "1.30"
CUSTOM = {"ServiceMonitor"}
FILES = sorted(p for p in FOLDER.rglob("*.yaml") if p.name != "kustomization.yaml")
OBJECTS = [
    pytest.param(
        document, id=f"{path.parent.name}/{document['kind']}-{document['metadata']['name']}"
    )
    for path in FILES
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
]


def of_kind(*kinds):
    return [param.values[0] for param in OBJECTS if param.values[0]["kind"] in kinds]


def pod_of(workload):
    spec = workload["spec"]
    if workload["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    return spec["template"]


WORKLOADS = of_kind("Deployment", "StatefulSet", "CronJob")
PODS = {workload["metadata"]["name"]: pod_of(workload) for workload in WORKLOADS}


@pytest.mark.parametrize("manifest", OBJECTS)
def test_kubernetes_would_take_it(manifest):
    validator = pytest.importorskip("kubernetes_validate")
    if manifest["kind"] in CUSTOM:
        assert manifest["apiVersion"] == "monitoring.coreos.com/v1"
        return
    validator.validate(manifest, KUBERNETES, strict=True)


def test_the_validator_refuses_what_is_wrong():
    validator = pytest.importorskip("kubernetes_validate")
    [wrong] = [json.loads(json.dumps(one)) for one in of_kind("PodDisruptionBudget")]
    wrong["spec"]["maxUnavailble"] = 1
    with pytest.raises(validator.ValidationError):
        validator.validate(wrong, KUBERNETES, strict=True)


def test_kustomizations_name_all_there_is():
    named = set()
    for path in (*FOLDER.rglob("kustomization.yaml"), DEPLOY / "grafana" / "kustomization.yaml"):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        for resource in content.get("resources", ()):
            target = (path.parent / resource).resolve()
            assert target.exists(), f"{path}: {resource}"
            assert target.is_file() or (target / "kustomization.yaml").is_file()
            named.add(target)
        for generator in content.get("configMapGenerator", ()):
            assert all((path.parent / file).is_file() for file in generator["files"])
    assert named >= set(FILES)


@pytest.mark.parametrize("name", PODS)
def test_pods_are_as_locked_up_as_the_image_allows(name):
    spec = PODS[name]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
        mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert "/tmp" in mounts  # noqa: S108
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes(spec)
        if container["image"] == "gounmal":
            assert "/var/lib/gounmal" in mounts
            uid = re.search(r"USER (\d+):\1", containerfile())[1]
            assert spec["securityContext"]["runAsUser"] == int(uid)


def volumes(spec):
    return {volume["name"] for volume in spec["volumes"]} | {"data"}


def containerfile():
    return (DEPLOY / "image" / "Containerfile").read_text(encoding="utf-8")


def matches(selector, labels):
    return selector.items() <= labels.items()


def test_selectors_find_their_pods():
    labels = [pod["metadata"]["labels"] for pod in PODS.values()]
    selectors = [one["spec"]["selector"] for one in of_kind("Service")]
    selectors += [
        one["spec"]["selector"]["matchLabels"]
        for one in of_kind("Deployment", "StatefulSet", "PodDisruptionBudget")
    ]
    selectors += [one["spec"]["podSelector"]["matchLabels"] for one in of_kind("NetworkPolicy")]
    for selector in selectors:
        assert sum(matches(selector, one) for one in labels) == 1, selector
    [monitor] = of_kind("ServiceMonitor")
    services = [one["metadata"].get("labels", {}) for one in of_kind("Service")]
    found = [one for one in services if matches(monitor["spec"]["selector"]["matchLabels"], one)]
    assert len(found) == 2


def test_every_pod_is_fenced_in():
    policies = [one["spec"]["podSelector"]["matchLabels"] for one in of_kind("NetworkPolicy")]
    for name, pod in PODS.items():
        labels = pod["metadata"]["labels"]
        assert any(matches(policy, labels) for policy in policies), name


def test_the_autoscaler_asks_for_what_the_adapter_gives_from_what_there_is():
    [scaler] = of_kind("HorizontalPodAutoscaler")
    metrics = [one["pods"]["metric"]["name"] for one in scaler["spec"]["metrics"] if "pods" in one]
    [config] = [one for one in of_kind("ConfigMap") if "adapter" in one["metadata"]["name"]]
    [rule] = yaml.safe_load(config["data"]["config.yaml"])["rules"]
    assert metrics == [rule["name"]["as"]]
    histogram = rule["name"]["matches"].removeprefix("gounmal_").removesuffix("_bucket")
    exposition = (ROOT / "gounmal" / "online" / "exposition.py").read_text(encoding="utf-8")
    assert f'self._histogram("{histogram}"' in exposition


@pytest.mark.parametrize("overlay", ["online", "full"])
def test_overlays_name_the_version_that_is_released(overlay):
    content = yaml.safe_load((FOLDER / "overlays" / overlay / "kustomization.yaml").read_text())
    version = re.search(r'__version__ = "(.*)"', (ROOT / "gounmal" / "__init__.py").read_text())
    assert [image["newTag"] for image in content["images"]] == [version[1]]


def test_a_night_is_compared_with_the_one_before_if_there_was_one(tmp_path):
    [job] = of_kind("CronJob")
    [container] = pod_of(job)["spec"]["containers"]
    program = tmp_path / "bin" / "gounmal"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    script = container["args"][0].replace("/data", str(tmp_path))
    path = f"{program.parent}:{os.environ['PATH']}"

    def arguments():
        command = [*container["command"], script]
        done = subprocess.run(
            command, env={"PATH": path}, capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()

    first = arguments()
    day = date.fromisoformat(first[-1])
    assert first == [
        "scan",
        f"{tmp_path}/chat/{day}",
        "--output",
        f"{tmp_path}/reports/{day}",
        "--title",
        str(day),
    ]
    before = tmp_path / "reports" / str(day - timedelta(days=1))
    before.mkdir(parents=True)
    (before / "summary.json").write_text("{}", encoding="utf-8")
    assert arguments() == [*first, "--previous", str(before)]


def test_no_secret_is_written_down():
    assert not of_kind("Secret")


def test_compose_would_take_it():
    compose = pytest.importorskip("compose_spec")
    written = (DEPLOY / "compose" / "compose.yaml").read_text(encoding="utf-8")
    content = yaml.safe_dump(yaml.safe_load(written))  # with what `<<` stands for
    content = re.sub(r"\$\{\w+:?-(.*?)\}", r"\1", content)  # and each variable
    parsed = compose.PyCompose.from_yaml(content)
    assert set(parsed.service_names()) == {
        "gounmal",
        "worker",
        "postgres",
        "prometheus",
        "grafana",
    }
    with pytest.raises(Exception, match="read_onyl"):
        compose.PyCompose.from_yaml(content.replace("read_only", "read_onyl"))


def test_compose_names_files_that_are_there():
    folder = DEPLOY / "compose"
    content = yaml.safe_load((folder / "compose.yaml").read_text(encoding="utf-8"))
    for name, service in content["services"].items():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            there = (folder / source).exists() if "/" in source else source in content["volumes"]
            assert there, f"{name}: {source}"
        published = [port for port in service.get("ports", ()) if not port.startswith("127.0.0.1:")]
        assert not published, f"{name} is open to others"


@pytest.mark.parametrize("overlay", ["online", "full"])
def test_kustomize_puts_it_together(overlay):
    validator = pytest.importorskip("kubernetes_validate")
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("no kubectl here")
    folder = FOLDER / "overlays" / overlay
    done = subprocess.run([program, "kustomize", folder], capture_output=True, check=True)
    found = list(yaml.safe_load_all(done.stdout))
    for manifest in found:
        if manifest["kind"] not in CUSTOM:
            validator.validate(manifest, KUBERNETES, strict=True)
    assert len(found) == {"online": 7, "full": 22}[overlay]
    assert "image: gounmal\n" not in done.stdout.decode()
