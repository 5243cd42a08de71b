"""Builds the image and runs docker-compose.yml where a Docker engine answers: `make image-test`.

Each step is a sentence with what came of it. The exit status is 1 if one failed; where no engine answers it is 0, and
the reason is told. The stack has a project name of its own, and is removed with its volumes at the end.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.containers import engine_answers

ROOT = Path(__file__).parents[1]
PROJECT = "thalweg-image-test"
IMAGE = "thalweg:0.1.0"
LARGEST_MB = 1000
BEATING = ("worker-0", "worker-1", "archive", "courier")


def docker(*arguments: str, check: bool = True) -> str:
    """Its standard output. Raises RuntimeError."""
    done = subprocess.run(["docker", *arguments], cwd=ROOT, check=False, capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"docker {' '.join(arguments)}: {done.stderr.strip()[-2000:]}")
    return done.stdout


class Stack:
    """The compose file, with secrets made for this run."""

    def __init__(self, folder: Path) -> None:
        self._override = folder / "secrets.yml"
        given = {
            "admin_password": "correct horse battery",
            "jwt_secrets": f"k1:{secrets.token_hex(32)}",
            "account_secrets": f"k1:{secrets.token_hex(32)}",
            "warehouse_password": secrets.token_hex(16),
        }
        for name, value in given.items():
            (folder / name).write_text(value)
            (folder / name).chmod(0o444)
        where = {"secrets": {name: {"file": str(folder / name)} for name in given}}
        self._override.write_text(json.dumps(where))

    def compose(self, *arguments: str, check: bool = True) -> str:
        files = ("--file", "docker-compose.yml", "--file", str(self._override))
        return docker("compose", "--project-name", PROJECT, *files, *arguments, check=check)

    def inside(self, service: str, *command: str) -> str:
        return self.compose("exec", "--no-TTY", service, *command)


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
    program = "import pathlib; pathlib.Path('/opt/thalweg/x').touch()"
    for service in BEATING:
        said = stack.compose("exec", "--no-TTY", service, "python", "-c", program, check=False)
        assert said == "", service


def serving(stack: Stack) -> None:
    program = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8000/health').read().decode())"
    assert json.loads(stack.inside("api", "python", "-c", program))["status"] == "healthy"


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
    ("they can write nothing but /tmp", read_only),
    ("the API finds log, database and workers healthy", serving),
    ("a worker that is set wrongly is unhealthy, and started once", refused_once),
)


def main() -> int:
    if shutil.which("docker") is None or not engine_answers():
        sys.stdout.write("not run: no Docker engine answers here (DOCKER_HOST, else /var/run/docker.sock)\n")
        return 0
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
        finally:
            stack.compose("down", "--volumes", "--remove-orphans", check=False)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
