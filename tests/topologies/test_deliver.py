"""Each outcome becomes exactly the records it asks for, where they belong."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pytest

from pipeline.kafka.flight import Flight
from pipeline.kafka.producer import MAX_RECORD, Producer
from pipeline.outcome import Divert, Drop, Emission, Emit, Refuse
from pipeline.received import Raw
from schemas.clustering.points import OutliersDetected, PointsAnswered
from schemas.clustering.topics import CLUSTERS, OBSERVED, OUTLIERS
from schemas.codec import Codec
from schemas.exchange import (
    PART_HEADER,
    REPLIES,
    REPLY_PARTITION_HEADER,
    REQUEST_ID_HEADER,
    SOURCE_HEADER,
    Refused,
    Replied,
)
from schemas.position import Position
from tests.doubles.log import MemoryLog
from topologies.deliver import MAX_LETTER, Deliver

CODEC = Codec()
NOW = 1_700_000_000_000_000
PLACE = Position(OBSERVED.name, 2, 41)
OUTLIER = OutliersDetected("s", 2, 41, None, NOW, 1, [], np.zeros(0), np.zeros(0))
ANSWER = PointsAnswered("s", 1, False, None, 1.5, [], [1], np.ones(1))
ASKED = {REQUEST_ID_HEADER: b"req_1-1", REPLY_PARTITION_HEADER: b"5", PART_HEADER: b"3"}


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def deliver(log: MemoryLog) -> Deliver:
    return Deliver(cast(Producer, log), CODEC, lambda: NOW)


def raw(value: bytes | None = b"bytes", **headers: bytes) -> Raw:
    return Raw(PLACE, NOW, b"s", value, headers)


def asked(value: bytes | None = b"bytes", **changed: bytes) -> Raw:
    return Raw(PLACE, NOW, b"s", value, ASKED | changed)


async def test_what_is_emitted_lies_beside_its_cause(log: MemoryLog, deliver: Deliver) -> None:
    deliver(Emit((Emission(OUTLIERS, OUTLIER), Emission(OUTLIERS, OUTLIER, b"s"))), OBSERVED, raw(), Flight())
    first, second = log.records
    assert (first.topic, first.partition, first.key, first.headers) == (OUTLIERS.name, 2, b"s", None)
    assert CODEC.decode(first.value or b"", OutliersDetected) == OUTLIER
    assert (second.partition, second.key) == (2, b"s")
    assert deliver.counts == {"emitted": 1}


async def test_a_record_with_a_key_of_its_own_goes_where_that_key_belongs(log: MemoryLog, deliver: Deliver) -> None:
    deliver(Emit((Emission(OUTLIERS, OUTLIER, b"other"),)), OBSERVED, raw(), Flight())
    [record] = log.records
    assert (record.partition, record.key) == (None, b"other")  # the producer places it by murmur2


async def test_a_topic_with_partitions_of_its_own_places_by_key(log: MemoryLog, deliver: Deliver) -> None:
    deliver(Emit((Emission(replace(OUTLIERS, partitions=1), OUTLIER),)), OBSERVED, raw(), Flight())
    [record] = log.records
    assert record.partition is None


async def test_a_tombstone_names_its_cause(log: MemoryLog, deliver: Deliver) -> None:
    deliver(Emit((Emission(CLUSTERS, None),)), OBSERVED, raw(), Flight())
    [record] = log.records
    assert (record.topic, record.value, record.headers) == (CLUSTERS.name, None, {SOURCE_HEADER: str(PLACE).encode()})


async def test_who_asked_is_answered_on_their_partition(log: MemoryLog, deliver: Deliver) -> None:
    deliver(Emit((), ANSWER), OBSERVED, asked(), Flight())
    [record] = log.records
    assert (record.topic, record.partition, record.key) == (REPLIES.name, 5, b"req_1-1")
    reply = CODEC.decode(record.value or b"", Replied)
    assert (reply.request_id, reply.part, reply.position, reply.reason) == ("req_1-1", 3, PLACE, None)
    assert CODEC.decode(reply.answer or b"", PointsAnswered) == ANSWER


async def test_who_asked_is_told_of_a_drop_with_its_answer(log: MemoryLog, deliver: Deliver) -> None:
    deliver(Drop("duplicate", ANSWER), OBSERVED, asked(), Flight())
    [record] = log.records
    reply = CODEC.decode(record.value or b"", Replied)
    assert (reply.reason, reply.answer is None) == (None, False)
    assert deliver.counts == {"dropped:duplicate": 1}


async def test_a_refusal_is_kept_whole_and_told_to_who_asked(log: MemoryLog, deliver: Deliver) -> None:
    value = CODEC.encode(OUTLIER)
    deliver(Refuse("unwanted", "x" * 3000), OBSERVED, asked(value), Flight())
    [record] = log.of(OBSERVED.refused)
    letter = CODEC.decode(record.value or b"", Refused)
    assert (record.partition, record.key) == (2, b"s")
    assert (letter.position, letter.reason, letter.detail) == (PLACE, "unwanted", "x" * 1000)
    assert (letter.key, letter.value, dict(letter.headers)) == (b"s", value, ASKED)
    assert (letter.schema_id, letter.request_id, letter.refused_at) == (value[4], "req_1-1", NOW)
    reply = CODEC.decode(log.of(REPLIES.name)[0].value or b"", Replied)
    assert (reply.reason, reply.detail, reply.answer) == ("unwanted", "x" * 1000, None)
    assert deliver.counts == {"refused:unwanted": 1}


async def test_a_schema_id_that_the_reader_found_wins(log: MemoryLog, deliver: Deliver) -> None:
    deliver(Refuse("schema_unknown", "", 77), OBSERVED, raw(b"no frame"), Flight())
    deliver(Refuse("unwanted", ""), OBSERVED, raw(None), Flight())
    letters = [CODEC.decode(record.value or b"", Refused) for record in log.records]
    assert [(letter.schema_id, letter.value) for letter in letters] == [(77, b"no frame"), (None, None)]


@pytest.mark.parametrize(
    "outcome", [Emit((), ANSWER), Drop("d", ANSWER), Refuse("r", "")], ids=lambda it: type(it).__name__
)
async def test_who_did_not_ask_gets_no_reply(log: MemoryLog, deliver: Deliver, outcome: Emit | Drop | Refuse) -> None:
    deliver(outcome, OBSERVED, raw(), Flight())
    assert log.of(REPLIES.name) == []


@pytest.mark.parametrize("partition", [b"8", b"99999", b"-1", b"x", b"", b"1" * 30])
async def test_a_reply_goes_to_no_partition_there_is_not(log: MemoryLog, deliver: Deliver, partition: bytes) -> None:
    deliver(Emit((), ANSWER), OBSERVED, asked(**{REPLY_PARTITION_HEADER: partition}), Flight())
    assert log.records == []


async def test_a_diverted_record_goes_on_as_it_is(log: MemoryLog, deliver: Deliver) -> None:
    deliver(Divert(OUTLIERS, "elsewhere"), OBSERVED, asked(), Flight())
    [record] = log.records
    assert (record.topic, record.key, record.value, record.headers) == (OUTLIERS.name, b"s", b"bytes", ASKED)
    assert deliver.counts == {"diverted:elsewhere": 1}


@pytest.mark.parametrize("size", [MAX_LETTER - 100, MAX_LETTER + 1, 4 * MAX_RECORD])
async def test_a_letter_fits_into_a_record_however_large_what_is_refused(
    log: MemoryLog, deliver: Deliver, size: int
) -> None:
    deliver(Refuse("unwanted", "why"), OBSERVED, asked(bytes(size)), Flight())
    [record] = log.of(OBSERVED.refused)
    assert len(record.value or b"") + len(record.key or b"") < MAX_RECORD
    letter = CODEC.decode(record.value or b"", Refused)
    if size <= MAX_LETTER - 100:
        assert len(letter.value or b"") == size
    else:
        assert letter.value is None
        assert str(PLACE) in letter.detail


async def test_a_key_or_a_header_too_large_does_not_stop_the_letter_either(log: MemoryLog, deliver: Deliver) -> None:
    deliver(Refuse("key_mismatch", ""), OBSERVED, replace(raw(), key=b"k" * MAX_RECORD), Flight())
    deliver(Refuse("unwanted", ""), OBSERVED, raw(large=bytes(MAX_RECORD)), Flight())
    for record in log.records:
        assert len(record.value or b"") + len(record.key or b"") < MAX_RECORD


async def test_every_record_is_one_of_the_flight() -> None:
    log = MemoryLog(hold=True)
    flight = Flight()
    Deliver(cast(Producer, log), CODEC, lambda: NOW)(Refuse("unwanted", ""), OBSERVED, asked(), flight)
    assert log.pending == 2
    log.land("timed out")
    with pytest.raises(Exception, match="timed out"):
        await flight.landed()
