"""The compose file and the image: what they run exists, what they set is read, what they need is in the image."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest_api.assembly import DoorSettings
from pipeline.courier.settings import CourierSettings
from pipeline.errors import Misconfigured
from pipeline.warehouse.archive.settings import ArchiveSettings
from tests import containers
from tests.docs.documents import ROOT
from tests.docs.test_documents import CLI, check_command, read_by_code
from topologies.settings import WorkerSettings

FILE = ROOT / "docker-compose.yml"
COMPOSE: Any = yaml.safe_load(FILE.read_text("utf-8"))
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"].startswith("thalweg:")}
SECRETS = {
    "THALWEG_ACCOUNT_SECRETS": "k1:0123456789abcdef0123456789abcdef",
    "THALWEG_ADMIN_PASSWORD": "correct horse battery",
    "THALWEG_JWT_SECRETS": "k1:0123456789abcdef0123456789abcdef",
    "THALWEG_WAREHOUSE_PASSWORD": "a warehouse's",
}
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")

each_of_ours = pytest.mark.parametrize("service", OURS.values(), ids=list(OURS))


def environment_of(service: Any, given: dict[str, str]) -> dict[str, str]:
    """As compose would make it: ${NAME:-default} and ${NAME:?message}."""

    def value(found: re.Match[str]) -> str:
        name, default = found["name"], found["default"]
        return given.get(name, default or "")

    text = {name: str(value) for name, value in service.get("environment", {}).items()}
    return {
        name: re.sub(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*)|:\?[^}]*)?\}", value, it) for name, it in text.items()
    }


@each_of_ours
def test_a_command_is_one_of_ours_and_there(service: Any) -> None:
    words = [str(word) for word in service["command"]]
    if words[0] == "thalweg":
        check_command(CLI, words[1:])
    else:
        assert words[:2] == ["python", "-m"]
        assert importlib.util.find_spec(f"{words[2]}.__main__") is not None


@each_of_ours
def test_a_command_needs_nothing_that_the_image_leaves_out(service: Any) -> None:
    words = [str(word) for word in service["command"]]
    module = "pipeline.cli.app" if words[0] == "thalweg" else f"{words[2]}.__main__"
    [left_out] = re.findall(r"pip uninstall --yes ([\w-]+)", DOCKERFILE)
    assert left_out == "chdb-core"
    program = f"import sys, {module}; sys.exit('chdb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


@each_of_ours
def test_every_variable_that_is_set_is_read(service: Any) -> None:
    assert set(service.get("environment", {})) <= read_by_code()


def test_the_processes_take_their_settings() -> None:
    api = DoorSettings.from_environment(environment_of(COMPOSE["services"]["api"], SECRETS))
    worker = WorkerSettings.from_environment(environment_of(COMPOSE["services"]["worker-1"], {}))
    courier = CourierSettings.from_environment(environment_of(COMPOSE["services"]["courier"], SECRETS))
    archive = ArchiveSettings.from_environment(environment_of(COMPOSE["services"]["archive"], SECRETS))
    assert api.kafka == worker.kafka
    assert (api.kafka.bootstrap, api.warehouse.host, api.warehouse.port) == ("kafka:9092", "clickhouse", 8123)
    assert archive.instance == "archive-0"
    assert courier.instance == "courier-0"


@pytest.mark.parametrize("name", ["THALWEG_ADMIN_PASSWORD", "THALWEG_JWT_SECRETS"])
def test_the_api_does_not_start_without_its_secrets(name: str) -> None:
    given = {secret: value for secret, value in SECRETS.items() if secret != name}
    with pytest.raises(Misconfigured, match=name):
        DoorSettings.from_environment(environment_of(COMPOSE["services"]["api"], given))


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_must_be_given_and_has_no_default(name: str) -> None:
    used = re.findall(rf"\$\{{{name}([^}}]*)\}}", FILE.read_text("utf-8"))
    assert used
    assert all(rest.startswith(":?") for rest in used)


def test_nothing_is_published_beyond_this_machine() -> None:
    published = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_the_ports_agree() -> None:
    services = COMPOSE["services"]
    assert services["api"]["ports"] == [f"127.0.0.1:8000:{services['api']['environment']['THALWEG_API_PORT']}"]
    kafka = services["kafka"]["environment"]
    assert kafka["KAFKA_ADVERTISED_LISTENERS"] == "INSIDE://kafka:9092"
    assert "INSIDE://:9092" in kafka["KAFKA_LISTENERS"]


def test_workers_have_ordinals_of_their_own() -> None:
    commands = [service["command"] for service in OURS.values() if "topologies" in service["command"]]
    ordinals = [command[command.index("--ordinal") + 1] for command in commands]
    assert ordinals == ["0", "1"]


def test_whoever_is_waited_for_is_there_and_can_be_waited_for() -> None:
    services = COMPOSE["services"]
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in services, name
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[other]
            else:
                assert services[other]["restart"].startswith("on-failure")


def test_no_kafka_without_a_login_is_published() -> None:
    kafka = COMPOSE["services"]["kafka"]
    assert "ports" not in kafka
    assert all(COMPOSE["networks"][name]["internal"] for name in kafka["networks"])


def test_the_broker_is_the_one_that_tests_run_against() -> None:
    assert COMPOSE["services"]["kafka"]["image"] == containers.KAFKA_IMAGE


def test_every_volume_and_network_is_declared() -> None:
    for service in COMPOSE["services"].values():
        assert set(service["networks"]) <= set(COMPOSE["networks"])
        assert {volume.split(":")[0] for volume in service.get("volumes", [])} <= set(COMPOSE["volumes"])


def test_the_image_does_not_run_as_root_and_installs_by_hash() -> None:
    final = DOCKERFILE.rsplit("\nFROM ", 1)[1]
    assert re.search(r"^USER thalweg$", final, re.MULTILINE)
    assert "--require-hashes -r requirements.lock" in DOCKERFILE
    assert "index-url" not in DOCKERFILE


def test_what_the_image_copies_is_let_into_its_context() -> None:
    ignore = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    for path in " ".join(copied).split():
        assert (ROOT / path).exists()
        assert f"!{path}" in ignore


def _compose_is_there() -> bool:
    try:
        return subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not _compose_is_there(), reason="docker compose is not installed")
def test_docker_compose_accepts_the_file(tmp_path: Path) -> None:
    command = ["docker", "compose", "--file", str(FILE), "config", "--quiet"]
    told = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path)}
    accepted = subprocess.run(command, env=told | SECRETS, capture_output=True, text=True, check=False)
    assert (accepted.returncode, accepted.stderr) == (0, "")
    refused = subprocess.run(command, env=told, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "THALWEG_" in refused.stderr
