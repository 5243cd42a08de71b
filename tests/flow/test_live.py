"""Resuming over a real log: whatever a reader missed is told once, or told to be missing."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from ingest_api.live.layout import Mark
from pipeline.kafka.browse import stretch
from tests.ingest_api.live.records import cluster, clusters, drift, outliers
from tests.ingest_api.live.serving import Heard, Log, listening, serving, take

pytestmark = pytest.mark.flow


async def test_a_reader_that_reconnects_to_other_replicas_misses_nothing_and_hears_nothing_twice(
    kafka_bootstrap: str,
) -> None:
    log = Log(kafka_bootstrap)
    facts = 600

    async def write() -> None:
        async with log.writer() as write:
            for first in range(1, facts, 3):
                partition = first // 3 % 2
                await write("drift", ("s", drift("s", first)), ("s", drift("s", first + 1)), partition=partition)
                await write("outliers", ("s", outliers("s", first + 2)), partition=partition)
                await asyncio.sleep(0.02)

    heard: list[Heard] = []
    async with serving(log.live()) as one, serving(log.live()) as other:
        writing: asyncio.Task[None] | None = None
        headers: dict[str, str] = {}
        for stay in range(1000):
            replica = (one, other)[stay % 2]
            async with listening(replica, headers=headers, policy="disconnect", topics="drift,outliers") as events:
                (connected,) = await take(events, 1)
                writing = writing or asyncio.create_task(write())
                if connected.id is not None:
                    headers = {"Last-Event-ID": connected.id}
                for _ in range(min(1 + 7 * stay % 60, facts - len(heard))):
                    (event,) = await take(events, 1)
                    assert event.type != "gap"
                    if event.type in ("drift_detection", "outliers_detected"):
                        heard.append(event)
                    headers = {"Last-Event-ID": event.id or headers["Last-Event-ID"]}
            if len(heard) >= facts:
                break
        assert writing is not None
        await writing
    assert sorted(_input(event) for event in heard) == list(range(1, facts + 1))
    _assert_in_order_of_the_log(heard)


async def test_a_reader_cut_off_within_a_record_is_told_the_rest_of_it(kafka_bootstrap: str) -> None:
    log = Log(kafka_bootstrap)
    five = [cluster(number) for number in range(1, 6)]
    async with serving(log.live()) as served:
        async with listening(served, policy="drop_oldest") as events:
            await take(events, 1)
            await log.write("clusters", ("s", clusters("s", 1, *five)))
            second = (await take(events, 2))[1]
            assert second.data["cluster_id"] == 2
        async with listening(served, cursor=str(second.id)) as events:
            rest = [event for event in await take(events, 5) if event.type != "connected"]
    assert [event.data.get("cluster_id") for event in rest] == [3, 4, 5, None]


async def test_the_header_of_a_reconnecting_browser_is_newer_than_its_address(kafka_bootstrap: str) -> None:
    log = Log(kafka_bootstrap)
    async with serving(log.live()) as served:
        async with listening(served) as events:
            (connected,) = await take(events, 1)
            await log.write("drift", ("s", drift("s", 1)), ("s", drift("s", 2)))
            first, second = await take(events, 2)
        began = str(connected.id)
        async with listening(served, cursor=began, headers={"Last-Event-ID": str(first.id)}) as events:
            assert (await take(events, 1, of="drift_detection"))[0].id == second.id


async def test_a_resumed_filter_that_matches_nothing_still_moves_its_cursor(kafka_bootstrap: str) -> None:
    log = Log(kafka_bootstrap)
    async with serving(log.live()) as served:
        began = served.live.feed.cursor
        await log.write("drift", *[("other", drift("other", at)) for at in range(1, 401)])
        async with listening(served, cursor=began, stream="mine") as events:
            (progress,) = await take(events, 1, of="progress")
        assert progress.id is not None
        offsets = served.live.cursors.read(progress.id).offsets
        assert sum(offsets.values()) >= 200


async def test_what_retention_removed_is_reported(kafka_bootstrap: str) -> None:
    log = Log(kafka_bootstrap)
    topic = log.watches[1].topic.name
    async with serving(log.live()) as served:
        began = served.live.feed.cursor
        await log.write("drift", *[("s", drift("s", at)) for at in range(1, 11)])
        admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
        for future in admin.delete_records([TopicPartition(topic, 0, 7)]).values():
            await asyncio.to_thread(future.result)
        async with listening(served, cursor=began) as events:
            (gap,) = await take(events, 1, of="gap")
            told = await take(events, 3, of="drift_detection")
    assert gap.data["reason"] == "retention"
    assert gap.data["ranges"] == [{"from": 0, "to": 7, "topic": topic, "partition": 0, "missing": 7}]
    assert gap.id is None
    assert [_input(event) for event in told] == [8, 9, 10]


async def test_what_is_too_long_ago_for_one_replay_is_reported(kafka_bootstrap: str) -> None:
    log = Log(kafka_bootstrap)
    async with serving(log.live(replay_limit=5)) as served:
        began = served.live.feed.cursor
        await log.write("drift", *[("s", drift("s", at)) for at in range(1, 31)])
        drifts = served.live.cursors.layout.index[log.watches[1].topic.name, 0]
        assert await served.live.feed.reached({drifts: 30}, 30)
        async with listening(served, cursor=began) as events:
            (gap,) = await take(events, 1, of="gap")
            told = await take(events, 5, of="drift_detection")
    assert (gap.data["reason"], gap.data["missing"]) == ("replay_limit", 25)
    assert [_input(event) for event in told] == [26, 27, 28, 29, 30]


async def test_a_cursor_beyond_the_end_of_the_log_begins_at_its_beginning_and_says_so(kafka_bootstrap: str) -> None:
    log = Log(kafka_bootstrap)
    async with serving(log.live()) as served:
        await log.write("drift", ("s", drift("s", 1)))
        beyond = served.live.cursors.write(Mark(tuple(1000 for _ in served.live.cursors.layout.places)))
        async with listening(served, cursor=beyond, topics="drift") as events:
            gaps = await take(events, 2, of="gap")
            (told,) = await take(events, 1, of="drift_detection")
    assert {gap.data["reason"] for gap in gaps} == {"log_recreated"}
    assert _input(told) == 1


async def test_states_that_compaction_removed_are_reported_before_what_follows_them(kafka_bootstrap: str) -> None:
    log = _compacting(kafka_bootstrap)
    async with serving(log.live()) as served:
        began = served.live.feed.cursor
        await log.write("clusters", *[("s", clusters("s", at, cluster(1))) for at in range(1, 51)])
        await asyncio.sleep(0.2)  # longer than a segment lasts: the next record begins another, and the first can go
        await log.write("clusters", ("s", clusters("s", 51, cluster(1))))
        await asyncio.to_thread(_until_compacted, log, 51)
        async with listening(served, cursor=began, policy="disconnect") as events:
            (gap,) = await take(events, 1, of="gap")
            told = await take(events, 1, of="algorithm_status")
    assert gap.data["reason"] == "superseded"
    assert gap.data["missing"] > 0
    assert _input(told[0]) > 1


async def test_three_hundred_subscribers_all_hear_everything(kafka_bootstrap: str) -> None:
    log = Log(kafka_bootstrap)
    told = 50
    async with serving(log.live()) as served:
        ready = asyncio.Barrier(301)

        async def subscriber() -> list[int]:
            async with listening(served, policy="disconnect") as events:
                await take(events, 1)
                await ready.wait()
                return [_input(event) for event in await take(events, told, of="drift_detection")]

        subscribers = [asyncio.create_task(subscriber()) for _ in range(300)]
        await ready.wait()
        await log.write("drift", *[("s", drift("s", at)) for at in range(1, told + 1)])
        heard = await asyncio.gather(*subscribers)
    assert heard == [list(range(1, told + 1))] * 300


def _input(event: Heard) -> int:
    return int(event.data["position"].rsplit("-", 1)[1])


def _assert_in_order_of_the_log(heard: list[Heard]) -> None:
    by_partition: dict[tuple[str, int], list[int]] = defaultdict(list)
    for event in heard:
        by_partition[event.type, (_input(event) - 1) // 3 % 2].append(_input(event))
    assert all(inputs == sorted(inputs) for inputs in by_partition.values())


def _compacting(bootstrap: str) -> Log:
    """A log whose clusters topic compacts within seconds instead of a day."""
    log = Log(bootstrap)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    name = f"{log.name}.quick.clusters.updated.v1"
    config = {
        "cleanup.policy": "compact",
        "segment.ms": "50",
        "min.cleanable.dirty.ratio": "0.01",
        "min.compaction.lag.ms": "0",
        "max.compaction.lag.ms": "100",
    }
    admin.create_topics([NewTopic(name, 2, 1, config=config)])[name].result(30)
    log.rename("clusters", name)
    return log


def _until_compacted(log: Log, records: int) -> None:
    topic = log.watches[0].topic.name
    deadline = time.monotonic() + 90
    while sum(1 for _ in stretch(log.kafka, topic)) == records:
        assert time.monotonic() < deadline, "the broker did not compact"
        time.sleep(0.5)
