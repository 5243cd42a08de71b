"""Whether two names, addresses, passwords or codes are the same, as people mean it: each has one form, which is made
here and nowhere else. What is shown and mailed stays as it was typed; compared are the forms."""

from __future__ import annotations

import unicodedata

import idna

_LONGEST_ADDRESS = 320
_DASHES = "Pd"
_SPACES = "Zs"
_UNTYPEABLE = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")
_JOINERS = "\u200c\u200d"


def username(text: str) -> str:
    """Of a user name: neither case nor width makes another (Unicode 3.13, D146, compatibility caseless matching). Names
    that can be made here are ASCII, so that none looks like another."""
    once = unicodedata.normalize("NFKD", unicodedata.normalize("NFD", text).casefold())
    return unicodedata.normalize("NFKC", once.casefold())


def mailbox(address: str) -> str:
    """Of an e-mail address: its domain as DNS has it (IDNA 2008, UTS 46), its local part in NFC and whatever its case:
    RFC 5321 lets hosts tell cases apart, and none does that people use."""
    local, at, domain = address.strip().rpartition("@")
    local = unicodedata.normalize("NFC", unicodedata.normalize("NFC", local).casefold())
    if domain.isascii() or len(address) > _LONGEST_ADDRESS:
        return f"{local}{at}{domain.lower()}"
    try:
        return f"{local}{at}{idna.encode(domain, uts46=True).decode().lower()}"
    except UnicodeError:
        return f"{local}{at}{unicodedata.normalize('NFC', domain.casefold())}"


def name_as_kept(text: str) -> str:
    """A user name as it is kept and shown: in the width that keyboards have (NFKC)."""
    return unicodedata.normalize("NFKC", text)


def address_as_kept(text: str) -> str:
    """An address as it is kept, shown and mailed to: composed (NFC)."""
    return unicodedata.normalize("NFC", text)


def deliverable(address: str) -> str:
    """The address as any mail server takes it, where its local part is ASCII: with the domain as DNS has it."""
    local, at, _ = address.rpartition("@")
    return f"{local}{at}{mailbox(address).rpartition('@')[2]}" if local.isascii() else address


def same_mailbox(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and mailbox(one) == mailbox(other)


def password(text: str) -> str:
    """Of a password (RFC 8265, 4.2, OpaqueString): whatever keyboard wrote it, its letters are composed (NFC), and any
    space is a space. Case and width count."""
    spaced = "".join(" " if unicodedata.category(it) == _SPACES else it for it in text)
    return unicodedata.normalize("NFC", spaced)


def is_typeable(text: str) -> bool:
    """Whether a password holds only what RFC 8264 lets stand in one (4.3): no control characters, nothing invisible but
    what joins letters, nothing that is no character."""
    return all(unicodedata.category(it) not in _UNTYPEABLE or it in _JOINERS for it in text)


def code(text: str) -> str:
    """Of a code that somebody reads from one screen and types into another: without the spaces and dashes between its
    parts, digits of any script as ASCII, letters small."""
    kept = (it for it in unicodedata.normalize("NFKC", text) if unicodedata.category(it) not in (_DASHES, _SPACES))
    return "".join(_digit(it) for it in kept).casefold()


def _digit(character: str) -> str:
    value = unicodedata.decimal(character, None)
    return character if value is None else str(value)
