"""A signature is one record's, and is made by who has the secret alone."""

from __future__ import annotations

import pytest

from pipeline.errors import Misconfigured
from pipeline.signatures import MISSING, UNKNOWN, WRONG, Signatures
from schemas.exchange import SIGNATURE_HEADER, SOURCE_HEADER

OLD = "k1:" + "o" * 32
NEW = "k2:" + "n" * 32


def signatures(text: str) -> Signatures:
    made = Signatures.from_environment({"THALWEG_ACCOUNT_SECRETS": text})
    assert made is not None
    return made


def signed(by: Signatures, topic: str, key: bytes | None, value: bytes | None, **headers: bytes) -> dict[str, bytes]:
    return headers | {SIGNATURE_HEADER: by.sign(topic, key, value, headers)}


def test_what_we_signed_is_genuine() -> None:
    ours = signatures(OLD)
    for key, value in ((b"k", b"v"), (b"k", None), (None, b""), (b"", b"")):
        assert ours.fault("t", key, value, signed(ours, "t", key, value)) is None


@pytest.mark.parametrize(
    ("topic", "key", "value", "source"),
    [
        ("u", b"k", b"v", b"1"),
        ("t", b"kv", b"", b"1"),
        ("t", b"k", None, b"1"),
        ("t", b"k", b"v", b"2"),
        ("t", b"k", b"w", b"1"),
    ],
)
def test_a_signature_is_no_other_records(topic: str, key: bytes, value: bytes | None, source: bytes) -> None:
    ours = signatures(OLD)
    headers = signed(ours, "t", b"k", b"v", **{SOURCE_HEADER: b"1"})
    assert ours.fault(topic, key, value, headers | {SOURCE_HEADER: source}) == WRONG


@pytest.mark.parametrize("header", [b"", b"k1", b"k1:short", b":" + bytes(32), b"\xff:" + bytes(32), bytes(32)])
def test_what_is_no_signature_is_none(header: bytes) -> None:
    assert signatures(OLD).fault("t", b"k", b"v", {SIGNATURE_HEADER: header}) in (MISSING, UNKNOWN)


def test_a_new_secret_in_front_signs_and_the_old_one_is_believed() -> None:
    old, both, new = signatures(OLD), signatures(f"{NEW},{OLD}"), signatures(NEW)
    assert both.fault("t", b"k", b"v", signed(old, "t", b"k", b"v")) is None
    assert new.fault("t", b"k", b"v", signed(both, "t", b"k", b"v")) is None
    assert new.fault("t", b"k", b"v", signed(old, "t", b"k", b"v")) == UNKNOWN


def test_without_a_secret_nothing_is_signed_and_a_weak_one_is_refused_without_repeating_it() -> None:
    assert Signatures.from_environment({}) is None
    with pytest.raises(Misconfigured, match="THALWEG_ACCOUNT_SECRETS") as refused:
        signatures("k1:hidden")
    assert "hidden" not in str(refused.value)
    assert "oooo" not in repr(signatures(OLD))
