"""A mail server that really listens (aiosmtpd), keeps what it takes, and answers as a test tells it to."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from aiosmtpd import smtp
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

from tests.ports import free_ports

USER, PASSWORD = "thalweg", "open sesame"
Answers = dict[str, list[str]]
"""By address: what is answered, first to last, before it is taken."""


@dataclass
class Mailbox:
    """`asked` counts the tries by recipient, `secure` says of each mail whether it came through TLS; `pause` is in
    seconds, from when a mail is taken until that is said."""

    to_sender: Answers = field(default_factory=lambda: defaultdict(list))
    to_recipient: Answers = field(default_factory=lambda: defaultdict(list))
    to_data: Answers = field(default_factory=lambda: defaultdict(list))
    asked: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    taken: list[EmailMessage] = field(default_factory=list)
    secure: list[bool] = field(default_factory=list)
    logged_in: list[bool] = field(default_factory=list)
    pause: float = 0.0
    port: int = field(default_factory=lambda: free_ports(1)[0])

    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.taken]

    @contextlib.contextmanager
    def open(self, **options: Any) -> Iterator[Mailbox]:
        controller = Controller(self, hostname="127.0.0.1", port=self.port, enable_SMTPUTF8=True, **options)
        controller.start()
        try:
            yield self
        finally:
            controller.stop()

    async def handle_MAIL(  # noqa: N802
        self, _server: smtp.SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.to_sender[address]:
            return self.to_sender[address].pop(0)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, _server: smtp.SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.asked[address] += 1
        if self.to_recipient[address]:
            return self.to_recipient[address].pop(0)
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, _server: smtp.SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        [recipient] = envelope.rcpt_tos
        if self.to_data[recipient]:
            return self.to_data[recipient].pop(0)
        assert isinstance(envelope.content, bytes)
        made = message_from_bytes(envelope.content, policy=SMTP)
        assert isinstance(made, EmailMessage)
        self.taken.append(made)
        self.secure.append(session.ssl is not None)
        self.logged_in.append(bool(session.authenticated))
        await asyncio.sleep(self.pause)
        return "250 OK"


def authenticator(
    _server: smtp.SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: LoginPassword
) -> AuthResult:
    return AuthResult(success=given == LoginPassword(USER.encode(), PASSWORD.encode()), handled=False)
