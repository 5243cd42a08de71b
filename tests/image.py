"""Builds the image and runs docker-compose.yml where an engine answers, Docker's or Podman's: `make image-test`.

It begins with what it runs on: engine, kernel, compose, and of each image of others its digests and its day. Then each
step is a sentence with what came of it. The exit status is 1 if one failed; where no engine answers it is 0, and the
reason is told. The stack has a project name of its own, and is removed with its volumes at the end.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.containers import CLICKHOUSE_IMAGE, KAFKA_IMAGE, answering_engine

ROOT = Path(__file__).parents[1]
PROJECT = "thalweg-image-test"
IMAGE = "thalweg:0.1.0"
PYTHON_IMAGE = "python:3.11-slim-bookworm"
LARGEST_MB = 1000
BEATING = ("worker-0", "worker-1", "archive", "courier")
GIVEN = {
    "admin_password": "correct horse battery",
    "jwt_secrets": f"k1:{secrets.token_hex(32)}",
    "account_secrets": f"k1:{secrets.token_hex(32)}",
    "warehouse_password": secrets.token_hex(16),
}

ASKING = """
import json, sys, time, urllib.request
def ask(path, body=None, **headers):
    data = None if body is None else json.dumps(body).encode()
    headers |= {"Content-Type": "application/json"}
    request = urllib.request.Request("http://127.0.0.1:8000" + path, data=data, headers=headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)
"""
FLOWING = """
password = open("/run/secrets/admin_password").read()
token = ask("/auth/login", {"username": "admin", "password": password})["access_token"]
known = {"Authorization": "Bearer " + token}
points = [[9.0 * (n % 2) + n / 1000, 9.0 * (n % 2)] for n in range(200)]
stream = sys.argv[1]
ask("/api/v1/process_points", {"stream": stream, "points": points, "timeout": 60000}, **known)
print(json.dumps(ask("/api/v1/clusters_summary?stream=" + stream, **known)))
"""
POLLING = """
while True:
    for path in ("/health", "/ready"):
        try: ask(path)
        except OSError: pass
    time.sleep(0.05)
"""
WRITING = """
import errno, pathlib
for folder in ("/opt/thalweg", "/etc"):
    try: pathlib.Path(folder, "x").touch()
    except OSError as error: print(errno.errorcode[error.errno])
    else: print("written")
"""


def docker(*arguments: str, check: bool = True) -> str:
    """Its standard output. Raises RuntimeError."""
    done = subprocess.run(["docker", *arguments], cwd=ROOT, check=False, capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"docker {' '.join(arguments)}: {done.stderr.strip()[-2000:]}")
    return done.stdout


class Stack:
    """The compose file, with secrets made for this run."""

    def __init__(self, folder: Path) -> None:
        self._override, self._starved = folder / "secrets.json", folder / "starved.json"
        for name, value in GIVEN.items():
            (folder / name).write_text(value)
            (folder / name).chmod(0o444)
        where = {"secrets": {name: {"file": str(folder / name)} for name in GIVEN}}
        self._override.write_text(json.dumps(where))
        self._starved.write_text(json.dumps({"services": {"worker-1": {"mem_limit": "48m"}}}))

    def compose(self, *arguments: str, check: bool = True, starved: bool = False) -> str:
        """`starved`: worker-1 has so little memory that it is killed whenever it starts."""
        files = ["docker-compose.yml", str(self._override), *([str(self._starved)] if starved else [])]
        named = [word for file in files for word in ("--file", file)]
        return docker("compose", "--project-name", PROJECT, *named, *arguments, check=check)

    def inside(self, service: str, *command: str) -> str:
        return self.compose("exec", "--no-TTY", service, *command)

    def said(self, service: str, template: str) -> str:
        """Of the service's container, by its engine."""
        container = self.compose("ps", "--all", "--quiet", service).strip()
        return docker("inspect", "--format", template, container).strip()


def built(stack: Stack) -> None:
    stack.compose("build")
    size = int(docker("image", "inspect", "--format", "{{.Size}}", IMAGE)) / 1e6
    assert size < LARGEST_MB, f"it is {size:.0f} MB"


def without_root(_: Stack) -> None:
    assert docker("image", "inspect", "--format", "{{.Config.User}}", IMAGE).strip() == "10001:10001"


def with_its_kernel(_: Stack) -> None:
    docker("run", "--rm", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--network", "none", IMAGE,
           "python", "-m", "pipeline.clustering.adaptive", "--kept")  # fmt: skip


def all_healthy(stack: Stack) -> None:
    stack.compose("up", "--detach", "--wait", "--wait-timeout", "600")


def beating(stack: Stack) -> None:
    for service in BEATING:
        assert stack.inside(service, "python", "-m", "pipeline.heartbeat").strip() == "well", service


def read_only(stack: Stack) -> None:
    for service in (*BEATING, "api"):
        assert stack.inside(service, "python", "-c", WRITING).split() == ["EROFS", "EROFS"], service


def without_secrets_in_sight(stack: Stack) -> None:
    for service in (*BEATING, "api", "clickhouse"):
        environment = stack.said(service, "{{json .Config.Env}}")
        assert not [name for name, value in GIVEN.items() if value in environment], service


def serving(stack: Stack) -> None:
    program = f"{ASKING}\nprint(ask('/health')['status'])"
    assert stack.inside("api", "python", "-c", program).strip() == "healthy"


def flowing(stack: Stack, stream: str = "first") -> None:
    summary = json.loads(stack.inside("api", "python", "-c", ASKING + FLOWING, stream))
    assert summary["total_points_processed"] == 200, summary
    assert summary["num_active_clusters"] >= 2, summary


def outliving_the_broker(stack: Stack) -> None:
    """Its health is asked all the while."""
    started = stack.said("api", "{{.State.StartedAt}}")
    stack.compose("exec", "--detach", "api", "python", "-c", ASKING + POLLING)
    stack.compose("restart", "kafka")
    stack.compose("up", "--detach", "--wait", "--wait-timeout", "300")
    stack.compose("kill", "--signal", "KILL", "kafka")
    stack.compose("up", "--detach", "--wait", "--wait-timeout", "300")
    assert stack.said("api", "{{.State.StartedAt}}") == started
    flowing(stack, "second")


def never_healthy(stack: Stack) -> None:
    try:
        stack.compose("up", "--detach", "--wait", "--wait-timeout", "45", "worker-1", starved=True)
    except RuntimeError:
        assert int(stack.said("worker-1", "{{.RestartCount}}")) > 0
    else:
        raise AssertionError("up --wait returned as if it were well")
    finally:
        stack.compose("up", "--detach", "--wait", "--wait-timeout", "300", "worker-1")


def refused_once(stack: Stack) -> None:
    """A worker that is set wrongly is neither healthy nor restarted."""
    stack.compose("stop", "worker-1")
    stack.compose("run", "--detach", "--name", f"{PROJECT}-wrong", "--env", "THALWEG_PARTITIONS=none", "worker-1")
    try:
        docker("exec", f"{PROJECT}-wrong", "sh", "-c", "sleep 20")
        said = docker("exec", f"{PROJECT}-wrong", "python", "-m", "pipeline.heartbeat", check=False)
        assert "misconfigured: THALWEG_PARTITIONS" in said, said
        assert docker("inspect", "--format", "{{.RestartCount}}", f"{PROJECT}-wrong").strip() == "0"
    finally:
        docker("rm", "--force", f"{PROJECT}-wrong", check=False)


STEPS: tuple[tuple[str, Callable[[Stack], None]], ...] = (
    (f"the image is built, and smaller than {LARGEST_MB} MB", built),
    ("it does not run as root", without_root),
    ("its kernel is loaded, not compiled, where nothing can be written", with_its_kernel),
    ("every service gets healthy", all_healthy),
    ("workers, archive and courier beat", beating),
    ("they and the API can write nothing but /tmp", read_only),
    ("no secret stands in a container's environment", without_secrets_in_sight),
    ("the API finds log, database and workers healthy", serving),
    ("points go in and clusters come out", flowing),
    ("the API outlives a broker that is restarted, and one that is killed", outliving_the_broker),
    ("a worker that is killed whenever it starts is never healthy", never_healthy),
    ("a worker that is set wrongly is unhealthy, and started once", refused_once),
)


def origins() -> list[str]:
    """What this runs on, for whoever reads the result. Whether an image was pulled no engine tells for sure: its digest
    and its day do, held against the registry's."""
    components = json.loads(docker("version", "--format", "{{json .Server.Components}}"))
    versions = [f"{it['Name']} {it['Version'].splitlines()[0]}" for it in components]
    kernel = docker("info", "--format", "kernel {{.KernelVersion}}, {{.OperatingSystem}}").strip()
    lines = [", ".join([*versions, kernel]), docker("compose", "version").strip()]
    for image in (PYTHON_IMAGE, KAFKA_IMAGE, CLICKHOUSE_IMAGE):
        made = docker("image", "inspect", "--format", "{{.Id}}, made {{.Created}}", image, check=False).strip()
        digests = docker("image", "inspect", "--format", "{{join .RepoDigests `, `}}", image, check=False).strip()
        lines.append(f"{image}: {made or 'not here yet'}; digests: {digests or 'none'}")
    return lines


def main() -> int:
    address = answering_engine(os.environ)
    if shutil.which("docker") is None or address is None:
        sys.stdout.write(
            "not run: it needs the docker command with compose, and an engine, Docker's or Podman's, that answers "
            "(at DOCKER_HOST, else /var/run/docker.sock, else podman/podman.sock in $XDG_RUNTIME_DIR or /run)\n"
        )
        return 0
    os.environ["DOCKER_HOST"] = address
    if "Podman" in docker("version", "--format", "{{json .Server.Components}}"):
        os.environ["DOCKER_BUILDKIT"] = "0"  # Podman builds by itself
    sys.stdout.write("".join(f"on      {line}\n" for line in origins()))
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder))
        try:
            for sentence, step in STEPS:
                try:
                    step(stack)
                except (AssertionError, RuntimeError) as error:
                    failed += 1
                    sys.stdout.write(f"FAILED  {sentence}: {error}\n")
                else:
                    sys.stdout.write(f"ok      {sentence}\n")
                sys.stdout.flush()
        finally:
            stack.compose("down", "--volumes", "--remove-orphans", check=False)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
