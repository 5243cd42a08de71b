"""`thalweg status`: how each part of the run is."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.cli.options import DEFAULT_DATA_DIR, DataDir
from pipeline.clock import now
from pipeline.embedded import runstate
from pipeline.embedded.runstate import PartState, RunState

_COLOURS = {"ready": "green", "done": "green", "crashed": "red", "stopped": "red"}


def status(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show how each part is. Exit status 0 only when every part is ready."""
    run = runstate.read(data_dir)
    if as_json:
        typer.echo(json.dumps(_as_json(run), indent=2))
    elif run is None:
        typer.echo(f"nothing is running in {data_dir}; start it with: thalweg up")
    else:
        console = Console(highlight=False)
        console.print(_table(run))
        for part in run.parts:
            if part.forged:
                console.print(f"[red]{part.name} has met {part.forged} forged records[/red]: thalweg logs {part.name}")
    raise typer.Exit(0 if run is not None and run.well else 1)


def _as_json(run: RunState | None) -> dict[str, object]:
    if run is None:
        return {"running": False, "ready": False, "parts": []}
    parts = [asdict(part) | {"uptime_s": _uptime(part), "memory_bytes": memory(part.pid)} for part in run.parts]
    return {"running": True, "ready": run.well, "pid": run.pid, "started": run.started, "parts": parts}


def _table(run: RunState) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("part", "state", "pid", "for", "restarts", "memory"):
        table.add_column(column, justify="right" if column in ("pid", "for", "restarts", "memory") else "left")
    table.add_column("address", overflow="fold")
    for part in run.parts:
        colour = _COLOURS.get(part.state, "yellow")
        used = memory(part.pid)
        table.add_row(
            part.name,
            f"[{colour}]{part.state}[/{colour}]",
            str(part.pid or ""),
            _duration(_uptime(part)),
            str(part.restarts),
            f"{used / 2**20:.0f} MiB" if used else "",
            escape(part.reason if part.state == "crashed" and part.reason else part.url or ""),
        )
    return table


def memory(pid: int | None) -> int | None:
    """Resident bytes of a process and of those it has started; None when it is not there."""
    if pid is None:
        return None
    try:
        process = psutil.Process(pid)
        return sum(int(it.memory_info().rss) for it in (process, *process.children(recursive=True)))
    except psutil.Error:
        return None


def _uptime(part: PartState) -> float:
    """Seconds in the present state."""
    return max(0.0, (now() - part.since) / 1e6)


def _duration(seconds: float) -> str:
    whole = int(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{whole % 60:02d}s" if minutes else f"{whole}s"
