"""A letter: sealed in the log, opened again, and made a message (RFC 5322) in which no name or address can do more than
stand in its place."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr

from pipeline.accounts.sealing import Seals, Unopenable

LONGEST_ADDRESS = 254  # RFC 5321, 4.5.3.1, and its erratum 1690
_SPECIALS = frozenset(' ()<>[]:;@\\,"')
"""RFC 5322, 3.2.3: outside quotes they part one address from the next."""


class Unwritable(ValueError):
    """An address or a subject that a header cannot hold without becoming something else. Repeats neither."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What the recipient reads. `repr` keeps the text, which may hold a token, out of logs."""

    subject: str
    text: str = field(repr=False)

    def sealed(self, seals: Seals) -> str:
        return seals.seal(json.dumps({"subject": self.subject, "text": self.text}, ensure_ascii=False))

    @classmethod
    def opened(cls, seals: Seals, sealed: str) -> Letter:
        """Raises Unopenable, also for what is no letter."""
        try:
            held = json.loads(seals.open(sealed))
            return cls(str(held["subject"]), str(held["text"]))
        except Unopenable:
            raise
        except (ValueError, KeyError, TypeError):
            raise Unopenable("what was sealed is no letter") from None


def message(letter: Letter, sender: str, recipient: str, message_id: str, sent_at: int) -> EmailMessage:
    """To exactly one recipient; `message_id` without its angle brackets and domain, `sent_at` in microseconds since
    the epoch. Raises Unwritable."""
    if not _is_plain(letter.subject):
        raise Unwritable("the subject holds a control character, or one that is encoded")
    made = EmailMessage(policy=SMTP)
    origin = sender_of(sender)
    made["From"] = origin
    made["To"] = address_of(recipient)
    made["Subject"] = letter.subject
    made["Date"] = datetime.fromtimestamp(sent_at / 1_000_000, UTC).replace(microsecond=0)
    made["Message-ID"] = f"<{message_id}@{origin.domain}>"
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office note is to answer
    try:
        made.set_content(letter.text, cte="quoted-printable")
    except UnicodeError:
        raise Unwritable("the text holds what is no character") from None
    return made


def address_of(text: str) -> Address:
    """One address, `local@domain`, without quotes or comments. Raises Unwritable."""
    local, _, domain = text.rpartition("@")
    plain = _is_plain(text) and not _SPECIALS & {*local, *domain}
    if not (local and domain and plain and len(text.encode("utf-8", "replace")) <= LONGEST_ADDRESS):
        raise Unwritable("the address is not of the form local@domain")
    return Address(username=local, domain=domain)


def sender_of(text: str) -> Address:
    """`local@domain`, or `A name <local@domain>`. Raises Unwritable."""
    name, address = parseaddr(text)
    if not _is_plain(name) or (text.strip() != address and not text.rstrip().endswith(f"<{address}>")):
        raise Unwritable("the sender is not one address")
    plain = address_of(address)
    return Address(display_name=name, username=plain.username, domain=plain.domain)


def _is_plain(text: str) -> bool:
    """Nothing that ends a line, nor would after it is read: the standard library decodes encoded words (RFC 2047) that
    it is given, and its older versions then write the line ends in them as they are (CVE-2024-6923)."""
    return text.isprintable() and "=?" not in text
