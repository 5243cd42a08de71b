"""`thalweg up`: everything on this machine, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import DEFAULT_DATA_DIR, DataDir
from pipeline.cli.screen import Screen
from pipeline.embedded import parts, runstate, secrets
from pipeline.embedded.ports import check_free
from pipeline.embedded.privacy import make_private
from pipeline.embedded.settings import StackSettings
from pipeline.embedded.supervisor import Supervisor

_PORTS = "Ports"
_ELSEWHERE = "Parts that run elsewhere"


KafkaLogin = Annotated[
    bool,
    typer.Option(
        envvar="THALWEG_KAFKA_LOGIN",
        help="Let nobody write to the embedded Kafka without a password: it is made, kept in the data directory, "
        "and found there by thalweg's commands.",
    ),
]


def _port(flag: str, variable: str, of: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        flag, envvar=variable, help=f"Port of {of}.", min=1, max=65535, rich_help_panel=_PORTS
    )
    return option


def up(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    workers: Annotated[
        int, typer.Option(envvar="THALWEG_WORKERS", help="Stream processors of each domain.", min=1, max=64)
    ] = StackSettings.workers,
    only: Annotated[
        str | None, typer.Option(help="Run these parts alone, commas between: broker,warehouse", show_default=False)
    ] = None,
    api_host: Annotated[
        str, typer.Option(envvar="THALWEG_API_HOST", help="Address the API listens on.", rich_help_panel=_PORTS)
    ] = StackSettings.api_host,
    api_port: Annotated[int, _port("--api-port", "THALWEG_API_PORT", "the API")] = StackSettings.api_port,
    kafka_port: Annotated[int, _port("--kafka-port", "THALWEG_KAFKA_PORT", "Kafka")] = StackSettings.kafka_port,
    kafka_controller_port: Annotated[
        int, _port("--kafka-controller-port", "THALWEG_KAFKA_CONTROLLER_PORT", "Kafka's controller")
    ] = StackSettings.kafka_controller_port,
    warehouse_port: Annotated[
        int, _port("--warehouse-port", "THALWEG_WAREHOUSE_PORT", "the warehouse (ClickHouse over HTTP)")
    ] = StackSettings.warehouse_port,
    kafka_heap_mib: Annotated[
        int, typer.Option(envvar="THALWEG_KAFKA_HEAP_MIB", help="Heap of the embedded Kafka, MiB.", min=128)
    ] = StackSettings.kafka_heap_mib,
    kafka_login: KafkaLogin = StackSettings.kafka_login,
    kafka_bootstrap: Annotated[
        str | None,
        typer.Option(envvar="THALWEG_KAFKA_BOOTSTRAP", help="host:port of your own Kafka.", rich_help_panel=_ELSEWHERE),
    ] = None,
    clickhouse_url: Annotated[
        str | None,
        typer.Option(
            envvar="THALWEG_CLICKHOUSE_URL", help="http(s) URL of your own ClickHouse.", rich_help_panel=_ELSEWHERE
        ),
    ] = None,
) -> None:
    """Run everything on this machine: Kafka, the warehouse, workers, archive and API.

    The first start fetches Kafka (45 MB) and makes the data directory; what is in it is kept. Ctrl-C stops all parts
    in order; a second Ctrl-C kills them. A part that ends on its own is started again.
    """
    settings = StackSettings(
        data_dir=data_dir,
        workers=workers,
        kafka_port=kafka_port,
        kafka_controller_port=kafka_controller_port,
        kafka_heap_mib=kafka_heap_mib,
        kafka_login=kafka_login,
        warehouse_port=warehouse_port,
        api_host=api_host,
        api_port=api_port,
        kafka_bootstrap=kafka_bootstrap or None,
        clickhouse_url=clickhouse_url or None,
    )
    wanted = parts.declare(settings)
    if only is not None:
        wanted = parts.only(wanted, [name.strip() for name in only.split(",") if name.strip()])
    run(settings, wanted)


def run(settings: StackSettings, wanted: list[parts.Part]) -> None:
    """Holds the data directory, checks the ports, and keeps the parts running until told to stop."""
    make_private(settings.data_dir)
    (settings.data_dir / ".gitignore").write_text("*\n", encoding="utf-8")  # invisible to git wherever it is put
    with runstate.sole_run(settings.data_dir):
        check_free([port for part in wanted for port in part.ports])
        kept = secrets.keep(settings.data_dir)
        environment = parts.environment(settings, kept, os.environ)
        names = [part.name for part in wanted]
        with Screen(settings, environment, names, dev_password=kept.dev_password) as screen:
            asyncio.run(_supervise(wanted, settings.data_dir, environment, screen))
            # All has stopped: one Ctrl-C too many must not end the last lines in a traceback.
            signal.signal(signal.SIGINT, signal.SIG_IGN)


async def _supervise(wanted: list[parts.Part], data_dir: Path, environment: dict[str, str], screen: Screen) -> None:
    await Supervisor(wanted, data_dir, environment, screen.show).run()
