"""The whole door: every part a serving process has, in the order in which they start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Self

from ingest_api.clustering.door import ClusteringDoor
from ingest_api.clustering.streams import Streams
from ingest_api.gate import Gate
from ingest_api.live.bridge import Live
from ingest_api.live.clustering import WATCHES
from ingest_api.live.settings import LiveSettings
from ingest_api.replies import Replies
from ingest_api.settings import ApiSettings
from ingest_api.vitality import probes
from ingest_api.wiring import Wiring, wire
from pipeline.settings import Environment, KafkaSettings, WarehouseSettings
from pipeline.warehouse.reader import Reader
from schemas.codec import Codec


@dataclass(frozen=True)
class DoorSettings:
    """All that a serving process reads from its environment."""

    api: ApiSettings
    live: LiveSettings
    kafka: KafkaSettings
    warehouse: WarehouseSettings

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
        )


@dataclass(frozen=True)
class WarehousePart:
    """The reader, closed with the door. It connects when it is first asked: the door opens without a warehouse."""

    reader: Reader
    name: str = "warehouse"

    async def start(self) -> None: ...

    async def stop(self) -> None:
        await self.reader.close()


@dataclass(frozen=True)
class Assembled:
    """The wiring, and what is awaited as soon as the server is to go."""

    wiring: Wiring
    drain: Callable[[], Awaitable[None]]


def assemble(settings: DoorSettings) -> Assembled:
    """Inside the loop that will serve. Nothing is connected before the wiring's parts are started."""
    codec, ordinal = Codec(), settings.api.ordinal
    reader = Reader(settings.warehouse)
    bare = wire(settings.api)
    clock = bare.clock
    streams = Streams(settings.kafka, codec, clock, ordinal)
    replies = Replies(settings.kafka, ordinal, codec, clock)
    gate = Gate(settings.kafka, ordinal, codec, clock, replies)
    live = Live(
        settings.live,
        settings.kafka,
        WATCHES,
        codec,
        views={"clusters": streams.view},
        clock=clock,
        client_id=f"thalweg-live-{ordinal}",
    )
    clustering = ClusteringDoor(gate, replies, streams, reader, codec, clock, settings.api.max_points)
    parts = (*bare.parts, WarehousePart(reader), streams, replies, gate, live, clustering)
    wiring = replace(bare, probes=probes(settings.kafka, streams, reader, clock), parts=parts)
    return Assembled(wiring, live.drain)
