"""What a domain's topology is built with: settings, the producer, and the way to end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NoReturn

from pipeline.clock import Clock, now
from pipeline.forgeries import Forgeries
from pipeline.kafka.producer import Producer
from pipeline.kafka.registry import schemas
from pipeline.lifeline import leave
from schemas.codec import Codec
from topologies.deliver import Deliver
from topologies.intake import Placement
from topologies.settings import WorkerSettings

log = logging.getLogger(__name__)

EXIT_BROKEN = 70
"""sysexits' EX_SOFTWARE: an invariant did not hold."""


def die(reason: str, domain: str | None = None) -> NoReturn:
    """Ends the process as kill -9 would: nothing more is sent, acknowledged or committed. The reason is the last line
    it leaves, where a supervisor looks for it."""
    where = "" if domain is None else f"{domain}: "
    log.critical("this worker ends, so that nothing is lost: %s%s", where, reason)
    leave(EXIT_BROKEN)


@dataclass
class Site:
    """One domain's in one worker. The producer is made on first use, inside the worker's loop."""

    settings: WorkerSettings
    clock: Clock = now
    die: Callable[[str], NoReturn] = die
    codec: Codec = field(init=False)
    topics: list[str] = field(default_factory=list)
    """Topics that the domain reads in runs."""
    flushes: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """What is done before partitions are given away."""
    forgeries: Forgeries = field(default_factory=Forgeries)
    """The process's: its domains share one."""
    domain: str | None = None
    _producer: Producer | None = None

    def __post_init__(self) -> None:
        self.codec = Codec(schemas(self.settings.kafka.registry_url))

    @property
    def placement(self) -> Placement:
        return Placement(self.settings.kafka.partitions)

    def producer(self) -> Producer:
        if self._producer is None:
            client = "-".join(part for part in ("thalweg", self.settings.name, self.domain) if part)
            self._producer = Producer(self.settings.kafka, client, timeout=60, signatures=self.settings.signatures)
        return self._producer

    def deliver(self) -> Deliver:
        return Deliver(self.producer(), self.codec, self.clock)

    async def flush(self) -> None:
        await asyncio.gather(*(flush() for flush in self.flushes))

    async def close(self) -> None:
        if self._producer is not None:
            await self._producer.close()
