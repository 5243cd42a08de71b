"""A worker's settings come from the environment once; what cannot be used is said by name."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from pipeline.errors import Misconfigured
from topologies.settings import WorkerSettings


def test_an_empty_environment_gives_the_defaults() -> None:
    assert WorkerSettings.from_environment({}) == WorkerSettings()


def test_everything_can_be_set() -> None:
    settings = WorkerSettings.from_environment(
        {
            "THALWEG_KAFKA_BOOTSTRAP": "a:1,b:2",
            "THALWEG_WORKER_ORDINAL": "7",
            "THALWEG_WORKER_STATIC": "false",
            "THALWEG_WORKER_SESSION_SECONDS": "6",
            "THALWEG_DATA_DIR": "/data",
            "THALWEG_CHECKPOINT_RECORDS": "5",
            "THALWEG_CHECKPOINT_MS": "250",
        }
    )
    assert (settings.kafka.bootstrap, settings.ordinal, settings.name) == ("a:1,b:2", 7, "worker-7")
    assert (settings.static, settings.session_seconds) == (False, 6)
    assert settings.faust_dir == Path("/data/faust/worker-7")
    assert (settings.rhythm.records, settings.rhythm.seconds) == (5, 0.25)


def test_the_ordinal_of_the_command_wins_even_when_it_is_zero() -> None:
    assert WorkerSettings.from_environment({"THALWEG_WORKER_ORDINAL": "7"}, 0).ordinal == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("THALWEG_WORKER_ORDINAL", "-1"),
        ("THALWEG_WORKER_ORDINAL", "first"),
        ("THALWEG_WORKER_STATIC", "maybe"),
        ("THALWEG_WORKER_SESSION_SECONDS", "5"),
        ("THALWEG_CHECKPOINT_RECORDS", "0"),
        ("THALWEG_CHECKPOINT_MS", "1e3"),
        ("THALWEG_PARTITIONS", "0"),
        ("THALWEG_KAFKA_COMPRESSION", "brotli"),
    ],
)
def test_what_cannot_be_used_is_said_by_name(name: str, value: str) -> None:
    with pytest.raises(Misconfigured, match=name):
        WorkerSettings.from_environment({name: value})


def test_settings_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        WorkerSettings().ordinal = 1  # type: ignore[misc]
