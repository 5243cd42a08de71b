"""What we sign is what Standard Webhooks says, and what its reference library verifies."""

from __future__ import annotations

import base64
import hmac
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from pipeline.courier.signature import key_of, signed

BODY = b'{"type":"drift.detected"}'


def now() -> int:
    return int(time.time())


@given(st.binary(min_size=24, max_size=64), st.dictionaries(st.text(), st.text()))
def test_what_is_signed_with_a_standard_secret_the_reference_verifies(key: bytes, payload: dict[str, str]) -> None:
    secret = f"whsec_{base64.b64encode(key).decode()}"
    body = repr(payload).encode("utf-8", "replace")
    Webhook(secret).verify(body, signed(secret, "msg_1", now(), body), json_parse=False)


def test_the_signature_is_the_hmac_of_id_timestamp_and_body() -> None:
    key, body = b"k" * 24, '{"name":"Zoë"}'.encode()
    digest = hmac.digest(key, b"msg_1.1700000000." + body, "sha256")
    assert signed(f"whsec_{base64.b64encode(key).decode()}", "msg_1", 1_700_000_000, body) == {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1700000000",
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def test_padding_may_be_left_out_of_a_secret() -> None:
    secret = f"whsec_{base64.b64encode(b'k' * 25).decode()}"
    assert key_of(secret.rstrip("=")) == key_of(secret) == b"k" * 25


@given(st.text(min_size=1).filter(lambda text: text.isascii() or text.encode("utf-8", "ignore").decode() == text))
def test_a_plain_secret_is_its_own_key(text: str) -> None:
    secret = text.removeprefix("whsec_") or "x"
    Webhook(secret.encode()).verify(BODY, signed(secret, "msg_1", now(), BODY))


@pytest.mark.parametrize("secret", ["whsec_", "whsec_no base64!", "whsec_a"])
def test_what_is_no_base64_is_text(secret: str) -> None:
    assert key_of(secret) == secret.encode()


@pytest.mark.parametrize("changed", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_header_that_was_changed_is_noticed(changed: str) -> None:
    headers = signed("a plain secret", "msg_1", now(), BODY)
    other = signed("another secret", "msg_2", now() - 1, BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(b"a plain secret").verify(BODY, headers | {changed: other[changed]})


def test_a_body_that_was_changed_is_noticed() -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(b"a plain secret").verify(BODY + b" ", signed("a plain secret", "msg_1", now(), BODY))
