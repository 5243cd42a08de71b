"""A Faust app with a domain attached."""

from __future__ import annotations

import logging
from typing import Any

import faust

from schemas.catalogue import group_of
from topologies.assignor import Assignor
from topologies.domain import Domain
from topologies.login import credentials
from topologies.runs import Reading, RunTransport
from topologies.settings import WorkerSettings
from topologies.site import Site
from topologies.snapshots import SnapshotTable
from topologies.tables import Tables

log = logging.getLogger(__name__)

METADATA_MS = 5000
"""Where leaders are is asked so often, so that a worker goes on soon after a broker has come back."""


def create_app(settings: WorkerSettings, domain: Domain, site: Site | None = None) -> faust.App:
    """Not started, and not touched by anything but what is given. It joins the domain's own consumer group."""
    site = site or Site(settings, domain=domain.name)
    app = faust.App(
        group_of(domain.name),
        broker=[f"kafka://{address}" for address in settings.kafka.bootstrap.split(",")],
        broker_credentials=credentials(settings.kafka.security),
        store="memory://",
        datadir=str(settings.faust_dir),
        Table=SnapshotTable,
        PartitionAssignor=Assignor,
        TableManager=Tables,
        key_serializer="raw",
        value_serializer="raw",
        processing_guarantee="at_least_once",
        topic_partitions=settings.kafka.partitions,
        topic_replication_factor=settings.kafka.replication,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        web_enabled=False,
        stream_wait_empty=True,
        stream_publish_on_commit=False,
        # a queue of runs, each up to a fetch: few are enough to keep the agent busy
        stream_buffer_maxsize=4,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=settings.instance,
        consumer_max_fetch_size=settings.fetch_bytes,
        consumer_metadata_max_age_ms=METADATA_MS,
        broker_max_poll_records=settings.run_records,
        broker_commit_interval=1.0,
        broker_commit_every=10_000_000,
        broker_session_timeout=settings.session_seconds,
        broker_heartbeat_interval=max(1, settings.session_seconds // 10),
        broker_request_timeout=max(60, settings.session_seconds + 10),
        broker_rebalance_timeout=60,
        broker_max_poll_interval=300,
        producer_request_timeout=60,
        producer_max_request_size=8 * 1024 * 1024,
    )
    domain.attach(app, site)
    reading = Reading(frozenset(site.topics), site.flush, site.die)
    app.transport = RunTransport(app.conf.broker_consumer, app, reading=reading)

    @app.on_before_shutdown.connect
    async def close(*_: Any, **__: Any) -> None:
        await site.close()

    return app
