"""What `thalweg up` tells its user."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import pytest
from rich.console import Console

from pipeline.cli.screen import Screen
from pipeline.embedded.events import AllReady, Crashed, Event, Progress, Ready, Starting
from pipeline.embedded.settings import StackSettings

TOLD = {"THALWEG_KAFKA_BOOTSTRAP": "127.0.0.1:9092", "THALWEG_CLICKHOUSE_URL": "http://127.0.0.1:8123"}
ALL = ("broker", "warehouse", "api")
MADE = "3f9c1a-77b0de-e41c55-902ab3"


def shown(*events: Event, settings: StackSettings | None = None, names: Sequence[str] = ALL, **environ: str) -> str:
    console = Console(file=io.StringIO(), width=200)
    told = {**TOLD, "THALWEG_DEV_PASSWORD": MADE, **environ}
    with Screen(settings or StackSettings(), told, names, console, dev_password=MADE) as screen:
        for event in events:
            screen.show(event)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_addresses_and_the_development_admin_are_shown_once_all_is_ready() -> None:
    text = shown(AllReady(7.25))
    for said in ("ready in 7.2 s", "http://127.0.0.1:8000/docs", "127.0.0.1:9092", "http://127.0.0.1:8123"):
        assert said in text
    assert "DEVELOPMENT ONLY" in text
    assert "admin123" in text
    assert f"password {MADE}, made for you" in text


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"THALWEG_DEV_PASSWORD": "my own long password"}, "user admin, the password in THALWEG_DEV_PASSWORD;"),
        (
            {"THALWEG_DEV_PASSWORD": "", "THALWEG_DEV_PASSWORD_FILE": "/run/secrets/dev"},
            "user admin, the password in /run/secrets/dev (THALWEG_DEV_PASSWORD_FILE);",
        ),
    ],
)
def test_a_development_password_of_ones_own_is_named_and_neither_shown_nor_taken_for_a_made_one(
    environ: dict[str, str], said: str
) -> None:
    text = shown(AllReady(1), settings=StackSettings(), **environ)
    assert said in text
    assert not any(word in text for word in ("my own long password", MADE, "made for you"))


def test_a_part_that_is_somebody_elses_is_named_without_its_password() -> None:
    elsewhere = replace(StackSettings(), kafka_bootstrap="kafka:9092", clickhouse_url="http://u:secret@ch:8123")
    text = shown(settings=elsewhere, names=["api"])
    assert "Kafka is not started: kafka:9092 is used" in text
    assert "ch:8123 is used" in text
    assert "secret" not in text


@pytest.mark.parametrize(
    ("settings", "environ"),
    [
        (replace(StackSettings(), api_host="0.0.0.0"), {}),
        (StackSettings(), {"THALWEG_ADMIN_PASSWORD": "a long password"}),
        (StackSettings(), {"THALWEG_DEV_ADMIN": "off"}),
    ],
)
def test_the_development_admin_is_not_shown_where_it_is_not_accepted(
    settings: StackSettings, environ: dict[str, str]
) -> None:
    assert "admin123" not in shown(AllReady(1), settings=settings, **environ)


def test_a_run_without_the_api_shows_no_address_of_it() -> None:
    text = shown(AllReady(1), names=["broker"])
    assert "127.0.0.1:9092" in text
    assert "8000" not in text
    assert "admin123" not in text


def test_a_crash_is_told_with_its_reason_and_what_comes_next() -> None:
    text = shown(Crashed("api", "exit status 1: [red]no[/red]", 3, 4.0, again_and_again=False))
    assert "api ended (exit status 1: [red]no[/red]); restart 3 in 4 s; see thalweg logs api" in text
    assert "keeps failing" not in text


def test_a_part_that_keeps_failing_is_said_to() -> None:
    assert "api keeps failing; trying again every 30 s" in shown(Crashed("api", "x", 9, 30.0, again_and_again=True))


def test_where_there_is_no_terminal_progress_is_told_once() -> None:
    text = shown(
        Starting("broker"), *(Progress("broker", f"{it} of 46 jars") for it in range(46)), Ready("broker", 9, "here")
    )
    assert text.count("of 46 jars") == 1
    assert "broker ready in 9.0 s" in text
