"""The whole API: every part a serving process has, in the order in which they start."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from ingest_api.domain import Domain, Opened, Shared
from ingest_api.domains import DOMAINS, limits_of, watches_of
from ingest_api.entities.views import following
from ingest_api.gate import Gate
from ingest_api.live.bridge import Live
from ingest_api.live.settings import LiveSettings
from ingest_api.replies import Replies
from ingest_api.results import RequestResults
from ingest_api.settings import ApiSettings
from ingest_api.wiring import Part, Wiring, wire
from pipeline.clock import now
from pipeline.errors import Broken, LogUnavailable, Misconfigured
from pipeline.forgeries import Forgeries
from pipeline.kafka.guard import Guard
from pipeline.kafka.provision import existing
from pipeline.kafka.registry import schemas
from pipeline.settings import Environment, KafkaSettings, WarehouseSettings
from pipeline.signatures import Signatures
from pipeline.warehouse.reader import Reader
from schemas.catalogue import STATEFUL, TOPICS, WATCHED
from schemas.codec import Codec


@dataclass(frozen=True)
class DoorSettings:
    """All that a serving process reads from its environment."""

    api: ApiSettings
    live: LiveSettings
    kafka: KafkaSettings
    warehouse: WarehouseSettings
    domains: Mapping[str, Any]
    """What each domain reads besides, by its name."""
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
            {domain.name: domain.settings(environ, api) for domain in DOMAINS if domain.settings is not None},
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
        for topic in (*STATEFUL, *WATCHED):
            if not topic.partitions and there[topic.name] != self.settings.partitions:
                raise Misconfigured(
                    f"THALWEG_PARTITIONS={self.settings.partitions}, but {topic.name} has {there[topic.name]}"
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


def assemble(settings: DoorSettings, domains: Sequence[Domain] = DOMAINS) -> Assembled:
    """Inside the loop that will serve. Nothing is connected before the wiring's parts are started."""
    codec, ordinal = Codec(schemas(settings.kafka.registry_url)), settings.api.ordinal
    reader, clock, forgeries = Reader(settings.warehouse), now, Forgeries()

    def guard() -> Guard | None:
        return None if settings.signatures is None else Guard(settings.signatures, forgeries)

    replies = Replies(settings.kafka, ordinal, codec, clock, guard())
    gate = Gate(settings.kafka, ordinal, codec, clock, replies, settings.signatures)
    entities = [topic for domain in domains for topic in domain.entities]
    shelves = [shelf for domain in domains for shelf in domain.shelves(codec)]
    views = following(settings.kafka, ordinal, entities, shelves, codec, guard())
    shared = Shared(settings.api, settings.kafka, gate, replies, views, reader, codec, clock, forgeries)
    opened = [_opened(domain, shared, settings.domains.get(domain.name)) for domain in domains]
    live = Live(
        settings.live,
        settings.kafka,
        watches_of(domains),
        codec,
        shared.granted(),
        views={kind: view for each in opened for kind, view in each.views.items()},
        clock=clock,
        client_id=f"thalweg-live-{ordinal}",
    )
    results = RequestResults(replies, shared.granted(), tuple(each.results for each in opened if each.results))
    parts: tuple[Part, ...] = (LogPart(settings.kafka), WarehousePart(reader), views)
    parts += tuple(part for each in opened for part in each.readers)
    parts += (replies, gate, *(part for each in opened for part in each.contexts), live, results)
    return Assembled(_wired(settings.api, shared, parts, domains, opened), live.drain)


def _opened(domain: Domain, shared: Shared, own: object) -> Opened:
    """Opens a domain, and lets those behind it use what it brings."""
    shared.settings = own
    opened = domain.open(shared)
    shared.accounts, shared.grants = opened.accounts or shared.accounts, opened.grants or shared.grants
    return opened


def _wired(
    api: ApiSettings, shared: Shared, parts: tuple[Part, ...], domains: Sequence[Domain], opened: Sequence[Opened]
) -> Wiring:
    if shared.accounts is None:
        raise Broken("no domain brings accounts: nobody could be let in")
    wiring = wire(api, shared.accounts, parts, (), shared.clock, limits=limits_of(domains))
    probes = next((each.probes for each in opened if each.probes is not None), wiring.probes)
    noted = [each.notes for each in opened if each.notes is not None]
    return replace(wiring, probes=probes, notes=lambda: [note for notes in noted for note in notes()])
