"""`thalweg topics`: the topics there are, and making those there ought to be."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

import typer

from pipeline.cli.options import DEFAULT_BOOTSTRAP, Bootstrap, Json, kafka_settings
from pipeline.errors import LogUnavailable
from pipeline.kafka.provision import provision
from pipeline.settings import KafkaSettings

PATIENCE_SECONDS = 60.0

topics = typer.Typer(help="The topics of the log: list them, create what is missing.", no_args_is_help=True)


@topics.command()
def create(bootstrap: Bootstrap = DEFAULT_BOOTSTRAP, as_json: Json = False) -> None:
    """Create the topics that are missing; change nothing that is there.

    Safe to repeat. A broker that is just starting is waited for, a minute at most. How many partitions and replicas
    a new topic gets is read from THALWEG_PARTITIONS (4) and THALWEG_REPLICATION (1).

    Example: **thalweg topics create --bootstrap kafka-1:9092**
    """
    created = patiently(kafka_settings(bootstrap), PATIENCE_SECONDS)
    if as_json:
        typer.echo(json.dumps({"created": list(created)}))
        return
    for name in created:
        typer.echo(f"created {name}")
    if not created:
        typer.echo("all topics are there")


def patiently(settings: KafkaSettings, seconds: float) -> Sequence[str]:
    """What provisioning created, once a broker answered. Raises LogUnavailable when none has in that time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return provision(settings)
        except LogUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
