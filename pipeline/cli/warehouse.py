"""`thalweg warehouse`: the tables brought up to date, how full they are, and SQL.

ClickHouse's client takes a quarter of the time that `thalweg --help` does: it is imported by the commands that ask it.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.table import Table

from pipeline.cli.options import DEFAULT_DATA_DIR, DataDir
from pipeline.embedded import runstate, secrets
from pipeline.errors import Broken, Misconfigured
from pipeline.settings import WarehouseSettings

ANALYST = "analyst"
READS_ONLY = {"readonly": 2}
"""What a reader of the embedded warehouse has in force already; it keeps an owner from writing, too."""

warehouse = typer.Typer(help="The tables in ClickHouse, and SQL on them.", no_args_is_help=True)


@warehouse.command()
def migrate(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Bring the tables to what this version needs, and set how long rows are kept. Safe to run again."""
    from pipeline.warehouse import tables  # noqa: PLC0415
    from pipeline.warehouse.retention import Retention  # noqa: PLC0415

    done = tables.bring_up_to_date(settings(data_dir), Retention.from_environment(os.environ))
    typer.echo("".join(f"applied {name}\n" for name in done) or "nothing to do", nl=not done)


@warehouse.command()
def status(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Show the tables, with their rows and their size on disk."""
    from pipeline.warehouse import tables  # noqa: PLC0415

    shown = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("table", "rows", "MiB", "written (UTC)", "holds"):
        shown.add_column(column, justify="right" if column in ("rows", "MiB") else "left")
    for table in tables.status(settings(data_dir)):
        size = f"{table.bytes / 2**20:,.1f}"
        shown.add_row(table.name, f"{table.rows:,}", size, table.newest or "", table.comment)
    Console(highlight=False).print(shown)


@warehouse.command()
def query(
    sql: Annotated[str, typer.Argument(help="One statement; - reads it from standard input.")],
    form: Annotated[
        str | None, typer.Option("--format", help="A ClickHouse output format, such as JSONEachRow.", metavar="FORMAT")
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Run SQL that only reads: as a table on a terminal, tab-separated elsewhere. docs/sql.md has a cookbook."""
    from pipeline.warehouse.connection import Connection  # noqa: PLC0415

    statement = sys.stdin.read() if sql == "-" else sql
    chosen = form or ("PrettyCompactMonoBlock" if sys.stdout.isatty() else "TabSeparatedWithNames")
    connection = Connection(settings(data_dir, user=ANALYST))
    try:
        sys.stdout.buffer.write(connection.text(statement.strip().rstrip(";"), chosen, READS_ONLY))
        sys.stdout.buffer.flush()
    except Broken as error:  # the statement is the caller's here, not ours
        raise Misconfigured(str(error)) from error
    finally:
        connection.close()


def settings(data_dir: Path, user: str | None = None) -> WarehouseSettings:
    """The environment's; where that names no warehouse, the one of the run in `data_dir`, as `user` or its owner."""
    read = WarehouseSettings.from_environment(os.environ)
    if os.environ.get("THALWEG_CLICKHOUSE_URL") or not (data_dir / secrets.FILE).exists():
        return read
    kept = secrets.keep(data_dir)
    run = runstate.read(data_dir)
    url = next((part.url for part in run.parts if part.name == "warehouse" and part.url), None) if run else None
    port = urlsplit(url).port if url else None
    password = kept.analyst_password if user == ANALYST else kept.warehouse_password
    return replace(read, port=port or read.port, user=user or read.user, password=password)
