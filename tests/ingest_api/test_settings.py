"""What an operator may set, and what the door refuses to start with."""

from __future__ import annotations

import contextlib
import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_api.accounts.keys import make
from ingest_api.settings import ApiSettings, Registering
from pipeline.errors import Misconfigured

KEY, KEPT = make("sensor", ["read", "write"])
READY = {
    "THALWEG_API_HOST": "0.0.0.0",
    "THALWEG_ADMIN_PASSWORD": "correct horse battery",
    "THALWEG_JWT_SECRETS": "k2:" + "b" * 32 + ", k1:" + "a" * 32,
}


def test_nothing_set_is_a_development_server_on_loopback() -> None:
    settings = ApiSettings.from_environment({})
    assert (settings.host, settings.port, settings.dev_admin) == ("127.0.0.1", 8000, True)


def test_anybody_registers_on_loopback_and_nobody_where_others_reach_the_server() -> None:
    assert ApiSettings.from_environment({}).registration is Registering.ON
    assert ApiSettings.from_environment(READY).registration is Registering.OFF
    assert ApiSettings.from_environment(READY | {"THALWEG_REGISTRATION": "invite"}).registration is Registering.INVITE


def test_everything_set_is_read() -> None:
    settings = ApiSettings.from_environment(
        READY
        | {
            "THALWEG_API_PORT": "9000",
            "THALWEG_API_ORDINAL": "3",
            "THALWEG_TRUSTED_PROXIES": "10.0.0.0/8, 192.0.2.1",
            "THALWEG_CORS_ORIGINS": "https://a.example, http://localhost:3000",
            "THALWEG_API_KEYS": str(KEPT),
            "THALWEG_RATE_LIMITS": "2.5",
            "THALWEG_JWT_ALGORITHMS": "HS512,HS256",
        }
    )
    assert (settings.port, settings.ordinal, settings.rate_limits) == (9000, 3, 2.5)
    assert settings.trusted_proxies == ("10.0.0.0/8", "192.0.2.1/32")
    assert settings.cors_origins == ("https://a.example", "http://localhost:3000")
    assert settings.api_keys == (KEPT,)
    assert settings.jwt_secrets == (("k2", "b" * 32), ("k1", "a" * 32))
    assert settings.jwt_algorithms == ("HS512", "HS256")
    assert not settings.dev_admin


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"THALWEG_ADMIN_PASSWORD": ""}, "set THALWEG_ADMIN_PASSWORD"),
        ({"THALWEG_ADMIN_PASSWORD": "", "THALWEG_DEV_ADMIN": "on"}, "THALWEG_DEV_ADMIN cannot be on"),
        ({"THALWEG_ADMIN_PASSWORD": "", "THALWEG_DEV_ADMIN": "off", "THALWEG_API_HOST": ""}, "THALWEG_ADMIN_PASSWORD"),
        ({"THALWEG_ADMIN_PASSWORD": "admin123"}, "at least 12 characters"),
        ({"THALWEG_JWT_SECRETS": ""}, "set THALWEG_JWT_SECRETS"),
        ({"THALWEG_JWT_SECRETS": "k1:short"}, "at least 32 characters"),
        ({"THALWEG_JWT_SECRETS": f"k1:{'a' * 32},k1:{'b' * 32}"}, "same kid"),
        ({"THALWEG_JWT_ALGORITHMS": "none"}, "HS256"),
        ({"THALWEG_JWT_ALGORITHMS": "RS256"}, "HS256"),
        ({"THALWEG_API_KEYS": KEY}, "name:scope"),
        ({"THALWEG_API_KEYS": f"a:rule:{'0' * 64}"}, "no scope is called 'rule'"),
        ({"THALWEG_API_KEYS": f"a:read:{'0' * 64},a:write:{'1' * 64}"}, "same name"),
        ({"THALWEG_CORS_ORIGINS": "*"}, "no origin"),
        ({"THALWEG_CORS_ORIGINS": "https://a.example/path"}, "no origin"),
        ({"THALWEG_TRUSTED_PROXIES": "*"}, "THALWEG_TRUSTED_PROXIES"),
        ({"THALWEG_RATE_LIMITS": "-1"}, "a factor"),
        ({"THALWEG_RATE_LIMITS": "nan"}, "a factor"),
        ({"THALWEG_REGISTRATION": "yes"}, "one of off, invite, on"),
        ({"THALWEG_API_PORT": "70000"}, "THALWEG_API_PORT"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_to_set(changed: dict[str, str], told: str) -> None:
    with pytest.raises(Misconfigured, match=re.escape(told)):
        ApiSettings.from_environment(READY | changed)


@pytest.mark.parametrize("name", ["THALWEG_ADMIN_PASSWORD", "THALWEG_JWT_SECRETS", "THALWEG_API_KEYS"])
def test_a_complaint_does_not_repeat_a_secret(name: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        ApiSettings.from_environment(READY | {name: "s3cr3t:x"})
    assert "s3cr3t" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_settings_can_be_printed_without_their_secrets() -> None:
    shown = repr(ApiSettings.from_environment(READY | {"THALWEG_API_KEYS": str(KEPT)}))
    assert "correct horse" not in shown
    assert "bbbb" not in shown
    assert KEPT.digest not in shown


def test_every_setting_names_its_variable() -> None:
    told = ApiSettings.__doc__ or ""
    for field in dataclasses.fields(ApiSettings):
        assert re.search(rf"`{field.name}` \(THALWEG_[A-Z_]+", told), field.name


@given(st.dictionaries(st.sampled_from(sorted([*READY, "THALWEG_API_KEYS", "THALWEG_RATE_LIMITS"])), st.text()))
def test_whatever_is_set_is_used_or_refused(environ: dict[str, str]) -> None:
    with contextlib.suppress(Misconfigured):
        ApiSettings.from_environment(environ)
