"""Clients that others' generators make from the API's description build, import, and work.

The generators' own packages come from their registries, at the versions that the files beside this name: without them
the tests are skipped, and say so.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import venv
from pathlib import Path

import pytest

from tests.doubles.door import app_with, served

HERE = Path(__file__).parent
pytestmark = pytest.mark.timeout(400)


def ran(*command: str | Path, cwd: Path | None = None, seconds: float = 180) -> str:
    """What it printed, once it ended well."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, f"{command[0]}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def installed(*command: str | Path, cwd: Path | None = None) -> None:
    """Skips where the registry does not answer."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=180, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("the generator could not be installed: its registry does not answer in time")
    if done.returncode:
        pytest.skip(f"the generator could not be installed: {(done.stderr or done.stdout).strip()[-300:]}")


@pytest.fixture(scope="module")
def description(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("description") / "openapi.json"
    path.write_bytes(app_with().state.openapi())
    return path


IMPORT_ALL = """
import importlib, pkgutil, thalweg_client
for each in pkgutil.walk_packages(thalweg_client.__path__, "thalweg_client."):
    importlib.import_module(each.name)
"""
CALL = """
import sys
from thalweg_client import AuthenticatedClient, Client
from thalweg_client.api.clustering import process_points_api_v1_process_points_post as process_points
from thalweg_client.api.health import health_health_get as health
from thalweg_client.models import Error, HealthReport, ProcessPointsBody

told = health.sync_detailed(client=Client(base_url=sys.argv[1]))
assert isinstance(told.parsed, HealthReport), told
stranger = AuthenticatedClient(base_url=sys.argv[1], token="made-up")
body = ProcessPointsBody(points=[[1.0, 2.0]])
refused = process_points.sync_detailed(client=stranger, body=body, x_request_id="mine")
assert isinstance(refused.parsed, Error), refused
assert refused.parsed.error.code == "AUTHENTICATION_ERROR"
assert refused.headers["X-Request-ID"] == "mine"
"""


async def test_a_python_client_is_generated_imports_and_calls(description: Path, tmp_path: Path) -> None:
    """openapi-python-client, without a warning: each would be something that the client lacks."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    requirements = HERE / "python/requirements.txt"
    pip = (python, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", requirements)
    await asyncio.to_thread(installed, *pip)
    generate = (tmp_path / "venv/bin/openapi-python-client", "generate", "--path", description)
    asked = ("--output-path", tmp_path / "thalweg_client", "--meta", "none", "--fail-on-warning")
    hooks = tmp_path / "config.yaml"
    hooks.write_text("post_hooks: []\n")
    await asyncio.to_thread(ran, *generate, *asked, "--config", hooks)
    await asyncio.to_thread(ran, python, "-c", IMPORT_ALL, cwd=tmp_path)
    app = app_with()
    async with served(app, app.state.wiring.settings) as (host, port):
        await asyncio.to_thread(ran, python, "-c", CALL, f"http://{host}:{port}", cwd=tmp_path)


def test_typescript_types_are_generated_and_accepted(description: Path, tmp_path: Path) -> None:
    """openapi-typescript; `use.ts` is a program that uses them."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm on this machine")
    for path in (HERE / "typescript").iterdir():
        shutil.copy(path, tmp_path)
    installed("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", cwd=tmp_path)
    tools = tmp_path / "node_modules/.bin"
    ran(tools / "openapi-typescript", description, "-o", "api.d.ts", "--default-non-nullable", "false", cwd=tmp_path)
    ran(tools / "tsc", "--noEmit", "--strict", "use.ts", "api.d.ts", cwd=tmp_path)


def test_every_operation_has_a_name_of_its_own(description: Path) -> None:
    """Generators name functions by it; those of both kinds above would drop or overwrite a second."""
    document = json.loads(description.read_text("utf-8"))
    names = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert sorted(names) == sorted(set(names))
