"""The second factor: time-based one-time passwords (RFC 6238), and codes for when the phone is lost."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from hmac import compare_digest

import pyotp
import segno

from pipeline.accounts import identity

ISSUER = "Thalweg"
STEP_SECONDS = 30
WINDOW = 1
"""Steps before and behind now that are accepted: a phone's clock may be so far off."""
BACKUP_CODES = 10
_TOTP = re.compile(r"[0-9]{6}")
_BACKUP = re.compile(r"[a-z2-7]{4}-[a-z2-7]{4}-[a-z2-7]{4}")


@dataclass(frozen=True, slots=True)
class Setup:
    """Shown once. `qr_code` is a data URL of a PNG that an authenticator reads."""

    secret: str = field(repr=False)
    qr_code: str = field(repr=False)
    backup_codes: Sequence[str] = field(repr=False)


def set_up(username: str) -> Setup:
    """160 random bits of secret, 60 of each backup code."""
    secret = pyotp.random_base32()
    uri = pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=ISSUER)
    codes = [_backup_code() for _ in range(BACKUP_CODES)]
    return Setup(secret, segno.make(uri, error="m").png_data_uri(scale=5), codes)


def step_of(secret: str, code: str, now: int) -> int | None:
    """The time step whose code this is, at `now` microseconds; None where it is none of those accepted now."""
    current = now // 1_000_000 // STEP_SECONDS
    totp = pyotp.TOTP(secret)
    found = None
    for step in range(current - WINDOW, current + WINDOW + 1):
        if compare_digest(totp.generate_otp(step), code) and found is None:
            found = step
    return found


def as_made(code: str) -> str:
    """A code as it was shown, however it was typed: `492 039` and full-width digits, `ABCDEFGH2345` and spaces."""
    text = identity.code(code)
    return "-".join((text[:4], text[4:8], text[8:])) if len(text) == 12 else text


def is_totp(code: str) -> bool:
    return _TOTP.fullmatch(code) is not None


def is_backup(code: str) -> bool:
    return _BACKUP.fullmatch(code) is not None


def _backup_code() -> str:
    letters = "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz234567") for _ in range(12))
    return f"{letters[:4]}-{letters[4:8]}-{letters[8:]}"
