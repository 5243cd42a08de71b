"""Settings are read once, refused by name where they cannot be used, and keep their secrets to themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import Misconfigured
from pipeline.settings import KafkaSecurity, KafkaSettings, WarehouseSettings, between, flag, loopback, setting


def test_unset_and_empty_are_the_default() -> None:
    for environ in ({}, {"X": ""}, {"X": "  "}):
        assert setting(environ, "X", 7, int) == 7


def test_what_cannot_be_read_is_said_by_name() -> None:
    with pytest.raises(Misconfigured, match="X='twelve' cannot be used"):
        setting({"X": "twelve"}, "X", 7, int)


def test_numbers_have_bounds() -> None:
    assert (between(1, 3)("1"), between(1, 3)("3")) == (1, 3)
    for text in ("0", "4", "1.5", "one"):
        with pytest.raises(ValueError, match=r"."):
            between(1, 3)(text)


def test_yes_and_no_are_said_in_several_ways() -> None:
    assert [flag(text) for text in ("1", "true", "YES", "On")] == [True] * 4
    assert [flag(text) for text in ("0", "False", "no", "off")] == [False] * 4
    with pytest.raises(ValueError, match="true or false"):
        flag("maybe")


def test_kafkas_settings() -> None:
    assert KafkaSettings.from_environment({}) == KafkaSettings()
    environ = {
        "THALWEG_KAFKA_BOOTSTRAP": "k:1",
        "THALWEG_PARTITIONS": "12",
        "THALWEG_REPLICATION": "3",
        "THALWEG_SCHEMA_REGISTRY_URL": "http://r:8081/",
    }
    assert KafkaSettings.from_environment(environ) == KafkaSettings("k:1", 12, 3, registry_url="http://r:8081")


def test_the_warehouses_url_says_all() -> None:
    read = WarehouseSettings.from_environment({"THALWEG_CLICKHOUSE_URL": "https://u%40x:p%2Fw@h/base"})
    assert read == WarehouseSettings("h", 8443, True, "u@x", "p/w", "base")


def test_user_and_password_may_stand_beside_the_url() -> None:
    environ = {"THALWEG_WAREHOUSE_USER": "u", "THALWEG_WAREHOUSE_PASSWORD": "p"}
    assert WarehouseSettings.from_environment(environ) == WarehouseSettings(user="u", password="p")


@pytest.mark.parametrize(
    "url", ["h:8123", "ftp://h", "http://", "http://u:hidden@h:port", "http://u:hidden@h:99999", "http://u:hidden@[::1"]
)
def test_a_url_that_cannot_be_used_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(Misconfigured, match="THALWEG_CLICKHOUSE_URL must be") as refused:
        WarehouseSettings.from_environment({"THALWEG_CLICKHOUSE_URL": url})
    assert "hidden" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_password_is_not_printed() -> None:
    assert "secret" not in repr(WarehouseSettings(password="secret"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1", "[::1]", "::ffff:127.0.0.1"])
def test_these_addresses_are_this_machine(host: str) -> None:
    assert loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "localhost.example", "127.0.0.1.example", ""])
def test_these_are_not(host: str) -> None:
    assert not loopback(host)


def test_kafka_is_spoken_to_as_it_is_told(tmp_path: Path) -> None:
    authority, password = tmp_path / "ca.pem", tmp_path / "password"
    authority.write_text("-----")
    password.write_text("a secret of kafka\n")
    environ = {
        "THALWEG_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "THALWEG_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "THALWEG_KAFKA_USERNAME": "worker",
        "THALWEG_KAFKA_PASSWORD_FILE": str(password),
        "THALWEG_KAFKA_CA_FILE": str(authority),
    }
    read = KafkaSettings.from_environment(environ)
    assert read.security == KafkaSecurity("SASL_SSL", "SCRAM-SHA-512", "worker", "a secret of kafka", str(authority))
    assert "a secret" not in repr(read)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"SECURITY_PROTOCOL": "TLS"}, "THALWEG_KAFKA_SECURITY_PROTOCOL='TLS' cannot be used: one of PLAINTEXT, SSL"),
        ({"SECURITY_PROTOCOL": "SASL_SSL"}, "needs THALWEG_KAFKA_USERNAME, and THALWEG_KAFKA_PASSWORD"),
        ({"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "GSSAPI"}, "THALWEG_KAFKA_SASL_MECHANISM='GSSAPI'"),
        ({"PASSWORD": "hidden"}, "THALWEG_KAFKA_SECURITY_PROTOCOL=PLAINTEXT logs nobody in"),
        ({"PASSWORD": "hidden", "PASSWORD_FILE": "/none"}, "THALWEG_KAFKA_PASSWORD_FILE are both set"),
        ({"PASSWORD_FILE": "/none/there"}, "THALWEG_KAFKA_PASSWORD_FILE='/none/there' cannot be read"),
        ({"CA_FILE": "/none/there"}, "THALWEG_KAFKA_CA_FILE='/none/there' cannot be used: the file cannot be read"),
        ({"CA_FILE": __file__}, "THALWEG_KAFKA_SECURITY_PROTOCOL=PLAINTEXT does not encrypt"),
        ({"SECURITY_PROTOCOL": "SSL", "KEY_FILE": __file__}, "THALWEG_KAFKA_KEY_FILE is set without"),
    ],
)
def test_what_does_not_go_together_is_refused_by_name(told: dict[str, str], said: str) -> None:
    with pytest.raises(Misconfigured, match=said) as refused:
        KafkaSettings.from_environment({f"THALWEG_KAFKA_{name}": value for name, value in told.items()})
    assert "hidden" not in str(refused.value)
