"""Signing a delivery as Standard Webhooks 1.0.0 says: HMAC-SHA256 over id, timestamp and body (`v1`)."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime

from standardwebhooks import Webhook

PREFIX = "whsec_"


def key_of(secret: str) -> bytes:
    """The key behind a secret: what stands in Base64 behind `whsec_`; of any other text its UTF-8 bytes."""
    if secret.startswith(PREFIX):
        encoded = secret.removeprefix(PREFIX).rstrip("=")
        try:
            return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True) or secret.encode()
        except binascii.Error:
            pass
    return secret.encode()


def signed(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a delivery. `timestamp` is that of the attempt, in seconds since the epoch. Raises
    UnicodeDecodeError where the body is no UTF-8; JSON always is."""
    signature = Webhook(key_of(secret)).sign(message_id, datetime.fromtimestamp(timestamp, UTC), body.decode())
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": signature}
