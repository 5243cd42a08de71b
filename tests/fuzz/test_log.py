"""Poison straight into the log: each record ends in one dead letter that says why, and what follows it is used."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.kafka.browse import at
from schemas.catalogue import TOPICS
from schemas.clustering.topics import CLUSTERS, DRIFT, OBSERVED
from schemas.exchange import Refused, Replayed
from schemas.position import Position
from tests.budget import PATIENCE, examples
from tests.doubles.batch import UNCOMPRESSED, ZSTD, Entry, batch, send
from tests.flow.stack import Stack, until
from tests.fuzz.fates import Fates, Place
from tests.fuzz.poison import USED, Draught, every, good, of, rounds
from topologies.deliver import MAX_LETTER

pytestmark = [pytest.mark.flow, pytest.mark.timeout(PATIENCE)]

STREAMS = 6
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""A round costs a second: none is spent on making a failing one small."""


@pytest.fixture(scope="module")
def streams(stack: Stack) -> list[str]:
    """Streams that have a learner and a dimension already."""
    named = [stack.stream() for _ in range(STREAMS)]
    with closing(Fates(stack.kafka)) as fates:
        check(stack, fates, [of(good(name), USED) for name in named])
    return named


@pytest.fixture
def fates(stack: Stack) -> Iterator[Fates]:
    with closing(Fates(stack.kafka)) as followed:
        yield followed


@pytest.fixture(autouse=True)
def unharmed(stack: Stack) -> Iterator[None]:
    """Nobody has ended who was not asked to."""
    parts = (stack.worker, stack.archive, stack.api)
    before = [part.process for part in parts]
    yield
    assert all(process.poll() in (None, 0) for process in before), "\n".join(part.tail() for part in parts)
    assert [part.process.poll() for part in parts] == [None] * 3


def pour(stack: Stack, draughts: Sequence[Draught], compression: int = ZSTD) -> list[tuple[Place, Draught]]:
    """Into the log, each partition's in order. Where each one lies."""
    by_partition: defaultdict[int, list[Draught]] = defaultdict(list)
    for draught in draughts:
        by_partition[draught.partition(stack.kafka.partitions)].append(draught)
    placed: list[tuple[Place, Draught]] = []
    for partition, mine in by_partition.items():
        entries: list[Entry] = [(draught.key, draught.value, draught.headers) for draught in mine]
        first = asyncio.run(
            send(stack.kafka.bootstrap, OBSERVED.name, partition, batch(entries, compression=compression))
        )
        placed += [((partition, first + number), draught) for number, draught in enumerate(mine)]
    return placed


def check(stack: Stack, fates: Fates, draughts: Sequence[Draught], compression: int = ZSTD) -> None:
    """Pours, waits, and holds every record's fate against its lawful ones."""
    placed = pour(stack, draughts, compression)
    fates.await_(lambda: all(fates.known(place) for place, draught in placed if draught.fates))
    for place, draught in placed:
        letters, labels = fates.letters.get(place, []), fates.labels.get(place, [])
        told = [letter.reason for letter in letters] + [USED for _ in labels]
        assert len(told) <= 1, f"{told}: {draught}"
        if draught.fates:
            assert told[0] in draught.fates, f"{letters}: {draught}"
        for letter in letters:
            assert letter.detail
            assert len(letter.detail) < 1200
            assert letter.key == draught.key
            small = len(draught.value or b"") + len(draught.key or b"") < MAX_LETTER
            assert letter.value == (draught.value if small else None)


def test_every_kind_of_poison_is_refused_for_its_reason(stack: Stack, fates: Fates, streams: list[str]) -> None:
    check(stack, fates, every(streams))


@settings(max_examples=examples(12), suppress_health_check=list(HealthCheck), phases=PHASES)
@given(data=st.data(), compression=st.sampled_from([UNCOMPRESSED, ZSTD]))
def test_any_mixture_has_its_fates_and_what_follows_is_used(
    stack: Stack, fates: Fates, streams: list[str], data: st.DataObject, compression: int
) -> None:
    drawn = data.draw(rounds(streams))
    check(stack, fates, [*drawn, *(of(good(name), USED) for name in streams)], compression)


async def test_what_was_good_is_archived_once_and_in_its_order(stack: Stack, streams: list[str]) -> None:
    for stream in streams[:2]:
        sql = (
            "SELECT count(), uniqExact(source_offset, batch_index), max(point) FROM points "
            "WHERE stream = {stream:String}"
        )

        def stored(sql: str = sql, stream: str = stream) -> Sequence[Sequence[int]]:
            return stack.tables.rows(sql, {"stream": stream})

        async with stack.client() as http:
            status = (await http.get("/api/v1/algorithm_status", params={"stream": stream})).json()
        learned = status["total_points_processed"]

        def whole(learned: int = learned) -> bool:
            return stored()[0][0] >= learned

        await until(lambda: asyncio.to_thread(whole))
        [(rows, places, last)] = stored()
        assert rows == places == last  # the status tells of a moment before


GARBAGE: list[Entry] = [
    (b"k", b"garbage", []),
    (b"k", b"", [(b"\xff", b"\xff")]),
    (None, b"\0\0\0\0\1", [(b"thalweg-source", b"nowhere")]),
    (b"\xff\xfe", b"\0\xff\xff\xff\xff", [(b"thalweg-source", b"\xff" * 100)]),
    (b"k" * 5000, b"\0\0\0\0\4" + b"\xff" * 50, []),
    (b"", None, [(b"thalweg-source", b"points.observed.v1-0-99999999999999999999")]),
    (None, None, []),
]
OURS = [topic for topic in TOPICS if topic is not OBSERVED and topic.record not in (Refused, Replayed)]
"""Letters are left clean: other tests read all of them."""


async def test_garbage_in_topics_that_only_we_write_ends_nobody(stack: Stack) -> None:
    """Whoever reaches the log may write anywhere where its brokers keep no lists: the archive keeps what it cannot
    store, the API passes it over, and subscribers hear what follows."""
    stream = stack.stream()
    async with stack.socket(stream) as socket, stack.client() as http:
        places = {}
        for topic in OURS:  # brokers take no record without a key where they compact
            garbage = [each for each in GARBAGE if each[0] is not None or not topic.compacted]
            places[topic.name] = await send(stack.kafka.bootstrap, topic.name, 0, batch(garbage))
        await socket.send(type="batch", data=[[1.0, 2.0]] * 3)
        await socket.next("result")
        await socket.next("cluster_update")
        assert (await http.get("/api/v1/clusters_summary", params={"stream": stream})).status_code == 200
        assert len(await stack.rows(stream, 3)) == 3
        for name in (CLUSTERS.name, DRIFT.name):
            sql = "SELECT count() FROM refused WHERE topic = {topic:String} AND partition = 0 AND offset >= {at:Int64}"
            asked = {"topic": name, "at": places[name]}

            def kept(sql: str = sql, asked: dict[str, object] = asked) -> bool:
                return int(stack.tables.rows(sql, asked)[0][0]) >= 3

            await until(lambda: asyncio.to_thread(kept))


def test_a_letter_names_where_a_giant_lies(stack: Stack, fates: Fates, streams: list[str]) -> None:
    giant = Draught(streams[0].encode(), bytes(MAX_LETTER + 1), frozenset({"value_too_large"}))
    check(stack, fates, [giant, of(good(streams[0]), USED)])
    [letter] = next(letters for letters in fates.letters.values())
    record = at(stack.kafka, Position(OBSERVED.name, letter.source_partition, letter.source_offset))
    assert record is not None
    assert record.value == giant.value
    assert str(record.position) in letter.detail


def test_a_worker_that_starts_among_poison_reads_on(stack: Stack, fates: Fates, streams: list[str]) -> None:
    """What was refused before the restart left nothing in the state that would end the next worker."""
    assert stack.worker.stop() == 0
    placed = pour(stack, every(streams))
    stack.worker.start(180)
    fates.await_(lambda: all(fates.known(place) for place, draught in placed if draught.fates))
    check(stack, fates, every(streams))
