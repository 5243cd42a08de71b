"""The time in which a courier works: it tries what is due, writes down what came of it, and forgets what is old."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable

from pipeline.accounts.sealing import Seals, Unopenable
from pipeline.clock import Clock
from pipeline.courier.agenda import Agenda
from pipeline.courier.books import Books, Topics
from pipeline.courier.enrolment import Enrolment
from pipeline.courier.farewell import farewell
from pipeline.courier.post import Answer, Post
from pipeline.courier.retention import forgettable
from pipeline.courier.schedule import GONE, SECOND, Standing, Verdict, due_at, ended, judged, retry_after_of
from pipeline.courier.settings import CourierSettings
from pipeline.courier.signature import signed
from pipeline.forgeries import Forgeries
from pipeline.settings import KafkaSettings
from pipeline.signatures import Signatures
from schemas.accounts.traces import MailRequested
from schemas.accounts.users import User
from schemas.accounts.webhooks import Attempt, Delivery, Progress, Webhook
from schemas.codec import Codec

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""Clocks are set; so nobody sleeps until a time that is further away than this."""
AGENT = {"user-agent": "Thalweg (Standard Webhooks)", "content-type": "application/json"}
_WHY_ENDED = {Standing.HELD: "the webhook was turned off", Standing.UNKNOWN: "the webhook was deleted"}

Letter = Callable[[Webhook, User, str, int], MailRequested]
"""To a webhook's owner: it was turned off, for this reason, at this time."""


class Term:
    """State is the log's alone: a delivery is tried as the books have it, and tried again only as they have it then."""

    def __init__(
        self,
        kafka: KafkaSettings,
        codec: Codec,
        settings: CourierSettings,
        seals: Seals,
        post: Post,
        clock: Clock,
        *,
        topics: Topics,
        letter: Letter | None,
        signatures: Signatures | None = None,
        forgeries: Forgeries | None = None,
    ) -> None:
        self._codec, self._seals, self._post, self._clock, self._letter = codec, seals, post, clock, letter
        self._settings = settings
        self._agenda = Agenda(settings.attempts, settings.attempts_each, settings.attempts_owner)
        self._books = Books(kafka, codec, topics, clock, self._plan, signatures, forgeries)
        self._enrolment = Enrolment(kafka, settings, topics.triggers, self._books, clock)
        self._disabled: set[tuple[str, int]] = set()
        self._attempts: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Until it is cancelled; then what is under way may end, for a moment. Raises Failure."""
        try:
            await self._books.open()
            await self._enrolment.start()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._enrolment.run(self._codec))
                tasks.create_task(self._sweep())
                tasks.create_task(self._try_what_is_due())
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            await self._close()

    async def _close(self) -> None:
        await farewell(self._attempts)
        await self._enrolment.stop()
        await self._books.close()

    def _plan(self, ids: Iterable[str]) -> None:
        for name in ids:
            delivery = self._books.deliveries.get(name)
            if delivery is None or delivery.progress is not Progress.PENDING:
                self._agenda.drop(name)
            else:
                due, owner = due_at(delivery, self._books.standing(delivery)), self._books.owner_id(delivery.webhook)
                self._agenda.put(name, delivery.webhook, due, owner)
        self._wake.set()

    async def _try_what_is_due(self) -> None:
        """Raises what an attempt raised: the log is away."""
        while True:
            self._wake.clear()
            for name in self._agenda.take(self._clock()):
                self._attempts.add(asyncio.create_task(self._attempt(name), name=name))
            for attempt in [it for it in self._attempts if it.done()]:
                self._attempts.discard(attempt)
                attempt.result()
            await self._rest()

    async def _rest(self) -> None:
        following = self._agenda.next_due()
        seconds = LOOK_S if following is None else min(LOOK_S, (following - self._clock()) / SECOND)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._wake.wait()

    async def _attempt(self, name: str) -> None:
        try:
            delivery = self._books.deliveries.get(name)
            if delivery is not None and delivery.progress is Progress.PENDING:
                await self._settle(delivery)
        finally:
            self._agenda.done(name)
            self._plan((name,))

    async def _settle(self, delivery: Delivery) -> None:
        standing, now = self._books.standing(delivery), self._clock()
        if due_at(delivery, standing) > now:
            return  # what has changed since it was planned
        if standing is not Standing.OPEN:
            await self._books.write([ended(delivery, now, _WHY_ENDED[standing])])
            return
        webhook = self._books.webhooks[delivery.webhook]
        answer = await self._send(delivery, webhook, now)
        attempt = Attempt(now, answer.milliseconds, answer.status, answer.error)
        verdict = judged(delivery, attempt, retry_after_of(answer.retry_after, self._clock()))
        if verdict.disable is not None:
            await self._disable(webhook, verdict)
        await self._books.write([verdict.delivery])

    async def _send(self, delivery: Delivery, webhook: Webhook, now: int) -> Answer:
        try:
            secret = self._seals.open(webhook.secret)
        except Unopenable:
            log.warning("webhook %s: its secret cannot be opened, set THALWEG_ACCOUNT_SECRETS as it was", webhook.id)
            return Answer(0.0, error="the webhook's secret cannot be read: set it anew")
        headers = AGENT | signed(secret, delivery.id, now // SECOND, delivery.body)
        try:
            return await self._post.send(webhook.url, headers, delivery.body, webhook.owner)
        except Exception:  # one delivery that we cannot send must not end those of all others, again and again
            log.exception("delivery %s could not be sent", delivery.id)
            return Answer(0.0, error="the delivery could not be sent")

    async def _disable(self, webhook: Webhook, verdict: Verdict) -> None:
        """Before the delivery is written as failed, so that a crash between the two repeats it."""
        seen = webhook.id, webhook.version
        if verdict.disable is None or seen in self._disabled or self._deserves_time(webhook, verdict.delivery):
            return
        self._disabled.add(seen)
        owner = self._books.owner(webhook)
        reachable = owner is not None and owner.email is not None and owner.email_verified
        letter = None
        if self._letter is not None and owner is not None and reachable:
            letter = self._letter(webhook, owner, verdict.disable, self._clock())
        log.warning("webhook %s of %s is turned off: %s", webhook.id, webhook.owner, verdict.disable)
        await self._books.disable(webhook, verdict.disable, letter)

    def _deserves_time(self, webhook: Webhook, failed: Delivery) -> bool:
        """A webhook that was changed since the delivery was made, or took another one, may work. After 410 Gone that
        does not matter."""
        if failed.attempts[-1].status == GONE:
            return False
        return webhook.updated_at > failed.created_at or any(
            it.progress is Progress.DELIVERED and it.attempts[-1].at >= failed.created_at
            for it in self._books.deliveries.values()
            if it.webhook == failed.webhook and it.attempts
        )

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._settings.sweep_seconds)
            books = self._books
            await books.forget(
                forgettable(books.deliveries.values(), self._clock(), self._enrolment.read, books.webhooks)
            )
