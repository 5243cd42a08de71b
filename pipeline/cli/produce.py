"""`thalweg produce`: points from a file or a pipe straight into the log, as any Kafka client would."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.broker import known, reach
from pipeline.cli.drawing import console
from pipeline.cli.lines import Lines
from pipeline.cli.options import DEFAULT_BOOTSTRAP, Bootstrap, Json, check_stream
from pipeline.cli.pouring import Pouring, Receipts, Recipe, Tap
from pipeline.cli.sheet import Layout, Sheet
from pipeline.errors import Failure, Misconfigured
from schemas.clustering.limits import MAX_POINTS
from schemas.clustering.topics import OBSERVED

EXIT_INTERRUPTED = 130
EXIT_FAILED = 1
SHOWN_COLUMNS = 8

produce = typer.Typer(help="Write events straight to Kafka.", no_args_is_help=True)


@produce.callback()
def group() -> None:
    """Write events straight to Kafka."""


@produce.command()
def points(
    file: Annotated[str, typer.Argument(help="A CSV file; - reads standard input.", metavar="[FILE|-]")] = "-",
    stream: Annotated[str, typer.Option("--stream", "-s", help="Which stream the points belong to.")] = "default",
    columns: Annotated[
        str | None, typer.Option(help="Only these columns: names of the header, or numbers: 1,4-9", show_default=False)
    ] = None,
    delimiter: Annotated[str, typer.Option(help="What separates cells; `tab` for a tab.")] = ",",
    decimal: Annotated[str, typer.Option(help="The decimal sign: a point or a comma (1,5).")] = ".",
    header: Annotated[
        bool | None,
        typer.Option("--header/--no-header", help="Whether the first row names the columns; else it is looked at."),
    ] = None,
    batch: Annotated[int, typer.Option(help="Points of one record.", min=1, max=MAX_POINTS)] = 1000,
    rate: Annotated[float | None, typer.Option(help="At most so many points a second.", min=0.001)] = None,
    linger: Annotated[
        float, typer.Option(help="Seconds after which an unfilled batch is sent too; not with --batch-id-prefix.")
    ] = 1.0,
    batch_id_prefix: Annotated[
        str | None,
        typer.Option(help="Batches get the id PREFIX:first-last point, so that a rerun counts once."),
    ] = None,
    metadata: Annotated[
        list[str] | None, typer.Option(help="k=v, kept beside the points; may be given again.", metavar="K=V")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Who observed the points.")] = None,
    skip_bad_rows: Annotated[bool, typer.Option(help="Go on behind a row that cannot be used.")] = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
    as_json: Json = False,
) -> None:
    """Send points from CSV to points.observed.v1, Avro in the Confluent wire format, keyed by the stream.

    One row is one point; every row has as many cells as the header. A row that cannot be used ends it (exit status 1):
    what stands before it has been sent, and nothing behind it; so does an input without any points. What gzip, bzip2 or
    xz compressed is decompressed. Ctrl-C sends what has been read. Receipts are positions: topic-partition-offset.

    Examples:

    **thalweg produce points --stream pumps pumps.csv --columns pressure,flow**

    **thalweg produce points -s pumps pumps.csv --batch-id-prefix pumps-2025-01** (may be repeated: counts once)

    **sensor | thalweg produce points -s pumps - --no-header --rate 500**
    """
    check_stream(stream)
    layout = _layout(delimiter, decimal, header, columns)
    recipe = Recipe(stream, batch, rate, None if batch_id_prefix else linger, batch_id_prefix, _pairs(metadata), source)
    lines, size = _open(file)
    settings, there = reach(bootstrap)
    known(there, OBSERVED.name)
    with Tap(console(stderr=True), size) as tap:
        pouring = Pouring(settings, recipe, Sheet(layout, skips=skip_bad_rows), lines, tap)
        asyncio.run(pouring.run())
    _tell(pouring, stream, as_json)
    if pouring.failure is not None:
        raise pouring.failure
    if pouring.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    if pouring.stopped_by_row or not pouring.receipts.points:
        raise typer.Exit(EXIT_FAILED)


def _layout(delimiter: str, decimal: str, header: bool | None, columns: str | None) -> Layout:
    if decimal not in (".", ","):
        raise Misconfigured("--decimal is a point or a comma")
    single = "\t" if delimiter == "tab" else _single(delimiter)
    if single == decimal:
        raise Misconfigured(f"--delimiter and --decimal cannot both be {decimal!r}: try --delimiter ';'")
    return Layout(single, header, _listed(columns), decimal)


def _open(file: str) -> tuple[Lines, int | None]:
    """And how many bytes there are, where that is known. Raises Misconfigured."""
    if file == "-":
        if sys.stdin.isatty():
            typer.echo("reading points from the keyboard; Ctrl-D ends", err=True)
        return Lines(sys.stdin.fileno()), None
    try:
        descriptor = os.open(Path(file), os.O_RDONLY | os.O_CLOEXEC)
        status = os.fstat(descriptor)
    except OSError as error:
        raise Misconfigured(f"{file} cannot be read: {error.strerror}") from error
    if stat.S_ISDIR(status.st_mode):
        raise Misconfigured(f"{file} is a directory: name a file in it")
    return Lines(descriptor), status.st_size or None


def _single(delimiter: str) -> str:
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise Misconfigured("--delimiter is one character, or `tab`")
    return delimiter


def _listed(text: str | None) -> Sequence[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _pairs(given: Sequence[str] | None) -> Mapping[str, str]:
    pairs = [text.partition("=") for text in given or ()]
    for name, sign, _ in pairs:
        if not sign or not name:
            raise Misconfigured(f"--metadata {name}: the form is name=value")
    return {name: value for name, _, value in pairs}


def _tell(pouring: Pouring, stream: str, as_json: bool) -> None:
    receipts = pouring.receipts
    for row in pouring.bad:
        typer.echo(f"not used: {row}", err=True)
    if pouring.bad_rows > len(pouring.bad):
        typer.echo(f"not used: {pouring.bad_rows - len(pouring.bad)} more rows", err=True)
    if pouring.stopped_by_row:
        typer.echo("stopped there; mend the row, choose other --columns, or pass --skip-bad-rows", err=True)
    if as_json:
        typer.echo(json.dumps(_as_json(pouring, receipts, stream)))
        return
    rate = receipts.points / pouring.seconds if pouring.seconds else 0.0
    if receipts.points:
        typer.echo(
            f"{receipts.points:,} points of {pouring.dimension} numbers in {receipts.records:,} records "
            f"are in the log, stream {stream}, {pouring.seconds:.1f} s, {rate:,.0f} points/s"
        )
    else:
        typer.echo("nothing was sent: the input holds no row of numbers", err=True)
    columns = f"; columns {_few(pouring.columns)}" if pouring.columns else ""
    typer.echo(f"  read: {pouring.rows:,} rows, {pouring.bad_rows:,} of them not used{columns}")
    for partition, (first, last) in sorted(receipts.spans.items()):
        typer.echo(f"  {OBSERVED.name}-{partition}-{first} … {OBSERVED.name}-{partition}-{last}")


def _few(columns: Sequence[str]) -> str:
    shown = ", ".join(columns[:SHOWN_COLUMNS])
    return shown if len(columns) <= SHOWN_COLUMNS else f"{shown} … {len(columns)} in all"


def _as_json(pouring: Pouring, receipts: Receipts, stream: str) -> dict[str, object]:
    failure: Failure | None = pouring.failure
    return {
        "stream": stream,
        "points": receipts.points,
        "records": receipts.records,
        "dimension": pouring.dimension,
        "columns": list(pouring.columns),
        "rows": pouring.rows,
        "bad_rows": pouring.bad_rows,
        "complete": failure is None and receipts.points > 0 and not pouring.interrupted and not pouring.stopped_by_row,
        "seconds": round(pouring.seconds, 3),
        "positions": [
            {"topic": OBSERVED.name, "partition": partition, "first": first, "last": last}
            for partition, (first, last) in sorted(receipts.spans.items())
        ],
    }
