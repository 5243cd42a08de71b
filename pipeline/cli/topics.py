"""`thalweg topics`: the topics there are, and making those there ought to be."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Annotated

import typer
from rich.table import Table

from pipeline.cli.broker import Topics, hush, reach
from pipeline.cli.drawing import console, table
from pipeline.cli.options import DEFAULT_BOOTSTRAP, Bootstrap, Json, kafka_settings
from pipeline.errors import LogUnavailable, Misconfigured
from pipeline.kafka.acls import PARTS, grants
from pipeline.kafka.browse import committed, ends
from pipeline.kafka.provision import provision
from pipeline.settings import KafkaSettings
from schemas.catalogue import TOPICS, group_reading
from schemas.registry import Registry, checked_in
from schemas.topic import Topic

PATIENCE_SECONDS = 60.0

topics = typer.Typer(help="The topics of the log: list them, create what is missing.", no_args_is_help=True)


@topics.command()
def create(bootstrap: Bootstrap = DEFAULT_BOOTSTRAP, as_json: Json = False) -> None:
    """Create the topics that are missing; change nothing that is there.

    Safe to repeat. A broker that is just starting is waited for, a minute at most. How many partitions and replicas
    a new topic gets is read from THALWEG_PARTITIONS (4) and THALWEG_REPLICATION (1).

    Example: **thalweg topics create --bootstrap kafka-1:9092**
    """
    hush()
    created = patiently(kafka_settings(bootstrap), PATIENCE_SECONDS)
    if as_json:
        typer.echo(json.dumps({"created": list(created)}))
        return
    for name in created:
        typer.echo(f"created {name}")
    if not created:
        typer.echo("all topics are there")


@topics.command("list")
def listing(bootstrap: Bootstrap = DEFAULT_BOOTSTRAP, as_json: Json = False) -> None:
    """List our topics: how many records each holds now, how far the workers are behind, what it carries.

    Records are counted by offsets: of a compacted topic there may be fewer. Lag is counted in records that the
    workers have read but not yet made durable, or not yet read.

    Example: **thalweg topics list --json | jq '.[] | select(.lag > 0)'**
    """
    settings, there = reach(bootstrap)
    registry = checked_in()
    rows = [measure(settings, topic, there, registry) for topic in TOPICS]
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    console().print(_table(rows))
    missing = [row.name for row in rows if row.partitions is None]
    if missing:
        typer.echo(f"{len(missing)} missing; create them with: thalweg topics create")


@topics.command()
def acls(
    part: Annotated[
        str | None, typer.Option(help=f"One of {', '.join(PARTS)}; all, where none is named.", show_default=False)
    ] = None,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
    as_json: Json = False,
) -> None:
    """Print the commands that allow each part, and programs that write points, what they need at a broker with ACLs.

    Each part is taken to log in as a user of its own name: **api**, **worker**, **courier**, **archive**, **producer**,
    **operator**. Nothing is changed here; kafka-acls.sh is Kafka's own, and --command-config its login.

    Example: **thalweg topics acls --part worker | sh**
    """
    if part is not None and part not in PARTS:
        raise Misconfigured(f"no such part: {part}; there are {', '.join(PARTS)}")
    found = [grant for name in PARTS if part in (None, name) for grant in grants(name)]
    if as_json:
        typer.echo(json.dumps([asdict(grant) for grant in found], indent=2))
        return
    tool = f"kafka-acls.sh --bootstrap-server {bootstrap} --command-config admin.properties"
    for grant in found:
        typer.echo(f"{tool} {grant.command(grant.part)}")


@dataclass(frozen=True, slots=True)
class Row:
    """One topic as listed. What only an existing topic has is None where it is missing; `lag` where nothing is
    committed by the workers, because they do not read it."""

    name: str
    partitions: int | None
    records: int | None
    lag: int | None
    key: str
    writers: str
    retention_hours: float
    compacted: bool
    schema_id: int


def measure(settings: KafkaSettings, topic: Topic, there: Topics, registry: Registry) -> Row:
    """Raises LogUnavailable."""
    partitions = records = lag = None
    if topic.name in there:
        marks = ends(settings, topic.name)
        partitions, records = len(marks), sum(mark.high - mark.low for mark in marks.values())
        if topic.stateful:
            done = committed(settings, group_reading(topic), topic.name)
            lag = sum(max(0, mark.high - max(mark.low, done[number] or 0)) for number, mark in marks.items())
    return Row(
        name=topic.name,
        partitions=partitions,
        records=records,
        lag=lag,
        key=topic.key,
        writers=", ".join(topic.writers.names),
        retention_hours=topic.retention.total_seconds() / 3600,
        compacted=topic.compacted,
        schema_id=registry.named(topic.record.SCHEMA).id,
    )


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


def _table(rows: Sequence[Row]) -> Table:
    right = ("partitions", "records", "lag", "schema")
    drawn = table("topic", "partitions", "records", "lag", "key", "writers", "kept", "schema", right=right)
    for row in rows:
        drawn.add_row(
            row.name,
            "[red]missing[/red]" if row.partitions is None else str(row.partitions),
            "" if row.records is None else f"{'≤ ' if row.compacted else ''}{row.records:,}",
            _lag(row.lag),
            row.key,
            row.writers,
            _kept(row),
            str(row.schema_id),
        )
    return drawn


def _lag(lag: int | None) -> str:
    return "" if lag is None else f"[yellow]{lag:,}[/yellow]" if lag else "[green]0[/green]"


def _kept(row: Row) -> str:
    whole = timedelta(hours=row.retention_hours)
    span = f"{whole.days} d" if whole.days > 1 else f"{row.retention_hours:g} h"
    return f"last of key, all {span}" if row.compacted else span
