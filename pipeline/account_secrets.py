"""THALWEG_ACCOUNT_SECRETS: what accounts are sealed, recognised and signed with."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.errors import Misconfigured
from pipeline.settings import Environment, text_of

VARIABLE = "THALWEG_ACCOUNT_SECRETS"
_KID = re.compile(r"[A-Za-z0-9._-]{1,32}")


def account_secrets(environ: Environment) -> Sequence[tuple[str, str]]:
    """(kid, secret) of each, the one in force first; none where the variable is not set. Raises Misconfigured, without
    repeating a secret."""
    parts = [part.strip() for part in text_of(environ, VARIABLE).split(",") if part.strip()]
    pairs = [part.partition(":")[::2] for part in parts]
    if any(not _KID.fullmatch(kid) or len(secret) < 32 for kid, secret in pairs):
        raise Misconfigured(
            f"{VARIABLE} cannot be used: each is kid:secret, the secret at least 32 characters "
            "(k1:$(openssl rand -hex 32))"
        )
    return pairs
