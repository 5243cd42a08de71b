"""API keys: made, kept hashed, recognised."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_api.accounts.keys import ApiKey, Keyring, looks_like_one, main, make
from schemas.permissions import permissions_of


@pytest.mark.parametrize("prefix", ["ncs", "nk"])
def test_a_new_key_has_128_random_bits_and_is_kept_as_a_digest(prefix: str) -> None:
    key, kept = make("sensor-7", ["read", "write"], prefix)
    other, _ = make("sensor-7", ["read", "write"], prefix)
    assert looks_like_one(key)
    assert key.startswith(f"{prefix}_")
    assert key != other
    assert kept.digest == hashlib.sha256(key.encode()).hexdigest()
    assert ApiKey.parse(str(kept)) == kept


def test_a_single_permission_may_stand_for_a_scope() -> None:
    kept = ApiKey.parse(f"dash:clustering:read:{'0' * 64}")
    assert kept.scopes == ("clustering:read",)
    assert kept.principal.scopes == {"clustering:read"}


def test_a_keyring_knows_its_keys_and_no_others() -> None:
    key, kept = make("sensor-7", ["read"])
    keyring = Keyring([kept])
    found = keyring.find(key)
    assert found is not None
    assert (found.id, found.name) == ("key:sensor-7", "sensor-7")
    assert found.scopes == permissions_of(["read"])
    for wrong in (key.upper(), key[:-1], key + "0", kept.digest, "", "ncs_" + "0" * 32):
        assert keyring.find(wrong) is None


@given(st.text())
def test_no_text_opens_the_door_by_accident(text: str) -> None:
    assert Keyring([make("a", ["read"])[1]]).find(text) is None


@given(st.text() | st.from_regex(r"[a-z]{0,3}:[a-z+:]{0,9}:[0-9a-f]{60,66}", fullmatch=True))
def test_whatever_is_parsed_is_a_key_that_prints_the_same(text: str) -> None:
    try:
        key = ApiKey.parse(text)
    except ValueError:
        return
    assert ApiKey.parse(str(key)) == key


def test_a_complaint_about_a_key_does_not_repeat_it() -> None:
    key, _ = make("a", ["read"])
    with pytest.raises(ValueError, match="name:scope") as refused:
        ApiKey.parse(key)
    assert key not in str(refused.value)


def test_the_command_prints_a_key_and_what_to_keep(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sensor-7", "read", "write"]) == 0
    shown = capsys.readouterr().out.split()
    key = next(word for word in shown if looks_like_one(word))
    found = Keyring([ApiKey.parse(shown[-1])]).find(key)
    assert found is not None
    assert found.scopes == permissions_of(["read", "write"])


def test_the_command_refuses_a_scope_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["sensor-7", "rule"])
    assert "no scope is called 'rule'" in capsys.readouterr().err
