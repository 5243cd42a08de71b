"""The `thalweg` command: which commands there are, and how a failure ends one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

import typer

from pipeline.cli.demo import demo
from pipeline.cli.dlq import dlq
from pipeline.cli.logs import logs
from pipeline.cli.mail import mail
from pipeline.cli.produce import produce
from pipeline.cli.schemas import schemas
from pipeline.cli.status import status
from pipeline.cli.tail import tail
from pipeline.cli.topics import topics
from pipeline.cli.up import up
from pipeline.cli.warehouse import warehouse
from pipeline.errors import Failure, Misconfigured
from pipeline.refusal import EX_CONFIG

EXIT_FAILED = 1

COMMANDS: Sequence[Callable[..., None]] = (
    up,
    status,
    logs,
    demo,
    tail,
)

GROUPS: Sequence[tuple[str, typer.Typer]] = (
    ("topics", topics),
    ("produce", produce),
    ("dlq", dlq),
    ("mail", mail),
    ("schemas", schemas),
    ("warehouse", warehouse),
)

HELP = """Thalweg: points in, clusters out, through Kafka, live and into ClickHouse.

Start everything on this machine with **thalweg up**, see how it is with **thalweg status**, read
what a part says with **thalweg logs api -f**. Watch it work with **thalweg demo**, send your own points with
**thalweg produce points --stream s file.csv**, and see what comes of them with **thalweg tail clusters.updated.v1**.
Every setting is a flag, or a variable of the environment named in the help of its command: **thalweg up --help**.
"""


def build() -> typer.Typer:
    """The application, with every command registered."""
    app = typer.Typer(
        name="thalweg",
        help=HELP,
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for command in COMMANDS:
        app.command()(command)
    for name, group in GROUPS:
        app.add_typer(group, name=name)
    return app


def main() -> None:
    """The console script. A failure is one message and an exit status: 78 where what was given (a setting, a file, a
    name) cannot be used and trying again cannot help, as of every process here; else 1. A command line that is none is
    2, as argument parsers have it.

    With THALWEG_DEBUG=1 it is a traceback instead.
    """
    try:
        build()()
    except Failure as failure:
        if os.environ.get("THALWEG_DEBUG") == "1":
            raise
        sys.stderr.write(f"thalweg: {failure}\n")
        sys.exit(EX_CONFIG if isinstance(failure, Misconfigured) else EXIT_FAILED)
