"""Asks for mails in a topic of a test's own, and runs mailers that read it there."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

from pipeline.accounts.envelope import Letter
from pipeline.accounts.mail import Encryption, MailSettings, SmtpServer
from pipeline.accounts.sealing import Seals, SealSettings
from pipeline.clock import now
from pipeline.courier.mailer import Mailer, Pace
from pipeline.kafka.browse import committed
from pipeline.kafka.guard import Guard
from pipeline.settings import KafkaSettings
from schemas.accounts.traces import MailRequested
from schemas.codec import Codec
from tests.pipeline.courier.mailbox import Mailbox
from tests.pipeline.courier.running import while_running
from tests.pipeline.kafka.topics import Topics

HOUR = timedelta(hours=1) // timedelta(microseconds=1)
QUICK = Pace(first_s=0.1, longest_s=0.5, patience_s=10)


@dataclass
class Postmaster:
    """`ahead`: by how many microseconds the mailers' clock is."""

    kafka: KafkaSettings
    topics: Topics
    topic: str
    mailbox: Mailbox
    seals: Seals = field(default_factory=lambda: Seals(SealSettings.passing()))
    group: str = field(default_factory=lambda: f"g{uuid.uuid4().hex[:8]}")
    pace: Pace = QUICK
    ahead: int = 0
    guard: Guard | None = None

    @property
    def settings(self) -> MailSettings:
        return MailSettings(SmtpServer("127.0.0.1", self.mailbox.port, Encryption.NONE), "thalweg@example.com")

    def ask(
        self, subject: str, recipient: str = "ada@example.org", life: int = HOUR, seals: Seals | None = None
    ) -> None:
        sealed = Letter(subject, f"the text of {subject}").sealed(seals or self.seals)
        at = now()
        self.write(Codec().encode(MailRequested("u-1", recipient, "verify_email", at, at + life, sealed)))

    def write(self, raw: bytes | None) -> None:
        self.topics.write(self.topic, [raw])

    def with_pace(self, pace: Pace) -> Postmaster:
        return replace(self, pace=pace)

    def offset(self) -> int | None:
        """Up to where the group has committed."""
        return committed(self.kafka, self.group, self.topic)[0]

    @contextlib.asynccontextmanager
    async def mailer(self, settings: MailSettings | None = None) -> AsyncIterator[None]:
        mailer = Mailer(
            self.kafka,
            Codec(),
            self.seals,
            settings or self.settings,
            lambda: now() + self.ahead,
            pace=self.pace,
            group=self.group,
            topic=self.topic,
            guard=self.guard,
        )
        async with while_running(mailer.run()):
            yield
