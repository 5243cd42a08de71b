"""What a run consists of, and what its parts are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.embedded import parts
from pipeline.embedded.parts import SECRETS, Part, declare, environment_of, only
from pipeline.embedded.secrets import Secrets
from pipeline.embedded.settings import StackSettings
from pipeline.errors import Misconfigured

SETTINGS = StackSettings(data_dir=Path("data"), workers=3, cores=2)


def _by_name(settings: StackSettings) -> dict[str, Part]:
    return {part.name: part for part in declare(settings)}


def test_a_run_has_every_part() -> None:
    assert list(_by_name(SETTINGS)) == [
        "broker",
        "warehouse",
        "topics",
        "tables",
        "archive",
        "worker-0",
        "worker-1",
        "worker-2",
        "courier",
        "api",
    ]


@pytest.mark.parametrize(
    ("workers", "cores", "shares"),
    [
        (1, 1, ["clustering,accounts"]),
        (1, 2, ["clustering", "accounts"]),
        (1, 64, ["clustering", "accounts"]),
        (2, 2, ["clustering,accounts"] * 2),
        (2, 4, ["clustering"] * 2 + ["accounts"] * 2),
    ],
)
def test_domains_have_processes_of_their_own_as_far_as_there_are_cores(
    workers: int, cores: int, shares: list[str]
) -> None:
    named = _by_name(StackSettings(workers=workers, cores=cores))
    found = [part.command[-1] for part in named.values() if part.name.startswith("worker-")]
    assert found == shares
    assert [name for name in named if name.startswith("worker-")] == [f"worker-{n}" for n in range(len(shares))]


def test_what_a_part_waits_for_is_of_a_lower_tier_so_that_it_stops_later() -> None:
    named = _by_name(SETTINGS)
    for part in named.values():
        for name in part.after:
            assert named[name].tier < part.tier


def test_an_ordered_stop_takes_less_than_15_seconds_at_worst() -> None:
    slowest: dict[int, float] = {}
    for part in declare(SETTINGS):
        slowest[part.tier] = max(slowest.get(part.tier, 0), part.grace_s)
    assert sum(slowest.values()) < 15


def test_an_external_kafka_takes_the_brokers_place() -> None:
    settings = StackSettings(kafka_bootstrap="kafka.example:9092")
    named = _by_name(settings)
    assert "broker" not in named
    assert named["topics"].after == []
    assert parts.environment(settings, Secrets(), {})["THALWEG_KAFKA_BOOTSTRAP"] == "kafka.example:9092"


def test_an_external_warehouse_takes_its_place_and_keeps_its_own_password() -> None:
    settings = StackSettings(clickhouse_url="https://ch.example")
    told = parts.environment(settings, Secrets(), {"THALWEG_WAREHOUSE_PASSWORD": "theirs"})
    assert "warehouse" not in _by_name(settings)
    assert told["THALWEG_CLICKHOUSE_URL"] == "https://ch.example"
    assert told["THALWEG_WAREHOUSE_PASSWORD"] == "theirs"
    assert "THALWEG_ANALYST_PASSWORD" not in told


def test_a_secret_the_operator_set_is_kept_and_the_rest_are_made() -> None:
    made = Secrets()
    told = parts.environment(SETTINGS, made, {"THALWEG_JWT_SECRETS": "k2:theirs", "TZ": "Europe/Berlin"})
    assert told["THALWEG_JWT_SECRETS"] == "k2:theirs"
    assert told["THALWEG_WAREHOUSE_PASSWORD"] == made.warehouse_password
    assert told["TZ"] == "UTC"


def test_a_subset_waits_only_for_what_is_in_it() -> None:
    chosen = {part.name: part for part in only(declare(SETTINGS), ["worker", "api"])}
    assert list(chosen) == ["worker-0", "worker-1", "worker-2", "api"]
    assert chosen["api"].after == []


def test_an_unknown_part_is_refused_with_those_there_are() -> None:
    with pytest.raises(Misconfigured, match=r"no such part: brokr; there are api, archive, broker"):
        only(declare(SETTINGS), ["brokr"])


def test_a_part_is_given_the_secrets_that_it_needs_and_no_others() -> None:
    given = parts.environment(SETTINGS, Secrets(), {"THALWEG_SMTP_URL": "smtp://u:p@mail", "PATH": "/bin"})
    with_files = parts.environment(SETTINGS, Secrets(), {"THALWEG_JWT_SECRETS_FILE": "/run/secrets/jwt"})
    assert [
        part.name for part in declare(SETTINGS) if "THALWEG_JWT_SECRETS_FILE" in environment_of(part, with_files)
    ] == ["api"]
    held = {part.name: SECRETS.keys() & environment_of(part, given).keys() for part in declare(SETTINGS)}
    assert held["broker"] == held["topics"] == set()
    assert held["worker-0"] == held["worker-2"] == {"THALWEG_ACCOUNT_SECRETS"}
    assert held["courier"] == {"THALWEG_ACCOUNT_SECRETS", "THALWEG_SMTP_URL"}
    assert held["archive"] == held["tables"] == {"THALWEG_CLICKHOUSE_URL", "THALWEG_WAREHOUSE_PASSWORD"}
    assert "THALWEG_ANALYST_PASSWORD" not in held["api"]
    assert {"THALWEG_JWT_SECRETS", "THALWEG_DEV_PASSWORD"} <= held["api"]
    assert all(environment_of(part, given)["PATH"] == "/bin" for part in declare(SETTINGS))


def test_every_secret_that_is_made_goes_to_somebody_by_name() -> None:
    given = parts.environment(SETTINGS, made := Secrets(), {})
    for value in (
        made.jwt_secret,
        made.account_secret,
        made.warehouse_password,
        made.analyst_password,
        made.dev_password,
    ):
        assert {name for name, text in given.items() if value in text} <= SECRETS.keys()
