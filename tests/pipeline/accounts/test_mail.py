"""What may be set of mail, and that no password of a mail server is ever said or sent in the open."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.accounts.mail import Encryption, MailSettings, SmtpServer
from pipeline.errors import Misconfigured

FROM = {"THALWEG_MAIL_FROM": "Thalweg <thalweg@example.com>"}
EVERYWHERE = {"THALWEG_API_HOST": "0.0.0.0"}


def server(url: str) -> SmtpServer:
    found = MailSettings.from_environment(FROM | {"THALWEG_SMTP_URL": url}).server
    assert found is not None
    return found


def test_nothing_set_shows_mails_on_this_machine() -> None:
    settings = MailSettings.from_environment({})
    assert settings == MailSettings()
    assert (settings.configured, settings.shown, settings.reaches) == (False, True, True)


def test_an_api_that_others_reach_shows_no_mail_to_whoever_reads_its_log() -> None:
    settings = MailSettings.from_environment(EVERYWHERE)
    assert (settings.configured, settings.shown, settings.reaches) == (False, False, False)


def test_with_a_server_mail_reaches_everybody() -> None:
    told = {"THALWEG_SMTP_URL": "smtps://mail.example", "THALWEG_PUBLIC_URL": "https://thalweg.example/"}
    settings = MailSettings.from_environment(FROM | EVERYWHERE | told)
    assert (settings.configured, settings.reaches, settings.public_url) == (True, True, "https://thalweg.example")


def test_links_lead_to_where_the_api_listens_unless_another_address_is_set() -> None:
    assert MailSettings.from_environment({"THALWEG_API_PORT": "8001"}).public_url == "http://127.0.0.1:8001"
    assert MailSettings.from_environment({"THALWEG_API_HOST": "::1"}).public_url == "http://[::1]:8000"


def test_the_kind_of_encryption_decides_the_port_and_tls_is_the_rule() -> None:
    assert server("smtps://u:p%40ss@mail.example") == SmtpServer("mail.example", 465, Encryption.TLS, "u", "p@ss")
    assert server("smtp://mail.example") == SmtpServer("mail.example", 587, Encryption.STARTTLS)
    assert server("smtp://mail.example:2525?starttls=required") == SmtpServer("mail.example", 2525, Encryption.STARTTLS)
    assert server("smtp://relay?starttls=never") == SmtpServer("relay", 25, Encryption.NONE)
    assert server("smtp://u:p@127.0.0.1:1025?starttls=never").encryption is Encryption.NONE


@pytest.mark.parametrize(
    "url",
    [
        "mail.example",
        "http://mail.example",
        "smtp://",
        "smtp://hidden:sesame@mail.example?starttls=never",
        "smtp://hidden:sesame@mail.example?starttls=maybe",
        "smtp://hidden:sesame@mail.example?tls=1",
        "smtps://hidden:sesame@mail.example?starttls=never",
        "smtp://hidden:sesame@mail.example/path",
        "smtp://hidden:sesame@mail.example:port",
        "smtp://hidden@mail.example",
    ],
)
def test_another_address_of_a_server_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(Misconfigured, match="THALWEG_SMTP_URL") as refused:
        server(url)
    assert "sesame" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_what_a_server_needs_besides_is_asked_for_by_name() -> None:
    url = {"THALWEG_SMTP_URL": "smtp://mail.example"}
    with pytest.raises(Misconfigured, match="THALWEG_MAIL_FROM"):
        MailSettings.from_environment(url)
    with pytest.raises(Misconfigured, match="THALWEG_PUBLIC_URL"):
        MailSettings.from_environment(url | FROM | EVERYWHERE)


@pytest.mark.parametrize(
    "sender", ["thalweg", "a@example.com, b@example.com", "A <a@example.com>\r\nBcc: b@example.com"]
)
def test_a_sender_that_is_no_address_is_refused(sender: str) -> None:
    with pytest.raises(Misconfigured, match="THALWEG_MAIL_FROM"):
        MailSettings.from_environment({"THALWEG_MAIL_FROM": sender})


@pytest.mark.parametrize(
    "url", ["thalweg.example", "ftp://x", "https://x?y=1", "https://x#y", "https://x/a b", "https://"]
)
def test_a_public_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match="THALWEG_PUBLIC_URL"):
        MailSettings.from_environment({"THALWEG_PUBLIC_URL": url})


def test_settings_can_be_printed_without_the_password() -> None:
    assert "sesame" not in repr(MailSettings(server("smtp://hidden:sesame@mail.example")))


NAMES = ["THALWEG_SMTP_URL", "THALWEG_MAIL_FROM", "THALWEG_PUBLIC_URL", "THALWEG_API_HOST"]


@given(st.dictionaries(st.sampled_from(NAMES), st.text() | st.text("smtp:/@?=[]%.0").map("smtp://".__add__)))
def test_whatever_is_set_is_used_or_refused(environ: dict[str, str]) -> None:
    try:
        settings = MailSettings.from_environment(environ)
    except Misconfigured:
        return
    assert settings.configured == bool(environ.get("THALWEG_SMTP_URL", "").strip())
