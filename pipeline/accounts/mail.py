"""What an operator may set of mail: by which server it goes, whom it is from, where its links lead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from pipeline.accounts.envelope import Unwritable, sender_of
from pipeline.errors import Misconfigured
from pipeline.settings import Environment, between, loopback, setting, text_of

FORM = (
    "THALWEG_SMTP_URL must be smtp://[user:password@]host[:port] (STARTTLS) or smtps://… (TLS from the first byte); "
    "?starttls=never, without a password or to this machine alone, sends in plain text"
)


class Encryption(StrEnum):
    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


_PORTS: Mapping[Encryption, int] = {Encryption.TLS: 465, Encryption.STARTTLS: 587, Encryption.NONE: 25}
"""RFC 8314, RFC 6409, RFC 5321."""


@dataclass(frozen=True)
class SmtpServer:
    """Takes our mail and carries it on. TLS is never optional: it is used, or the operator has said that it is not."""

    host: str
    port: int
    encryption: Encryption
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> SmtpServer:
        """Raises ValueError, which repeats nothing of the text."""
        url = urlsplit(text)
        encryption = _encryption(url)
        if not url.hostname or url.path.strip("/") or url.fragment or bool(url.username) != bool(url.password):
            raise ValueError("a host is wanted, no path, and a user only with a password")
        if encryption is Encryption.NONE and url.password and not loopback(url.hostname):
            raise ValueError("a password does not go over a network in plain text")
        return cls(
            host=url.hostname,
            port=url.port or _PORTS[encryption],
            encryption=encryption,
            user=unquote(url.username) if url.username else None,
            password=unquote(url.password) if url.password else None,
        )


@dataclass(frozen=True)
class MailSettings:
    """Settings of the processes that ask for mail and of the one that sends it. All need the same.

    - `server` (THALWEG_SMTP_URL, none): without one no mail is sent.
    - `sender` (THALWEG_MAIL_FROM): `thalweg@example.com` or `Thalweg <thalweg@example.com>`; required with a server.
    - `public_url` (THALWEG_PUBLIC_URL): where users reach the API, for links in mails; without it, the address that the
      API listens on, and required with a server where that is not loopback.
    - `shown`: without a server mails are shown in the log, since the API (THALWEG_API_HOST) can be reached from this
      machine alone.
    """

    server: SmtpServer | None = None
    sender: str = "thalweg@localhost"
    public_url: str = "http://127.0.0.1:8000"
    shown: bool = True

    @property
    def public_host(self) -> str:
        """The host of `public_url`."""
        return urlsplit(self.public_url).hostname or ""

    @property
    def configured(self) -> bool:
        return self.server is not None

    @property
    def reaches(self) -> bool:
        """Whether whoever is written to can get to read it. Where not, nothing may be asked that needs a mail."""
        return self.configured or self.shown

    @classmethod
    def from_environment(cls, environ: Environment) -> MailSettings:
        """Raises Misconfigured, naming the variable and what to set; without the server's password."""
        host = setting(environ, "THALWEG_API_HOST", "127.0.0.1", str)
        port = setting(environ, "THALWEG_API_PORT", 8000, between(0, 65535))
        server = _server(environ)
        here = f"http://[{host}]:{port}" if ":" in host.strip("[]") else f"http://{host}:{port}"
        public_url = setting(environ, "THALWEG_PUBLIC_URL", "", _web_address)
        sender = setting(environ, "THALWEG_MAIL_FROM", "", _sender)
        if server is not None and not sender:
            raise Misconfigured("set THALWEG_MAIL_FROM to the address that mails are from, as THALWEG_SMTP_URL is set")
        if server is not None and not public_url and not loopback(host):
            raise Misconfigured(
                "set THALWEG_PUBLIC_URL to the address at which users reach the API: links in mails lead there"
            )
        return cls(server, sender or cls.sender, public_url or here, loopback(host))


def _encryption(url: SplitResult) -> Encryption:
    told = parse_qs(url.query, keep_blank_values=True, strict_parsing=bool(url.query))
    starttls = told.pop("starttls", ["required"])
    if told or starttls not in (["required"], ["never"]):
        raise ValueError("after ? only starttls=required or starttls=never is known")
    if url.scheme == "smtps" and not url.query:
        return Encryption.TLS
    if url.scheme != "smtp":
        raise ValueError("it begins with smtp:// or smtps://, the second without starttls")
    return Encryption.STARTTLS if starttls == ["required"] else Encryption.NONE


def _server(environ: Environment) -> SmtpServer | None:
    text = text_of(environ, "THALWEG_SMTP_URL")
    try:
        return SmtpServer.parse(text) if text else None
    except ValueError:
        raise Misconfigured(FORM) from None  # not the cause itself: it may quote the password


def _sender(text: str) -> str:
    try:
        sender_of(text)
    except Unwritable as error:
        raise ValueError(f"{error}; the forms are name@example.com and A name <name@example.com>") from None
    return text


def _web_address(text: str) -> str:
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or url.username:
        raise ValueError("the form is https://host[:port][/path]")
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError("spaces, and letters beyond ASCII, are written in percent")
    return text.rstrip("/")
