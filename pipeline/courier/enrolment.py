"""Events become deliveries: read from the log, made for every webhook that asks for them, and then read no more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence

from pipeline.clock import Clock
from pipeline.courier.books import Books
from pipeline.courier.quota import Quota
from pipeline.courier.schedule import ended
from pipeline.courier.settings import CourierSettings
from pipeline.courier.triggers import Told, Trigger, body_of, delivery_id
from pipeline.kafka.follower import Follower
from pipeline.kafka.member import Place
from pipeline.kafka.record import Record
from pipeline.settings import KafkaSettings
from schemas.accounts.webhooks import Delivery, Progress
from schemas.codec import Codec, Undecodable

log = logging.getLogger(__name__)

RUN = 200
CROWDED = "too many deliveries wait for this webhook, or for its owner"


class Enrolment:
    """Offsets are committed only once the deliveries are in the log; what is read again makes the same ids."""

    def __init__(
        self, kafka: KafkaSettings, settings: CourierSettings, triggers: Sequence[Trigger], books: Books, clock: Clock
    ) -> None:
        self._settings, self._books, self._clock = settings, books, clock
        self._triggers = {trigger.topic.name: trigger for trigger in triggers}
        self._places = [
            (trigger.topic.name, partition)
            for trigger in triggers
            for partition in range(trigger.topic.partitions or kafka.partitions)
        ]
        self._follower = Follower(kafka, settings.readers)

    async def start(self) -> None:
        """Raises LogUnavailable."""
        await asyncio.to_thread(self._follower.start, self._places)

    async def run(self, codec: Codec) -> None:
        """Raises Broken, LogUnavailable."""
        while True:
            records = await asyncio.to_thread(self._follower.read, 0.1, RUN)
            if records:
                await self._books.write(await self._new(records, codec))
            if self._follower.uncommitted:
                await asyncio.to_thread(self._follower.commit)

    async def stop(self) -> None:
        await asyncio.to_thread(self._follower.close)

    @property
    def read(self) -> Mapping[Place, int]:
        """The offsets with which the next courier would begin."""
        return self._follower.committed

    async def _new(self, records: Iterable[Record], codec: Codec) -> Sequence[Delivery]:
        found = [(record, told) for record in records if (told := self._told(record, codec)) is not None]
        await self._books.know_owners({told.stream for _, told in found})
        made: dict[str, Delivery] = {}
        for record, told in found:
            for delivery in self._of(record, told):
                if delivery.id not in self._books.deliveries:
                    made.setdefault(delivery.id, delivery)
        return list(self._admitted(made.values()))

    def _told(self, record: Record, codec: Codec) -> Told | None:
        trigger = self._triggers[record.topic]
        if record.value is None:
            return None
        try:
            return trigger.tell(codec.decode(record.value, trigger.topic.record))
        except Undecodable as error:
            log.warning("%s tells nothing: %s", record.position, error)
            return None

    def _of(self, record: Record, told: Told) -> Iterable[Delivery]:
        event = self._triggers[record.topic].event
        now, body, source = self._clock(), body_of(event, told), str(record.position)
        for webhook in self._books.listeners(event, told.stream):
            name = delivery_id(webhook.id, event, told)
            yield Delivery(name, webhook.id, event, source, now, Progress.PENDING, now, [], body)

    def _admitted(self, deliveries: Iterable[Delivery]) -> Iterable[Delivery]:
        """A webhook, or an owner, for whom too many wait gets no more: those that come are failed at once, and tell
        so."""
        books = self._books
        quota = Quota(self._settings, books.pending_in_all, lambda it: len(books.pending(it)), books.pending_of_owner)
        for delivery in deliveries:
            fits = quota.admit(delivery.webhook, books.owner_id(delivery.webhook))
            yield delivery if fits else ended(delivery, self._clock(), CROWDED)
