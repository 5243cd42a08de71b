"""Apps are made, not found: two in a process know nothing of each other, and their names are the catalogue's."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import faust
import pytest

from pipeline.errors import Misconfigured
from pipeline.kafka.provision import existing, provision
from pipeline.settings import KafkaSettings
from schemas.catalogue import INPUTS, STATEFUL, changelog, group_of
from topologies.app import create_app
from topologies.assignor import DECLARED
from topologies.domains import NAMES, load
from topologies.settings import WorkerSettings
from topologies.site import Site
from topologies.worker import create_apps


def app_in(folder: Path, domain: str, ordinal: int = 0) -> tuple[faust.App, Site]:
    site = Site(WorkerSettings(ordinal=ordinal, data_dir=folder), domain=domain)
    return create_app(site.settings, load(domain), site), site


async def test_two_apps_in_a_process_share_nothing(tmp_path: Path) -> None:
    (one, first), (two, second) = app_in(tmp_path, "clustering", 1), app_in(tmp_path, "clustering", 2)
    assert one.conf.id == two.conf.id == "thalweg-clustering-workers"
    assert one.conf.consumer_group_instance_id != two.conf.consumer_group_instance_id
    assert not set(map(id, one.tables.values())) & set(map(id, two.tables.values()))
    assert one.transport is not two.transport
    assert first.topics == second.topics
    assert len(first.flushes) == len(second.flushes) == len(first.topics)


async def test_every_domain_has_a_group_of_its_own_and_its_own_inputs(tmp_path: Path) -> None:
    made = {name: app_in(tmp_path, name) for name in NAMES}
    assert {name: app.conf.id for name, (app, _) in made.items()} == {name: group_of(name) for name in NAMES}
    assert {name: set(site.topics) for name, (_, site) in made.items()} == {
        name: {topic.name for topic in INPUTS[name]} for name in NAMES
    }


async def test_domains_of_one_process_are_one_member_each_of_their_groups(tmp_path: Path) -> None:
    apps = create_apps(WorkerSettings(data_dir=tmp_path), [load(name) for name in NAMES]).apps
    assert [app.conf.id for app in apps] == [group_of(name) for name in NAMES]
    assert {app.conf.consumer_group_instance_id for app in apps} == {"thalweg-worker-0"}


async def test_a_worker_without_static_membership_has_no_instance_name(tmp_path: Path) -> None:
    app = create_app(WorkerSettings(static=False, data_dir=tmp_path), load("accounts"))
    assert app.conf.consumer_group_instance_id is None


async def test_every_table_keeps_its_state_in_the_changelog_of_the_catalogue(tmp_path: Path) -> None:
    named, read = set(), set()
    for name in NAMES:
        app, site = app_in(tmp_path, name)
        read.update(site.topics)
        for table in app.tables.values():
            topic = table.changelog_topic.get_topic_name()
            named.add(topic)
            assert table.partitions == (DECLARED[topic] or site.settings.kafka.partitions)
    assert named == {changelog(topic) for topic in STATEFUL}
    assert read == {topic.name for topic in STATEFUL}


def test_changelogs_are_named_as_they_were_when_all_domains_had_one_group() -> None:
    assert {changelog(topic) for topic in STATEFUL} >= {
        "thalweg-workers-points-observed-changelog",
        "thalweg-workers-accounts-commanded-changelog",
    }


async def test_what_is_provisioned_holds_every_topic_an_app_reads_or_writes(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    made = [app_in(tmp_path, name) for name in NAMES]
    kafka = KafkaSettings(kafka_bootstrap)
    await asyncio.to_thread(provision, kafka)
    there = {topic.name: topic.partitions for topic in await asyncio.to_thread(existing, kafka)}
    needed = {topic for _, site in made for topic in site.topics}
    needed |= {table.changelog_topic.get_topic_name() for app, _ in made for table in app.tables.values()}
    assert {name: there.get(name) for name in needed} == {name: DECLARED[name] or kafka.partitions for name in needed}


def test_a_domain_that_is_none_is_named_with_those_there_are() -> None:
    with pytest.raises(Misconfigured, match=r"THALWEG_WORKER_DOMAINS='points' cannot be used.*clustering, accounts"):
        WorkerSettings.from_environment({"THALWEG_WORKER_DOMAINS": "points"})
    assert WorkerSettings.from_environment({"THALWEG_WORKER_DOMAINS": "accounts, clustering"}).domains == NAMES
    assert WorkerSettings.from_environment({}, domains="accounts").domains == ("accounts",)


def test_a_process_loads_what_its_domains_need_and_no_more() -> None:
    code = "import sys; from topologies.domains import load; load('accounts'); print('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"


@pytest.mark.parametrize("settings", [WorkerSettings(session_seconds=6), WorkerSettings(session_seconds=300)])
async def test_timeouts_hold_the_order_kafka_asks_for(tmp_path: Path, settings: WorkerSettings) -> None:
    conf = create_app(settings, load("clustering")).conf
    assert conf.broker_heartbeat_interval * 3 <= conf.broker_session_timeout < conf.broker_request_timeout
