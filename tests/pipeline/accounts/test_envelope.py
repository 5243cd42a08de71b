"""A letter survives being sealed, and no name, address or subject makes a message say more than it should."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_string
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.accounts.envelope import Letter, Unwritable, address_of, message, sender_of
from pipeline.accounts.sealing import Seals, SealSettings, Unopenable

SEALS = Seals(SealSettings.passing())
SENDER = "Thalweg <thalweg@example.com>"
AT = 1_763_800_000_123_456
HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"]
BODY = ["Content-Type", "Content-Transfer-Encoding", "MIME-Version"]


def read_back(made: EmailMessage, utf8: bool = False) -> EmailMessage:
    policy = SMTP.clone(utf8=utf8)
    read = message_from_string(made.as_bytes(policy=policy).decode(), policy=policy)
    assert isinstance(read, EmailMessage)
    return read


def test_a_letter_is_opened_as_it_was_sealed_and_is_not_readable_between() -> None:
    letter = Letter("Grüße", "line\nline, token 4711\n")
    sealed = letter.sealed(SEALS)
    assert Letter.opened(SEALS, sealed) == letter
    assert "4711" not in sealed
    assert "4711" not in repr(letter)


@pytest.mark.parametrize("inside", ["no JSON", "[]", "{}", '{"subject": "x"}', '"text"'])
def test_what_is_sealed_and_no_letter_cannot_be_opened(inside: str) -> None:
    with pytest.raises(Unopenable):
        Letter.opened(SEALS, SEALS.seal(inside))


def test_another_secret_opens_nothing() -> None:
    with pytest.raises(Unopenable):
        Letter.opened(Seals(SealSettings.passing()), Letter("a", "b").sealed(SEALS))


def test_a_message_has_one_recipient_its_time_and_the_id_it_was_given() -> None:
    read = read_back(message(Letter("Grüße", "Straße: " + "x" * 300), SENDER, "ada@example.org", "mail-0-7", AT))
    assert sorted(read.keys()) == sorted(HEADERS + BODY)
    assert (read["From"], read["To"], read["Subject"]) == (SENDER, "ada@example.org", "Grüße")
    assert read["Message-ID"] == "<mail-0-7@example.com>"
    assert read["Date"].datetime == datetime.fromtimestamp(AT // 1_000_000, UTC)
    assert read.get_content().splitlines() == ["Straße: " + "x" * 300]


@pytest.mark.parametrize(
    "recipient",
    [
        "",
        "ada",
        "@example.org",
        "ada@",
        "ada@example.org, eve@example.org",
        "ada@example.org,eve",
        "ada@b@example.org",
        "Ada <ada@example.org>",
        "ada@example.org\r\nBcc: eve@example.org",
        "ada@example.org\n",
        "a\x00da@example.org",
        "ada@example.org\u2028",
        '"ada"@example.org',
        "ada@[127.0.0.1]",
        f"ada@{'x' * 250}.org",
        "\udc80@example.org",
    ],
)
def test_what_is_not_one_plain_address_is_refused_and_not_repeated(recipient: str) -> None:
    with pytest.raises(Unwritable) as refused:
        message(Letter("s", "t"), SENDER, recipient, "id", AT)
    assert not recipient or recipient not in str(refused.value)


@pytest.mark.parametrize("sender", ["", "Thalweg", "a@example.org, b@example.org", "A <a@example.org> b", "<>"])
def test_a_sender_is_one_address_with_or_without_a_name(sender: str) -> None:
    with pytest.raises(Unwritable):
        sender_of(sender)
    assert str(sender_of("a@example.org")) == "a@example.org"
    assert str(sender_of("A name <a@example.org>")) == "A name <a@example.org>"


def test_letters_beyond_ascii_in_an_address_are_kept_as_they_are() -> None:
    read = read_back(message(Letter("s", "t"), SENDER, "jörg@straße.example", "id", AT), utf8=True)
    assert read["To"].addresses[0].addr_spec == "jörg@straße.example"


@given(recipient=st.text(), subject=st.text(), text=st.text())
@example("ada@example.org", "Hello\r\nBcc: eve@example.org", "x")
@example("ada@example.org", "Hello\nBcc: eve@example.org", "x")
@example("ada@example.org", "=?utf-8?q?a=0D=0ABcc:_eve@example.org?=", "x")
@example("ada@example.org", "\x0bBcc: eve@example.org", "x")
@example("ada@example.org\r\n\r\nHello", "x", "x")
@example("ada@example.org", "x", "\r\n.\r\nRCPT TO:<eve@example.org>\r\n")
def test_nothing_in_it_becomes_a_header_or_another_recipient(recipient: str, subject: str, text: str) -> None:
    try:
        made = message(Letter(subject, text), SENDER, recipient, "id", AT)
    except Unwritable:
        return
    read = read_back(made, utf8=not recipient.isascii())
    assert sorted(read.keys()) == sorted(HEADERS + BODY)
    assert len(read["To"].addresses) == 1
    assert not read.is_multipart()


LOCAL = st.text(st.characters(codec="ascii", categories=["L", "N"], include_characters="._+-'"), min_size=1)


@given(local=LOCAL, domain=st.from_regex(r"[a-z0-9]{1,20}(\.[a-z]{2,5}){1,3}", fullmatch=True), noise=st.text())
def test_an_address_is_taken_whole_or_not_at_all(local: str, domain: str, noise: str) -> None:
    whole = f"{local}@{domain}"
    for tried in (whole, whole + noise, noise + whole):
        try:
            address = address_of(tried)
        except Unwritable:
            assert tried != whole or len(whole) > 254
            continue
        assert f"{address.username}@{address.domain}" == tried
