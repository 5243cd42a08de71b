"""What we write to users: each letter, short, with what to do if it was not them."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from urllib.parse import quote

from pipeline.accounts.envelope import Letter
from pipeline.accounts.sealing import Seals
from pipeline.clock import iso
from schemas.accounts.traces import MailRequested

NEWS = timedelta(days=3)
"""So long a notice, which holds no token, is worth reading."""
_LONGEST_WORD = 200


class MailPurpose(StrEnum):
    """Of a letter; the first two are those of the tokens that they carry."""

    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"
    PASSWORD_CHANGED = "password_changed"
    SECOND_FACTOR_CHANGED = "second_factor_changed"
    ADDRESS_CHANGED = "address_changed"
    SECOND_FACTOR_GUESSED = "second_factor_guessed"
    REFRESH_REUSED = "refresh_reused"
    WEBHOOK_DISABLED = "webhook_disabled"


def verify_email(
    seals: Seals, user_id: str, recipient: str, username: str, token: str, link_base: str, now: int, expires_at: int
) -> MailRequested:
    """Asks whether the address is the user's. `link_base` is MailSettings.public_url, times are microseconds since the
    epoch; so in all letters."""
    where = f"{link_base}/api/auth/verify-email"
    text = f"""Hello {_word(username)},

please confirm that this is your e-mail address:

{where}?token={quote(token, safe="")}

This holds until {_when(expires_at)}. A program sends the token instead, to
POST {where}:

{token}

If you did not register, do nothing: an address that is not confirmed is not used.
"""
    return _mail(
        seals, user_id, recipient, MailPurpose.VERIFY_EMAIL, "Confirm your e-mail address", text, now, expires_at
    )


def reset_password(
    seals: Seals, user_id: str, recipient: str, username: str, token: str, link_base: str, now: int, expires_at: int
) -> MailRequested:
    where = f"{link_base}/api/auth/reset-password"
    text = f"""Hello {_word(username)},

somebody, most likely you, asked for a new password. Choose one here:

{where}?token={quote(token, safe="")}

This holds until {_when(expires_at)}, and once. A program sends the token and the new password instead, to
POST {where}:

{token}

If it was not you, do nothing: your password stays as it is.
"""
    return _mail(seals, user_id, recipient, MailPurpose.RESET_PASSWORD, "Choose a new password", text, now, expires_at)


def password_changed(
    seals: Seals, user_id: str, recipient: str, username: str, link_base: str, now: int
) -> MailRequested:
    text = f"""Hello {_word(username)},

your password was changed at {_when(now)}.

If it was not you, somebody else has your password: ask for a new one now, at POST {link_base}/api/auth/forgot-password,
and look through your API keys.
"""
    return _news(seals, user_id, recipient, MailPurpose.PASSWORD_CHANGED, "Your password was changed", text, now)


def second_factor_changed(
    seals: Seals, user_id: str, recipient: str, username: str, enabled: bool, link_base: str, now: int
) -> MailRequested:
    """`enabled`: whether logging in needs a code from now on."""
    change = "on: logging in needs a code from now on" if enabled else "off: the password alone logs in from now on"
    text = f"""Hello {_word(username)},

at {_when(now)} your second factor was turned {change}.

If it was not you, somebody else is logged in as you: ask for a new password now, at
POST {link_base}/api/auth/forgot-password, and tell your administrator.
"""
    subject = f"Your second factor was turned {'on' if enabled else 'off'}"
    return _news(seals, user_id, recipient, MailPurpose.SECOND_FACTOR_CHANGED, subject, text, now)


def address_changed(
    seals: Seals, user_id: str, recipient: str, username: str, link_base: str, now: int
) -> MailRequested:
    """To the old address, which gets nothing else any more."""
    text = f"""Hello {_word(username)},

at {_when(now)} an administrator gave your account another e-mail address. What was mailed to this one before, to set a
password or to confirm the address, is good for nothing any more.

If you did not want that, tell your administrator: {link_base}
"""
    subject = "The address of your account was changed"
    return _news(seals, user_id, recipient, MailPurpose.ADDRESS_CHANGED, subject, text, now)


def second_factor_guessed(
    seals: Seals, user_id: str, recipient: str, username: str, address: str | None, link_base: str, now: int
) -> MailRequested:
    """`address` is where the last wrong code came from."""
    text = f"""Hello {_word(username)},

until {_when(now)} somebody entered several wrong codes of your second factor, the last from
{_word(address or "an unknown address")}. Whoever did has your password.

If it was not you, ask for a new password now, at POST {link_base}/api/auth/forgot-password. Your second factor has
held: they were not let in.
"""
    subject = "Somebody tries codes of your second factor"
    return _news(seals, user_id, recipient, MailPurpose.SECOND_FACTOR_GUESSED, subject, text, now)


def refresh_reused(
    seals: Seals, user_id: str, recipient: str, username: str, link_base: str, now: int
) -> MailRequested:
    """A refresh token was used a second time (RFC 9700, 4.14.2): one of the two who did is not the user."""
    text = f"""Hello {_word(username)},

at {_when(now)} a session of yours was renewed with a token that had been used before. Either a program of yours kept an
old token, or somebody has a copy of it. To be safe, you were logged out: please log in again.

If no program of yours explains it, ask for a new password, at POST {link_base}/api/auth/forgot-password.
"""
    return _news(seals, user_id, recipient, MailPurpose.REFRESH_REUSED, "You were logged out", text, now)


def webhook_disabled(seals: Seals, user_id: str, recipient: str, url: str, reason: str, now: int) -> MailRequested:
    text = f"""Hello,

at {_when(now)} your webhook to

{_word(url)}

was turned off: {_word(reason)}

Once that is mended, turn it on again by updating the webhook; what happened meanwhile is not sent later.
"""
    return _news(
        seals, user_id, recipient, MailPurpose.WEBHOOK_DISABLED, "A webhook of yours was turned off", text, now
    )


def _news(
    seals: Seals, user_id: str, recipient: str, purpose: MailPurpose, subject: str, text: str, now: int
) -> MailRequested:
    expires_at = now + NEWS // timedelta(microseconds=1)
    return _mail(seals, user_id, recipient, purpose, subject, text, now, expires_at)


def _mail(
    seals: Seals, user_id: str, recipient: str, purpose: MailPurpose, subject: str, text: str, now: int, expires_at: int
) -> MailRequested:
    sealed = Letter(subject, text).sealed(seals)
    return MailRequested(user_id, recipient, str(purpose), now, expires_at, sealed)


def _word(text: str) -> str:
    """What somebody else has chosen stays on its line, and short: a letter is not theirs to write."""
    return "".join(it if it.isprintable() else " " for it in text)[:_LONGEST_WORD]


def _when(microseconds: int) -> str:
    return f"{iso(microseconds)[:16].replace('T', ' ')} UTC"
