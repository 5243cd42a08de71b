"""Which locked libraries have faults that are known: `make audit`.

Asks the index that packages are installed from, by pip-audit, which is installed for this alone and removed. The exit
status is 1 where something was found, 2 where the index could not tell of every library: pip-audit itself ends with 0
there, and says that no faults are known.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "requirements-dev.lock")
TOOL = "pip-audit==2.10.1"
FOUND, UNTOLD = 1, 2
NAMED = 3


def told(lock: str, report: Mapping[str, Any]) -> tuple[int, list[str]]:
    """The exit status and the lines for a person, of pip-audit's report in JSON."""
    dependencies = report["dependencies"]
    lines = [
        f"{lock}: {it['name']} {it['version']}: {fault['id']}, mended in {', '.join(fault['fix_versions']) or 'none'}"
        for it in dependencies
        for fault in it.get("vulns", [])
    ]
    skipped = [it["name"] for it in dependencies if "skip_reason" in it]
    if skipped:
        some = ", ".join(skipped[:NAMED]) + (", …" if len(skipped) > NAMED else "")
        lines.append(
            f"{lock}: not known of {len(skipped)} of {len(dependencies)} libraries ({some}): the index that answers "
            "here does not tell of faults (a mirror, mostly); run it where PyPI itself answers"
        )
    if not lines:
        lines.append(f"{lock}: no faults are known in {len(dependencies)} libraries")
    return FOUND if any("vulns" in it and it["vulns"] for it in dependencies) else UNTOLD if skipped else 0, lines


def audited(python: Path, lock: str) -> tuple[int, list[str]]:
    command = [str(python), "-m", "pip_audit", "--requirement", lock, "--require-hashes", "--disable-pip"]
    done = subprocess.run([*command, "--format", "json"], cwd=ROOT, check=False, capture_output=True, text=True)
    try:
        return told(lock, json.loads(done.stdout))
    except json.JSONDecodeError:
        why = done.stderr.strip().splitlines()[-1:] or ["pip-audit said nothing"]
        return UNTOLD, [f"{lock}: not known, pip-audit failed: {why[0]}"]


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        installing = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", TOOL]
        if subprocess.run(installing, check=False).returncode:
            sys.stdout.write(f"not known: {TOOL} could not be installed, see above\n")
            return UNTOLD
        answers = [audited(python, lock) for lock in LOCKS]
    for _, lines in answers:
        sys.stdout.write("".join(f"{line}\n" for line in lines))
    statuses = {status for status, _ in answers}
    return FOUND if FOUND in statuses else max(statuses)


if __name__ == "__main__":
    sys.exit(main())
