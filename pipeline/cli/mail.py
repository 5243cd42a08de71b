"""`thalweg mail`: what was written to users, for an operator, and on one machine instead of a mailbox."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from pipeline.account_secrets import VARIABLE
from pipeline.accounts.envelope import Letter
from pipeline.accounts.sealing import Seals, SealSettings, Unopenable
from pipeline.cli.broker import known, reach
from pipeline.cli.drawing import console, printable, table
from pipeline.cli.options import DEFAULT_BOOTSTRAP, DEFAULT_DATA_DIR, Bootstrap, DataDir, Json
from pipeline.clock import iso
from pipeline.embedded import secrets
from pipeline.errors import Misconfigured
from pipeline.kafka.browse import stretch
from pipeline.settings import KafkaSettings
from schemas.accounts.topics import MAIL
from schemas.accounts.traces import MailRequested
from schemas.codec import Codec, Undecodable
from schemas.position import Position

mail = typer.Typer(help="Mails that users were sent, or would have been.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class Found:
    """`letter` is None where it is sealed with another secret."""

    position: Position
    mail: MailRequested
    letter: Letter | None

    def as_json(self, text: bool) -> dict[str, Any]:
        told = {
            "position": str(self.position),
            "requested_at": iso(self.mail.requested_at),
            "expires_at": iso(self.mail.expires_at),
            "user": self.mail.user,
            "recipient": self.mail.recipient,
            "purpose": self.mail.purpose,
            "subject": None if self.letter is None else self.letter.subject,
        }
        return told | {"text": None if self.letter is None else self.letter.text} if text else told


@mail.command("list")
def listing(
    user: Annotated[str | None, typer.Option(help="Only to this one: a user's id, or an address.")] = None,
    text: Annotated[bool, typer.Option("--text", help="Show what they say, tokens included.")] = False,
    limit: Annotated[int, typer.Option(help="The newest so many.", min=1)] = 20,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
    as_json: Json = False,
) -> None:
    """List the mails of the last seven days, newest last. It shows what was asked for, sent or not: without
    THALWEG_SMTP_URL nothing is sent, and this is the mailbox.

    Mails are sealed. They are opened with THALWEG_ACCOUNT_SECRETS, or else with the secret that `thalweg up` keeps in
    its data directory.

    Examples:

    **thalweg mail list** (who was written to, and why)

    **thalweg mail list --user ada@example.com --text --limit 1** (the last mail to Ada, with its link and token)
    """
    seals = _seals(data_dir)
    settings, topics = reach(bootstrap)
    known(topics, MAIL.name)
    found = list(deque(_mails(settings, seals, user), limit))
    if found and all(it.letter is None for it in found):
        raise Misconfigured(_MISFIT.format(what="the mails", where=data_dir / secrets.FILE))
    if as_json:
        typer.echo(json.dumps([it.as_json(text) for it in found], indent=2, ensure_ascii=False))
    elif not found:
        typer.echo("no mails")
    else:
        _draw(found, text)
    if closed := sum(it.letter is None for it in found):
        typer.echo(_MISFIT.format(what=f"{closed} of the mails", where=data_dir / secrets.FILE), err=True)


_MISFIT = (
    "{what} cannot be opened: they were sealed with another secret. Set " + VARIABLE + " to that of the API that asked "
    "for them, or name its run's data directory with --data-dir (tried: the variable where it is set, else {where})"
)


def _mails(settings: KafkaSettings, seals: Seals, user: str | None) -> Iterator[Found]:
    codec = Codec()
    for record in stretch(settings, MAIL.name):
        try:
            asked = codec.decode(record.value or b"", MailRequested)
        except Undecodable:
            continue
        if user in (None, asked.user, asked.recipient):
            yield Found(record.position, asked, _opened(seals, asked))


def _opened(seals: Seals, asked: MailRequested) -> Letter | None:
    try:
        return Letter.opened(seals, asked.sealed)
    except Unopenable:
        return None


def _seals(data_dir: Path) -> Seals:
    """Raises Misconfigured where there is no secret."""
    settings = SealSettings.from_environment(os.environ)
    if not settings.secrets:
        kept = secrets.kept(data_dir)
        if kept is None:
            raise Misconfigured(
                f"mails are sealed: set {VARIABLE} to that of the API, or name the data directory of `thalweg up` with "
                f"--data-dir or THALWEG_DATA_DIR (there is no {data_dir / secrets.FILE})"
            )
        settings = SealSettings((kept.account_secret,))
    return Seals(settings)


def _draw(found: list[Found], text: bool) -> None:
    screen = console()
    if not text:
        drawn = table("time", "recipient", "purpose", "subject", "user")
        for it in found:
            drawn.add_row(*(Text(cell) for cell in _cells(it)))
        screen.print(drawn)
        typer.echo("read them with: thalweg mail list --text")
        return
    for it in found:
        time, recipient, purpose, subject, user = _cells(it)
        typer.echo(f"{time}  to {recipient} (user {user})  {purpose}\n{subject}\n")
        for line in it.letter.text.splitlines() if it.letter else ():
            typer.echo(f"    {printable(line)}".rstrip())
        typer.echo("")


def _cells(it: Found) -> tuple[str, str, str, str, str]:
    subject = "(sealed with another secret)" if it.letter is None else it.letter.subject
    asked = it.mail
    time = iso(asked.requested_at)[:19]
    return time, printable(asked.recipient), printable(asked.purpose), printable(subject), printable(asked.user)
