"""`thalweg tail`: a topic's records as they come, decoded, one line each."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer
from rich.console import Console

from pipeline.cli.broker import known, reach
from pipeline.cli.options import DEFAULT_BOOTSTRAP, Bootstrap, Json
from pipeline.cli.reading import as_json, as_line, read
from pipeline.errors import Misconfigured
from pipeline.kafka.record import Record
from pipeline.kafka.tail import BEGINNING, END, Tail
from pipeline.settings import KafkaSettings
from schemas.catalogue import TOPICS
from schemas.codec import Codec
from schemas.exchange import REPLIES

Show = Callable[[Record], None]


def tail(
    topic: Annotated[str, typer.Argument(help="Its name; `thalweg topics list` knows them.", show_default=False)],
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", "-b", help="Begin with the oldest record there is.")
    ] = False,
    stream: Annotated[
        str | None, typer.Option("--stream", "-s", help="Only records of this stream (of this key).")
    ] = None,
    limit: Annotated[int | None, typer.Option("-n", "--limit", help="End after so many records.", min=1)] = None,
    no_follow: Annotated[
        bool, typer.Option("--no-follow", help="End with the newest record there is now; goes with --from-beginning.")
    ] = False,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
    as_json: Json = False,
) -> None:
    """Show a topic's records as they come, until Ctrl-C. Joins no consumer group: nobody else is disturbed.

    Each partition is in order. For people, long arrays are told in short; --json tells everything, one object a line.
    A value that cannot be decoded is shown in hex with the reason.

    Examples:

    **thalweg tail clusters.updated.v1** (live)

    **thalweg tail points.observed.v1 --from-beginning --stream pumps -n 5**

    **thalweg tail drift.detected.v1 -b --no-follow --json | jq .value.severity**
    """
    if stream is not None and topic == REPLIES.name:
        raise Misconfigured(f"{topic} is keyed by request, not by stream: leave --stream out and filter with --json")
    settings, there = reach(bootstrap)
    partitions = known(there, topic).partitions
    ours = any(topic == it.name for it in TOPICS)
    if not ours:
        typer.echo(f"{topic} is not in our catalogue: values are shown as far as they can be read", err=True)
    start = BEGINNING if from_beginning else END
    starts = {(topic, partition): start for partition in range(partitions)}
    watch = Watch(_printer(as_json), stream, limit)
    if no_follow and not from_beginning:
        raise Misconfigured("--no-follow without --from-beginning would show nothing: pass both")
    asyncio.run(watch.run(settings, starts, follow=not no_follow))
    if watch.nobody_reads:
        leave_quietly()


class Watch:
    """Shows what passes, until it is enough."""

    def __init__(self, show: Show, stream: str | None, limit: int | None) -> None:
        self._show = show
        self._key = None if stream is None else stream.encode()
        self._left = limit
        self._enough = asyncio.Event()
        self.nobody_reads = False
        """The reader of our output has gone, as `head` does."""

    async def run(self, settings: KafkaSettings, starts: dict[tuple[str, int], int], *, follow: bool) -> None:
        """Raises LogUnavailable."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._enough.set)
        follower = Tail(settings, "thalweg-tail", self._take, run=100)
        waits = [asyncio.ensure_future(self._enough.wait())]
        try:
            await follower.start(starts)
            if not follow:
                waits.append(asyncio.ensure_future(follower.caught_up.wait()))
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await follower.stop()
            loop.remove_signal_handler(signal.SIGINT)

    def _take(self, records: Sequence[Record]) -> None:
        if self._enough.is_set():
            return
        try:
            for record in records:
                if self._key is None or record.key == self._key:
                    self._show(record)
                    if self._left is not None:
                        self._left -= 1
                        if not self._left:
                            self._enough.set()
                            break
            sys.stdout.flush()
        except BrokenPipeError:
            self.nobody_reads = True
            self._enough.set()


def _printer(json_lines: bool) -> Show:
    codec = Codec()
    console = Console(highlight=False, soft_wrap=False)

    def line(record: Record) -> None:
        print(json.dumps(as_json(read(codec, record), codec), ensure_ascii=False, allow_nan=False))

    def plain(record: Record) -> None:
        print(as_line(read(codec, record), codec).plain)

    def coloured(record: Record) -> None:
        console.print(as_line(read(codec, record), codec), no_wrap=True, overflow="ellipsis", crop=True)

    return line if json_lines else coloured if console.is_terminal else plain


def leave_quietly() -> None:
    """Nothing can be written any more, so the interpreter must not try to at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
