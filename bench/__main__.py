"""All benchmarks, one after the other: `python -m bench [--quick] [--json FOLDER] [NAME …]`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
APART = ("__init__", "__main__", "callers", "sheet", "stack")


def main() -> None:
    benchmarks = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in APART)
    parser = argparse.ArgumentParser(description=__doc__)
    known = ", ".join(benchmarks)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {known}; all, if none is said")
    parser.add_argument("--quick", action="store_true", help="short runs, to see that they work")
    parser.add_argument("--json", type=Path, metavar="FOLDER", help="keep each one's numbers there")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(benchmarks):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {known}")
    failed = [name for name in arguments.names or benchmarks if not ran(name, arguments)]
    if failed:
        sys.exit(f"did not finish: {', '.join(failed)}")


def ran(name: str, arguments: argparse.Namespace) -> bool:
    """Whether the benchmark ended well. Each has a process of its own: none measures what another left behind."""
    command = [sys.executable, "-m", f"bench.{name}", *(["--quick"] if arguments.quick else [])]
    if arguments.json:
        command += ["--json", str(arguments.json / f"{name}.json")]
    print(f"\n{name}", flush=True)
    return subprocess.run(command, check=False).returncode == 0


if __name__ == "__main__":
    main()
