"""Sends the mails that are asked for: one at a time, and again for as long as the server is away.

A mail is sent once, unless the process is killed between the server's word and the commit, or ends while an earlier
mail still waits for its next try: then it is sent again under the same Message-ID.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from time import monotonic
from typing import TypeVar

from pipeline.accounts.envelope import Letter, Unwritable, message
from pipeline.accounts.identity import deliverable, mailbox
from pipeline.accounts.mail import MailSettings
from pipeline.accounts.sealing import Seals, Unopenable
from pipeline.clock import Clock
from pipeline.courier.allowance import Allowance
from pipeline.courier.farewell import farewell
from pipeline.courier.postbag import Postbag, Waiting
from pipeline.courier.smtp import PATIENCE_S, Away, Deferred, MailServer, Rejected
from pipeline.errors import LogUnavailable
from pipeline.kafka.browse import committed
from pipeline.kafka.guard import Guard
from pipeline.kafka.member import Member, Place
from pipeline.kafka.record import Record
from pipeline.settings import KafkaSettings
from schemas.accounts.topics import MAIL
from schemas.accounts.traces import MailRequested
from schemas.codec import Codec, Undecodable

log = logging.getLogger(__name__)

GROUP = "thalweg-mail"
T = TypeVar("T")
Call = Callable[..., Awaitable[T]]


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: from one try to the next, which doubles from `first_s` to `longest_s`; for one command of the server.
    No more than `most_waiting` mails wait for another try: one address that never answers must not hold up the rest,
    but when so many wait, it is not the addresses. Of one mailbox `most_waiting_each` wait, and `most_an_hour` are
    sent."""

    first_s: float = 2.0
    longest_s: float = 300.0
    patience_s: float = PATIENCE_S
    most_waiting: int = 100
    most_waiting_each: int = 10
    most_an_hour: int = 20

    def after(self, tries: int) -> float:
        return min(self.longest_s, self.first_s * 2.0 ** min(tries - 1, 30))


class Mailer:
    """`group` and `topic` are others in tests alone. With a `guard` no mail is sent that is not genuine: a letter is
    sealed, but could be sent to somebody else."""

    def __init__(
        self,
        kafka: KafkaSettings,
        codec: Codec,
        seals: Seals,
        settings: MailSettings,
        clock: Clock,
        *,
        pace: Pace | None = None,
        group: str = GROUP,
        topic: str = MAIL.name,
        guard: Guard | None = None,
    ) -> None:
        self._guard = guard
        self._kafka, self._codec, self._seals, self._settings, self._clock = kafka, codec, seals, settings, clock
        self._pace = pace or Pace()
        self._group, self._topic = group, topic
        self._server = None if settings.server is None else MailServer(settings.server, self._pace.patience_s)
        self._bags: dict[Place, Postbag] = {}
        self._allowance = Allowance(self._pace.most_an_hour)
        self._failures = 0
        self._closed_until = 0.0

    async def run(self) -> None:
        """Until it is cancelled; then the mail under way may end, for a moment. Raises Broken, and LogUnavailable where
        Kafka does not let this process read."""
        member = Member(
            self._kafka, self._group, [self._topic], assigned=self._assigned, revoked=self._revoked, session_ms=10_000
        )
        with ThreadPoolExecutor(1, "mail") as thread:
            call = partial(asyncio.get_running_loop().run_in_executor, thread)
            try:
                while True:
                    await self._turn(member, call)
            finally:
                await call(member.close)

    async def _turn(self, member: Member, call: Call[list[Record]]) -> None:
        """Reads, even when nothing can be sent: a member that does not is taken for dead."""
        wait = 0.0 if self._next() else 0.25
        for record in await call(member.read, wait, 1):
            self._bags[record.place].put(record, monotonic())
        for place, end in member.ends.items():
            self._bags[place].read_up_to(end)
            member.settled(place, self._bags[place].settled or 0)
        for place, bag in list(self._bags.items()):
            await call(self._regulate, member, place, bag)
        following = self._next()
        if following is not None:
            place, waiting = following
            bag = self._bags[place]
            attempt = asyncio.create_task(self._attempt(waiting, bag))
            try:
                await asyncio.shield(attempt)
            finally:
                await farewell({attempt})
                if bag.settled is not None:
                    member.settled(place, bag.settled)

    def _regulate(self, member: Member, place: Place, bag: Postbag) -> None:
        """Opens or closes the tap of a partition; at first from where the group has come to."""
        wanted = monotonic() >= self._closed_until and len(bag.waiting) < self._pace.most_waiting
        if bag.flowing is None and wanted:
            try:
                start = committed(self._kafka, self._group, self._topic).get(place[1])
            except LogUnavailable as error:
                log.debug("%s-%d cannot begin yet: %s", *place, error)
                return
            if member.begin(place, start or 0):
                bag.flowing = True
        elif bag.flowing is not None and bag.flowing is not wanted:
            (member.resume if wanted else member.pause)(place)
            bag.flowing = wanted

    def _next(self) -> tuple[Place, Waiting] | None:
        """Whatever is due longest; nothing while the server is away."""
        present = monotonic()
        if present < self._closed_until:
            return None
        due = [(place, it) for place, it in self._waiting() if it.due <= present]
        return min(due, key=lambda found: found[1].due, default=None)

    def _waiting(self) -> Iterator[tuple[Place, Waiting]]:
        return ((place, it) for place, bag in self._bags.items() for it in bag.waiting)

    async def _attempt(self, waiting: Waiting, bag: Postbag) -> None:
        """One try at one mail, after which it is done, or waits for another."""
        record = waiting.record
        if self._guard is not None and not self._guard.is_genuine(record):
            bag.done(record.offset)
            return
        try:
            mail = self._codec.decode(record.value or b"", MailRequested)
        except Undecodable as error:
            log.error("%s is no mail: %s", record.position, error)
            bag.done(record.offset)
            return
        who = f"mail to user {mail.user!r} ({mail.purpose!r}, {record.position})"
        if mail.expires_at <= self._clock():
            log.warning("%s is not sent: it has expired", who)
            bag.done(record.offset)
            return
        waiting.mailbox = mailbox(mail.recipient)
        if self._allowance.is_spent(waiting.mailbox, self._clock()):
            log.warning("%s is not sent: its address got %d within the hour", who, self._pace.most_an_hour)
            bag.done(record.offset)
            return
        try:
            await self._deliver(mail)
        except Away as error:
            self._close(error)
            return
        except Deferred as error:
            if sum(it.mailbox == waiting.mailbox for it in bag.waiting) > self._pace.most_waiting_each:
                log.error("%s is given up: %d for its address wait already", who, self._pace.most_waiting_each)
                bag.done(record.offset)
                return
            waiting.tries += 1
            pause = self._pace.after(waiting.tries)
            waiting.due = monotonic() + pause
            log.warning("%s waits: %s; next try in %.0f s", who, error, pause)
        except (Rejected, Unopenable, Unwritable) as error:
            log.error("%s is given up: %s", who, error)
            bag.done(record.offset)
        else:
            log.info("%s is %s", who, "shown" if self._server is None else "sent")
            self._allowance.note(waiting.mailbox, self._clock())
            bag.done(record.offset)
        self._failures, self._closed_until = 0, 0.0

    def _close(self, reason: Away) -> None:
        self._failures += 1
        pause = self._pace.after(self._failures)
        self._closed_until = monotonic() + pause
        log.warning("the mail server is away: %s; mails wait, next try in %.0f s", reason, pause)

    async def _deliver(self, mail: MailRequested) -> None:
        """Raises Away, Deferred, Rejected, Unopenable, Unwritable."""
        letter = Letter.opened(self._seals, mail.sealed)
        # No two letters are sealed to the same bytes; one that is asked for again after a crash is.
        message_id = blake2b(mail.sealed.encode(), digest_size=16).hexdigest()
        recipient = deliverable(mail.recipient)
        ready = message(letter, self._settings.sender, recipient, message_id, mail.requested_at)
        if self._server is not None:
            await self._server.take(ready, recipient)
        elif self._settings.shown:
            log.warning(
                "DEVELOPMENT MAIL, shown and not sent, as THALWEG_SMTP_URL is not set\n%s", _drawn(mail, letter)
            )
        else:
            raise Rejected("THALWEG_SMTP_URL is not set")

    def _assigned(self, places: Sequence[Place]) -> None:
        self._bags.update((place, Postbag()) for place in places)

    def _revoked(self, places: Sequence[Place]) -> None:
        """What waits is the next member's, which begins at the oldest that is not done."""
        for place in places:
            self._bags.pop(place, None)


def _drawn(mail: MailRequested, letter: Letter) -> str:
    lines = (f"To: {mail.recipient}", f"Subject: {letter.subject}", "", *letter.text.splitlines())
    return "\n".join(f"  | {line}".rstrip() for line in lines)
