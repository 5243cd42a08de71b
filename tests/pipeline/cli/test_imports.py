"""What a command imports: nothing that takes long and that it does not use."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("clickhouse_connect", "pyarrow", "pandas", "scipy", "river", "numba", "faust", "fastapi", "chdb")
ASKED = f"import sys, pipeline.cli.app; print(*(name for name in {HEAVY} if name in sys.modules))"


def test_a_command_waits_for_no_library_that_another_one_uses() -> None:
    ran = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, timeout=120, check=True)
    assert ran.stdout.split() == []
