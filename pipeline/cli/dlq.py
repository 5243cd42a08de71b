"""`thalweg dlq`: records that could not be used: what there is, why, and sending them again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Annotated, Any

import typer

from pipeline.cli.broker import known, reach
from pipeline.cli.drawing import console, printable, table
from pipeline.cli.letters import Letter, Replays, find, inputs_named, letters
from pipeline.cli.moments import moment
from pipeline.cli.options import DEFAULT_BOOTSTRAP, Bootstrap, Json
from pipeline.cli.reading import as_fields, as_json, hexed, read
from pipeline.cli.replaying import replay as send_again
from pipeline.cli.selection import Choice, Wish, count
from pipeline.clock import iso, now
from pipeline.errors import Misconfigured
from pipeline.kafka.record import Record
from pipeline.settings import KafkaSettings
from schemas.codec import Codec
from schemas.exchange import REPLAYED
from schemas.position import Position
from schemas.topic import Topic

dlq = typer.Typer(help="Dead letters: records that could not be used.", no_args_is_help=True)


@dlq.command("list")
def listing(
    topic: Annotated[str | None, typer.Argument(help="An input topic, or its dead letters; else all.")] = None,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
    as_json: Json = False,
) -> None:
    """Count the dead letters by topic and reason.

    Example: **thalweg dlq list points.observed.v1**
    """
    settings = _reach(bootstrap, inputs_named(topic))
    counts = count(letters(settings, Codec(), inputs_named(topic)), Replays(settings, Codec()))
    if as_json:
        typer.echo(json.dumps([it.as_json() for it in counts], indent=2))
    elif not counts:
        typer.echo("no dead letters")
    else:
        drawn = table(
            "topic", "reason", "letters", "replayed", "oldest", "newest", "last", right=("letters", "replayed")
        )
        for it in counts:
            spans = iso(it.oldest)[:19], iso(it.newest)[:19]
            drawn.add_row(it.topic, printable(it.reason), f"{it.letters:,}", f"{it.replayed:,}", *spans, str(it.last))
        console().print(drawn)
        typer.echo("see one with: thalweg dlq show POSITION")


@dlq.command()
def show(
    position: Annotated[str, typer.Argument(help="Of the refused record, or of the letter: topic-partition-offset.")],
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
    as_json: Json = False,
) -> None:
    """Show a dead letter: why it was refused, and what it holds as far as that can be read.

    Example: **thalweg dlq show points.observed.v1-0-42**
    """
    codec = Codec()
    settings = _reach(bootstrap, inputs_named(None))
    letter = find(settings, codec, _position(position))
    told = describe(letter, codec, Replays(settings, codec))
    if as_json:
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    drawn = table("", "")
    drawn.show_header = False
    for name, value in _lines(letter, told, codec):
        drawn.add_row(f"[bold]{name}[/bold]", console().render_str(value, markup=False))
    console().print(drawn)


@dlq.command()
def replay(
    topic: Annotated[str | None, typer.Option(help="Only of this input topic.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only those refused for this reason.")] = None,
    position: Annotated[list[str] | None, typer.Option(help="Only this refused record; may be given again.")] = None,
    since: Annotated[str | None, typer.Option(help="Refused at or after: 2h, 2025-01-15, 2025-01-15T10:30Z")] = None,
    until: Annotated[str | None, typer.Option(help="Refused before; the same forms.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 1000,
    again: Annotated[bool, typer.Option("--again", help="Those too that have been replayed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; otherwise what would be sent is shown.")] = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> None:
    """Send refused records to their topic again, byte for byte, once what refused them is mended.

    Without --yes nothing is sent. A letter that has been replayed is passed over: every replay is written to
    letters.replayed.v1 before and after. A replayed record carries the header thalweg-replayed-from; if it is refused
    again, that is a new dead letter. Run one replay at a time.

    Examples:

    **thalweg dlq replay --reason schema_unknown --since 2h** (look)

    **thalweg dlq replay --reason schema_unknown --since 2h --yes** (do)
    """
    codec = Codec()
    topics = inputs_named(topic)
    wish = Wish(
        reason=reason,
        positions=frozenset(_position(text) for text in position or ()),
        since=None if since is None else moment(since, "--since", now),
        until=None if until is None else moment(until, "--until", now),
    )
    settings = _reach(bootstrap, topics)
    chosen = Choice(settings, codec, topics, wish, None if again else Replays(settings, codec))
    wanted = islice(chosen, limit)
    if yes:
        sent = asyncio.run(send_again(settings, codec, now, wanted, _tell_sent))
        typer.echo(f"{sent} sent; {chosen.passed_over} had been replayed before")
        return
    would = 0
    for letter in wanted:
        would += 1
        size = len(letter.refused.value or b"")
        typer.echo(f"would send {letter.refused.position}  {printable(letter.refused.reason)}  {size:,} bytes")
    typer.echo(f"{would} would be sent, {chosen.passed_over} have been replayed before. Do it with --yes")


def describe(letter: Letter, codec: Codec, replays: Replays) -> dict[str, Any]:
    """A letter for programs."""
    refused = letter.refused
    stands_at = replays.stands_at(refused.position)
    return {
        "position": str(refused.position),
        "letter": str(letter.place),
        "reason": refused.reason,
        "detail": refused.detail,
        "refused_at": iso(refused.refused_at),
        "schema_id": refused.schema_id,
        "request_id": refused.request_id,
        "replayed_as": None if stands_at is None else str(stands_at),
        "record": as_json(read(codec, _original(letter)), codec),
    }


def _lines(letter: Letter, told: dict[str, Any], codec: Codec) -> Iterator[tuple[str, str]]:
    for name in ("position", "letter", "reason", "detail", "refused_at", "schema_id", "request_id", "replayed_as"):
        if told[name] is not None:
            yield name.replace("_", " "), printable(str(told[name]))
    yield "key", "none" if letter.refused.key is None else printable(told["record"]["key"])
    for name, value in told["record"]["headers"].items():
        yield f"header {printable(name)}", printable(value)
    reading = read(codec, _original(letter))
    if reading.event is not None:
        yield "value", reading.event.SCHEMA
        yield from ((f"  {name}", value) for name, value in as_fields(reading.event, codec))
    else:
        yield "value", "none" if letter.refused.value is None else f"not decodable: {hexed(letter.refused.value)}"


def _original(letter: Letter) -> Record:
    """The refused record as it lay in its topic; its time there is not known any more, so it is that of the refusal."""
    refused, place = letter.refused, letter.refused.position
    at = refused.refused_at // 1000
    return Record(place.topic, place.partition, place.offset, at, refused.key, refused.value, refused.headers)


def _reach(bootstrap: str, topics: Sequence[Topic]) -> KafkaSettings:
    settings, there = reach(bootstrap)
    for name in (*(topic.refused for topic in topics), REPLAYED.name):
        known(there, name)
    return settings


def _position(text: str) -> Position:
    try:
        return Position.parse(text)
    except ValueError as error:
        raise Misconfigured(str(error)) from None


def _tell_sent(letter: Letter, position: Position) -> None:
    typer.echo(f"sent {letter.refused.position} as {position}")
