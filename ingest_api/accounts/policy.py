"""What names, addresses and passwords may be."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from email_validator import EmailNotValidError, validate_email
from zxcvbn import zxcvbn

from ingest_api.problems import FieldError
from pipeline.accounts import identity

USERNAME = r"[A-Za-z0-9_.-]{3,30}"
MIN_PASSWORD, MAX_PASSWORD = 8, 128
ESTIMATED = 40
"""Characters that the estimate looks at: it takes longer than linearly, and these are enough to be strong."""
_AMBIGUOUS = 8
"""Readings of a password's digits and signs as letters that the estimate tries; see `_readable`."""
_STRONG_ENOUGH = 3
"""Of 0 to 4: 10^8 guesses and more (Wheeler, zxcvbn, USENIX Security 2016)."""

CONTEXT = (
    "thalweg", "kafka", "clickhouse", "faust", "pynomaly", "neurogrid", "mira", "clustering", "cluster", "dashboard",
    "anomaly", "outlier", "drift", "stream", "streaming", "pipeline", "ingest", "sensor", "telemetry", "warehouse",
)  # fmt: skip
"""Words that whoever guesses a password here tries early (OWASP ASVS 5.0.0, 6.1.2 and 6.2.11); docs/accounts.md has
them too."""


def check_username(name: str) -> Sequence[FieldError]:
    if re.fullmatch(USERNAME, name):
        return []
    return [FieldError("username", "3 to 30 letters, digits, dots, hyphens or underscores")]


def check_email(address: str) -> Sequence[FieldError]:
    try:
        validate_email(address, check_deliverability=False)
    except EmailNotValidError:
        return [FieldError("email", "This is no e-mail address")]
    return []


def check_password(password: str, known: Sequence[str], field: str = "password") -> Sequence[FieldError]:
    """Length and guessability, no rules of composition (NIST SP 800-63B, 3.1.1.2). `known` are words that a guesser of
    this password would try first: the user's names. To them come those of CONTEXT.

    Takes up to 50 ms of one processor, and is not thread-safe, as zxcvbn is not: `Passwords.check` asks it aside.
    """
    password = identity.password(password)
    if not identity.is_typeable(password):
        return [FieldError(field, "A password has no control characters, and none that cannot be seen")]
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        return [FieldError(field, f"A password has {MIN_PASSWORD} to {MAX_PASSWORD} characters")]
    words = [word[:ESTIMATED] for word in (*known, *CONTEXT) if word]
    words += [word.translate(_ALIKE) for word in words]
    found = zxcvbn(_readable(password[:ESTIMATED]), user_inputs=words)
    if found["score"] >= _STRONG_ENOUGH:
        return []
    said = [found["feedback"]["warning"], *found["feedback"]["suggestions"]]
    advice = " ".join(part if part.endswith(".") else f"{part}." for part in said if part)
    return [FieldError(field, f"This password is too easily guessed. {advice}".strip())]


_LOOKALIKES = ("4@", "({[<", "69", "1!|", "5$", "7+")
"""Signs that stand for the same letter, as zxcvbn reads them."""
_ALIKE = str.maketrans({sign: signs[0] for signs in _LOOKALIKES for sign in signs[1:]})


def _readable(password: str) -> str:
    """The password as it can be estimated in bounded time.

    zxcvbn looks a password up once for every combination of letters that its signs may stand for: 22 of them make
    hundreds, and seconds of work. With more than _AMBIGUOUS combinations, signs that look like the same letter are
    made the same sign, which makes a password easier to guess, never harder.
    """
    combinations = math.prod(max(1, len(set(signs) & set(password))) for signs in _LOOKALIKES)
    return password.translate(_ALIKE) if combinations > _AMBIGUOUS else password
