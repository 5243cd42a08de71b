"""What a real mail server answers becomes one of three things: not now at all, not this one now, or never this one."""

from __future__ import annotations

import asyncio
import ssl
from email.message import EmailMessage
from pathlib import Path

import pytest

from pipeline.accounts.envelope import Letter, message
from pipeline.accounts.mail import Encryption, SmtpServer
from pipeline.courier.smtp import Away, Deferred, MailServer, Rejected
from tests.doubles.certificates import self_signed
from tests.pipeline.courier.mailbox import PASSWORD, USER, Mailbox, authenticator

ADA = "ada@example.org"
SENDER = "thalweg@example.com"
HOST = "localhost"
TOKEN = "token-4711"


def letter(recipient: str = ADA) -> EmailMessage:
    return message(Letter("Hello", f"Grüße, {TOKEN}\n.\nmore\n"), SENDER, recipient, "id", 0)


def plainly(mailbox: Mailbox, patience_s: float = 10) -> MailServer:
    return MailServer(SmtpServer("127.0.0.1", mailbox.port, Encryption.NONE), patience_s)


def securely(mailbox: Mailbox, encryption: Encryption, password: str = PASSWORD) -> MailServer:
    return MailServer(SmtpServer(HOST, mailbox.port, encryption, USER, password), 10)


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Trusted by whoever makes a default context."""
    context, _ = self_signed(HOST, tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / f"{HOST}.pem"))
    return context


async def test_a_message_arrives_as_it_was_written(mailbox: Mailbox) -> None:
    with mailbox.open():
        await plainly(mailbox).take(letter(), ADA)
    [taken] = mailbox.taken
    assert (taken["To"], taken["From"], taken["Message-ID"]) == (ADA, SENDER, "<id@example.com>")
    assert taken.get_content().splitlines() == [f"Grüße, {TOKEN}", ".", "more"]


async def test_starttls_comes_before_the_password(mailbox: Mailbox, tls: ssl.SSLContext) -> None:
    with mailbox.open(tls_context=tls, require_starttls=True, authenticator=authenticator, auth_required=True):
        await securely(mailbox, Encryption.STARTTLS).take(letter(), ADA)
    assert (mailbox.secure, mailbox.logged_in) == ([True], [True])


async def test_tls_from_the_first_byte(mailbox: Mailbox, tls: ssl.SSLContext) -> None:
    with mailbox.open(ssl_context=tls, authenticator=authenticator, auth_require_tls=False):
        await securely(mailbox, Encryption.TLS).take(letter(), ADA)
    assert mailbox.logged_in == [True]


async def test_a_server_that_no_authority_vouches_for_gets_neither_password_nor_mail(
    mailbox: Mailbox, tmp_path: Path
) -> None:
    context, _ = self_signed(HOST, tmp_path)
    told = {"tls_context": context, "require_starttls": True, "authenticator": authenticator}
    with mailbox.open(**told), pytest.raises(Away, match="certificate"):
        await securely(mailbox, Encryption.STARTTLS).take(letter(), ADA)
    assert mailbox.taken == []


async def test_a_server_without_starttls_gets_nothing(mailbox: Mailbox) -> None:
    with mailbox.open(authenticator=authenticator, auth_require_tls=False), pytest.raises(Away):
        await securely(mailbox, Encryption.STARTTLS).take(letter(), ADA)
    assert mailbox.taken == []


async def test_a_wrong_password_is_the_operators_to_mend_and_costs_no_mail(
    mailbox: Mailbox, tls: ssl.SSLContext
) -> None:
    with mailbox.open(tls_context=tls, require_starttls=True, authenticator=authenticator, auth_required=True):
        with pytest.raises(Away, match="535") as refused:
            await securely(mailbox, Encryption.STARTTLS, "sesame, please").take(letter(), ADA)
        assert "please" not in str(refused.value)
        with pytest.raises(Away, match="THALWEG_SMTP_URL"):
            await MailServer(SmtpServer(HOST, mailbox.port, Encryption.STARTTLS), 10).take(letter(), ADA)
    assert mailbox.taken == []


@pytest.mark.parametrize(
    ("answer", "becomes"),
    [
        ("451 4.7.1 Greylisted", Deferred),
        ("452 4.2.2 mailbox full", Deferred),
        ("421 too many", Deferred),
        ("550 5.1.1 no such user", Rejected),
        ("552 too large", Rejected),
    ],
)
async def test_what_is_said_of_a_recipient_or_a_text_is_about_this_mail_alone(
    mailbox: Mailbox, answer: str, becomes: type[Exception]
) -> None:
    with mailbox.open():
        for answers in (mailbox.to_recipient, mailbox.to_data):
            answers[ADA].append(f"{answer} {TOKEN} {ADA}")
            with pytest.raises(becomes, match=answer[:3]) as refused:
                await plainly(mailbox).take(letter(), ADA)
            assert TOKEN not in str(refused.value)
            assert ADA not in str(refused.value)
        await plainly(mailbox).take(letter(), ADA)
    assert len(mailbox.taken) == 1


@pytest.mark.parametrize("answer", ["550 not you", "451 not now"])
async def test_what_is_said_of_the_sender_is_about_every_mail(mailbox: Mailbox, answer: str) -> None:
    mailbox.to_sender[SENDER].append(answer)
    with mailbox.open(), pytest.raises(Away, match="THALWEG_MAIL_FROM"):
        await plainly(mailbox).take(letter(), ADA)


async def test_letters_beyond_ascii_in_an_address_need_a_server_that_takes_them(mailbox: Mailbox) -> None:
    with mailbox.open():
        await plainly(mailbox).take(letter("jörg@example.org"), "jörg@example.org")
    assert mailbox.asked["jörg@example.org"] == 1
    assert len(mailbox.taken) == 1


async def test_nobody_at_the_address_is_away(mailbox: Mailbox) -> None:
    with pytest.raises(Away, match=str(mailbox.port)):
        await plainly(mailbox).take(letter(), ADA)


async def test_a_server_that_says_nothing_is_waited_for_no_longer_than_is_set(mailbox: Mailbox) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", mailbox.port):
        with pytest.raises(Away):
            await plainly(mailbox, 0.2).take(letter(), ADA)


async def test_a_server_that_hangs_up_on_a_mail_may_get_it_again(mailbox: Mailbox) -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        while (line := await reader.readline()) and not line.startswith(b"RCPT"):
            writer.write(b"250 OK\r\n")
        writer.close()

    async with await asyncio.start_server(rude, "127.0.0.1", mailbox.port):
        with pytest.raises(Deferred):
            await plainly(mailbox).take(letter(), ADA)
