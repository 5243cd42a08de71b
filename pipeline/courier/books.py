"""What the courier knows: the deliveries, webhooks and users of the log; and how it writes down what it has done."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pipeline.clock import Clock
from pipeline.courier.schedule import Standing
from pipeline.courier.triggers import TRIGGERS, Trigger, stream_of
from pipeline.errors import LogUnavailable
from pipeline.forgeries import Forgeries
from pipeline.kafka.browse import ends
from pipeline.kafka.guard import Guard
from pipeline.kafka.producer import Producer
from pipeline.kafka.view import Shelf, Shelves
from pipeline.settings import KafkaSettings
from pipeline.signatures import Signatures
from schemas.accounts.roles import ADMINISTRATORS
from schemas.accounts.streams import Stream
from schemas.accounts.topics import COMMANDED, DELIVERIES, MAIL, STREAMS, USERS, WEBHOOKS
from schemas.accounts.traces import MailRequested
from schemas.accounts.users import Status, User
from schemas.accounts.webhooks import TEST_EVENT, Delivery, Progress, Webhook
from schemas.codec import Codec
from schemas.entity import Commanded
from schemas.event import Event
from schemas.grants import OPERATOR, Access, Party
from schemas.permissions import permitted
from schemas.topic import Topic

log = logging.getLogger(__name__)

CLIENT = "thalweg-courier"
PATIENCE_S = 60.0
"""So long the log may be away before the courier ends; what it has done and not written down is done again."""
AT_ONCE = 1000
MAX_UNOWNED = 100_000


@dataclass(frozen=True)
class Topics:
    """Those of the catalogue; tests have their own."""

    deliveries: Topic = DELIVERIES
    webhooks: Topic = WEBHOOKS
    users: Topic = USERS
    commanded: Topic = COMMANDED
    mail: Topic = MAIL
    streams: Topic = STREAMS
    triggers: Sequence[Trigger] = TRIGGERS


def advance(delivery: Delivery | None) -> int:
    """How far a delivery has come, -1 where it is not known."""
    return -1 if delivery is None else delivery.advance


class Books:
    """Of one courier that works. `changed` is called in the loop with the ids of pending deliveries about which
    something is different, and of those that are not pending any more."""

    def __init__(
        self,
        kafka: KafkaSettings,
        codec: Codec,
        topics: Topics,
        clock: Clock,
        changed: Callable[[Iterable[str]], None],
        signatures: Signatures | None = None,
        forgeries: Forgeries | None = None,
    ) -> None:
        self._codec, self._topics, self._clock, self._changed = codec, topics, clock, changed
        self._permissions = {trigger.event: trigger.permission for trigger in topics.triggers}
        self._pending: dict[str, set[str]] = defaultdict(set)
        self._owned: dict[str, set[str]] = defaultdict(set)
        self._producer = Producer(kafka, CLIENT, timeout=PATIENCE_S, signatures=signatures)
        self._deliveries = Shelf(topics.deliveries, Delivery, codec, order=advance)
        self._webhooks = Shelf(topics.webhooks, Webhook, codec, order=lambda it: it.source_offset)
        self._streams = Shelf(topics.streams, Stream, codec, order=lambda it: it.source_offset)
        self._users = Shelf(topics.users, User, codec, order=lambda it: it.source_offset)
        guard = None if signatures is None else Guard(signatures, forgeries or Forgeries())
        shelves: list[Shelf[Any]] = [self._streams, self._users, self._webhooks, self._deliveries]
        self._shelves = Shelves(kafka, CLIENT, shelves, guard)
        self._unowned: set[str] = set()
        self._kafka = kafka
        self._deliveries.watch(self._note_delivery)
        self._webhooks.watch(self._note_webhook)
        self._users.watch(self._note_user)

    async def open(self) -> None:
        """Returns when everything is known that was in the log at the call. Raises LogUnavailable."""
        await self._shelves.start()

    async def close(self) -> None:
        await self._shelves.stop()
        await self._producer.close(0.5)

    @property
    def deliveries(self) -> Mapping[str, Delivery]:
        return self._deliveries.entries

    @property
    def webhooks(self) -> Mapping[str, Webhook]:
        return self._webhooks.entries

    def pending(self, webhook: str) -> Collection[str]:
        return self._pending.get(webhook, ())

    def pending_of_owner(self, owner: str) -> int:
        return sum(len(self._pending.get(webhook, ())) for webhook in self._owned.get(owner, ()))

    def owner_id(self, webhook: str) -> str:
        """Itself, of a webhook that is not there."""
        held = self.webhooks.get(webhook)
        return webhook if held is None else held.owner

    @property
    def pending_in_all(self) -> int:
        return sum(map(len, self._pending.values()))

    def standing(self, delivery: Delivery) -> Standing:
        """A test goes to a webhook that is turned off, too."""
        webhook = self.webhooks.get(delivery.webhook)
        if webhook is None:
            return Standing.UNKNOWN
        stream = None if delivery.event == TEST_EVENT else stream_of(delivery.body)
        return Standing.OPEN if self._is_open(webhook, delivery.event, stream) else Standing.HELD

    def listeners(self, event: str, stream: str) -> list[Webhook]:
        """Webhooks that are to be told now of what has happened to a stream."""
        return [it for it in self.webhooks.values() if event in it.events and self._is_open(it, event, stream)]

    async def know_owners(self, streams: Iterable[str]) -> None:
        """Returns when it is certain which of the streams nobody owns: whoever owns one has been in the log since
        before its first point, and may not have been read yet. Raises LogUnavailable."""
        new = {stream for stream in streams if stream not in self._streams.entries} - self._unowned
        if not new:
            return
        marks = await asyncio.to_thread(ends, self._kafka, self._topics.streams.name)
        if not await self._shelves.reached(self._topics.streams, marks[0].high, PATIENCE_S):
            raise LogUnavailable("Kafka does not give the owners of streams")
        if len(self._unowned) > MAX_UNOWNED:
            self._unowned.clear()
        self._unowned |= new

    async def write(self, deliveries: Sequence[Delivery]) -> None:
        """Returns when they are durable, and known here as they will be to the next courier. Raises LogUnavailable."""
        for begin in range(0, len(deliveries), AT_ONCE):
            some = deliveries[begin : begin + AT_ONCE]
            await asyncio.gather(*(self._send(self._topics.deliveries, it.id, it) for it in some))
            if not await self._deliveries.until(partial(_hold, some), PATIENCE_S):
                raise LogUnavailable("Kafka does not give back the deliveries it has taken")

    async def forget(self, ids: Iterable[str]) -> None:
        """Raises LogUnavailable."""
        topic = self._topics.deliveries.name
        await asyncio.gather(*(self._producer.send(topic, None, key=name.encode()) for name in ids))

    async def disable(self, webhook: Webhook, reason: str, letter: MailRequested | None) -> None:
        """Asks for the webhook to be turned off, and for a letter to its owner. Raises LogUnavailable."""
        arguments = json.dumps({"reason": reason})
        command = Commanded(Webhook.KIND, webhook.id, "disable", arguments, None, "system:courier", None, self._clock())
        await self._send(self._topics.commanded, webhook.id, command)
        if letter is not None:
            await self._send(self._topics.mail, letter.user, letter)

    def owner(self, webhook: Webhook) -> User | None:
        return self._users.entries.get(webhook.owner)

    def _is_open(self, webhook: Webhook, event: str, stream: str | None) -> bool:
        """Turned on, of an owner who is active, may see such events, and may read the stream."""
        owner = self.owner(webhook)
        if owner is None or owner.status is not Status.ACTIVE:
            return False
        if event == TEST_EVENT:
            return True
        if not webhook.enabled or self._permissions.get(event) not in permitted(owner.roles):
            return False
        held = None if stream is None else self._streams.entries.get(stream)
        return held is None or Access.READ in held.access(party_of(owner))

    async def _send(self, topic: Topic, key: str, event: Event) -> None:
        await self._producer.send(topic.name, self._codec.encode(event), key=key.encode())

    def _note_delivery(self, key: str, delivery: Delivery | None) -> None:
        if delivery is not None and delivery.progress is Progress.PENDING:
            self._pending[delivery.webhook].add(key)
        else:
            for webhook in [delivery.webhook] if delivery is not None else list(self._pending):
                self._pending[webhook].discard(key)
                if not self._pending[webhook]:
                    del self._pending[webhook]
        self._changed((key,))

    def _note_webhook(self, key: str, webhook: Webhook | None) -> None:
        if webhook is not None:
            self._owned[webhook.owner].add(key)
        self._changed(self._pending.get(key, ()))

    def _note_user(self, key: str, _: User | None) -> None:
        """Users change whenever they log in, so their webhooks must be at hand."""
        owned = self._owned.pop(key, set()) & self.webhooks.keys()
        if owned:
            self._owned[key] = owned
        for webhook in owned:
            self._changed(self._pending.get(webhook, ()))


def party_of(user: User) -> Party:
    """For whom a user's webhooks are told."""
    leads = bool(ADMINISTRATORS & set(user.roles))
    return Party(OPERATOR if leads else user.id, leads)


def _hold(deliveries: Sequence[Delivery], entries: Mapping[str, Delivery]) -> bool:
    return all(advance(entries.get(delivery.id)) >= advance(delivery) for delivery in deliveries)
