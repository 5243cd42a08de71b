"""`thalweg logs`: what a part has said."""

from __future__ import annotations

import contextlib
from typing import Annotated

import typer

from pipeline.cli.options import DEFAULT_DATA_DIR, DataDir
from pipeline.embedded.logs import follow, last_lines, log_path, names
from pipeline.embedded.supervisor import LOGS
from pipeline.errors import Misconfigured


def logs(
    part: Annotated[str, typer.Argument(help="Which part; thalweg status lists them.", show_default=False)],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    lines: Annotated[int, typer.Option("-n", "--lines", help="How many of the last lines.", min=0)] = 50,
    following: Annotated[bool, typer.Option("-f", "--follow", help="Go on until Ctrl-C.")] = False,
) -> None:
    """Show the last lines of a part's log."""
    folder = data_dir / LOGS
    known = names(folder)
    if part not in known:
        there = f"there are {', '.join(known)}" if known else f"nothing has run in {data_dir} yet"
        raise Misconfigured(f"no log of a part {part!r}; {there}")
    path = log_path(folder, part)
    for line in last_lines(path, lines):
        typer.echo(line)
    if following:
        with contextlib.suppress(KeyboardInterrupt):
            for line in follow(path):
                typer.echo(line)
