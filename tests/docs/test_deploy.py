"""The manifests and units under deploy/: they are what their schemas allow, and run what there is with what is read."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from pipeline.clustering.adaptive.machine_code import PORTABLE
from pipeline.refusal import EX_CONFIG
from tests.docs.documents import ROOT
from tests.docs.test_compose import COMPOSE, DOCKERFILE, SECRETS
from tests.docs.test_documents import CLI, check_command, read_by_code

KUBERNETES: list[Any] = list(yaml.safe_load_all((ROOT / "deploy/kubernetes/thalweg.yaml").read_text("utf-8")))
UNITS = {path.name: path.read_text("utf-8") for path in sorted((ROOT / "deploy/systemd").glob("*.service"))}
KEYS = {name.replace("_", "-") for name in SECRETS}

each_manifest = pytest.mark.parametrize("manifest", KUBERNETES, ids=lambda it: f"{it['kind']}-{it['metadata']['name']}")
each_unit = pytest.mark.parametrize("name", UNITS)


def kind(name: str) -> dict[str, Any]:
    return {it["metadata"]["name"]: it["spec"] for it in KUBERNETES if it["kind"] == name}


PODS: dict[str, Any] = {name: spec["template"]["spec"] for name, spec in (kind("StatefulSet") | kind("Job")).items()}
each_pod = pytest.mark.parametrize("name", PODS)


def container_of(name: str) -> Any:
    [container] = PODS[name]["containers"]
    return container


@each_manifest
@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_kubernetes_own_schemas_allow_a_manifest(manifest: Any, version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


@each_pod
def test_a_pod_runs_what_there_is_and_is_told_what_is_read(name: str) -> None:
    container = container_of(name)
    check_runs([str(word) for word in container["command"]])
    [config] = [it for it in KUBERNETES if it["kind"] == "ConfigMap"]
    told = [*config["data"], *(it["name"] for it in container.get("env", ()))]
    assert {it.removesuffix("_FILE") for it in told} <= read_by_code()
    assert container["image"] == COMPOSE["services"]["topics"]["image"]


@each_pod
def test_a_pod_may_do_nothing_that_it_need_not(name: str) -> None:
    pod, container = PODS[name], container_of(name)
    [user] = re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.MULTILINE)
    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, int(user))
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"].keys() == {"memory"}
    assert {it["mountPath"] for it in container["volumeMounts"] if not it.get("readOnly")} == {"/tmp"}


@each_pod
def test_a_pod_has_the_secrets_that_it_reads_and_no_others(name: str) -> None:
    pod, container = PODS[name], container_of(name)
    read = {it["value"] for it in container.get("env", ()) if it["name"].endswith("_FILE")}
    [items] = [it["secret"]["items"] for it in pod["volumes"] if "secret" in it] or [[]]
    assert read == {f"/run/secrets/thalweg/{it['path']}" for it in items}
    assert {it["key"] for it in items} <= KEYS
    service = {"worker": "worker-0"}.get(name, name)
    assert {it["key"].replace("-", "_") for it in items} == set(COMPOSE["services"][service].get("secrets", []))


def test_whoever_has_an_ordinal_is_a_stateful_set_that_counts() -> None:
    index = "metadata.labels['apps.kubernetes.io/pod-index']"
    for name, variable in (("worker", "THALWEG_WORKER_ORDINAL"), ("api", "THALWEG_API_ORDINAL")):
        assert name in kind("StatefulSet")
        [told] = [it for it in container_of(name)["env"] if it["name"] == variable]
        assert told["valueFrom"]["fieldRef"]["fieldPath"] == index


def test_everything_that_lasts_is_probed_and_jobs_are_not_tried_for_ever() -> None:
    for name in kind("StatefulSet"):
        probes = {it: container_of(name)[f"{it}Probe"] for it in ("startup", "readiness", "liveness")}
        if name == "api":
            assert [probe["httpGet"]["path"] for probe in probes.values()] == ["/ready", "/ready", "/live"]
        else:
            beat = ["python", "-m", "pipeline.heartbeat"]
            assert [probe["exec"]["command"] for probe in probes.values()] == [beat, beat, [*beat, "--live"]]
    for name, job in kind("Job").items():
        [rule] = job["podFailurePolicy"]["rules"]
        assert rule["onExitCodes"] == {"containerName": name, "operator": "In", "values": [2, EX_CONFIG]}


def test_a_drain_takes_one_at_a_time_of_what_has_several() -> None:
    several = {name for name, spec in kind("StatefulSet").items() if spec["replicas"] > 1}
    assert kind("PodDisruptionBudget").keys() == several
    for name, budget in kind("PodDisruptionBudget").items():
        assert budget["maxUnavailable"] == 1
        assert budget["selector"] == kind("StatefulSet")[name]["selector"]


def test_nothing_but_the_api_can_be_reached() -> None:
    policies = kind("NetworkPolicy")
    assert policies["thalweg"]["policyTypes"] == ["Ingress"]
    assert "ingress" not in policies["thalweg"]
    assert policies["api"]["podSelector"]["matchLabels"] == kind("StatefulSet")["api"]["selector"]["matchLabels"]
    assert {name for name, spec in kind("Service").items() if spec.get("clusterIP") != "None"} == {"api"}


def settings_of(unit: str) -> dict[str, list[str]]:
    """Of all sections, by name."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, value in re.findall(r"^(\w+)=(.*)$", unit, re.MULTILINE):
        found[name].append(value)
    return found


@each_unit
def test_a_unit_runs_what_there_is_and_is_told_what_is_read(name: str) -> None:
    unit = settings_of(UNITS[name])
    [command] = unit["ExecStart"]
    python, *words = command.split()
    assert python == "/opt/thalweg/bin/python"
    check_runs(["python", *words])
    told = {it.partition("=")[0] for line in unit["Environment"] for it in line.split()}
    assert {it.removesuffix("_FILE") for it in told if it.startswith("THALWEG_")} <= read_by_code()


@each_unit
def test_a_unit_is_started_again_unless_it_is_set_wrongly(name: str) -> None:
    unit = settings_of(UNITS[name])
    assert (unit["Restart"], unit["RestartPreventExitStatus"]) == (["always"], [str(EX_CONFIG)])
    assert unit["StartLimitIntervalSec"] == ["0"]
    assert unit["DynamicUser"] == unit["NoNewPrivileges"] == ["yes"]
    assert unit["CapabilityBoundingSet"] == [""]


@each_unit
def test_a_unit_hands_over_the_secrets_that_are_read_and_no_others(name: str) -> None:
    unit = settings_of(UNITS[name])
    handed = {it.partition(":")[0] for it in unit["LoadCredential"]}
    assert {f"THALWEG_{it.upper()}_FILE=%d/{it}" for it in handed} == {
        it for line in unit["Environment"] for it in line.split() if "_FILE=" in it
    }
    service = name.removeprefix("thalweg-").removesuffix(".service").replace("worker@", "worker-0").rstrip("@")
    assert handed == set(COMPOSE["services"][service].get("secrets", []))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    for name, unit in UNITS.items():
        (tmp_path / name.replace("@", "@0")).write_text(unit.replace("/opt/thalweg/bin/python", sys.executable))
    units = [str(path) for path in tmp_path.iterdir()]
    verified = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert [line for line in verified.stderr.splitlines() if "thalweg" in line] == []
    assert verified.returncode == 0


def check_runs(words: list[str]) -> None:
    if words[0] == "thalweg":
        check_command(CLI, words[1:])
    else:
        assert words[:2] == ["python", "-m"]
        assert importlib.util.find_spec(f"{words[2]}.__main__") is not None


def test_the_file_of_the_units_sets_what_is_read() -> None:
    lines = (ROOT / "deploy/systemd/thalweg.env").read_text("utf-8").splitlines()
    told = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    assert {name for name in told if name.startswith("THALWEG_")} <= read_by_code()
    assert PORTABLE not in told.values()  # the machine that compiles is the one that runs
