"""All that one subscriber is told, in order: greeting, past or snapshot, then what happens, until it must go."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from ingest_api.grants import reads
from ingest_api.live.bridge import Live
from ingest_api.live.cursor import Cursor
from ingest_api.live.gap import cursor_refused, slow_reader
from ingest_api.live.message import Outgoing
from ingest_api.live.subscriber import BUSY, LOG_UNAVAILABLE, SLOW, Ending, Subscriber
from ingest_api.live.subscription import matches
from pipeline.clock import iso
from pipeline.errors import Overloaded, Unavailable

log = logging.getLogger("thalweg.live")
_BATCH_BYTES = 64 * 1024
RETRY_MS = 2000


@dataclass(frozen=True, slots=True)
class Opening:
    """How a subscriber begins: at a cursor, with a snapshot, or with what comes. `greeting` is added to its first
    event. `refused` says why the cursor it showed cannot be used: it is told so, and begins without one. An answer of
    4xx would end a browser's EventSource for ever, or make it ask for ever."""

    cursor: Cursor | None = None
    snapshot: bool = False
    greeting: Mapping[str, Any] = field(default_factory=dict)
    refused: str = ""


async def follow(live: Live, subscriber: Subscriber, opening: Opening) -> AsyncGenerator[list[Outgoing], None]:
    """Batches to write at once; an empty one where the transport nudged. Ends after a `bye`.

    The subscriber must have been admitted, and leaves the hub when this ends.
    """
    try:
        greeting = [_connected(live, subscriber, opening)]
        yield [*greeting, cursor_refused(opening.refused, live.clock())] if opening.refused else greeting
        try:
            async with aclosing(_opened(live, subscriber, opening)) as batches:
                async for batch in batches:
                    subscriber.heard = asyncio.get_running_loop().time()
                    yield batch
                    if subscriber.ending is not None:
                        break
        except (Overloaded, Unavailable) as failure:
            log.warning("live: %s cannot resume: %s", subscriber.id, failure)
            subscriber.end(BUSY if isinstance(failure, Overloaded) else LOG_UNAVAILABLE)
        while subscriber.ending is None:
            await subscriber.wait()
            yield _batch(live, subscriber)
        yield [*_parting(live, subscriber, subscriber.ending)]
    finally:
        live.hub.leave(subscriber)


def _connected(live: Live, subscriber: Subscriber, opening: Opening) -> Outgoing:
    """Whoever begins with what comes listens from here on; the cursor says where that is."""
    cursor = None
    if opening.cursor is None:
        live.hub.listen(subscriber)
        cursor = live.feed.cursor
    data = {
        "connection_id": subscriber.id,
        "server_time": iso(live.clock()),
        "topics": sorted({kind for kind, _ in subscriber.interests}),
        "streams": sorted({stream for _, stream in subscriber.interests if stream is not None}),
        "policy": subscriber.policy.value,
        "resumed": opening.cursor is not None,
        "cursor": cursor,
        **opening.greeting,
    }
    # Before a snapshot no id is given: whoever loses the connection within it must begin it anew.
    told = None if opening.snapshot else cursor
    return Outgoing.of("connected", data, live.clock(), cursor=told, retry=RETRY_MS)


async def _opened(live: Live, subscriber: Subscriber, opening: Opening) -> AsyncGenerator[list[Outgoing], None]:
    if opening.cursor is not None:
        async with aclosing(live.replays.run(subscriber, opening.cursor)) as batches:
            async for batch in batches:
                yield batch
    elif opening.snapshot:
        cursor = live.feed.cursor  # no await since the subscriber began to listen: what comes later waits for it
        async with aclosing(_snapshot(live, subscriber)) as batches:
            async for batch in batches:
                yield batch
        yield [Outgoing.of("snapshot_complete", {"cursor": cursor}, live.clock(), cursor=cursor)]


async def _snapshot(live: Live, subscriber: Subscriber) -> AsyncGenerator[list[Outgoing], None]:
    """A batch a stream, as its view has it."""
    for watch in live.watches:
        view = live.views.get(watch.kind)
        if view is None or watch.snapshot is None:
            continue
        await live.caught_up(watch)
        for stream, record in sorted(view.entries.items()):
            if matches(subscriber.interests, watch.kind, stream) and reads(live.grants, subscriber.party, stream):
                yield [Outgoing(message.type, message.body()) for message in watch.snapshot(record)]


def _batch(live: Live, subscriber: Subscriber) -> list[Outgoing]:
    batch: list[Outgoing] = []
    while subscriber.notices:
        batch.append(subscriber.notices.popleft())
    lost = subscriber.backlog.lost()
    if lost is not None:
        batch.append(slow_reader(lost, live.cursors.layout, live.clock()))
    batch += subscriber.backlog.take(_BATCH_BYTES)
    if subscriber.beat:
        subscriber.beat = False
        if not batch:
            batch.append(_heartbeat(live, subscriber))
    if batch:
        subscriber.heard = asyncio.get_running_loop().time()
    return batch


def _heartbeat(live: Live, subscriber: Subscriber) -> Outgoing:
    """Its queue is empty, so it stands where the feed stands: it is told so where that is news to it."""
    records = live.feed.records
    if records == subscriber.told:
        return Outgoing.of("ping", {}, live.clock())
    subscriber.told = records
    cursor = live.feed.cursor
    return Outgoing.of("progress", {"cursor": cursor}, live.clock(), cursor=cursor)


def _parting(live: Live, subscriber: Subscriber, ending: Ending) -> list[Outgoing]:
    """What it can still be given, and why it must go. A returning crowd is spread over some seconds."""
    lost = subscriber.backlog.lost()
    told = [slow_reader(lost, live.cursors.layout, live.clock())] if lost is not None else []
    if ending is not SLOW:
        told += subscriber.backlog.take(_BATCH_BYTES)
    retry = RETRY_MS // 2 + random.randrange(2 * RETRY_MS)
    return [*told, Outgoing.of("bye", {"reason": ending.reason, "retry_ms": retry}, live.clock(), retry=retry)]
