"""A courier of a test's own: topics, a webhook's owner, a clock that can be set, and the log to look into."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

from pipeline import clock
from pipeline.accounts.destinations import Allowed
from pipeline.accounts.sealing import Seals, SealSettings
from pipeline.courier.books import Topics
from pipeline.courier.courier import Courier
from pipeline.courier.post import Post
from pipeline.courier.settings import CourierSettings
from pipeline.courier.term import Letter, Term
from pipeline.courier.triggers import TRIGGERS
from pipeline.forgeries import Forgeries
from pipeline.kafka.browse import stretch
from pipeline.kafka.producer import Producer
from pipeline.settings import KafkaSettings
from pipeline.signatures import Signatures
from schemas.accounts.streams import Stream
from schemas.accounts.topics import COMMANDED, DELIVERIES, MAIL, STREAMS, USERS, WEBHOOKS
from schemas.accounts.traces import MailRequested
from schemas.accounts.users import User
from schemas.accounts.webhooks import TEST_EVENT, Delivery, Progress, Webhook
from schemas.clustering.clusters import DriftDetected
from schemas.codec import Codec
from schemas.entity import Commanded
from schemas.event import Event
from schemas.topic import Topic
from tests.doubles.receiver import Receiver
from tests.pipeline.kafka.topics import Topics as Maker

CODEC = Codec()
SEALS = Seals(SealSettings(("a secret of thirty-two characters",)))
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LOOPBACK = Allowed.parse("127.0.0.0/8")


@dataclass
class World:
    """`offset` is added to the clock, in microseconds. `name` is part of every id, so that worlds can share topics."""

    kafka: KafkaSettings
    topics: Topics
    producer: Producer
    name: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    settings: CourierSettings = field(default_factory=CourierSettings)
    offset: int = 0
    letter: Letter | None = None
    versions: int = 0
    signatures: Signatures | None = None
    forgeries: Forgeries = field(default_factory=Forgeries)

    def now(self) -> int:
        return clock.now() + self.offset

    @contextlib.asynccontextmanager
    async def courier(self) -> AsyncIterator[asyncio.Task[None]]:
        """One that runs; it may not be its turn yet."""
        post = Post(self.settings.allowed, seconds=self.settings.seconds)

        def term() -> Term:
            return Term(
                *(self.kafka, CODEC, self.settings, SEALS, post, self.now),
                topics=self.topics,
                letter=self.letter,
                signatures=self.signatures,
                forgeries=self.forgeries,
            )

        task = asyncio.create_task(Courier(self.kafka, self.settings, self.topics.deliveries, term).run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def user(self, **changes: object) -> User:
        self.versions += 1
        user = User(f"u{self.name}", self.versions, self.versions, self.now(), self.now(), 1, "ada", "ada@example.com")
        user = replace(user, **{"roles": ["user"], "email_verified": True, **changes})  # type: ignore[arg-type]
        await self.write(self.topics.users, user.id, user)
        return user

    async def webhook(self, url: str, name: str = "", **changes: object) -> Webhook:
        self.versions += 1
        made = (f"w{self.name}{name}", self.versions, self.versions, self.now(), self.now(), f"u{self.name}")
        webhook = replace(Webhook(*made, url, ["drift.detected"], SEALS.seal(SECRET)), **changes)  # type: ignore[arg-type]
        await self.write(self.topics.webhooks, webhook.id, webhook)
        return webhook

    async def owned(self, stream: str, owner: str, **changes: object) -> None:
        """The stream has this owner from now on."""
        self.versions += 1
        made = Stream(stream, self.versions, self.versions, self.now(), self.now(), owner, stream)
        await self.write(self.topics.streams, stream, replace(made, **changes))  # type: ignore[arg-type]

    async def test(self, webhook: Webhook) -> str:
        """Asks for a test as the door does; the id."""
        name = f"msg_{uuid.uuid4().hex}"
        now, body = self.now(), b'{"type":"webhook.test"}'
        test = Delivery(name, webhook.id, TEST_EVENT, None, now, Progress.PENDING, now, [], body)
        await self.write(self.topics.deliveries, name, test)
        return name

    async def listening(self, receiver: Receiver, name: str = "", **changes: object) -> Webhook:
        """A webhook that the courier knows: topics are read beside each other, and one that was made just now may miss
        an event. What the receiver got of the test is forgotten."""
        webhook = await self.webhook(receiver.url, name, **changes)
        test = await self.test(webhook)
        await self.until(lambda: self.deliveries()[test].progress is not Progress.PENDING)
        receiver.received.clear()
        return webhook

    async def drift(self, offset: int, stream: str | None = None) -> None:
        """One event; of the same offset, the same one again."""
        record = DriftDetected(
            *(stream or f"s{self.name}", 0, offset, 0, self.now(), 7, "mean", 3.5, 0.8, [1, 2], "look")
        )
        await self.write(self.topics.triggers[0].topic, record.stream, record)

    async def forge(self, topic: Topic, key: str, event: Event | None) -> None:
        """As somebody does who reaches Kafka, and has no secret."""
        forger = Producer(self.kafka, "forger")
        await forger.send(topic.name, None if event is None else CODEC.encode(event), key=key.encode())
        await forger.close()

    async def write(self, topic: Topic, key: str, event: Event | None) -> None:
        value = None if event is None else CODEC.encode(event)
        await self.producer.send(topic.name, value, key=key.encode())

    def history(self) -> list[Delivery]:
        """Every record of this world's deliveries."""
        records = stretch(self.kafka, self.topics.deliveries.name)
        told = [CODEC.decode(each.value, Delivery) for each in records if each.value is not None]
        return [delivery for delivery in told if delivery.webhook.startswith(f"w{self.name}")]

    def deliveries(self) -> dict[str, Delivery]:
        return {delivery.id: delivery for delivery in self.history()}

    def forgotten(self) -> set[str]:
        """Ids whose last record is a tombstone."""
        last = {(each.key or b"").decode(): each.value for each in stretch(self.kafka, self.topics.deliveries.name)}
        return {name for name, value in last.items() if value is None}

    def told(self) -> dict[str, Delivery]:
        """Those that are no tests."""
        return {name: it for name, it in self.deliveries().items() if it.event != TEST_EVENT}

    def commands(self) -> list[Commanded]:
        records = stretch(self.kafka, self.topics.commanded.name)
        commands = [CODEC.decode(each.value, Commanded) for each in records if each.value is not None]
        return [it for it in commands if it.entity_id.startswith(f"w{self.name}")]

    def letters(self) -> list[MailRequested]:
        records = stretch(self.kafka, self.topics.mail.name)
        return [CODEC.decode(each.value, MailRequested) for each in records if each.value is not None]

    async def until(self, condition: Callable[[], object], seconds: float = 60) -> None:
        """Asks again and again, in a thread: what it reads is the log."""
        async with asyncio.timeout(seconds):
            while not await asyncio.to_thread(condition):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def until_told(self, count: int, progress: Progress = Progress.DELIVERED) -> dict[str, Delivery]:
        """The deliveries that are no tests, once there are so many and all have come so far."""

        def there() -> bool:
            known = self.told().values()
            return len(known) == count and all(it.progress is progress for it in known)

        await self.until(there)
        return self.told()

    async def until_tried(self, attempts: int) -> list[Delivery]:
        """The same, once there are some and each has been tried so often."""

        def there() -> bool:
            known = self.told().values()
            return bool(known) and all(len(it.attempts) >= attempts for it in known)

        await self.until(there)
        return list(self.told().values())


@contextlib.asynccontextmanager
async def world(kafka: KafkaSettings, make: Maker) -> AsyncIterator[World]:
    """One on topics of its own, with an owner. Records are signed, as those of a running system are."""
    deliveries, webhooks, users, commanded, mail, streams = (
        replace(it, name=make.make(1)) for it in (DELIVERIES, WEBHOOKS, USERS, COMMANDED, MAIL, STREAMS)
    )
    triggers = [replace(it, topic=replace(it.topic, name=make.make(kafka.partitions))) for it in TRIGGERS]
    topics = Topics(deliveries, webhooks, users, commanded, mail, streams, triggers)
    named = frozenset(it.name for it in (deliveries, webhooks, users, commanded, mail, streams))
    signatures = Signatures({"k1": b"a" * 32}, named)
    producer = Producer(kafka, "test", signatures=signatures)
    settings = CourierSettings(group=f"g{uuid.uuid4().hex[:8]}", allowed=LOOPBACK, seconds=2.0)
    made = World(kafka, topics, producer, settings=settings, signatures=signatures)
    try:
        await made.user()
        yield made
    finally:
        await producer.close()
