"""The contracts of .importlinter hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.house import FLOORS, ROOT, imported, modules

UP = {"schemas": {"pipeline", "topologies", "ingest_api"}, "pipeline": {"topologies", "ingest_api"}}


def test_every_contract_is_kept(tmp_path: Path) -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    if not lint.exists():
        pytest.fail("import-linter is not installed beside this Python: make install-dev")
    ran = subprocess.run([lint, "--cache-dir", str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "0 broken" in ran.stdout


def test_nothing_imports_what_is_above_it() -> None:
    """As the linter says, said again without it."""
    above = UP | {"topologies": {"ingest_api"}, "ingest_api": {"topologies"}}
    wrong = {
        f"{path} imports {name}"
        for path in modules()
        for name in imported(path)
        if name.split(".")[0] in above[path.parts[0]]
    }
    assert wrong == set()


def test_nothing_that_is_shipped_imports_a_test() -> None:
    assert not [str(path) for path in modules() if any(name.split(".")[0] == "tests" for name in imported(path))]
    assert set(FLOORS) == {path.parts[0] for path in modules()}
