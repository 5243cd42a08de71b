"""Dead letters back to their topic, so that no letter goes twice unasked.

Before a run of letters is sent, a record in letters.replayed.v1 says of each that it is begun, and where the topic
ends; once they are durable, another says where they stand. A replay that is stopped in between leaves letters in
doubt, and the next one looks for them in the topic, by their header, from where it ended then. Two replays of the same
letters at the same time do not see each other: run one at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from pipeline.cli.letters import Letter
from pipeline.clock import Clock
from pipeline.kafka.browse import ends
from pipeline.kafka.producer import Producer
from pipeline.settings import KafkaSettings
from schemas.codec import Codec
from schemas.exchange import (
    PART_HEADER,
    REPLAYED,
    REPLAYED_FROM_HEADER,
    REPLY_PARTITION_HEADER,
    REQUEST_ID_HEADER,
    Replayed,
)
from schemas.position import Position

RUN = 100
"""Letters sent together."""
REPLY_HEADERS = (REQUEST_ID_HEADER, REPLY_PARTITION_HEADER, PART_HEADER)
"""Nobody waits for the answer any more."""


async def replay(
    settings: KafkaSettings,
    codec: Codec,
    clock: Clock,
    letters: Iterable[Letter],
    sent: Callable[[Letter, Position], None],
) -> int:
    """Sends them all, telling `sent` of each that is durable; returns how many. Raises LogUnavailable."""
    producer = Producer(settings, "thalweg-dlq")
    count = 0
    try:
        source = iter(letters)
        while run := list(islice(source, RUN)):
            await _run(settings, codec, clock, producer, run, sent)
            count += len(run)
    finally:
        await producer.close()
    return count


def headers_of(letter: Letter) -> dict[str, bytes]:
    """The refused record's own, without those of a request, and where it comes from."""
    kept = {name: value for name, value in letter.refused.headers.items() if name not in REPLY_HEADERS}
    return kept | {REPLAYED_FROM_HEADER: str(letter.refused.position).encode()}


async def _run(
    settings: KafkaSettings,
    codec: Codec,
    clock: Clock,
    producer: Producer,
    run: Sequence[Letter],
    sent: Callable[[Letter, Position], None],
) -> None:
    marks = {topic: ends(settings, topic) for topic in {letter.refused.topic for letter in run}}
    begun = {
        letter.refused.position: Replayed(
            letter.refused.topic,
            letter.refused.source_partition,
            letter.refused.source_offset,
            clock(),
            [mark.high for _, mark in sorted(marks[letter.refused.topic].items())],
        )
        for letter in run
    }
    await _note(codec, producer, begun.values())
    futures = [_send(producer, letter) for letter in run]
    done = []
    for letter, future in zip(run, futures, strict=True):
        position = await future
        intent = begun[letter.refused.position]
        place = letter.refused.position
        done.append(
            Replayed(
                place.topic, place.partition, place.offset, clock(), intent.ends, position.partition, position.offset
            )
        )
        sent(letter, position)
    await _note(codec, producer, done)


async def _note(codec: Codec, producer: Producer, told: Iterable[Replayed]) -> None:
    for future in [producer.send(REPLAYED.name, codec.encode(it), key=str(it.position).encode()) for it in told]:
        await future


def _send(producer: Producer, letter: Letter) -> asyncio.Future[Position]:
    refused = letter.refused
    # A key decides the partition, as it did before; without one the record goes where it came from.
    partition = None if refused.key else refused.source_partition
    return producer.send(refused.topic, refused.value, key=refused.key, headers=headers_of(letter), partition=partition)
