"""Handing a message to the mail server (RFC 5321), and what it means when the server does not take it."""

from __future__ import annotations

import asyncio
import re
import ssl
from email.message import EmailMessage

from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPHeloError,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from pipeline.accounts.mail import Encryption, SmtpServer
from pipeline.errors import Failure, Unavailable

PATIENCE_S = 30.0
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")
_LOGIN_REQUIRED = 530  # RFC 4954, 6
_MOST_SAID = 200


class Away(Unavailable):
    """No mail goes through now: the server does not answer, is not the one it claims to be, or does not let us in."""


class Deferred(Unavailable):
    """The server does not take this mail now."""


class Rejected(Failure):
    """The server will never take this mail."""

    fault = "recipient"


class MailServer:
    """One connection a message: mails are few, and a server ends idle ones."""

    def __init__(self, server: SmtpServer, patience_s: float = PATIENCE_S) -> None:
        """`patience_s`: seconds for each command and its answer, twice that for connecting and for sending."""
        self._server, self._patience_s = server, patience_s
        self._tls = None if server.encryption is Encryption.NONE else ssl.create_default_context()

    async def take(self, message: EmailMessage, recipient: str) -> None:
        """Returns once the server has the message in its keeping. Raises Away, Deferred and Rejected, which repeat
        nothing of the message: what a server says of one may quote it."""
        client = await self._connected()
        try:
            async with asyncio.timeout(2 * self._patience_s):
                await client.send_message(message, recipients=[recipient])
        except (SMTPHeloError, SMTPSenderRefused) as error:
            raise _away(error) from None
        except SMTPRecipientsRefused as error:
            raise _verdict(error.recipients[0]) from None
        except SMTPResponseException as error:
            raise _verdict(error) from None
        except SMTPNotSupported:
            raise Rejected("the address has letters beyond ASCII, and the server no SMTPUTF8") from None
        except (SMTPException, OSError) as error:
            raise Deferred(f"the connection was lost while it was sent ({type(error).__name__})") from None
        finally:
            await self._leave(client)

    async def _connected(self) -> SMTP:
        server = self._server
        client = SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            use_tls=server.encryption is Encryption.TLS,
            start_tls=server.encryption is Encryption.STARTTLS,
            tls_context=self._tls,
            timeout=self._patience_s,
        )
        try:
            async with asyncio.timeout(2 * self._patience_s):
                await client.connect()
        except (SMTPException, OSError) as error:
            said = " ".join(str(part) for part in error.args) or type(error).__name__
            raise Away(f"{server.host}:{server.port}: {_plain(said)}") from None
        return client

    async def _leave(self, client: SMTP) -> None:
        """Politely; that the server does not answer to it is no matter, since the verdict is in."""
        try:
            async with asyncio.timeout(1):
                await client.quit()
        except (SMTPException, OSError):
            pass
        finally:
            client.close()


def _away(error: SMTPResponseException) -> Away:
    if error.code == _LOGIN_REQUIRED:
        return Away("it wants a login: put user and password into THALWEG_SMTP_URL")
    return Away(f"it refuses us or our sender, THALWEG_MAIL_FROM ({_codes(error)})")


def _verdict(error: SMTPResponseException) -> Away | Deferred | Rejected:
    if error.code == _LOGIN_REQUIRED:
        return _away(error)
    told = f"the server says {_codes(error)}"
    return Rejected(told) if error.code >= 500 else Deferred(told)


def _codes(error: SMTPResponseException) -> str:
    """The code, and the enhanced one (RFC 3463) where there is one."""
    enhanced = _ENHANCED.match(error.message)
    return f"{error.code} {enhanced[0]}" if enhanced else str(error.code)


def _plain(text: str) -> str:
    return "".join(it if it.isprintable() else " " for it in text)[:_MOST_SAID]
