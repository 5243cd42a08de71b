"""The first administrator: made where there is none, taken over when a password is set, and said loudly while anyone on
the machine may be it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from ingest_api.accounts.bootstrap import Bootstrap
from ingest_api.accounts.passwords import Passwords
from tests.doubles.door import ADMIN_PASSWORD, settings_with
from tests.ingest_api.accounts.house import House, house

MADE = "3f9c1a-77b0de-e41c55-902ab3"
DEVELOPMENT: dict[str, Any] = {"admin_password": None, "dev_admin": True, "dev_password": MADE}


async def restarted(at: House, **settings: Any) -> None:
    """Another process's bootstrap on the same log, until it is done."""
    door = at.desk.door
    again = Bootstrap(settings_with(**settings), door.directory, door.orders, Passwords())
    again.start()
    await again.done.wait()
    await again.stop()


async def test_the_development_admin_shouts(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "thalweg.api"):
        async with house(**DEVELOPMENT) as at:
            assert "DEVELOPMENT ADMIN IS ON" in caplog.text
            await at.bearer(password=MADE)
            caplog.clear()
            await restarted(at, **DEVELOPMENT)
            assert "DEVELOPMENT ADMIN IS ON" in caplog.text


async def test_an_admin_with_a_password_of_its_own_shouts_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "thalweg.api"):
        async with house() as at:
            await at.bearer()
            await restarted(at, **DEVELOPMENT)
            assert "DEVELOPMENT ADMIN" not in caplog.text
            await at.bearer()


async def test_a_password_that_is_set_later_ends_the_development_one() -> None:
    async with house(**DEVELOPMENT) as at:
        await at.bearer(password=MADE)
        await restarted(at, dev_admin=False, admin_password=ADMIN_PASSWORD)
        for password in ("admin123", MADE):
            assert (await at.login(password=password)).status_code == 401
        await at.bearer(password=ADMIN_PASSWORD)


async def test_a_password_that_the_development_admin_chose_ends_both_that_were_given() -> None:
    async with house(**DEVELOPMENT) as at:
        headers = await at.bearer(password=MADE)
        body = {"current_password": MADE, "new_password": "nine purple otters dive"}
        assert (await at.http.put("/api/users/password", json=body, headers=headers)).status_code == 200
        for password in ("admin123", MADE):
            assert (await at.login(password=password)).status_code == 401
        await at.bearer(password="nine purple otters dive")
