"""The whole door: every part a serving process has, in the order in which they start."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from typing import Self

from ingest_api.accounts.assembly import AccountsSettings, assemble_accounts
from ingest_api.accounts.freshness import Freshness
from ingest_api.accounts.streams import StreamGrants
from ingest_api.alarms import Alarms
from ingest_api.audit.recorder import Audit
from ingest_api.clustering.door import ClusteringDoor
from ingest_api.clustering.streams import Streams
from ingest_api.entities.orders import LogOrders
from ingest_api.entities.views import following
from ingest_api.gate import Gate
from ingest_api.live.bridge import Live
from ingest_api.live.clustering import WATCHES
from ingest_api.live.settings import LiveSettings
from ingest_api.replies import Replies
from ingest_api.settings import ApiSettings
from ingest_api.vitality import WorkersPart, probes, workers_of
from ingest_api.wiring import Wiring, wire
from pipeline.clock import now
from pipeline.errors import LogUnavailable, Misconfigured
from pipeline.forgeries import Forgeries
from pipeline.kafka.group import GroupWatch
from pipeline.kafka.guard import Guard
from pipeline.kafka.provision import existing
from pipeline.kafka.registry import schemas
from pipeline.kafka.view import Shelf
from pipeline.settings import Environment, KafkaSettings, WarehouseSettings
from pipeline.signatures import Signatures
from pipeline.warehouse.reader import Reader
from schemas.accounts.topics import COMMANDED, DELIVERIES, INVITATIONS, KEYS, MAIL, STREAMS, USERS, WEBHOOKS
from schemas.accounts.webhooks import Delivery
from schemas.catalogue import TOPICS, WORKERS_GROUP
from schemas.clustering.topics import OBSERVED
from schemas.codec import Codec
from schemas.operations.topics import VITALS
from schemas.operations.vitals import VitalsReported


@dataclass(frozen=True)
class DoorSettings:
    """All that a serving process reads from its environment."""

    api: ApiSettings
    live: LiveSettings
    kafka: KafkaSettings
    warehouse: WarehouseSettings
    accounts: AccountsSettings
    signatures: Signatures | None = None

    @classmethod
    def from_environment(cls, environ: Environment) -> Self:
        """Raises Misconfigured, naming the variable."""
        api = ApiSettings.from_environment(environ)
        secrets = [value for _, value in api.jwt_secrets]
        return cls(
            api,
            LiveSettings.from_environment(environ, secrets=secrets, origins=api.cors_origins),
            KafkaSettings.from_environment(environ),
            WarehouseSettings.from_environment(environ),
            AccountsSettings.from_environment(environ, api),
            Signatures.from_environment(environ),
        )


@dataclass(frozen=True)
class LogPart:
    """The log, looked at before anything else begins: whoever starts the door learns in a sentence what is missing."""

    settings: KafkaSettings
    name: str = "log"

    async def start(self) -> None:
        """Raises LogUnavailable where no broker answers or topics are missing, Misconfigured where they differ."""
        there = {topic.name: topic.partitions for topic in await asyncio.to_thread(existing, self.settings)}
        missing = [topic.name for topic in TOPICS if topic.name not in there]
        if missing:
            raise LogUnavailable(f"the log has no topic {', '.join(missing)}: run `thalweg topics create`")
        if there[OBSERVED.name] != self.settings.partitions:
            raise Misconfigured(
                f"THALWEG_PARTITIONS={self.settings.partitions}, but {OBSERVED.name} has {there[OBSERVED.name]}"
            )

    async def stop(self) -> None:
        """Nothing was kept open."""


@dataclass(frozen=True)
class WarehousePart:
    """The reader, closed with the door. It connects when it is first asked: the door opens without a warehouse."""

    reader: Reader
    name: str = "warehouse"

    async def start(self) -> None:
        """Waits for nothing."""

    async def stop(self) -> None:
        await self.reader.close()


@dataclass(frozen=True)
class Assembled:
    """The wiring, and what is awaited as soon as the server is to go."""

    wiring: Wiring
    drain: Callable[[], Awaitable[None]]


def assemble(settings: DoorSettings) -> Assembled:
    """Inside the loop that will serve. Nothing is connected before the wiring's parts are started."""
    codec, ordinal = Codec(schemas(settings.kafka.registry_url)), settings.api.ordinal
    reader = Reader(settings.warehouse)
    clock = now
    streams = Streams(settings.kafka, codec, clock, ordinal)
    forgeries = Forgeries()

    def guard() -> Guard | None:
        return None if settings.signatures is None else Guard(settings.signatures, forgeries)

    replies = Replies(settings.kafka, ordinal, codec, clock, guard())
    gate = Gate(settings.kafka, ordinal, codec, clock, replies, settings.signatures)
    deliveries = Shelf(DELIVERIES, Delivery, codec, order=attrgetter("advance"))
    vitals = Shelf(VITALS, VitalsReported, codec)
    workers, alarms = workers_of(settings.kafka, vitals, clock), Alarms(forgeries, clock)
    vitals.watch(alarms.hear)
    entities = (USERS, KEYS, WEBHOOKS, INVITATIONS, STREAMS)
    views = following(settings.kafka, ordinal, entities, [deliveries, vitals], codec, guard())
    orders = LogOrders(gate, COMMANDED, views, codec, clock)
    end = GroupWatch(settings.kafka, WORKERS_GROUP, [(STREAMS.name, 0)]).end
    owners = Freshness(end, partial(views.reached, STREAMS), clock)
    grants = StreamGrants(views, orders, streams.born, owners.known, clock, settings.api.streams_each)
    accounts = assemble_accounts(
        settings.api,
        settings.accounts,
        views,
        orders,
        grants,
        lambda mail: gate.tell(MAIL, mail.user, mail),
        lambda delivery: gate.tell(DELIVERIES, delivery.id, delivery),
        clock,
    )
    live = Live(
        settings.live,
        settings.kafka,
        WATCHES,
        codec,
        grants,
        views={"clusters": streams.view},
        clock=clock,
        client_id=f"thalweg-live-{ordinal}",
    )
    clustering = ClusteringDoor(gate, replies, streams, grants, reader, codec, clock, settings.api.max_points)
    audit = Audit(settings.kafka, ordinal, codec, clock, reader)
    reached = (LogPart(settings.kafka), WarehousePart(reader), streams, views, owners, WorkersPart(workers))
    parts = (*reached, replies, gate, accounts, live, clustering, audit)
    wiring = wire(settings.api, accounts.directory, parts, (), clock)
    asked = probes(settings.kafka, workers, alarms, reader, clock)
    return Assembled(replace(wiring, probes=asked, notes=alarms.notes), live.drain)
