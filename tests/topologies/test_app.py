"""Apps are made, not found: two in a process know nothing of each other, and their names are the catalogue's."""

from __future__ import annotations

import asyncio
from pathlib import Path

import faust
import pytest

from pipeline.kafka.provision import existing, provision
from pipeline.settings import KafkaSettings
from schemas.catalogue import TOPICS, WORKERS_GROUP, changelog
from topologies.app import create_app
from topologies.assignor import DECLARED
from topologies.settings import WorkerSettings
from topologies.site import Site


def app_in(folder: Path, ordinal: int = 0) -> tuple[faust.App, Site]:
    site = Site(WorkerSettings(ordinal=ordinal, data_dir=folder))
    return create_app(site.settings, site), site


async def test_two_apps_in_a_process_share_nothing(tmp_path: Path) -> None:
    (one, first), (two, second) = app_in(tmp_path, 1), app_in(tmp_path, 2)
    assert one.conf.id == two.conf.id == WORKERS_GROUP
    assert one.conf.consumer_group_instance_id != two.conf.consumer_group_instance_id
    assert not set(map(id, one.tables.values())) & set(map(id, two.tables.values()))
    assert one.transport is not two.transport
    assert first.topics == second.topics
    assert len(first.flushes) == len(second.flushes) == len(first.topics)


async def test_a_worker_without_static_membership_has_no_instance_name(tmp_path: Path) -> None:
    app = create_app(WorkerSettings(static=False, data_dir=tmp_path))
    assert app.conf.consumer_group_instance_id is None


async def test_every_table_keeps_its_state_in_the_changelog_of_the_catalogue(tmp_path: Path) -> None:
    app, site = app_in(tmp_path)
    stateful = [topic for topic in TOPICS if topic.stateful]
    named = {table.changelog_topic.get_topic_name() for table in app.tables.values()}
    assert named == {changelog(topic) for topic in stateful}
    assert set(site.topics) == {topic.name for topic in stateful}
    for table in app.tables.values():
        name = table.changelog_topic.get_topic_name()
        assert table.partitions == (DECLARED[name] or site.settings.kafka.partitions)


async def test_what_is_provisioned_holds_every_topic_an_app_reads_or_writes(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    app, site = app_in(tmp_path)
    kafka = KafkaSettings(kafka_bootstrap)
    await asyncio.to_thread(provision, kafka)
    there = {topic.name: topic.partitions for topic in await asyncio.to_thread(existing, kafka)}
    needed = {*site.topics, *(table.changelog_topic.get_topic_name() for table in app.tables.values())}
    assert {name: there.get(name) for name in needed} == {name: DECLARED[name] or kafka.partitions for name in needed}


async def test_no_street_is_attached_unasked(tmp_path: Path) -> None:
    app = create_app(WorkerSettings(data_dir=tmp_path), streets=())
    assert not app.tables
    assert not app.agents


@pytest.mark.parametrize("settings", [WorkerSettings(session_seconds=6), WorkerSettings(session_seconds=300)])
async def test_timeouts_hold_the_order_kafka_asks_for(tmp_path: Path, settings: WorkerSettings) -> None:
    conf = create_app(settings).conf
    assert conf.broker_heartbeat_interval * 3 <= conf.broker_session_timeout < conf.broker_request_timeout
