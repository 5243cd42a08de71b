"""One way of telling what was measured: a row each, a table to look at, JSON to keep."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

STANDS_ON = ("confluent-kafka", "faust-streaming", "fastavro", "numpy", "numba", "river", "uvicorn", "chdb-core")


@dataclass(frozen=True)
class Row:
    """`value` in `unit` of `what`; `ratio` = value / what `beside` did in the same run; `goal` as it was set.

    `reached` is None where no goal was set. A row without a ratio has `beside` None.
    """

    what: str
    value: float
    unit: str
    beside: str | None = None
    ratio: float | None = None
    goal: str | None = None
    reached: bool | None = None


def machine() -> dict[str, Any]:
    """What the numbers hold for: machine, load, versions, commit, command. Read now, never remembered."""
    commit = subprocess.run(("git", "rev-parse", "--short", "HEAD"), capture_output=True, text=True, check=False)
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in STANDS_ON},
        "commit": commit.stdout.strip() or None,
        "command": " ".join(("python -m", _module(), *sys.argv[1:])),
    }


def show(title: str, rows: Iterable[Row]) -> None:
    """The rows as a table on stdout, goals marked as reached or missed."""
    table = Table(title=title, title_justify="left")
    for name in ("what", "value", "beside", "ratio", "goal"):
        table.add_column(name, justify="right" if name in ("value", "ratio") else "left", overflow="fold")
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        mark = {None: "", True: " ✓", False: " ✗"}[row.reached]
        table.add_row(row.what, f"{_rounded(row.value)} {row.unit}", row.beside or "", ratio, (row.goal or "") + mark)
    Console(width=140).print(table)


def keep(path: Path, title: str, rows: Iterable[Row], about: dict[str, Any]) -> None:
    """The rows and what they hold for, as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"title": title} | about | {"rows": [asdict(row) for row in rows]}, indent=2) + "\n")


def parser(doc: str) -> argparse.ArgumentParser:
    """What every benchmark takes; one with more flags adds them."""
    flags = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--quick", action="store_true", help="a short run, to see that it works")
    flags.add_argument("--json", type=Path, metavar="FILE", help="keep the numbers there as well")
    return flags


def finish(title: str, rows: Sequence[Row], arguments: argparse.Namespace) -> None:
    """Show the rows and, with --json, keep them."""
    show(title, rows)
    if arguments.json:
        keep(arguments.json, title, rows, machine())


def _module() -> str:
    spec = sys.modules["__main__"].__spec__
    return spec.name if spec else sys.argv[0]


def _rounded(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"


def _processor() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or None
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else None
